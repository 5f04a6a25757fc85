"""What the demo ships: data that the trainer takes, a job that the API server takes, and the learning rate's course."""

from __future__ import annotations

import json

import pytest

from demo import base_model
from demo.places import DEMO, TEXT
from demo.volumes import with_image
from one_ring.api import TrainingJob, load_yaml


def rows(name: str) -> list[str]:
    return [json.loads(line)["text"] for line in (TEXT / name).read_text().splitlines()]


def test_the_sayings_have_two_lines_and_none_is_in_both_files() -> None:
    train, validation = rows("train.jsonl"), rows("validation.jsonl")
    assert all(text.count("\n") == 1 for text in train + validation)
    assert len(set(train + validation)) == len(train) + len(validation)


def test_the_base_model_reads_no_saying_that_it_is_fine_tuned_on() -> None:
    prose = base_model.PROSE.read_text()
    assert not [text for text in rows("train.jsonl") if text.replace("\n", " ") in prose]


def test_the_job_is_a_valid_training_job() -> None:
    job = TrainingJob.model_validate(load_yaml((DEMO / "proverbs.yaml").read_text()))
    assert job.spec.config.train_file == "data/train.jsonl"


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 1 / 30), (29, 1.0), (base_model.STEPS // 3, 1.0), (base_model.STEPS, 0.0)],
    ids=["begins low", "is warm", "stays level", "ends at nothing"],
)
def test_the_learning_rate_warms_up_stays_and_falls(step: int, factor: float) -> None:
    assert base_model.learning_rate_factor(step) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("pushed", "image"),
    [
        ({"digests": {"operator": "sha256:1"}}, "ghcr.io/one-ring-training/operator@sha256:1"),
        (
            {"registry": "r:5000/me", "digests": {"operator": "sha256:1"}},
            "r:5000/me/one-ring-training/operator@sha256:1",
        ),
        ({"registry": "r:5000"}, "r:5000/one-ring-training/operator:0.1.0"),
    ],
    ids=["the chart's registry", "another registry", "not pushed"],
)
def test_the_helper_pod_runs_the_image_that_was_pushed(pushed: dict[str, object], image: str) -> None:
    manifest = {"spec": {"containers": [{"image": "ghcr.io/one-ring-training/operator:0.1.0"}]}}
    assert with_image(manifest, {"image": pushed})["spec"]["containers"][0]["image"] == image
