"""Where a job's log is."""

from __future__ import annotations

from typing import Any

import pytest

from one_ring.api import ATTEMPT_LABEL
from one_ring.services.errors import LogGone, NoLogYet
from one_ring.services.log_place import gone_with_its_job, log_file, pod_with_log
from tests.unit.services.samples import UID, job

ATTEMPTS = [{"number": 1, "startTime": "2026-01-01T10:00:00Z"}]
OWN_FILE = f"support-bot-x7k2p-{UID[:8]}/train.log"


def pod(attempt: int = 1, state: str | None = "running", **labels: str) -> dict[str, Any]:
    statuses = [{"name": "trainer", "state": {state: {}}}] if state else []
    return {
        "metadata": {"name": f"pod-{attempt}", "labels": {ATTEMPT_LABEL: str(attempt)} | labels},
        "status": {"containerStatuses": statuses},
    }


@pytest.mark.parametrize(
    ("status", "pods", "read"),
    [
        ({"phase": "Running"}, [pod()], "pod-1"),
        ({"phase": "Succeeded"}, [pod(state="terminated")], "pod-1"),
        ({"phase": "Running", "suspend": True}, [pod()], "pod-1"),
        ({"phase": "Running"}, [pod(9), pod(10)], "pod-10"),
        ({"phase": "Queued"}, [], None),
        ({"phase": "Pending"}, [], None),
        ({"phase": "Preparing"}, [pod(state="waiting")], None),
        ({"phase": "Queued"}, [pod(state=None)], None),
        ({"phase": "Queued"}, [pod(1, state="terminated"), pod(2, state=None)], None),
        ({"phase": "Suspended"}, [], None),
    ],
    ids=[
        "running",
        "over but there",
        "stopping",
        "the newest attempt",
        "queued",
        "not seen yet",
        "container waits",
        "pod without a container",
        "a new attempt",
        "resuming",
    ],
)
def test_the_log_is_in_the_newest_started_pod(status: dict[str, Any], pods: list[Any], read: str | None) -> None:
    assert pod_with_log(job(**status), pods) == read


def test_a_job_never_started_has_no_log_yet() -> None:
    with pytest.raises(NoLogYet, match="start it"):
        pod_with_log(job(phase="Pending", suspend=True), [])


@pytest.mark.parametrize(
    "status",
    [{"phase": phase, "attempts": ATTEMPTS} for phase in ("Succeeded", "Failed", "Cancelled")]
    + [{"phase": "Suspended", "suspend": True, "attempts": ATTEMPTS}],
    ids=["completed", "failed", "cancelled", "paused"],
)
def test_a_log_whose_pod_is_gone_is_named_on_the_outputs_volume(status: dict[str, Any]) -> None:
    with pytest.raises(LogGone, match=OWN_FILE) as gone:
        pod_with_log(job(**status), [])
    assert gone.value.file == OWN_FILE


def test_a_job_cancelled_before_its_start_never_had_a_log() -> None:
    with pytest.raises(LogGone, match="wrote no log") as gone:
        pod_with_log(job(phase="Cancelled", cancel=True), [])
    assert gone.value.file == ""


@pytest.mark.parametrize(
    ("status", "file"),
    [
        ({}, OWN_FILE),
        ({"config": {"output_dir": "bots/first"}}, "bots/first/train.log"),
        ({"config": {"output_dir": "./bots/first/"}}, "bots/first/train.log"),
        (
            {"outputs": [{"kind": "adapter", "path": "x/adapter"}, {"kind": "log", "path": "x/train.log"}]},
            "x/train.log",
        ),
    ],
    ids=["the job's own folder", "output_dir", "output_dir made plain", "as reported"],
)
def test_the_file_is_where_the_trainer_wrote_it(status: dict[str, Any], file: str) -> None:
    assert log_file(job(**status)) == file


def test_the_claim_is_named_when_the_job_names_it() -> None:
    stored = job(phase="Failed", attempts=ATTEMPTS)
    storage = stored.spec.storage.model_validate({"outputs": {"claimName": "team-outputs", "subPath": "a"}})
    stored = stored.model_copy(update={"spec": stored.spec.model_copy(update={"storage": storage})})
    with pytest.raises(LogGone, match="claim team-outputs/a"):
        pod_with_log(stored, [])


def test_a_deleted_jobs_log_is_named_by_its_uid() -> None:
    assert gone_with_its_job("support-bot-x7k2p", UID).file == OWN_FILE
