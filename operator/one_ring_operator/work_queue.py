"""Which job is looked at next: each at most once in the queue, and never twice at once."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from one_ring.kube import KubeError

K = TypeVar("K")
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0

log = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Calls ``work(key)`` for every key added; what it returns is when to look again, in seconds.

    An error brings the key back, later each time. A key added while it is worked on is worked on once more.
    """

    def __init__(
        self, work: Callable[[K], Awaitable[float | None]], *, failed: Callable[[Exception], None] = lambda _: None
    ) -> None:
        self._work = work
        self._failed = failed
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: set[K] = set()
        self._active: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}

    def add(self, key: K) -> None:
        """Looks at the key as soon as a worker is free."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Looks at the key later; replaces an earlier wish."""
        self._forget_timer(key)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    async def run(self, workers: int) -> None:
        """Works until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker())

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _forget_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()

    async def _worker(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._active.add(key)
            self._forget_timer(key)
            try:
                await self._attend(key)
            finally:
                self._active.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _attend(self, key: K) -> None:
        try:
            look_again = await self._work(key)
        except Exception as error:  # whatever it was, the job is looked at again
            self._report(key, error)
            self.add_after(key, self._pause(key))
            return
        self._failures.pop(key, None)
        if look_again is not None:
            self.add_after(key, look_again)

    def _report(self, key: K, error: Exception) -> None:
        self._failed(error)
        if isinstance(error, KubeError):
            log.warning("%s will be looked at again: %s", key, error)
        else:
            log.exception("%s will be looked at again", key)

    def _pause(self, key: K) -> float:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        longest: float = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(count - 1, 10), _LONGEST_PAUSE_SECONDS)
        return longest * (0.5 + random.random() / 2)
