"""Tasks side by side: order, failure, and an end for what they started."""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path

import pytest

from demo.problems import StepFailed
from demo.screen import Screen
from demo.shell import Task, alone, last_line, run, run_side_by_side


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONE_RING_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    return tmp_path


def shell(name: str, script: str, *, after: tuple[str, ...] = ()) -> Task:
    return Task(name, ["bash", "-c", script], remedy=f"mend {name}", after=after)


def test_a_task_begins_when_those_before_it_are_done(tmp_path: Path) -> None:
    made = tmp_path / "made"
    tasks = [shell("second", f"cat {made}", after=("first",)), shell("first", f"echo it > {made}")]
    run_side_by_side(tasks, Screen(steps=1))
    assert tasks[0].last_line() == "it"


def test_a_failed_task_is_named_with_its_last_lines_and_ends_the_others(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    endless = shell("endless", f"sleep 600 & echo $! > {pid_file}; wait")
    failing = shell("failing", f"until [ -s {pid_file} ]; do sleep 0.05; done; echo broken >&2; exit 3")
    with pytest.raises(StepFailed, match="failing") as failed:
        run_side_by_side([endless, failing], Screen(steps=1))
    assert (failed.value.tail, failed.value.remedy) == ("broken", "mend failing")
    assert ended(int(pid_file.read_text()))


def ended(pid: int) -> bool:
    """Whether the process is gone within five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_second_demo_is_refused_while_the_first_runs() -> None:
    with alone(), pytest.raises(StepFailed, match="starting"), alone():
        pass
    with alone():
        pass


def test_a_progress_bar_is_shown_by_its_present_state(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("begun\n 10 %\r 20 %\r\n\n")
    assert last_line(log) == "20 %"


def test_a_failed_command_says_what_it_was_doing_and_what_to_do() -> None:
    with pytest.raises(StepFailed, match="counting") as failed:
        run("bash", "-c", "echo no >&2; false", doing="counting", remedy="count again")
    assert "no" in failed.value.tail
    assert failed.value.remedy == "count again"
