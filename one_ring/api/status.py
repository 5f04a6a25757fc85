"""What has become of a TrainingJob: ``status``, written by the operator alone."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from one_ring.api.model import CamelModel

Message = Annotated[str, Field(max_length=4096)]


class Phase(StrEnum):
    """Where a job stands. Terminal phases never change."""

    PENDING = "Pending"
    QUEUED = "Queued"
    PREPARING = "Preparing"
    RUNNING = "Running"
    SAVING = "Saving"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    SUSPENDED = "Suspended"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL

    @property
    def word(self) -> str:
        """The same phase as REST and Python say it."""
        return _WORDS.get(self, self.lower())


_TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})
_WORDS = {Phase.SUCCEEDED: "completed", Phase.SUSPENDED: "paused"}
STATUS_WORDS = tuple(phase.word for phase in Phase)


class FailureClass(StrEnum):
    """Why an attempt ended without success, by whose turn it is to act."""

    CONFIG = "Config"
    DATA = "Data"
    MODEL_ACCESS = "ModelAccess"
    GPU_OUT_OF_MEMORY = "GpuOutOfMemory"
    HOST_OUT_OF_MEMORY = "HostOutOfMemory"
    NON_FINITE = "NonFinite"
    PREEMPTED = "Preempted"
    NODE_LOST = "NodeLost"
    IMAGE_PULL = "ImagePull"
    INTERNAL = "Internal"


class Condition(CamelModel):
    """A standard Kubernetes condition."""

    type: Annotated[str, Field(max_length=316)] = Field(description="Such as Complete, Failed or Suspended.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition holds.")
    reason: Annotated[str, Field(max_length=1024)] = Field(description="CamelCase word for programs.")
    message: Annotated[str, Field(max_length=32768)] = Field("", description="Sentence for people.")
    last_transition_time: datetime = Field(description="When status last changed.")


class Progress(CamelModel):
    """How far the training is, as the trainer last reported it."""

    epoch: float = Field(0.0, ge=0, description="Epochs done, with their fraction.")
    step: int = Field(0, ge=0, description="Optimizer steps done.")
    total_steps: int = Field(0, ge=0, description="Optimizer steps of the whole run.")
    percent: int = Field(0, ge=0, le=100, description="Share of the steps done.")
    loss: float | None = Field(None, description="Training loss of the last logged steps.")
    eval_loss: float | None = Field(None, description="Loss of the last evaluation.")
    learning_rate: float | None = Field(None, description="Learning rate of the last step.")
    grad_norm: float | None = Field(None, description="Gradient norm of the last step, before clipping.")
    tokens_per_second: float | None = Field(None, ge=0, description="Trained tokens per second, without padding.")
    tokens_seen: int = Field(0, ge=0, description="Trained tokens so far, without padding.")
    eta_seconds: int | None = Field(None, ge=0, description="Time left, from the recent speed.")
    eta: Annotated[str, Field(max_length=32)] | None = Field(None, description="Time left, for people: 1h05m.")
    updated_time: datetime | None = Field(None, description="When the trainer said so.")


class Checkpoint(CamelModel):
    """A saved state that training can resume from."""

    step: int = Field(ge=0, description="Optimizer steps it holds.")
    path: Annotated[str, Field(max_length=1024)] = Field(description="Folder, relative to the outputs volume.")
    time: datetime = Field(description="When it was complete.")
    bytes: int = Field(0, ge=0, description="Size on the volume.")


class Output(CamelModel):
    """Something the job has left on the outputs volume."""

    kind: Annotated[str, Field(max_length=64)] = Field(description="adapter, model, report or log.")
    path: Annotated[str, Field(max_length=1024)] = Field(description="File or folder, relative to the outputs volume.")
    bytes: int = Field(0, ge=0, description="Size on the volume.")


class Fault(CamelModel):
    """One thing wrong with the job's input."""

    file: Annotated[str, Field(max_length=1024)] | None = Field(None, description="The file it lies in.")
    line: int | None = Field(None, ge=1, description="Line in that file, counted from 1.")
    field: Annotated[str, Field(max_length=253)] | None = Field(None, description="The config field it concerns.")
    message: Message = Field(description="What is wrong and what to do.")


class Attempt(CamelModel):
    """One Job that ran, or tried to."""

    number: int = Field(ge=1, description="Counted from 1.")
    start_time: datetime | None = Field(None, description="When its Job was made.")
    end_time: datetime | None = Field(None, description="When its pod was gone or done.")
    exit_code: int | None = Field(None, description="Exit code of the trainer.")
    failure_class: FailureClass | None = Field(None, description="Why it failed; left out: it did not.")
    message: Message | None = Field(None, description="What it said at its end.")
    resumed_from_step: int | None = Field(None, ge=0, description="Step of the checkpoint it went on from.")
    last_step: int | None = Field(None, ge=0, description="Optimizer steps done at its end.")


class TrainingJobStatus(CamelModel):
    """Everything known about a job."""

    phase: Phase = Field(Phase.PENDING, description="Where the job stands.")
    observed_generation: int | None = Field(None, description="Generation of the spec that this status speaks of.")
    conditions: list[Condition] = Field(default_factory=list, max_length=16, description="Standard conditions.")
    start_time: datetime | None = Field(None, description="When the first attempt was launched.")
    first_step_time: datetime | None = Field(None, description="When the first optimizer step was reported.")
    completion_time: datetime | None = Field(None, description="When the job came to a terminal phase.")
    job_name: Annotated[str, Field(max_length=63)] | None = Field(
        None, description="The latest attempt's batch/v1 Job."
    )
    gpus: int | None = Field(None, ge=0, description="GPUs that the latest attempt asks for.")
    progress: Progress | None = Field(None, description="How far the training is.")
    attempts: list[Attempt] = Field(default_factory=list, max_length=50, description="Every attempt, oldest first.")
    last_checkpoint: Checkpoint | None = Field(None, description="Newest state that a resume would start from.")
    outputs: list[Output] = Field(default_factory=list, max_length=32, description="What lies on the outputs volume.")
    faults: list[Fault] = Field(default_factory=list, max_length=20, description="The first faults of a refused input.")
    fault_count: int | None = Field(None, ge=0, description="All faults found; report.json lists every one.")
