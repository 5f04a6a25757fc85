"""The rule book: what should happen to one TrainingJob, given the facts.

Nothing here talks to Kubernetes, reads a clock or logs. Terminal jobs rest, attempts that ended are settled,
unwanted ones stop, wanted ones run. An attempt whose Job was deleted gets a successor with the next number; a
failed one is final.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from one_ring.api import Phase, TrainingJobStatus, child_name
from one_ring_operator import status as so_far
from one_ring_operator.blockers import Blocker, blocker_of
from one_ring_operator.children import ChildJob
from one_ring_operator.ending import Ending, ending_of
from one_ring_operator.facts import Facts
from one_ring_operator.manifests import build_job
from one_ring_operator.phases import phase_of, stopping_phase

WRITE_INTERVAL = timedelta(seconds=5)
REFUSAL_PAUSE = timedelta(seconds=10)
_LOST_WINDOW = timedelta(minutes=10)
_LOST_FREELY = 3
_LOST_PAUSE_LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Plan:
    """What to do about it. Empty when all is as it should be, so a second look writes nothing."""

    status: TrainingJobStatus
    create: tuple[dict[str, Any], ...] = ()
    delete: tuple[ChildJob, ...] = ()
    look_again: timedelta | None = None


def plan(facts: Facts) -> Plan:
    """The one decision about one job."""
    return _hold_back(facts, _decide(facts))


def _decide(facts: Facts) -> Plan:
    if facts.status.phase.is_terminal or facts.job.metadata.deletion_timestamp:
        return _rest(facts)
    ending = ending_of(facts)
    if ending and _is_final(facts, ending):
        return _settle(facts, ending)
    if facts.job.spec.cancel or facts.job.spec.suspend:
        return _stop(facts, ending)
    if facts.child is None:
        return _launch(facts, ending)
    return _watch(facts, facts.child, ending)


def _rest(facts: Facts) -> Plan:
    """A job that is over changes no more, and holds nothing; one being deleted takes its children along."""
    if not facts.status.phase.is_terminal:
        return Plan(facts.status)
    return Plan(facts.status, delete=tuple(child for child in facts.children if facts.holds(child)))


def _is_final(facts: Facts, ending: Ending) -> bool:
    """Success always counts; an end while being stopped counts only if the trainer itself failed, not if cancelled."""
    if ending.succeeded or not facts.is_stopping:
        return True
    return ending.failed_by_itself and not facts.job.spec.cancel


def _settle(facts: Facts, ending: Ending) -> Plan:
    """The attempt is over, and with it the job."""
    status = so_far.ended(_adopted(facts), ending)
    older = tuple(child for child in facts.children if child is not facts.child and facts.holds(child))
    if ending.succeeded:
        message = ending.message or "the training is done"
        return Plan(_finish(facts, status, Phase.SUCCEEDED, "Complete", "TrainingSucceeded", message), delete=older)
    reason = ending.failure_class.value if ending.failure_class else "Internal"
    return Plan(_finish(facts, status, Phase.FAILED, "Failed", reason, ending.message), delete=older)


def _stop(facts: Facts, ending: Ending | None) -> Plan:
    """No attempt may run: its Job goes, and once its pod is gone the job is Cancelled or Suspended."""
    if facts.child is None and not facts.live_pods:
        return _stopped(facts, ending)
    status = _adopted(facts)
    if ending:  # kept now, for the pod takes its last words along
        status = so_far.stopped(status, ending, now=facts.now, why=_why_stopped(facts))
    status = status.model_copy(update={"phase": stopping_phase(facts)})
    return Plan(status, delete=tuple(child for child in facts.children if not child.deleting))


def _stopped(facts: Facts, ending: Ending | None) -> Plan:
    if facts.job.spec.cancel:
        status = so_far.stopped(_seen(facts), ending, now=facts.now, why=_why_stopped(facts))
        return Plan(_finish(facts, status, Phase.CANCELLED, "Cancelled", "CancelRequested", "cancelled by its user"))
    if facts.status.start_time is None:
        return Plan(_never_started(facts))
    status = so_far.stopped(_seen(facts), ending, now=facts.now, why=_why_stopped(facts))
    status = status.model_copy(update={"phase": Phase.SUSPENDED})
    return Plan(_condition(facts, status, "Suspended", True, "SuspendRequested", "paused by its user"))


def _never_started(facts: Facts) -> TrainingJobStatus:
    """Pending is the CRD's default: for a job that was created suspended there is nothing to write."""
    if facts.status.phase is Phase.PENDING and not facts.status.conditions:
        return facts.status
    return _seen(facts).model_copy(update={"phase": Phase.PENDING, "conditions": []})


def _launch(facts: Facts, ending: Ending | None) -> Plan:
    """The next attempt, once nothing of the last one can write any more."""
    if facts.live_pods:
        return Plan(_seen(facts).model_copy(update={"phase": stopping_phase(facts)}))
    why = "its Job was deleted; the next attempt goes on from the newest checkpoint"
    status = so_far.stopped(_seen(facts), ending, now=facts.now, why=why)
    status = _resumed(facts, status.model_copy(update={"phase": Phase.QUEUED}))
    if blocker := _missing_storage(facts):
        return Plan(so_far.with_started(status, blocker, now=facts.now))
    if pause := _pause(facts, status):
        return Plan(so_far.with_started(status, _refused(facts), now=facts.now), look_again=pause)
    number = _next_number(facts)
    manifest = build_job(facts.job, attempt=number, settings=facts.settings, ca=facts.ca)
    name = child_name(facts.job.metadata.name, number)
    status = so_far.launched(
        status, number=number, job_name=name, gpus=_gpus(facts), now=facts.now, closed_at=facts.now
    )
    return Plan(so_far.with_started(status, None, now=facts.now), create=(manifest,))


