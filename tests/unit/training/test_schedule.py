"""Steps are known before anything is loaded."""

from __future__ import annotations

import pytest

from one_ring.api import TrainingConfig
from one_ring.training.errors import ConfigRefused
from one_ring.training.schedule import plan, total_steps


def config(**fields: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"train_file": "a.jsonl", **fields})


@pytest.mark.parametrize(
    ("fields", "rows", "steps"),
    [
        pytest.param({"num_train_epochs": 3}, 8, 6, id="even"),
        pytest.param({"num_train_epochs": 1}, 9, 3, id="a last small batch"),
        pytest.param({"num_train_epochs": 2, "gradient_accumulation_steps": 4}, 20, 4, id="a short accumulation"),
        pytest.param({"num_train_epochs": 5}, 1, 5, id="one row"),
        pytest.param({"max_steps": 7}, 1000, 7, id="max_steps wins"),
    ],
)
def test_total_steps(fields: dict[str, int], rows: int, steps: int) -> None:
    assert total_steps(config(**fields), rows=rows) == steps


@pytest.mark.parametrize(
    ("fields", "warmup"),
    [({"warmup_steps": 5}, 5), ({"warmup_ratio": 0.03}, 3), ({"warmup_ratio": 0.001}, 1), ({}, 0)],
)
def test_warm_up_in_steps(fields: dict[str, float], warmup: int) -> None:
    assert plan(config(max_steps=100, **fields), rows=1).warmup_steps == warmup


@pytest.mark.parametrize(("total", "every"), [(5, 1), (100, 10), (1234, 123)])
def test_about_ten_checkpoints_in_a_run(total: int, every: int) -> None:
    assert plan(config(max_steps=total), rows=1).save_steps == every
    assert plan(config(max_steps=total, save_steps=3), rows=1).save_steps == 3


def test_adalora_prunes_after_a_tenth_and_settles_for_the_last_third() -> None:
    course = plan(config(peft_method="adalora", max_steps=1000), rows=1)

    assert (course.adalora_tinit, course.adalora_tfinal) == (100, 300)


@pytest.mark.parametrize("total", range(2, 40))
def test_adaloras_own_choice_always_leaves_room(total: int) -> None:
    course = plan(config(peft_method="adalora", max_steps=total), rows=1)

    assert max(course.adalora_tinit, 1) < total - course.adalora_tfinal


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"adalora_tinit": 8, "adalora_tfinal": 2, "max_steps": 10}, "adalora_tinit"),
        ({"adalora_tfinal": 10, "max_steps": 10}, "adalora_tfinal"),
        ({"max_steps": 1}, "adalora_tfinal"),
    ],
)
def test_adalora_without_a_step_to_prune_in_is_refused(fields: dict[str, int], field: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        plan(config(peft_method="adalora", **fields), rows=1)

    assert refused.value.faults[0].field == field
    assert "train longer" in str(refused.value)
