"""The few facts that matter about a child Job and its pod, read from what the API server says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from one_ring.api import ATTEMPT_LABEL, JOB_LABEL
from one_ring.api.pod import TRAINER_CONTAINER

# The TrainingJob's uid, on its Jobs and pods: a successor of the same name never takes them for its own.
RUN_LABEL = "training.one-ring.io/run-id"


class Key(NamedTuple):
    """Namespace and name of a TrainingJob."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class ChildJob:
    """One attempt's batch/v1 Job."""

    key: Key  # of its TrainingJob
    name: str
    uid: str
    run_id: str
    attempt: int
    owner_uid: str
    version: int
    created: datetime
    deleting: bool = False
    finished: bool = False
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Termination:
    """How the trainer's container ended."""

    exit_code: int
    reason: str = ""
    message: str = ""
    time: datetime | None = None


@dataclass(frozen=True)
class ChildPod:
    """One attempt's pod."""

    key: Key  # of its TrainingJob
    name: str
    uid: str
    run_id: str
    attempt: int
    owner_uid: str
    version: int
    phase: str = "Pending"
    scheduled: bool = False
    started: bool = False
    deleting: bool = False
    gone: bool = False  # deleted from the API; what it said last is still of use
    unschedulable: str = ""
    waiting_reason: str = ""
    waiting_message: str = ""
    reason: str = ""
    message: str = ""
    disruption: str = ""
    termination: Termination | None = None

    @property
    def ended(self) -> bool:
        """No container of it will ever run again."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def alive(self) -> bool:
        """It may still write to the volumes."""
        return not (self.ended or self.gone)


def key_of(body: Mapping[str, Any]) -> Key:
    """The TrainingJob that a child belongs to, by its label."""
    metadata = body["metadata"]
    return Key(metadata["namespace"], (metadata.get("labels") or {}).get(JOB_LABEL, ""))


def parse_job(body: Mapping[str, Any]) -> ChildJob:
    """A batch/v1 Job as the API server shows it."""
    ended = _condition(body, "Complete") or _condition(body, "Failed")
    return ChildJob(
        **_identity(body),
        created=parse_time(body["metadata"].get("creationTimestamp")) or datetime.min,
        deleting=bool(body["metadata"].get("deletionTimestamp")),
        finished=bool(ended),
        reason=ended.get("reason", ""),
        message=ended.get("message", ""),
    )


def parse_pod(body: Mapping[str, Any], *, gone: bool = False) -> ChildPod:
    """A pod as the API server shows it; ``gone``: as it showed it last."""
    status = body.get("status") or {}
    container = _trainer(status)
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    unscheduled = _condition(body, "PodScheduled", "False")
    return ChildPod(
        **_identity(body),
        phase=status.get("phase") or "Pending",
        scheduled=bool((body.get("spec") or {}).get("nodeName")),
        started=bool(state.get("running") or state.get("terminated")),
        deleting=bool(body["metadata"].get("deletionTimestamp")),
        gone=gone,
        unschedulable=unscheduled.get("message", "") if unscheduled.get("reason") == "Unschedulable" else "",
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        disruption=_condition(body, "DisruptionTarget").get("reason", ""),
        termination=_termination(state.get("terminated")),
    )


def parse_time(text: str | None) -> datetime | None:
    """A Kubernetes timestamp."""
    return datetime.fromisoformat(text) if text else None


def version_of(body: Mapping[str, Any]) -> int:
    """``resourceVersion`` as a number; 0 if there is none."""
    text = str(body["metadata"].get("resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def _identity(body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    attempt = labels.get(ATTEMPT_LABEL, "")
    return {
        "key": key_of(body),
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "run_id": labels.get(RUN_LABEL, ""),
        "attempt": int(attempt) if attempt.isdecimal() else 0,
        "owner_uid": _controller_uid(metadata),
        "version": version_of(body),
    }


def _controller_uid(metadata: Mapping[str, Any]) -> str:
    owners = metadata.get("ownerReferences") or []
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def _condition(body: Mapping[str, Any], kind: str, status: str = "True") -> Mapping[str, Any]:
    conditions = (body.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == kind and c.get("status") == status), {})


def _trainer(status: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = status.get("containerStatuses") or []
    return next((c for c in containers if c.get("name") == TRAINER_CONTAINER), {})


def _termination(state: Mapping[str, Any] | None) -> Termination | None:
    if not state:
        return None
    return Termination(
        exit_code=int(state.get("exitCode", 0)),
        reason=state.get("reason", ""),
        message=state.get("message", ""),
        time=parse_time(state.get("finishedAt")),
    )