def _watch(facts: Facts, child: ChildJob, ending: Ending | None) -> Plan:
    """A wanted attempt is there: say how it is going."""
    older = tuple(c for c in facts.children if c is not child and facts.holds(c))
    status = _resumed(facts, _adopted(facts))
    if child.deleting:
        if ending:
            status = so_far.stopped(status, ending, now=facts.now, why="its Job was deleted")
        return Plan(status.model_copy(update={"phase": stopping_phase(facts)}), delete=older)
    status = status.model_copy(update={"phase": phase_of(facts)})
    if facts.report:
        status = so_far.reported(status, facts.report, now=facts.now)
    blocker = blocker_of(facts.pod, image=facts.settings.trainer_image) if facts.pod else None
    return Plan(so_far.with_started(status, blocker, now=facts.now), delete=older)


def _hold_back(facts: Facts, decided: Plan) -> Plan:
    """Progress alone is written every few seconds; what people wait for is written at once."""
    if decided.create or decided.delete or decided.status == facts.status or facts.last_write is None:
        return decided
    wait = facts.last_write + WRITE_INTERVAL - facts.now
    if wait <= timedelta() or _loud(decided.status) != _loud(facts.status):
        return decided
    return replace(decided, status=facts.status, look_again=min(wait, WRITE_INTERVAL))


def _loud(status: TrainingJobStatus) -> TrainingJobStatus:
    """The status without what may wait."""
    attempts = [a.model_copy(update={"message": None, "resumed_from_step": None}) for a in status.attempts]
    quiet = {"progress": None, "last_checkpoint": None, "first_step_time": None, "attempts": attempts}
    return status.model_copy(update=quiet)


def _finish(
    facts: Facts, status: TrainingJobStatus, phase: Phase, kind: str, reason: str, message: str
) -> TrainingJobStatus:
    done = status.model_copy(update={"phase": phase, "completion_time": facts.now})
    if so_far.condition(done, "Suspended"):
        done = _condition(facts, done, "Suspended", False, "JobOver", "the job is over")
    if so_far.condition(done, "Started") and phase is Phase.SUCCEEDED:
        done = so_far.with_started(done, None, now=facts.now)
    return _condition(facts, done, kind, True, reason, message)


def _condition(
    facts: Facts, status: TrainingJobStatus, kind: str, holds: bool, reason: str, message: str
) -> TrainingJobStatus:
    return so_far.with_condition(status, kind, holds, reason=reason, message=message, now=facts.now)


def _seen(facts: Facts) -> TrainingJobStatus:
    """The status so far, now speaking of the current spec and no longer of an unreadable one."""
    conditions = [condition for condition in facts.status.conditions if condition.type != "Accepted"]
    update = {"observed_generation": facts.job.metadata.generation, "conditions": conditions}
    return facts.status.model_copy(update=update)


def _adopted(facts: Facts) -> TrainingJobStatus:
    if facts.child is None:
        return _seen(facts)
    return so_far.adopted(_seen(facts), facts.child, gpus=_gpus(facts), now=facts.now)


def _resumed(facts: Facts, status: TrainingJobStatus) -> TrainingJobStatus:
    before = so_far.condition(status, "Suspended")
    if before is None or before.status == "False":
        return status
    return _condition(facts, status, "Suspended", False, "Resumed", "running again, from the newest checkpoint")


def _next_number(facts: Facts) -> int:
    """Above every attempt that was ever seen, so that no pod is taken for another attempt's."""
    return 1 + max([*(a.number for a in facts.status.attempts), *(pod.attempt for pod in facts.pods)], default=0)


def _gpus(facts: Facts) -> int:
    return facts.settings.resources_of(facts.job.spec.resources).gpus or 0


def _missing_storage(facts: Facts) -> Blocker | None:
    storage = facts.settings.storage_of(facts.job.spec.storage)
    missing = [name for name, volume in (("datasets", storage.datasets), ("outputs", storage.outputs)) if not volume]
    if not missing:
        return None
    fields = " and ".join(f"spec.storage.{name}.claimName" for name in missing)
    return Blocker("ClaimNotGiven", f"no volume for {' and '.join(missing)}: set {fields}, or a default in the chart")


def _refused(facts: Facts) -> Blocker | None:
    return Blocker("JobRefused", facts.refusal.message) if facts.refusal else None


def _pause(facts: Facts, status: TrainingJobStatus) -> timedelta | None:
    """How long to wait before the next Job: the API server refused one, or Jobs keep being deleted."""
    earliest = facts.now
    if facts.refusal:
        earliest = facts.refusal.time + REFUSAL_PAUSE
    ends = [a.end_time for a in status.attempts if a.end_time and facts.now - a.end_time < _LOST_WINDOW]
    if len(ends) >= _LOST_FREELY:
        seconds = min(5 * 2 ** (len(ends) - _LOST_FREELY), _LOST_PAUSE_LIMIT_SECONDS)
        earliest = max(earliest, max(ends) + timedelta(seconds=seconds))
    return earliest - facts.now if earliest > facts.now else None


def _why_stopped(facts: Facts) -> str:
    word = "cancelled" if facts.job.spec.cancel else "paused"
    return f"{word}; what it saved is on the outputs volume"
