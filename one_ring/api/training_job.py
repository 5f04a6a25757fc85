"""The TrainingJob as a whole, as the API server keeps it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from one_ring.api.model import CamelModel, Rule
from one_ring.api.names import API_VERSION, DISPLAY_NAME_ANNOTATION, KIND
from one_ring.api.spec import TrainingJobSpec
from one_ring.api.status import TrainingJobStatus


class ObjectMeta(CamelModel):
    """The parts of an object's metadata that we read; the rest is the API server's business."""

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class TrainingJob(CamelModel):
    """One fine-tuning job on a cluster."""

    api_version: Literal["training.one-ring.io/v1alpha1"] = API_VERSION
    kind: Literal["TrainingJob"] = KIND
    metadata: ObjectMeta
    spec: TrainingJobSpec
    status: TrainingJobStatus = TrainingJobStatus()

    # Rules of the whole object that only the API server can hold, because they compare with what was before.
    TRANSITION_RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.config == oldSelf.spec.config",
            "spec.config cannot change once the job has started: create a new job",
        ),
        (
            "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.storage == oldSelf.spec.storage",
            "spec.storage cannot change once the job has started: create a new job",
        ),
        (
            "!oldSelf.spec.cancel || self.spec.cancel",
            "spec.cancel cannot be taken back: create a new job",
        ),
    )
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            fields=("metadata",),
            holds=lambda job: len(job.metadata.name) <= 52,
            cel="size(self.metadata.name) <= 52",
            message="has a name of more than 52 characters: shorten it, its Jobs and pods get longer ones",
        ),
    )

    @property
    def display_name(self) -> str:
        """The name as the user gave it."""
        return self.metadata.annotations.get(DISPLAY_NAME_ANNOTATION, self.metadata.name)

    def owner_reference(self) -> dict[str, Any]:
        """What a child carries so that it goes when this job goes."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.metadata.name,
            "uid": self.metadata.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
