"""A run goes on from its own newest complete checkpoint, and from nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def half_done(world: Any) -> Path:
    """The folder of a run that has 12 steps, with checkpoints of steps 4, 8 and 12, and lost all that came after."""
    ended = world.run(num_train_epochs=2, save_steps=4)
    assert ended.code == 0
    shutil.rmtree(ended.folder / "adapter")
    shutil.rmtree(ended.folder / "checkpoints" / "step-12")
    (ended.folder / "metrics.jsonl").unlink()
    folder: Path = ended.folder
    return folder


def steps(ended: Any) -> list[int]:
    return [entry["step"] for entry in ended.metrics]


def test_a_run_goes_on_from_its_newest_checkpoint(world: Any, half_done: Path) -> None:
    ended = world.run(num_train_epochs=2, save_steps=4)

    assert ended.code == 0
    assert ended.final["resumedFromStep"] == 8
    assert steps(ended) == [9, 10, 11, 12]
    assert (ended.folder / "adapter").is_dir()


def test_a_resumed_run_ends_as_an_uninterrupted_one(world: Any, half_done: Path) -> None:
    from safetensors.torch import load_file

    resumed = world.run(num_train_epochs=2, save_steps=4)
    straight = world.run(num_train_epochs=2, save_steps=4, run_id="other", output_dir="straight")

    assert straight.code == 0
    one = load_file(resumed.folder / "adapter" / "adapter_model.safetensors")
    other = load_file(world.roots.outputs / "straight" / "adapter" / "adapter_model.safetensors")
    assert all(one[name].allclose(other[name], atol=1e-6) for name in one)
    numbers = [
        json.loads(line) for line in (world.roots.outputs / "straight" / "metrics.jsonl").read_text().splitlines()
    ]
    assert resumed.metrics[-1]["tokens_seen"] == numbers[-1]["tokens_seen"]


def test_a_checkpoint_of_another_run_is_ignored(world: Any, half_done: Path) -> None:
    ended = world.run(num_train_epochs=2, save_steps=4, run_id="another")

    assert ended.code == 0
    assert "resumedFromStep" not in ended.final
    assert steps(ended)[0] == 1


@pytest.mark.parametrize("damage", ["no manifest", "torn file", "missing file"])
def test_an_incomplete_checkpoint_is_ignored(world: Any, half_done: Path, damage: str) -> None:
    newest = half_done / "checkpoints" / "step-8"
    if damage == "no manifest":
        (newest / "manifest.json").unlink()
    elif damage == "torn file":
        (newest / "optimizer.pt").write_bytes(b"torn")
    else:
        (newest / "adapter_model.safetensors").unlink()

    ended = world.run(num_train_epochs=2, save_steps=4)

    assert ended.code == 0
    assert ended.final["resumedFromStep"] == 4
    assert steps(ended) == [*range(5, 13)]


@pytest.mark.parametrize("fields", [{"num_train_epochs": 2}, {"max_steps": 10}], ids=["epochs", "max_steps"])
def test_a_run_that_was_lost_after_its_last_step_only_saves_its_adapter(world: Any, fields: dict[str, Any]) -> None:
    done = world.run(**fields)
    first = (done.folder / "adapter" / "adapter_model.safetensors").read_bytes()
    shutil.rmtree(done.folder / "adapter")

    again = world.run(**fields)

    assert again.code == 0
    assert again.final["progress"]["step"] == again.final["progress"]["totalSteps"]
    assert again.final["progress"]["loss"] == done.final["progress"]["loss"]
    assert (again.folder / "adapter" / "adapter_model.safetensors").read_bytes() == first


def test_only_the_newest_checkpoints_are_kept(world: Any) -> None:
    ended = world.run(num_train_epochs=2, save_steps=2, save_total_limit=2)

    kept = sorted(path.name for path in (ended.folder / "checkpoints").iterdir())
    assert kept == ["step-10", "step-12"]


def test_about_ten_checkpoints_are_written_when_nothing_is_said(world: Any) -> None:
    ended = world.run(max_steps=30, save_steps=None, save_total_limit=100)

    assert len(list((ended.folder / "checkpoints").iterdir())) == 10


def test_training_every_weight_resumes_too(world: Any) -> None:
    done = world.run(use_peft=False, num_train_epochs=2, save_steps=4)
    shutil.rmtree(done.folder / "checkpoints" / "step-12")

    ended = world.run(use_peft=False, num_train_epochs=2, save_steps=4)

    assert ended.code == 0, ended.message
    assert ended.final["resumedFromStep"] == 8
    assert ended.losses[-1] == pytest.approx(done.losses[-1], rel=1e-4)
