"""How far is the run, and how long will it take? Numbers for programs, and one text for people."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from one_ring.api import Progress

_WINDOW_STEPS = 50
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def eta_text(seconds: int) -> str:
    """Time left, for people: ``45s``, ``4m10s``, ``1h05m``, ``2d03h``."""
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m{seconds % _MINUTE:02d}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h{seconds % _HOUR // _MINUTE:02d}m"
    return f"{seconds // _DAY}d{seconds % _DAY // _HOUR:02d}h"


def rounded(value: float | None) -> float | None:
    """Five significant digits; None for what no JSON can carry."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.5g}")


class ProgressMeter:
    """Turns step counts into a Progress. The speed is that of the last fifty steps, evaluation and saving included."""

    def __init__(
        self, *, total_steps: int, step: int = 0, tokens_seen: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total_steps = total_steps
        self._clock = clock
        self._marks: deque[tuple[float, int, int]] = deque([(clock(), step, tokens_seen)], maxlen=_WINDOW_STEPS)
        self._known: dict[str, float | None] = {}

    def learn(self, **values: float | None) -> None:
        """Take in the latest ``loss``, ``eval_loss``, ``learning_rate`` or ``grad_norm``."""
        self._known.update({name: rounded(value) for name, value in values.items()})

    def at(self, step: int, *, epoch: float, tokens_seen: int) -> Progress:
        """The progress after ``step`` optimizer steps and ``tokens_seen`` trained tokens."""
        if step != self._marks[-1][1]:
            self._marks.append((self._clock(), step, tokens_seen))
        steps_per_second, tokens_per_second = self._speed()
        eta = round((self._total_steps - step) / steps_per_second) if steps_per_second else None
        return Progress(
            epoch=round(epoch, 2),
            step=step,
            total_steps=self._total_steps,
            percent=100 * step // max(self._total_steps, 1),
            tokens_per_second=rounded(tokens_per_second),
            tokens_seen=tokens_seen,
            eta_seconds=eta,
            eta=None if eta is None else eta_text(eta),
            updated_time=datetime.now(UTC),
            **self._known,
        )

    def _speed(self) -> tuple[float | None, float | None]:
        (start, first_step, first_tokens), (end, step, tokens) = self._marks[0], self._marks[-1]
        if end <= start:
            return None, None
        return (step - first_step) / (end - start), (tokens - first_tokens) / (end - start)
