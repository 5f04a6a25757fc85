"""How a step of the demo fails: what it was doing, the last that was heard, and the remedy."""

from __future__ import annotations

from pathlib import Path

TAIL_LINES = 15


class StepFailed(Exception):
    """A step that cannot go on. ``tail`` is the end of its output, ``log`` the file with all of it."""

    def __init__(self, step: str, *, tail: str = "", remedy: str, log: Path | None = None) -> None:
        super().__init__(step)
        self.step = step
        self.tail = "\n".join(tail.rstrip().splitlines()[-TAIL_LINES:])
        self.remedy = remedy
        self.log = log
