"""What the watcher sees: numbered steps, commands, notes, and tables that move while something is under way.

Tables move on a terminal only; elsewhere a line is printed when something has changed, so that a log stays readable.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group, RenderableType
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
    """A terminal, or a log file; with ``record`` all of it, but for what moves, can be saved as a picture."""

    def __init__(self, *, steps: int, record: bool = False) -> None:
        plain = Console()
        width = min(plain.width, WIDTH_COLUMNS) if plain.is_terminal else WIDTH_COLUMNS
        self._console = Console(width=width, highlight=False)
        self._picture = Console(width=WIDTH_COLUMNS, highlight=False, file=io.StringIO(), record=record)
        self._started = time.monotonic()
        self._steps = steps
        self._step = 0

    @property
    def seconds(self) -> float:
        """Time since the demo began."""
        return time.monotonic() - self._started

    def step(self, title: str) -> None:
        self._step += 1
        label = f"[bold cyan]{self._step}/{self._steps}[/]  [bold]{title}[/]  [dim]{clock(self.seconds)}[/]"
        self._print(Group("", Rule(label, align="left", style="cyan")))

    def say(self, text: str) -> None:
        """A sentence; may carry rich's markup."""
        self.put(Text.from_markup(text))

    def command(self, command: str) -> None:
        """A command, as one would type it."""
        self.put(Text(f"$ {command}", style="bold green"))

    def code(self, text: str, language: str) -> None:
        self._print(_code(text.strip("\n"), language))

    def guide(self, text: str, language: str) -> None:
        """A snippet of the guide; the picture has its beginning only."""
        lines = text.strip("\n").splitlines()
        begin = next(number for number, line in enumerate(lines) if not line.startswith(("#", "from ")) and line)
        self._console.print(_code("\n".join(lines), language))
        self._picture.print(_code(lines[begin] + (" …" if len(lines) > begin + 1 else ""), language))

    def output(self, text: str) -> None:
        """What a command answered, as it came."""
        self._print(Padding(Text(text.rstrip("\n")), (0, 4)))

    def put(self, what: RenderableType) -> None:
        self._print(Padding(what, (0, 2)))

    @contextmanager
    def moving(self) -> Iterator[Show]:
        """Gives a function that shows the present state: a table for terminals, a line for logs."""
        if self._console.is_terminal:
            with Live(console=self._console, transient=True, refresh_per_second=4) as live:
                yield lambda table, _line: live.update(Padding(table, (0, 2)))
        else:
            yield _Lines(self._console, self._started).show

    def failed(self, problem: StepFailed) -> None:
        self._console.print()
        self._console.print(Text(f"Failed: {problem.step}", style="bold red"))
        if problem.tail:
            self._console.print(Padding(Text(problem.tail, style="dim"), (0, 4)))
        if problem.log:
            self._console.print(Text(f"All of it: {problem.log}"))
        self._console.print(Text(f"What to do: {problem.remedy}", style="bold"))

    def save_picture(self, file: Path) -> None:
        # Without the fonts that rich would fetch from elsewhere: the viewer's own will do.
        form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        file.write_text(self._picture.export_svg(title="make demo", code_format=form))

    def _print(self, what: RenderableType) -> None:
        for console in (self._console, self._picture):
            console.print(what)


def _code(text: str, language: str) -> RenderableType:
    return Padding(Syntax(text, language, theme="ansi_dark", background_color="default", word_wrap=True), (0, 4))


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
