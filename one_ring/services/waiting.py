"""What one sees while waiting for a job: a moving bar on a terminal and in a notebook, else a line now and then."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from one_ring.services.job import Job

_PERCENT_BETWEEN_LINES = 10


class Display:
    """Shows one job's way to its end."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._moves = self._console.is_terminal or self._console.is_jupyter
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[measures]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._moves,
        )
        self._task = self._bar.add_task("", total=None, measures="")
        self._said = ("", -1)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self._bar.stop()
        if kind is KeyboardInterrupt:
            self._console.print("No longer waiting; the job goes on. cancel_job(job.id) would end it.")

    def show(self, job: Job) -> None:
        """Shows how far the job is, and at its end how it went."""
        total = job.metrics.total_steps or None
        text = f"{job.name}: {job.status}"
        self._bar.update(self._task, description=text, completed=job.metrics.step, total=total, measures=measures(job))
        self._say(job)
        if job.is_over and job.error is not None:
            self._console.print(str(job.error), markup=False)

    def _say(self, job: Job) -> None:
        said = (job.status, job.metrics.percent // _PERCENT_BETWEEN_LINES)
        if said != self._said and not self._moves:
            self._console.print(line(job), markup=False, highlight=False)
        self._said = said


def line(job: Job) -> str:
    """One job in one line."""
    return "  ".join(part for part in (job.id, job.status, measures(job)) if part)


def measures(job: Job) -> str:
    """Steps, epochs and loss, as far as they are known."""
    known = job.metrics
    if not known.total_steps:
        return ""
    steps = f"step {known.step}/{known.total_steps}  epoch {known.epoch:.1f}/{job.config.num_train_epochs}"
    return steps if math.isnan(known.loss) else f"{steps}  loss {known.loss:.4f}"
