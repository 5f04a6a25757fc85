"""Running other programs: one at a time with their output, or several side by side with their progress shown."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from demo.places import ROOT, cache
from demo.problems import StepFailed
from demo.screen import Screen, clock

POLL_SECONDS = 0.25
INTERRUPT_PATIENCE_SECONDS = 10
_LAST_LINE_CHARACTERS = 62


def run(
    *command: str,
    doing: str,
    remedy: str,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_seconds: float = 300,
) -> str:
    """The output of a command; ``StepFailed`` with its last lines if it fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=dict(env) if env is not None else None,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as missing:
        raise StepFailed(doing, tail=str(missing), remedy=remedy) from None
    except subprocess.TimeoutExpired:
        tail = f"{' '.join(command)} took more than {timeout_seconds:.0f} s"
        raise StepFailed(doing, tail=tail, remedy=remedy) from None
    if done.returncode != 0:
        raise StepFailed(doing, tail=f"$ {' '.join(command)}\n{done.stdout}\n{done.stderr}", remedy=remedy)
    return done.stdout


@contextmanager
def alone() -> Iterator[None]:
    """One demo at a time: a second would take the first one's job and port away."""
    with (cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StepFailed("starting", tail="another demo runs on this machine", remedy="wait for its end") from None
        yield


def stop_on_signals() -> None:
    """Lets SIGTERM, and SIGINT also where the shell had it ignored, end this program as Ctrl-C does: in order."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


@dataclass
class Task:
    """A command that runs beside others, its output going into a log file."""

    name: str
    command: Sequence[str]
    remedy: str
    after: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)
    _ended: float = field(default=0.0, init=False)

    @property
    def log(self) -> Path:
        return cache() / "logs" / f"{self.name.replace(' ', '-')}.log"

    @property
    def state(self) -> str:
        """``waiting``, ``running``, ``done`` or ``failed``."""
        if self._process is None:
            return "waiting"
        code = self._process.poll()
        if code is not None and not self._ended:
            self._ended = time.monotonic()
        return "running" if code is None else "done" if code == 0 else "failed"

    @property
    def seconds(self) -> float:
        return (self._ended or time.monotonic()) - self._started if self._started else 0.0

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._started = time.monotonic()
        with self.log.open("wb") as output:
            # A session of its own: Ctrl-C reaches the demo alone, which then ends its tasks in order.
            self._process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=dict(self.env) if self.env is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Interrupts the command and what it started, and waits for its end."""
        if self._process is None or self._process.poll() is not None:
            return
        group = self._process.pid
        os.killpg(group, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(INTERRUPT_PATIENCE_SECONDS)
        # What a shell started in the background is deaf to SIGINT.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait()

    def last_line(self) -> str:
        """What it said last, with paths as one would type them."""
        return last_line(self.log).replace(f"{Path.home()}/", "~/") if self._process else ""


def run_side_by_side(tasks: Sequence[Task], screen: Screen) -> None:
    """Runs every task, each as soon as those it comes after are done; the first failure ends them all."""
    try:
        with screen.moving() as show:
            while not all(task.state == "done" for task in tasks):
                _start_what_can(tasks)
                show(_table(tasks), _line(tasks))
                _raise_first_failure(tasks)
                time.sleep(POLL_SECONDS)
    finally:
        for task in tasks:
            task.stop()
    screen.put(_table(tasks))


def last_line(log: Path) -> str:
    """The last line of a log that says something; of a progress bar, its present state."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines()]
    return next((line for line in reversed(lines) if line), "")


def _start_what_can(tasks: Sequence[Task]) -> None:
    done = {task.name for task in tasks if task.state == "done"}
    for task in tasks:
        if task.state == "waiting" and done.issuperset(task.after):
            task.start()


def _raise_first_failure(tasks: Sequence[Task]) -> None:
    for task in tasks:
        if task.state == "failed":
            tail = task.log.read_text(errors="replace").replace("\r", "\n")
            raise StepFailed(task.name, tail=tail, remedy=task.remedy, log=task.log)


_SIGNS = {"waiting": "[dim]·[/]", "running": "[yellow]▸[/]", "done": "[green]✓[/]", "failed": "[red]✗[/]"}


def _table(tasks: Sequence[Task]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(style="dim", no_wrap=True, overflow="ellipsis", max_width=_LAST_LINE_CHARACTERS)
    for task in tasks:
        waiting_for = f"after {' and '.join(task.after)}" if task.after else ""
        says = waiting_for if task.state == "waiting" else task.last_line()
        table.add_row(_SIGNS[task.state], task.name, clock(task.seconds), says.replace("[", "\\["))
    return table


def _line(tasks: Sequence[Task]) -> str:
    return " | ".join(f"{task.name}: {task.last_line()}" for task in tasks if task.state == "running")
