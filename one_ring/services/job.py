"""What a program sees of a job: one flat, read-only view of the TrainingJob."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, WrapSerializer

from one_ring.api import Condition, Phase, TrainingConfig, TrainingJob, TrainingJobStatus

# Not a number until it is reported, so that format strings work from the start; JSON has no NaN and says null.
Measured = Annotated[
    float,
    PlainSerializer(lambda value: None if math.isnan(value) else value, return_type=float | None, when_used="json"),
]
# "Automatic" is said by leaving a field out: an answer's config can be sent again as it is, also by kubectl.
Config = Annotated[
    TrainingConfig,
    WrapSerializer(lambda config, as_dict: {k: v for k, v in as_dict(config).items() if v is not None}),
]


class View(BaseModel):
    """A read-only answer."""

    model_config = ConfigDict(frozen=True)


class Metrics(View):
    """How far the training is; before the first report all counts are 0 and all measures not a number."""

    epoch: float = Field(0.0, description="Epochs done, with their fraction.")
    step: int = Field(0, description="Optimizer steps done.")
    total_steps: int = Field(0, description="Optimizer steps of the whole run.")
    percent: int = Field(0, description="Share of the steps done.")
    loss: Measured = Field(math.nan, description="Training loss of the last logged steps.")
    eval_loss: Measured = Field(math.nan, description="Loss of the last evaluation.")
    learning_rate: Measured = Field(math.nan, description="Learning rate of the last step.")
    grad_norm: Measured = Field(math.nan, description="Gradient norm of the last step, before clipping.")
    tokens_per_second: Measured = Field(math.nan, description="Trained tokens per second, without padding.")
    tokens_seen: int = Field(0, description="Trained tokens so far, without padding.")
    eta_seconds: int | None = Field(None, description="Time left, from the recent speed.")
    updated_at: datetime | None = Field(None, description="When the trainer said so.")


class JobFault(View):
    """One thing wrong with the job's input."""

    file: str | None = Field(None, description="The file it lies in.")
    line: int | None = Field(None, description="Line in that file, counted from 1.")
    field: str | None = Field(None, description="The config field it concerns.")
    message: str = Field(description="What is wrong and what to do.")

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file or self.field, self.line) if part)
        return f"{place}: {self.message}" if place else self.message


class JobError(View):
    """Why a job failed, or what keeps it from running."""

    code: str = Field(description="Word for programs: a failure class such as Data, or a reason such as Unschedulable.")
    message: str = Field(description="What is wrong and what to do.")
    faults: list[JobFault] = Field(default_factory=list, description="The first faults of a refused input.")
    fault_count: int = Field(0, description="All faults found; report.json on the outputs volume lists every one.")

    def __str__(self) -> str:
        return "\n".join([f"{self.code}: {self.message}", *(f"  {fault}" for fault in self.faults)])


class Job(View):
    """One training job as it is now; ask again for news."""

    id: str = Field(description="Its name in the cluster.")
    name: str = Field(description="The name as it was given.")
    status: str = Field(
        description="pending, queued, preparing, running, saving, completed, failed, cancelled or paused."
    )
    config: Config = Field(description="The complete configuration, defaults included.")
    metrics: Metrics = Field(description="How far the training is.")
    created_at: datetime | None = Field(None, description="When it was created.")
    started_at: datetime | None = Field(None, description="When its first attempt was launched.")
    finished_at: datetime | None = Field(None, description="When it was over.")
    error: JobError | None = Field(None, description="Why it failed, or what keeps it from running.")

    @property
    def is_over(self) -> bool:
        """Completed, failed or cancelled: it will not change any more."""
        return self.status in OVER


OVER = frozenset(phase.word for phase in Phase if phase.is_terminal)


class JobPage(list[Job]):
    """Some of the jobs, newest first: ``total`` match, these are the ones from ``offset`` on."""

    def __init__(self, jobs: Iterable[Job] = (), *, total: int, limit: int | None, offset: int) -> None:
        super().__init__(jobs)
        self.total = total
        self.limit = limit
        self.offset = offset


def read(body: Mapping[str, Any]) -> TrainingJob:
    """The object as the API server keeps it; fields of a newer release are passed over."""
    try:
        return TrainingJob.model_validate(body, extra="ignore")
    except ValidationError:
        # An older release's bounds let it in. It must stay visible, and keep no other job from being listed.
        job = TrainingJob.model_validate({**body, "spec": {"config": {"train_file": "?"}}}, extra="ignore")
        config = TrainingConfig.model_construct(**body["spec"]["config"])
        return job.model_copy(update={"spec": job.spec.model_copy(update=_flags(body["spec"]) | {"config": config})})


def view(job: TrainingJob) -> Job:
    """What a program sees of it."""
    return Job(
        id=job.metadata.name,
        name=job.display_name,
        status=job.status.phase.word,
        config=job.spec.config,
        metrics=_metrics(job.status),
        created_at=job.metadata.creation_timestamp,
        started_at=job.status.start_time,
        finished_at=job.status.completion_time,
        error=_error(job.status),
    )


def _flags(spec: Mapping[str, Any]) -> dict[str, bool]:
    return {"suspend": bool(spec.get("suspend")), "cancel": bool(spec.get("cancel"))}


def _metrics(status: TrainingJobStatus) -> Metrics:
    if status.progress is None:
        return Metrics()
    reported = status.progress.model_dump(exclude_none=True, exclude={"eta", "updated_time"})
    return Metrics(**reported, updated_at=status.progress.updated_time)


def _error(status: TrainingJobStatus) -> JobError | None:
    if status.phase is Phase.FAILED:
        return _failure(status)
    blocker = next((c for c in status.conditions if _blocks(c, status.phase)), None)
    return JobError(code=blocker.reason, message=blocker.message) if blocker else None


def _blocks(condition: Condition, phase: Phase) -> bool:
    """Says why the job cannot go on; waiting its turn is no fault."""
    if condition.status != "False" or phase.is_terminal:
        return False
    waiting = phase in (Phase.QUEUED, Phase.PREPARING) and condition.reason != "Waiting"
    return condition.type == "Accepted" or (condition.type == "Started" and waiting)


def _failure(status: TrainingJobStatus) -> JobError:
    last = status.attempts[-1] if status.attempts else None
    failed = next((c for c in status.conditions if c.type == "Failed" and c.status == "True"), None)
    return JobError(
        code=(last and last.failure_class) or (failed and failed.reason) or "Internal",
        message=(last and last.message) or (failed and failed.message) or "the job failed without a word: see its log",
        faults=[JobFault(**fault.model_dump()) for fault in status.faults],
        fault_count=status.fault_count or len(status.faults),
    )
