"""What a run writes down: JSON lines, metrics, TensorBoard files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_standard_output_holds_json_lines_and_nothing_else(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ended = world.run(max_steps=3, logging_steps=2)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3]
    assert lines[-1]["outcome"] == "succeeded"
    assert all({"time", "level", "message"} <= line.keys() for line in lines)
    logged = [json.loads(line) for line in (ended.folder / "train.log").read_text().splitlines()]
    assert logged == lines
    assert [line["level"] for line in lines if line["level"] != "info"] == []


def test_tensorboard_files_lie_beside_the_adapter(world: Any) -> None:
    ended = world.run(max_steps=2, report_to=["tensorboard"])

    assert ended.code == 0, ended.message
    assert list((ended.folder / "tensorboard").glob("events.out.tfevents.*"))


def test_kubeflows_callback_stays_out(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_URL", "https://localhost:1")

    assert world.run(max_steps=1).code == 0


def test_one_command_trains_on_a_laptop(world: Any, tmp_path: Path) -> None:
    fields = "".join(f"{key}: {json.dumps(value)}\n" for key, value in world.config(max_steps=4).items())
    (tmp_path / "tales.yaml").write_text(fields.replace("0.01", "1e-2"))
    # -P as for the installed command: the folder it runs in is no place to import from.
    command = [sys.executable, "-P", "-m", "one_ring.cli", "train", "tales.yaml", "--data", "datasets"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "outputs" / "tales" / "adapter" / "adapter_model.safetensors").is_file()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["outcome"] == "succeeded"
    assert next(line["learning_rate"] for line in lines if "learning_rate" in line) == 0.01


def test_a_laptop_run_goes_on_until_its_config_or_data_change(world: Any, tales: list[str]) -> None:
    assert "resumedFromStep" not in world.run(run_id="", save_steps=2).final
    assert world.run(run_id="", save_steps=2).final["resumedFromStep"] == 12
    assert "resumedFromStep" not in world.run(run_id="", save_steps=2, seed=1).final
    world.rows("train.jsonl", tales)
    assert "resumedFromStep" not in world.run(run_id="", save_steps=2, seed=1).final
