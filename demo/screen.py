"""What the watcher sees: numbered steps, commands, notes, and tables that move while something is under way.

Tables move on a terminal only; elsewhere a line is printed when something has changed, so that a log stays readable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text

from demo.problems import StepFailed

WIDTH_COLUMNS = 110
QUIET_SECONDS = 20.0

Show = Callable[[RenderableType, str], None]


class Screen:
    """A terminal, or a log file; with ``record`` all of it can be saved as a picture."""

    def __init__(self, *, steps: int, record: bool = False) -> None:
        plain = Console()
        width = min(plain.width, WIDTH_COLUMNS) if plain.is_terminal else WIDTH_COLUMNS
        self._console = Console(record=record, width=width, highlight=False)
        # What moves is not part of the picture.
        self._live = Console(width=width, highlight=False)
        self._started = time.monotonic()
        self._steps = steps
        self._step = 0

    @property
    def seconds(self) -> float:
        """Time since the demo began."""
        return time.monotonic() - self._started

    def step(self, title: str) -> None:
        self._step += 1
        self._console.print()
        label = f"[bold cyan]{self._step}/{self._steps}[/]  [bold]{title}[/]  [dim]{clock(self.seconds)}[/]"
        self._console.print(Rule(label, align="left", style="cyan"))

    def say(self, text: str) -> None:
        """A sentence; may carry rich's markup."""
        self._console.print(Padding(Text.from_markup(text), (0, 2)))

    def command(self, command: str) -> None:
        """A command, as one would type it."""
        self._console.print(Padding(Text(f"$ {command}", style="bold green"), (0, 2)))

    def code(self, text: str, language: str) -> None:
        shown = Syntax(text.strip("\n"), language, theme="ansi_dark", background_color="default", word_wrap=True)
        self._console.print(Padding(shown, (0, 4)))

    def output(self, text: str) -> None:
        """What a command answered, as it came."""
        self._console.print(Padding(Text(text.rstrip("\n")), (0, 4)))

    def put(self, what: RenderableType) -> None:
        self._console.print(Padding(what, (0, 2)))

    @contextmanager
    def moving(self) -> Iterator[Show]:
        """Gives a function that shows the present state: a table for terminals, a line for logs."""
        if self._live.is_terminal:
            with Live(console=self._live, transient=True, refresh_per_second=4) as live:
                yield lambda table, _line: live.update(Padding(table, (0, 2)))
        else:
            yield _Lines(self._live, self._started).show

    def failed(self, problem: StepFailed) -> None:
        self._console.print()
        self._console.print(Text(f"Failed: {problem.step}", style="bold red"))
        if problem.tail:
            self._console.print(Padding(Text(problem.tail, style="dim"), (0, 4)))
        if problem.log:
            self._console.print(Text(f"All of it: {problem.log}"))
        self._console.print(Text(f"What to do: {problem.remedy}", style="bold"))

    def save_picture(self, file: Path) -> None:
        file.write_text(self._console.export_svg(title="make demo", clear=False))


class _Lines:
    """Prints a line when it differs from the last one, and not more often than a reader wants."""

    def __init__(self, console: Console, started: float) -> None:
        self._console = console
        self._started = started
        self._last = ""
        self._last_time = 0.0

    def show(self, _table: RenderableType, line: str) -> None:
        now = time.monotonic()
        if line == self._last or now - self._last_time < QUIET_SECONDS:
            return
        self._last, self._last_time = line, now
        self._console.print(Text(f"  {clock(now - self._started)}  {line}", style="dim"))


def clock(seconds: float) -> str:
    """Seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
