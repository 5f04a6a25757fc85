"""What happens before torch is loaded: imports stay light, signals are heard, configurations are refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from one_ring.api import FinalReport, Outcome, pod
from one_ring.training.errors import ConfigRefused
from one_ring.training.run import read_config

REPOSITORY = Path(__file__).parents[3]
ENTRYPOINT = REPOSITORY / "trainer-image" / "entrypoint.py"


def python(
    *arguments: str, cwd: Path = REPOSITORY, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **(env or {})}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_importing_the_trainer_loads_no_torch() -> None:
    heavy = "{'torch', 'transformers', 'peft', 'bitsandbytes', 'accelerate', 'kubernetes', 'kopf', 'fastapi'}"
    code = (
        f"import sys; from one_ring.training.trainer import TrainingConfig; print(sorted({heavy} & set(sys.modules)))"
    )

    done = python("-c", code)

    assert done.stdout == "[]\n", done.stderr


def test_only_the_standard_library_is_loaded_before_signals_are_heard() -> None:
    code = (
        "import sys; before = set(sys.modules); import one_ring.training.stop; "
        "print(sorted({n.split('.')[0] for n in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )

    assert python("-c", code).stdout == "['one_ring']\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_training_ends_the_process_at_once(tmp_path: Path, number: signal.Signals) -> None:
    message = tmp_path / "message"
    code = (
        "import os, sys; from one_ring.training.stop import Stop; "
        f"Stop({str(message)!r}).install(); os.kill(os.getpid(), {int(number)}); print('still here')"
    )

    done = python("-c", code)

    assert done.returncode == 143
    assert [json.loads(line)["level"] for line in done.stdout.splitlines()] == ["info"]
    final = FinalReport.model_validate_json(message.read_text())
    assert (final.outcome, final.saved) == (Outcome.STOPPED, False)


def test_every_fault_of_a_configuration_is_told_at_once_with_code_2(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"learning_rte": 1, "lora_r": 0, "peft_method": "qlora", "use_peft": false}')

    done = python(
        str(ENTRYPOINT),
        env={
            pod.CONFIG_FILE: str(tmp_path / "config.json"),
            pod.TERMINATION_MESSAGE_FILE: str(tmp_path / "message"),
            pod.OUTPUTS_ROOT: str(tmp_path),
        },
    )

    assert done.returncode == 2, done.stderr
    final = FinalReport.model_validate_json((tmp_path / "message").read_text())
    assert {fault.field for fault in final.faults} == {"learning_rte", "lora_r", "train_file", "peft_method"}
    assert final.fault_count == 4
    assert "did you mean 'learning_rate'?" in done.stdout


def test_the_command_refuses_an_absent_file_with_code_2(tmp_path: Path) -> None:
    done = python("-m", "one_ring.cli", "train", "absent.yaml", cwd=tmp_path)

    assert done.returncode == 2
    assert "absent.yaml cannot be read: No such file or directory" in done.stdout


def test_the_command_reports_bad_lines_with_code_3(tmp_path: Path) -> None:
    (tmp_path / "tales.yaml").write_text("train_file: a.jsonl\n")
    (tmp_path / "a.jsonl").write_text("{\n")

    done = python("-m", "one_ring.cli", "train", "tales.yaml", cwd=tmp_path)

    assert done.returncode == 3, done.stderr
    report = json.loads((tmp_path / "outputs" / "tales" / "report.json").read_text())
    assert [fault["line"] for fault in report["faults"]] == [1]
    assert report["failureClass"] == "Data"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("train_file: a.jsonl\nlearning_rate: 2e-5\n", id="bare yaml"),
        pytest.param('{"train_file": "a.jsonl", "learning_rate": 2e-5}', id="bare json"),
        pytest.param(
            "apiVersion: training.one-ring.io/v1alpha1\nkind: TrainingJob\nmetadata: {name: x}\n"
            "spec:\n  config: {train_file: a.jsonl, learning_rate: 2e-5}\n",
            id="a TrainingJob",
        ),
    ],
)
def test_a_configuration_is_read_from_each_of_its_forms(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)

    config = read_config(tmp_path / "config")

    assert (config.train_file, config.learning_rate) == ("a.jsonl", 2e-5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"a: [", "neither YAML nor JSON", id="torn"),
        pytest.param(b"\xff\xfe", "neither YAML nor JSON", id="binary"),
        pytest.param(b"", "holds no fields", id="empty"),
        pytest.param(b"- a", "holds no fields", id="list"),
        pytest.param(b"kind: TrainingJob\nspec: {config: {lora_r: 0}}", "spec.config.lora_r", id="nested"),
    ],
)
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "config").write_bytes(content)

    with pytest.raises(ConfigRefused, match=said):
        read_config(tmp_path / "config")
