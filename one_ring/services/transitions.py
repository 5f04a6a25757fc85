"""May a job be started, paused, resumed or cancelled now, and what changes in its spec?

Each answers with the change to ``spec``; an empty one says that it is so already. Pure: no cluster, no clock.
"""

from __future__ import annotations

from collections.abc import Callable

from one_ring.api import Phase, TrainingJob
from one_ring.services.errors import WrongState

Change = dict[str, bool]
Decide = Callable[[TrainingJob], Change]


def start(job: TrainingJob) -> Change:
    """Starts a pending job; goes on with a paused one."""
    _refuse_if_ending(job, "started")
    if not job.spec.suspend:
        raise WrongState(f"{_known_as(job)} has already been started: it is {job.status.phase.word}")
    return {"suspend": False}


def pause(job: TrainingJob) -> Change:
    """Frees the GPUs of a started job; it can go on later."""
    _refuse_if_ending(job, "paused")
    if job.spec.suspend and job.status.phase is Phase.PENDING:
        raise WrongState(f"{_known_as(job)} was never started: there is nothing to pause")
    return {} if job.spec.suspend else {"suspend": True}


def resume(job: TrainingJob) -> Change:
    """Goes on with a paused job."""
    _refuse_if_ending(job, "resumed")
    if job.spec.suspend and job.status.phase is Phase.PENDING:
        raise WrongState(f"{_known_as(job)} was never started: start it")
    return {"suspend": False} if job.spec.suspend else {}


def cancel(job: TrainingJob) -> Change:
    """Ends a job for good; asking twice is fine."""
    if job.status.phase in (Phase.SUCCEEDED, Phase.FAILED):
        raise WrongState(f"{_known_as(job)} is over ({job.status.phase.word}): there is nothing to cancel")
    return {} if job.spec.cancel else {"cancel": True}


def _refuse_if_ending(job: TrainingJob, what: str) -> None:
    if job.status.phase.is_terminal:
        raise WrongState(f"{_known_as(job)} is over ({job.status.phase.word}) and cannot be {what}: create a new job")
    if job.spec.cancel:
        raise WrongState(f"{_known_as(job)} is being cancelled and cannot be {what}: create a new job")


def _known_as(job: TrainingJob) -> str:
    return f"training job {job.metadata.name!r}"
