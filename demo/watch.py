"""A job's course as a live table: a row for each phase and each stretch of training, the last row moving."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from demo.cluster import Cluster
from demo.places import NAMESPACE
from demo.problems import StepFailed
from demo.screen import Screen, clock

POLL_SECONDS = 0.5
STRETCH_PERCENT = 20
PHASE_COLOURS = {"Running": "yellow", "Succeeded": "green", "Failed": "red", "Cancelled": "magenta"}
TERMINAL = ("Succeeded", "Failed", "Cancelled")
TALKATIVE = ("Running", "Saving")  # their numbers say it all


@dataclass(frozen=True)
class Sight:
    """A job at one moment; ``seconds`` since it was first looked at."""

    seconds: float
    phase: str
    step: int = 0
    total_steps: int = 0
    percent: int = 0
    epoch: float = 0.0
    loss: float | None = None
    eta: str = ""
    message: str = ""


def sight(status: dict[str, Any], seconds: float) -> Sight:
    """What a TrainingJob's status says."""
    progress = status.get("progress") or {}
    return Sight(
        seconds=seconds,
        phase=status.get("phase") or "Pending",
        step=progress.get("step") or 0,
        total_steps=progress.get("totalSteps") or 0,
        percent=progress.get("percent") or 0,
        epoch=progress.get("epoch") or 0.0,
        loss=progress.get("loss"),
        eta=progress.get("eta") or "",
        message="" if status.get("phase") in TALKATIVE else _message(status),
    )


def with_sight(rows: Sequence[Sight], new: Sight) -> list[Sight]:
    """The rows with what is now: a row of its own after a change of phase or a stretch of steps, else the last one."""
    if not rows:
        return [new]
    earlier, last = rows[:-1], rows[-1]
    begins_a_row = new.phase != last.phase or _stretch(new) != _stretch(last)
    return [*rows, new] if begins_a_row else [*earlier, new]


def table(rows: Sequence[Sight]) -> Table:
    """The rows for people."""
    made = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    made.add_column("TIME", justify="right", style="dim")
    made.add_column("PHASE", min_width=10)
    made.add_column("STEP", justify="right", min_width=9)
    made.add_column("EPOCH", justify="right")
    made.add_column("LOSS", justify="right", min_width=7)
    made.add_column("ETA", justify="right", min_width=5)
    made.add_column("", style="dim", no_wrap=True, overflow="ellipsis", max_width=46)
    for row in rows:
        made.add_row(*_cells(row))
    return made


def follow(cluster: Cluster, name: str, screen: Screen, *, deadline_seconds: float = 900) -> dict[str, Any]:
    """Shows the job until it has ended; its status then. ``StepFailed`` unless it succeeded."""
    started = time.monotonic()
    rows: list[Sight] = []
    with screen.moving() as show:
        while not rows or rows[-1].phase not in TERMINAL:
            status = cluster.job(name).get("status") or {}
            rows = with_sight(rows, sight(status, time.monotonic() - started))
            show(table(rows), _line(name, rows[-1]))
            if rows[-1].seconds > deadline_seconds:
                break
            time.sleep(POLL_SECONDS)
    screen.put(table(rows))
    _check_succeeded(name, rows[-1])
    return status


def _check_succeeded(name: str, last: Sight) -> None:
    if last.phase != "Succeeded":
        remedy = (
            f"kubectl -n {NAMESPACE} describe tjob {name}; kubectl -n {NAMESPACE} get events --sort-by=.lastTimestamp"
        )
        raise StepFailed(
            f"training {name}", tail=f"{last.phase} after {clock(last.seconds)}: {last.message}", remedy=remedy
        )


def _stretch(row: Sight) -> int:
    return row.percent // STRETCH_PERCENT


def _cells(row: Sight) -> tuple[str, ...]:
    colour = PHASE_COLOURS.get(row.phase, "default")
    return (
        clock(row.seconds),
        f"[{colour}]{row.phase}[/]",
        f"{row.step} / {row.total_steps}" if row.total_steps else "",
        f"{row.epoch:.1f}" if row.total_steps else "",
        f"{row.loss:.4f}" if row.loss is not None else "",
        row.eta,
        row.message.replace("[", "\\["),
    )


def _line(name: str, row: Sight) -> str:
    loss = f", loss {row.loss:.4f}" if row.loss is not None else ""
    steps = f", step {row.step}/{row.total_steps}" if row.total_steps else ""
    return f"{name}: {row.phase}{steps}{loss}" + (f", {row.eta} left" if row.eta else "")


def _message(status: dict[str, Any]) -> str:
    """The newest condition's sentence: why it waits, or how it ended."""
    conditions = [one for one in status.get("conditions") or [] if one.get("message")]
    newest = max(conditions, key=lambda one: one.get("lastTransitionTime") or "", default=None)
    return str(newest["message"]) if newest else ""
