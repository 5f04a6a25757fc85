"""How is the run told to stop? SIGTERM and Ctrl-C, from the first line of the process on.

Standard library only: it is installed before torch is imported, because a container's first process ignores SIGTERM
until it has a handler.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

STOPPED_EXIT_CODE = 143
NOTHING_SAVED = "stopped before the first training step; there was nothing to save"


class Stop:
    """Before the training begins a signal ends the process at once; from then on it is a request to save and end."""

    def __init__(self, message_file: str = "") -> None:
        self.requested = False
        self._message_file = message_file
        self._training = False

    def install(self) -> None:
        """Take over SIGTERM and SIGINT; call it from the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def training_begins(self) -> None:
        """From here on there is something to save."""
        self._training = True

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if not self._training:
            self._end_now()
        self.requested = True
        if number == signal.SIGINT:  # a second Ctrl-C does not wait for the save
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _end_now(self) -> None:
        final = {"outcome": "stopped", "message": NOTHING_SAVED, "saved": False}
        if self._message_file:
            with suppress(OSError):  # ending matters more than telling
                Path(self._message_file).write_text(json.dumps(final), encoding="utf-8")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "level": "info", "message": NOTHING_SAVED})
        os.write(1, f"{NOTHING_SAVED if os.isatty(1) else line}\n".encode())
        os._exit(STOPPED_EXIT_CODE)  # not sys.exit: an import may be under way, and would swallow or delay it
