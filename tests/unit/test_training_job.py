"""The TrainingJob model, its names and its phases."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from one_ring.api import Phase, TrainingJob, field_errors, job_id

DNS_LABEL = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")


@given(st.text(max_size=200))
def test_any_given_name_becomes_a_valid_short_id(name: str) -> None:
    made = job_id(name)
    assert DNS_LABEL.match(made)
    assert len(made) <= 52


def test_two_jobs_of_one_name_get_two_ids() -> None:
    assert job_id("My first finetuning").startswith("my-first-finetuning-")
    assert job_id("a") != job_id("a")


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        (Phase.PENDING, "pending"),
        (Phase.QUEUED, "queued"),
        (Phase.PREPARING, "preparing"),
        (Phase.RUNNING, "running"),
        (Phase.SAVING, "saving"),
        (Phase.SUCCEEDED, "completed"),
        (Phase.FAILED, "failed"),
        (Phase.CANCELLED, "cancelled"),
        (Phase.SUSPENDED, "paused"),
    ],
    ids=str,
)
def test_each_phase_has_the_guides_word(phase: Phase, word: str) -> None:
    assert phase.word == word


def test_a_fault_in_the_spec_is_named_by_its_whole_path() -> None:
    body = {
        "metadata": {"name": "x"},
        "spec": {"config": {"train_file": "x", "lora_r": 0}, "tolerations": [{"efect": "NoSchedule"}]},
    }
    with pytest.raises(ValidationError) as refused:
        TrainingJob.model_validate(body)
    assert {error.field for error in field_errors(refused.value)} == {
        "spec.config.lora_r",
        "spec.tolerations[0].efect",
    }


def test_a_job_is_called_what_its_user_called_it() -> None:
    metadata = {"name": "bot-x7k2p", "annotations": {"training.one-ring.io/display-name": "Bot!"}}
    job = TrainingJob.model_validate({"metadata": metadata, "spec": {"config": {"train_file": "x"}}})
    assert job.display_name == "Bot!"
