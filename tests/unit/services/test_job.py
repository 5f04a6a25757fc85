"""What a program sees of a TrainingJob."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from one_ring.api import STATUS_WORDS, Phase, TrainingConfig
from one_ring.services.job import read, view
from tests.unit.services.samples import body, job


def test_a_new_job_can_be_printed_as_the_guide_does() -> None:
    seen = view(job())
    assert f"{seen.metrics.epoch:.1f}/{seen.config.num_train_epochs} epochs" == "0.0/3 epochs"
    assert f"{seen.metrics.loss:.4f}" == "nan"


def test_what_is_not_a_number_in_python_is_null_in_json() -> None:
    metrics = json.loads(view(job()).model_dump_json())["metrics"]
    assert metrics["loss"] is None
    assert metrics["epoch"] == 0.0
    assert math.isnan(view(job()).metrics.loss)


def test_the_id_is_the_object_and_the_name_is_as_given() -> None:
    seen = view(job())
    assert (seen.id, seen.name) == ("support-bot-x7k2p", "Support bot")


def test_a_job_applied_by_kubectl_is_named_as_its_object() -> None:
    applied = body()
    del applied["metadata"]["annotations"]
    assert view(read(applied)).name == "support-bot-x7k2p"


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_its_word(phase: Phase) -> None:
    seen = view(job(phase=phase))
    assert seen.status in STATUS_WORDS
    assert seen.is_over is phase.is_terminal


def test_progress_becomes_metrics() -> None:
    progress = {"epoch": 1.5, "step": 30, "totalSteps": 60, "percent": 50, "loss": 1.25, "etaSeconds": 90}
    metrics = view(job(phase="Running", progress=progress)).metrics
    assert (metrics.epoch, metrics.step, metrics.total_steps, metrics.percent) == (1.5, 30, 60, 50)
    assert (metrics.loss, metrics.eta_seconds) == (1.25, 90)
    assert math.isnan(metrics.eval_loss)


def test_the_times_are_the_clusters() -> None:
    seen = view(job(startTime="2026-01-01T10:01:00Z", completionTime="2026-01-01T11:00:00Z", phase="Succeeded"))
    times = [seen.created_at, seen.started_at, seen.finished_at]
    assert [time.isoformat() for time in times if time] == [
        "2026-01-01T10:00:00+00:00",
        "2026-01-01T10:01:00+00:00",
        "2026-01-01T11:00:00+00:00",
    ]


def test_an_answers_config_is_complete_and_can_be_sent_again() -> None:
    config = json.loads(view(job(config={"learning_rate": 1e-4})).model_dump_json())["config"]
    assert config["lora_r"] == 16
    assert None not in config.values()
    assert TrainingConfig.model_validate(config).learning_rate == 1e-4


def test_malformed_lines_are_shown_with_their_numbers() -> None:
    faults = [
        {"file": "data/train.jsonl", "line": 2, "message": "is no JSON"},
        {"file": "data/train.jsonl", "line": 4, "message": 'has no "text"'},
    ]
    attempt = {"number": 1, "failureClass": "Data", "message": "2 of 9 lines are malformed"}
    error = view(job(phase="Failed", attempts=[attempt], faults=faults, faultCount=2)).error
    assert error is not None
    assert (error.code, error.fault_count) == ("Data", 2)
    assert [fault.line for fault in error.faults] == [2, 4]
    assert "data/train.jsonl:4: has no" in str(error)


def condition(kind: str, status: str, reason: str) -> dict[str, Any]:
    since = "2026-01-01T10:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": "so it is", "lastTransitionTime": since}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"phase": "Failed", "conditions": [condition("Failed", "True", "Config")]}, "Config"),
        ({"phase": "Failed"}, "Internal"),
        ({"phase": "Queued", "conditions": [condition("Started", "False", "ClaimNotFound")]}, "ClaimNotFound"),
        ({"phase": "Queued", "conditions": [condition("Started", "False", "Waiting")]}, None),
        ({"phase": "Running", "conditions": [condition("Started", "False", "ClaimNotFound")]}, None),
        ({"phase": "Pending", "conditions": [condition("Accepted", "False", "Invalid")]}, "Invalid"),
        ({"phase": "Cancelled", "conditions": [condition("Started", "False", "ClaimNotFound")]}, None),
        ({"phase": "Succeeded", "conditions": [condition("Complete", "True", "Done")]}, None),
    ],
)
def test_an_error_says_why_it_failed_or_what_keeps_it_waiting(status: dict[str, Any], code: str | None) -> None:
    error = view(job(**status)).error
    assert (error and error.code) == code


def test_fields_of_a_newer_release_are_passed_over() -> None:
    newer = body(phase="Running", gpuHours=3, progress={"step": 4, "watts": 300})
    newer["spec"]["nodes"] = 2
    newer["spec"]["config"]["optim"] = "lion"
    seen = view(read(newer))
    assert (seen.status, seen.metrics.step) == ("running", 4)


def test_a_config_that_an_older_release_let_in_is_still_shown() -> None:
    older = read(body(config={"num_train_epochs": 1_000_000}, phase="Running", cancel=True))
    assert older.spec.cancel
    assert view(older).config.num_train_epochs == 1_000_000
    assert view(older).model_dump_json()
