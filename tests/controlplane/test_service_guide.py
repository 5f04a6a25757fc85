"""The users' guide's Python snippets, as printed, in a program of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane.gateway_process import in_namespace

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/training-workflow.md").read_text()
_, CREATE, START, MONITOR, CANCEL = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def environment(cluster: str, namespace: str, tmp_path: Path) -> dict[str, str]:
    return os.environ | {"KUBECONFIG": in_namespace(cluster, namespace, tmp_path), "PYTHONPATH": str(ROOT)}


def output(environment: dict[str, str], *snippets: str) -> str:
    """What a program of these snippets prints; it must end by itself and have nothing to complain about."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(snippets)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_snippet_runs_as_printed(environment: dict[str, str]) -> None:
    printed = output(environment, CREATE, START, "job_id = job.id", MONITOR, CANCEL)
    assert "Status: pending" in printed
    assert "Progress: 0.0/3 epochs" in printed
    assert "Current loss: nan" in printed
    assert re.search(r"my-first-finetuning-\w{5}: my-first-finetuning - pending", printed)
    assert "Job cancelled successfully" in printed


def test_the_snippets_load_no_torch(environment: dict[str, str]) -> None:
    assert output(environment, CREATE, "import sys; print('torch' in sys.modules)") == "False\n"


def test_a_program_may_end_in_the_middle_of_a_watch(environment: dict[str, str]) -> None:
    assert output(
        environment, CREATE, "changes = training_service.watch_job(job.id)", "print(next(changes).status)"
    ) == ("pending\n")
