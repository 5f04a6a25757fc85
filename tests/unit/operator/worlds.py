"""Facts for the unit tests, made short: what a test does not name is a plain running job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from one_ring_operator.children import ChildJob, ChildPod, Key, Termination
from one_ring_operator.facts import Facts
from one_ring_operator.settings import Settings

from one_ring.api import (
    Attempt,
    FinalReport,
    Outcome,
    Phase,
    Progress,
    ProgressReport,
    Stage,
    TrainingJob,
    TrainingJobStatus,
    child_name,
)

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=30)
UID = "11111111-2222-3333-4444-555555555555"
KEY = Key("team", "bot")

SETTINGS = Settings.model_validate(
    {
        "trainerImage": "registry.example/trainer:1",
        "progressUrl": "https://one-ring-operator.one-ring.svc:8443",
        "defaults": {
            "resources": {"gpus": 1, "cpu": "4", "memory": "32Gi"},
            "storage": {role: {"claimName": role} for role in ("datasets", "models", "outputs")},
        },
    }
)


def job(status: TrainingJobStatus | None = None, *, deleted: bool = False, **spec: Any) -> TrainingJob:
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "uid": UID, "generation": 3, "resourceVersion": "7"}
    if deleted:
        metadata["deletionTimestamp"] = NOW.isoformat()
    config = {"train_file": "train.jsonl"}
    made = TrainingJob.model_validate({"metadata": metadata, "spec": {"config": config} | spec})
    return made.model_copy(update={"status": status or TrainingJobStatus()})


def attempt(number: int = 1, *, ended: datetime | None = None) -> Attempt:
    return Attempt(number=number, start_time=EARLIER, end_time=ended)


def status(phase: Phase, *attempts: Attempt, **more: Any) -> TrainingJobStatus:
    known = {"phase": phase, "start_time": EARLIER, "observed_generation": 3, "gpus": 1}
    tries = list(attempts or (attempt(),))
    return TrainingJobStatus(**(known | {"attempts": tries, "job_name": child_name(KEY.name, tries[-1].number)} | more))


def child(number: int = 1, **more: Any) -> ChildJob:
    known: dict[str, Any] = {"key": KEY, "name": child_name(KEY.name, number), "uid": f"job-{number}", "run_id": UID}
    return ChildJob(**(known | {"version": 1, "attempt": number, "owner_uid": UID, "created": EARLIER} | more))


def pod(number: int = 1, **more: Any) -> ChildPod:
    known: dict[str, Any] = {"key": KEY, "name": f"bot-{number}-abcde", "uid": f"pod-{number}", "run_id": UID}
    return ChildPod(**(known | {"version": 1, "attempt": number, "owner_uid": f"job-{number}"} | more))


def running(number: int = 1, **more: Any) -> ChildPod:
    return pod(number, **({"phase": "Running", "scheduled": True, "started": True} | more))


def exited(code: int, number: int = 1, *, message: str = "", reason: str = "", **more: Any) -> ChildPod:
    phase = "Failed" if code else "Succeeded"
    end = Termination(exit_code=code, reason=reason, message=message, time=NOW)
    return pod(number, **({"phase": phase, "scheduled": True, "started": True, "termination": end} | more))


def report(stage: Stage, step: int = 0, *, number: int = 1, **more: Any) -> ProgressReport:
    progress = Progress(step=step, total_steps=100, percent=step, loss=1.0) if step else None
    return ProgressReport(attempt=number, sequence=step, time=NOW, stage=stage, progress=progress, **more)


def final(outcome: Outcome, **more: Any) -> FinalReport:
    return FinalReport(outcome=outcome, **({"message": f"it {outcome}"} | more))


def words(outcome: Outcome, **more: Any) -> str:
    """A final report as the termination message holds it."""
    return final(outcome, **more).model_dump_json(by_alias=True, exclude_none=True)


def facts(of: TrainingJob, *things: ChildJob | ChildPod, **more: Any) -> Facts:
    children = tuple(thing for thing in things if isinstance(thing, ChildJob))
    pods = tuple(thing for thing in things if isinstance(thing, ChildPod))
    known: dict[str, Any] = {"settings": SETTINGS, "now": NOW, "ca": "-----BEGIN CERTIFICATE-----"}
    return Facts(job=of, children=children, pods=pods, **(known | more))
