"""The live table: what becomes a row, and what a row shows."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from demo.watch import Sight, sight, table, with_sight

RUNNING = Sight(5.0, "Running", step=10, total_steps=100, percent=10)


@pytest.mark.parametrize(
    ("new", "rows"),
    [
        pytest.param(Sight(6.0, "Running", step=11, total_steps=100, percent=11), 1, id="a step moves the last row"),
        pytest.param(Sight(6.0, "Running", step=20, total_steps=100, percent=20), 2, id="a stretch begins a row"),
        pytest.param(Sight(6.0, "Saving", step=10, total_steps=100, percent=10), 2, id="a phase begins a row"),
    ],
)
def test_a_row_begins_with_a_phase_or_a_stretch_of_steps(new: Sight, rows: int) -> None:
    assert with_sight([RUNNING], new)[-rows:] == ([new] if rows == 1 else [RUNNING, new])


def test_a_status_without_progress_is_shown_as_pending() -> None:
    assert sight({}, 1.0) == Sight(1.0, "Pending")


def test_the_newest_condition_explains_the_phase() -> None:
    conditions = [
        {"type": "B", "message": "later", "lastTransitionTime": "2026-01-01T00:00:02Z"},
        {"type": "A", "message": "earlier", "lastTransitionTime": "2026-01-01T00:00:01Z"},
    ]
    assert sight({"phase": "Queued", "conditions": conditions}, 0.0).message == "later"


def test_the_table_shows_phase_step_loss_and_time_left() -> None:
    progress = {"step": 30, "totalSteps": 228, "percent": 13, "epoch": 0.4, "loss": 3.21987, "eta": "25s"}
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(table([sight({"phase": "Running", "progress": progress}, 65.0)]))
    shown = console.export_text()
    for words in ("1:05", "Running", "30 / 228", "0.4", "3.2199", "25s"):
        assert words in shown
