"""What has happened between two statuses, as people want to read it: the Kubernetes Events of a TrainingJob."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from one_ring.api import Phase, TrainingJobStatus
from one_ring_operator.status import condition

_COMPONENT = "one-ring-operator"
_MESSAGE_CHARACTERS = 1024
_CONDITION_OF = {Phase.SUCCEEDED: "Complete", Phase.FAILED: "Failed", Phase.CANCELLED: "Cancelled"}
_SENTENCES = {
    Phase.PENDING: "waits to be started",
    Phase.QUEUED: "waits for a node",
    Phase.PREPARING: "has a node: pulling the image, loading model and data",
    Phase.SAVING: "is saving",
    Phase.SUSPENDED: "is paused and holds nothing",
}


@dataclass(frozen=True)
class Happening:
    """One Event: a word for programs, a sentence for people."""

    reason: str
    message: str
    is_warning: bool = False


def happenings(before: TrainingJobStatus, after: TrainingJobStatus) -> Iterator[Happening]:
    """What changed, worth telling; in the order in which it happened."""
    yield from _lost_attempts(before, after)
    if before.phase is not after.phase:
        yield _entered(after)
    yield from _blocked(before, after)


def event_manifest(job: dict[str, Any], happening: Happening, *, now: datetime) -> dict[str, Any]:
    """The Event on this TrainingJob."""
    metadata = job["metadata"]
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": job["apiVersion"],
            "kind": job["kind"],
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "reason": happening.reason,
        "message": happening.message[:_MESSAGE_CHARACTERS],
        "type": "Warning" if happening.is_warning else "Normal",
        "source": {"component": _COMPONENT},
        "reportingComponent": _COMPONENT,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }


def _lost_attempts(before: TrainingJobStatus, after: TrainingJobStatus) -> Iterator[Happening]:
    if before.attempts and len(after.attempts) > len(before.attempts) and before.attempts[-1].end_time is None:
        lost = after.attempts[len(before.attempts) - 1]
        yield Happening("AttemptLost", f"attempt {lost.number}: {lost.message or 'its Job is gone'}", is_warning=True)


def _entered(after: TrainingJobStatus) -> Happening:
    number = after.attempts[-1].number if after.attempts else 1
    if told := condition(after, _CONDITION_OF.get(after.phase, "")):
        return Happening(after.phase, told.message, is_warning=after.phase is Phase.FAILED)
    if after.phase is Phase.RUNNING:
        return Happening(after.phase, f"attempt {number} is training{_origin(after)}")
    return Happening(after.phase, f"attempt {number} {_SENTENCES[after.phase]}")


def _origin(after: TrainingJobStatus) -> str:
    attempt = after.attempts[-1] if after.attempts else None
    if attempt is None or attempt.number == 1:
        return ""
    if attempt.resumed_from_step:
        return f", resumed from step {attempt.resumed_from_step}"
    return f": {attempt.message}" if attempt.message else ", from the start"


def _blocked(before: TrainingJobStatus, after: TrainingJobStatus) -> Iterator[Happening]:
    for kind in ("Started", "Accepted"):
        was, now = condition(before, kind), condition(after, kind)
        is_news = now and now.status == "False" and (was is None or was.reason != now.reason)
        if now and is_news and now.reason != "Waiting":
            yield Happening(now.reason, now.message, is_warning=True)
