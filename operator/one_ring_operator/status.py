"""How is it going? Each function takes a status and returns the next one; none of them knows a clock.

Condition types: ``Complete``, ``Failed`` and ``Suspended`` as batch/v1 has them; ``Cancelled``; ``Started``: False,
with a reason, while something stands in the trainer's way; ``Accepted``: False while the object cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from one_ring.api import Attempt, Condition, FinalReport, Phase, Progress, ProgressReport, Stage, TrainingJobStatus
from one_ring_operator.blockers import Blocker
from one_ring_operator.children import ChildJob
from one_ring_operator.ending import Ending

ATTEMPTS_KEPT = 50
_MESSAGE_CHARACTERS = 1024
_SIGNIFICANT_DIGITS = 6
_ROUNDED = ("epoch", "loss", "eval_loss", "learning_rate", "grad_norm", "tokens_per_second")


def adopted(status: TrainingJobStatus, child: ChildJob, *, gpus: int, now: datetime) -> TrainingJobStatus:
    """Speaks of this Job's attempt, also when it was made without the status having been written."""
    if status.attempts and status.attempts[-1].number >= child.attempt:
        return status
    return launched(status, number=child.attempt, job_name=child.name, gpus=gpus, now=child.created, closed_at=now)


def launched(
    status: TrainingJobStatus, *, number: int, job_name: str, gpus: int, now: datetime, closed_at: datetime
) -> TrainingJobStatus:
    """A new attempt has begun; an older one that is still open was lost with its Job."""
    attempts = [*closed(status, end_time=closed_at).attempts, Attempt(number=number, start_time=now)]
    return status.model_copy(
        update={
            "phase": Phase.QUEUED,
            "attempts": attempts[-ATTEMPTS_KEPT:],
            "start_time": status.start_time or now,
            "job_name": job_name,
            "gpus": gpus,
            "progress": _at_rest(status.progress),
        }
    )


def reported(status: TrainingJobStatus, report: ProgressReport, *, now: datetime) -> TrainingJobStatus:
    """What the trainer says while it runs."""
    changes: dict[str, object] = {}
    if report.progress:
        changes["progress"] = _for_people(report.progress, updated=report.time)
        if report.progress.step > 0 and status.first_step_time is None:
            changes["first_step_time"] = now
    if report.last_checkpoint:
        changes["last_checkpoint"] = report.last_checkpoint
    said = report.message if report.stage is not Stage.PREPARING else ""
    attempt: dict[str, object] = {"message": said} if said else {}
    if report.resumed_from_step is not None:
        attempt["resumed_from_step"] = report.resumed_from_step
    return with_last_attempt(status.model_copy(update=changes), attempt)


def ended(status: TrainingJobStatus, ending: Ending) -> TrainingJobStatus:
    """The attempt is over and this is what it said."""
    attempt: dict[str, object] = {
        "end_time": ending.time,
        "exit_code": ending.exit_code,
        "failure_class": ending.failure_class,
        "message": ending.message[:_MESSAGE_CHARACTERS] or None,
    }
    if ending.final:
        status = _finally_reported(status, ending.final)
        if ending.final.resumed_from_step is not None:
            attempt["resumed_from_step"] = ending.final.resumed_from_step
    if status.progress and (ending.final is None or ending.final.progress):
        attempt["last_step"] = status.progress.step
    return with_last_attempt(status, attempt).model_copy(update={"progress": _at_rest(status.progress)})


def stopped(status: TrainingJobStatus, ending: Ending | None, *, now: datetime, why: str) -> TrainingJobStatus:
    """The attempt was stopped, not failed: its exit code stays, a failure class would be wrong."""
    if not status.attempts or status.attempts[-1].end_time is not None:
        return status
    if ending is None:
        return closed(status, end_time=now, message=why)
    return with_last_attempt(
        ended(status, ending), {"failure_class": None, "message": _told(ending)[:_MESSAGE_CHARACTERS] or why}
    )


