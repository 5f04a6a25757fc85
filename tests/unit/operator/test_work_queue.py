"""Every key is attended to, at most once at a time, and again after an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from one_ring_operator.work_queue import WorkQueue


def worked(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), timeout=20))


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_key_added_many_times_is_looked_at_once() -> None:
    async def scenario() -> None:
        seen: list[str] = []
        done = asyncio.Event()

        async def work(key: str) -> None:
            seen.append(key)
            if key == "last":
                done.set()

        queue: WorkQueue[str] = WorkQueue(work)
        for key in ("a", "a", "b", "a", "last"):
            queue.add(key)
        running = asyncio.create_task(queue.run(1))
        await done.wait()
        await ended(running)
        assert seen == ["a", "b", "last"]

    worked(scenario)


def test_a_key_is_never_looked_at_twice_at_once_but_again_afterwards() -> None:
    async def scenario() -> None:
        active, most, looks = 0, 0, 0
        twice = asyncio.Event()

        async def work(key: str) -> None:
            nonlocal active, most, looks
            active, looks = active + 1, looks + 1
            most = max(most, active)
            if looks == 1:
                queue.add(key)
                queue.add(key)
                await asyncio.sleep(0.01)
            else:
                twice.set()
            active -= 1

        queue: WorkQueue[str] = WorkQueue(work)
        queue.add("a")
        running = asyncio.create_task(queue.run(4))
        await twice.wait()
        await ended(running)
        assert (most, looks) == (1, 2)

    worked(scenario)


def test_an_error_brings_the_key_back() -> None:
    async def scenario() -> None:
        failures: list[Exception] = []
        looks = 0
        done = asyncio.Event()

        async def work(_: str) -> None:
            nonlocal looks
            looks += 1
            if looks < 3:
                raise ValueError(looks)
            done.set()

        queue: WorkQueue[str] = WorkQueue(work, failed=failures.append)
        queue.add("a")
        running = asyncio.create_task(queue.run(2))
        await done.wait()
        await ended(running)
        assert [str(failure) for failure in failures] == ["1", "2"]

    worked(scenario)


def test_a_wish_to_look_again_is_kept() -> None:
    async def scenario() -> None:
        looks = 0
        done = asyncio.Event()

        async def work(_: str) -> float | None:
            nonlocal looks
            looks += 1
            if looks == 2:
                done.set()
                return None
            return 0.01

        queue: WorkQueue[str] = WorkQueue(work)
        queue.add("a")
        running = asyncio.create_task(queue.run(2))
        await done.wait()
        await ended(running)
        assert looks == 2

    worked(scenario)
