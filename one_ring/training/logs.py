"""What is printed? JSON lines, and nothing else, on standard output and in train.log; on a terminal a progress bar."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from one_ring.api import Progress

_OURS = "one_ring"


class JsonLines(logging.Formatter):
    """One JSON object per record: time, level, message, logger, and the fields it was given."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **({} if record.name.startswith(_OURS) else {"logger": record.name}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Display:
    """What a person sees on a terminal; silent where there is none."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False) if stream.isatty() else None
        self._bar: Bar | None = None

    @property
    def is_terminal(self) -> bool:
        return self._console is not None

    def says(self, message: str) -> None:
        """One line above the bar."""
        if self._console:
            self._console.print(message, markup=False)

    def shows(self, progress: Progress) -> None:
        """Move the bar."""
        if self._console is None:
            return
        if self._bar is None:
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = Bar(*columns, console=self._console)
            self._bar.add_task("", total=progress.total_steps)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=progress.step, description=_described(progress))

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar:
            self._bar.stop()


def _described(progress: Progress) -> str:
    parts = [f"epoch {progress.epoch:.1f}"]
    parts += [f"loss {progress.loss:.4f}"] if progress.loss is not None else []
    parts += [f"{progress.eta} left"] if progress.eta and progress.step < progress.total_steps else []
    return "  ".join(parts)


class _WarningsToTerminal(logging.Handler):
    """Our own warnings, for the person at the terminal; errors are shown where they end the run."""

    def __init__(self, display: Display) -> None:
        super().__init__(logging.WARNING)
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING and record.name.startswith(_OURS):
            self._display.says(f"Warning: {record.getMessage()}")


class _PrintsToLog(io.TextIOBase):
    """Standard output of libraries: what they print becomes log lines."""

    def __init__(self) -> None:
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in filter(str.strip, lines):
            logging.getLogger("stdout").info(line)
        return len(text)


@contextmanager
def printing() -> Iterator[Display]:
    """Send our own lines and every library's warnings to standard output; yields what a terminal shows."""
    stream, root, before = sys.stdout, logging.getLogger(), logging.getLogger().handlers[:]
    display = Display(stream)
    _configure(root)
    if not display.is_terminal:
        root.addHandler(_handler(logging.StreamHandler(stream)))
        sys.stdout = _PrintsToLog()
    else:
        root.addHandler(_WarningsToTerminal(display))
    try:
        yield display
    finally:
        sys.stdout = stream
        for handler in set(root.handlers) - set(before):
            root.removeHandler(handler)
            handler.close()
        display.close()


def _configure(root: logging.Logger) -> None:
    # Libraries know nothing of JSON lines: no bars from them, and no warnings to each other.
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    logging.captureWarnings(True)
    for noise in (FutureWarning, DeprecationWarning):
        warnings.simplefilter("ignore", noise)
    root.setLevel(logging.WARNING)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    for ours in (_OURS, "stdout"):
        logging.getLogger(ours).setLevel(logging.INFO)


def also_into(output_dir: Path) -> None:
    """Write every further line into ``train.log`` too."""
    logging.getLogger().addHandler(_handler(logging.FileHandler(output_dir / "train.log", encoding="utf-8")))


def quiet_transformers() -> None:
    """Make transformers log through us."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
    transformers_logging.disable_progress_bar()


def _handler(handler: logging.Handler) -> logging.Handler:
    handler.setFormatter(JsonLines())
    return handler