def closed(status: TrainingJobStatus, *, end_time: datetime, message: str | None = None) -> TrainingJobStatus:
    """The last attempt is over, and nobody knows more about it."""
    if not status.attempts or status.attempts[-1].end_time is not None:
        return status
    said = message or status.attempts[-1].message
    at_rest = status.model_copy(update={"progress": _at_rest(status.progress)})
    return with_last_attempt(at_rest, {"end_time": end_time, "message": said})


def with_last_attempt(status: TrainingJobStatus, update: dict[str, object]) -> TrainingJobStatus:
    """The same status with its last attempt changed."""
    if not update or not status.attempts:
        return status
    attempts = [*status.attempts[:-1], status.attempts[-1].model_copy(update=update)]
    return status.model_copy(update={"attempts": attempts})


def with_condition(
    status: TrainingJobStatus,
    kind: str,
    holds: bool,
    *,
    reason: str,
    message: str,
    now: datetime,
) -> TrainingJobStatus:
    """The same status with this condition; its time changes only when it flips."""
    conditions = set_condition(status.conditions, kind, holds, reason=reason, message=message, now=now)
    return status.model_copy(update={"conditions": conditions})


def set_condition(
    conditions: Sequence[Condition], kind: str, holds: bool, *, reason: str, message: str, now: datetime
) -> list[Condition]:
    """The conditions with this one in its place."""
    value: Literal["True", "False"] = "True" if holds else "False"
    before = next((c for c in conditions if c.type == kind), None)
    since = before.last_transition_time if before and before.status == value else now
    new = Condition(type=kind, status=value, reason=reason, message=message[:32768], last_transition_time=since)
    if before is None:
        return [*conditions, new]
    return [new if c.type == kind else c for c in conditions]


def condition(status: TrainingJobStatus, kind: str) -> Condition | None:
    """The condition of this type, if it was ever set."""
    return next((c for c in status.conditions if c.type == kind), None)


def with_started(status: TrainingJobStatus, blocker: Blocker | None, *, now: datetime) -> TrainingJobStatus:
    """``Started``: False while something blocks; True from the first step on, or as soon as it is unblocked."""
    if blocker:
        return with_condition(status, "Started", False, reason=blocker.reason, message=blocker.message, now=now)
    if status.phase in (Phase.QUEUED, Phase.PREPARING) and condition(status, "Started") is None:
        return status  # a plain start needs no write of its own for this
    has_begun = status.phase is not Phase.QUEUED
    reason, message = ("TrainerStarted", "the trainer runs") if has_begun else ("Waiting", "waiting for a node")
    return with_condition(status, "Started", has_begun, reason=reason, message=message, now=now)


def _finally_reported(status: TrainingJobStatus, final: FinalReport) -> TrainingJobStatus:
    changes: dict[str, object] = {"faults": final.faults, "fault_count": final.fault_count}
    if final.progress:
        changes["progress"] = _for_people(final.progress, updated=final.progress.updated_time)
    if final.last_checkpoint:
        changes["last_checkpoint"] = final.last_checkpoint
    if final.outputs:
        changes["outputs"] = final.outputs
    return status.model_copy(update=changes)


def _told(ending: Ending) -> str:
    return ending.final.message if ending.final else ""


def _for_people(progress: Progress, *, updated: datetime | None) -> Progress:
    """Rounded, with a time left that people can read."""
    rounded = {name: _round(getattr(progress, name)) for name in _ROUNDED}
    eta = progress.eta or _eta(progress.eta_seconds)
    return progress.model_copy(update=rounded | {"eta": eta, "updated_time": progress.updated_time or updated})


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_SIGNIFICANT_DIGITS}g}")


def _eta(seconds: int | None) -> str | None:
    """``1d02h``, ``1h05m``, ``5m10s`` or ``7s``."""
    if seconds is None:
        return None
    minutes, rest = divmod(seconds, 60)
    hours, minutes_rest = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d{hours % 24:02}h"
    if hours:
        return f"{hours}h{minutes_rest:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _at_rest(progress: Progress | None) -> Progress | None:
    """Nothing runs, so there is no time left and no speed."""
    if progress is None:
        return None
    return progress.model_copy(update={"eta": None, "eta_seconds": None, "tokens_per_second": None})
