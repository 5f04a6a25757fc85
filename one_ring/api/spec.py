"""What a user asks of the cluster: ``spec`` of a TrainingJob.

May say less than a pod may: no service account, host path, privilege or node name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from one_ring.api.model import CamelModel
from one_ring.api.training_config import TrainingConfig

# As the API server parses a resource.Quantity, without signs and exponents.
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$", max_length=32)]
DnsName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
LabelValue = Annotated[str, Field(max_length=63)]


class SpecModel(CamelModel):
    """Part of a spec; strict about types, as the API server is."""

    model_config = ConfigDict(strict=True)


class Resources(SpecModel):
    """What one pod of the job takes. What is left out comes from the chart's values."""

    gpus: int | None = Field(None, ge=0, le=64, description="GPUs; 0 trains on the CPU.")
    gpu_resource: Annotated[str, Field(max_length=253)] | None = Field(
        None, description="Resource name of the GPUs, such as nvidia.com/gpu."
    )
    cpu: Quantity | None = Field(None, description="CPU request and limit.")
    memory: Quantity | None = Field(None, description="Memory request and limit.")


class Volume(SpecModel):
    """A claim in the job's namespace, or a folder of it."""

    claim_name: DnsName = Field(description="PersistentVolumeClaim in the job's namespace.")
    sub_path: Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")] | None = Field(
        None, description="Folder in the volume; left out: the whole volume."
    )


class Storage(SpecModel):
    """Where data and models are read and results are written. What is left out comes from the chart's values."""

    datasets: Volume | None = Field(None, description="Training data, mounted read-only.")
    models: Volume | None = Field(None, description="Base models, mounted read-only.")
    outputs: Volume | None = Field(None, description="Adapters, checkpoints and logs.")


class SecretKey(SpecModel):
    """One key of a Secret in the job's namespace."""

    name: DnsName = Field(description="Name of the Secret.")
    key: Annotated[str, Field(min_length=1, max_length=253)] = Field("token", description="Key in the Secret.")


class LocalObjectReference(SpecModel):
    """A named object in the job's namespace."""

    name: DnsName = Field(description="Name of the object.")


class EnvVar(SpecModel):
    """A literal environment variable; values from elsewhere are not offered."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=253)] = Field(description="Name.")
    value: Annotated[str, Field(max_length=4096)] = Field("", description="Value.")


class Toleration(SpecModel):
    """As in a pod."""

    key: Annotated[str, Field(max_length=317)] | None = Field(None, description="Taint key; left out: all keys.")
    operator: Literal["Exists", "Equal"] | None = Field(None, description="How value is compared; default Equal.")
    value: LabelValue | None = Field(None, description="Taint value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Taint effect; left out: all effects."
    )
    toleration_seconds: int | None = Field(None, ge=0, description="How long NoExecute is tolerated.")


class TrainingJobSpec(SpecModel):
    """One fine-tuning run and the hardware it wants."""

    config: TrainingConfig = Field(description="What to train and how; the same block as in REST and Python.")
    suspend: bool = Field(False, description="True holds no GPU; flips both ways (pause and resume).")
    cancel: bool = Field(False, description="True ends the job for good; the adapter trained so far is kept.")
    resources: Resources = Field(Resources(), description="What the job's pod takes.")
    storage: Storage = Field(Storage(), description="The volumes of the job.")
    hf_token_secret: SecretKey | None = Field(None, description="Hugging Face token, for gated models.")
    image_pull_secrets: list[LocalObjectReference] = Field(
        default_factory=list, max_length=16, description="Secrets to pull the trainer image with."
    )
    node_selector: dict[str, LabelValue] = Field(
        default_factory=dict, max_length=64, description="Labels that the job's node must carry."
    )
    tolerations: list[Toleration] = Field(default_factory=list, max_length=64, description="Taints to tolerate.")
    env: list[EnvVar] = Field(default_factory=list, max_length=256, description="Environment of the trainer.")
