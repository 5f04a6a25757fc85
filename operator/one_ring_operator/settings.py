"""What the chart decides: the operator's settings file, and what a TrainingJob that leaves it out gets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from one_ring.api import Resources, Storage, load_yaml
from one_ring.api.model import CamelModel
from one_ring.api.spec import LocalObjectReference

SETTINGS_FILE_VARIABLE = "ONE_RING_OPERATOR_SETTINGS"
DEFAULT_SETTINGS_FILE = "/etc/one-ring/operator.yaml"
_FALLBACK_GPU_RESOURCE = "nvidia.com/gpu"

T = TypeVar("T")
Port = Annotated[int, Field(ge=0, le=65535)]


class Defaults(CamelModel):
    """What a TrainingJob gets for the resources and storage that it leaves out."""

    resources: Resources = Resources()
    storage: Storage = Storage()


class Settings(CamelModel):
    """The operator's settings file."""

    trainer_image: str = Field(min_length=1, description="Image of the trainer pods.")
    image_pull_policy: str = Field("IfNotPresent", pattern="^(Always|IfNotPresent|Never)$")
    image_pull_secrets: list[LocalObjectReference] = Field(default_factory=list)
    progress_url: str | None = Field(None, description="Base URL of the progress receiver, as pods reach it.")
    ca_file: Path | None = Field(None, description="CA that signed the progress receiver's certificate.")
    tls_cert_file: Path | None = Field(None, description="Left out: no progress receiver.")
    tls_key_file: Path | None = None
    namespaces: list[str] = Field(default_factory=list, description="Namespaces to serve; empty: all.")
    grace_period_seconds: int = Field(60, ge=0, description="Time that a stopped trainer has to save.")
    resync_seconds: float = Field(30, gt=0, description="Time between two listings of everything.")
    defaults: Defaults = Defaults()
    run_as_user: int = 65532
    run_as_group: int = 65532
    fs_group: int = 65532
    progress_port: Port = 8443
    probe_port: Port = 8080

    def resources_of(self, asked: Resources) -> Resources:
        """What the job asks for, completed by the defaults; GPUs are 1 where nobody says otherwise."""
        fallback = self.defaults.resources
        return Resources(
            gpus=_first(asked.gpus, fallback.gpus, 1),
            gpu_resource=_first(asked.gpu_resource, fallback.gpu_resource, _FALLBACK_GPU_RESOURCE),
            cpu=_first(asked.cpu, fallback.cpu),
            memory=_first(asked.memory, fallback.memory),
        )

    def storage_of(self, asked: Storage) -> Storage:
        """The volumes the job asks for, completed by the defaults."""
        fallback = self.defaults.storage
        return Storage(
            datasets=asked.datasets or fallback.datasets,
            models=asked.models or fallback.models,
            outputs=asked.outputs or fallback.outputs,
        )

    def ca(self) -> str | None:
        """The CA certificate in PEM, if there is one to hand out."""
        return self.ca_file.read_text() if self.ca_file else None


def load_settings() -> Settings:
    """The settings in ``$ONE_RING_OPERATOR_SETTINGS``; raises ``OSError`` or ``pydantic.ValidationError``."""
    path = Path(os.environ.get(SETTINGS_FILE_VARIABLE) or DEFAULT_SETTINGS_FILE)
    return Settings.model_validate(load_yaml(path.read_text()))


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)
