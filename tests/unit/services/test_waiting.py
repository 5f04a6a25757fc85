"""What one sees while waiting."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from one_ring.services.job import view
from one_ring.services.waiting import Display
from tests.unit.services.samples import job


def progress(step: int, loss: float | None = None) -> dict[str, Any]:
    return {"epoch": step / 100, "step": step, "totalSteps": 300, "percent": step // 3, "loss": loss}


def shown(*statuses: dict[str, Any], terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=160)
    with Display(console) as display:
        for status in statuses:
            display.show(view(job(**status)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


COURSE: list[dict[str, Any]] = [
    {"phase": "Queued"},
    {"phase": "Running", "progress": progress(0)},
    *({"phase": "Running", "progress": progress(step, 1.5)} for step in range(1, 300)),
    {"phase": "Succeeded", "progress": progress(300, 1.25)},
]


def test_without_a_terminal_there_is_a_line_a_tenth_of_the_way() -> None:
    lines = shown(*COURSE).splitlines()
    assert lines[0] == "support-bot-x7k2p  queued"
    assert lines[1] == "support-bot-x7k2p  running  step 0/300  epoch 0.0/3"
    assert lines[-1] == "support-bot-x7k2p  completed  step 300/300  epoch 3.0/3  loss 1.2500"
    assert len(lines) == 12


def test_on_a_terminal_a_bar_moves() -> None:
    text = shown(*COURSE, terminal=True)
    assert "Support bot: completed" in text
    assert "loss 1.2500" in text


def test_the_end_says_what_was_wrong() -> None:
    attempt = {"number": 1, "failureClass": "Data", "message": "1 line is malformed"}
    faults = [{"file": "[train].jsonl", "line": 7, "message": "is no JSON"}]
    text = shown({"phase": "Failed", "attempts": [attempt], "faults": faults})
    assert "Data: 1 line is malformed" in text
    assert "[train].jsonl:7: is no JSON" in text
