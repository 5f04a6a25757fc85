"""What the trainer tells the operator: progress while it runs, and one final report.

The final report is also the pod's termination message, so it must fit its 4,096 bytes.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Annotated

from pydantic import Field

from one_ring.api.model import CamelModel
from one_ring.api.status import Checkpoint, FailureClass, Fault, Message, Output, Progress

TERMINATION_MESSAGE_LIMIT_BYTES = 4096


class ExitCode(IntEnum):
    """How the trainer process ends."""

    DONE = 0
    CONFIG = 2
    DATA = 3
    MODEL_ACCESS = 4
    GPU_OUT_OF_MEMORY = 5
    NON_FINITE = 6
    STOPPED = 143
    INTERNAL = 203


FAILURE_OF_EXIT_CODE = {
    ExitCode.CONFIG: FailureClass.CONFIG,
    ExitCode.DATA: FailureClass.DATA,
    ExitCode.MODEL_ACCESS: FailureClass.MODEL_ACCESS,
    ExitCode.GPU_OUT_OF_MEMORY: FailureClass.GPU_OUT_OF_MEMORY,
    ExitCode.NON_FINITE: FailureClass.NON_FINITE,
    ExitCode.INTERNAL: FailureClass.INTERNAL,
}


class Stage(StrEnum):
    """What the trainer is doing."""

    PREPARING = "preparing"
    RUNNING = "running"
    SAVING = "saving"


class Outcome(StrEnum):
    """How the trainer's run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


class FinalReport(CamelModel):
    """The end of one attempt, in the trainer's own words."""

    outcome: Outcome
    message: Message = ""
    failure_class: FailureClass | None = None
    saved: bool = Field(False, description="Stopped with a checkpoint (or adapter) that holds the last step.")
    resumed_from_step: int | None = None
    progress: Progress | None = None
    last_checkpoint: Checkpoint | None = None
    outputs: list[Output] = Field(default_factory=list, max_length=32)
    faults: list[Fault] = Field(default_factory=list, max_length=20)
    fault_count: int | None = None


class ProgressReport(CamelModel):
    """One POST to the operator. ``sequence`` grows by one per report of an attempt, so late ones are known as late."""

    attempt: int = Field(ge=1)
    sequence: int = Field(ge=0)
    time: datetime
    stage: Stage
    message: Annotated[str, Field(max_length=1024)] = ""
    resumed_from_step: int | None = None
    progress: Progress | None = None
    last_checkpoint: Checkpoint | None = None
    final: FinalReport | None = None
