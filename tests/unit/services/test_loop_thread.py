"""Async code for callers that are not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator

import pytest

from one_ring.services.loop_thread import LoopThread


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    started = LoopThread()
    yield started
    started.stop()


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_it_answers_also_where_a_loop_runs_already(thread: LoopThread) -> None:
    async def in_a_notebook() -> int:
        return thread.run(double(2))

    assert asyncio.run(in_a_notebook()) == 4


def test_errors_come_back_as_they_are(thread: LoopThread) -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        thread.run(fail())


def test_it_starts_again_after_a_stop(thread: LoopThread) -> None:
    assert thread.run(double(1)) == 2
    thread.stop()
    assert thread.run(double(3)) == 6


def test_a_forked_child_gets_a_loop_of_its_own(thread: LoopThread) -> None:
    assert thread.run(double(1)) == 2
    child = os.fork()
    if child == 0:
        os._exit(0 if thread.run(double(2)) == 4 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Numbers:
    def __init__(self) -> None:
        self.closed = False

    async def __call__(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(3):
                yield number
        finally:
            self.closed = True


def test_it_iterates_to_the_end(thread: LoopThread) -> None:
    numbers = Numbers()
    assert list(thread.iterate(numbers.__call__)) == [0, 1, 2]
    assert numbers.closed


def test_a_caller_that_stops_early_closes_the_generator(thread: LoopThread) -> None:
    numbers = Numbers()
    for number in thread.iterate(numbers.__call__):
        assert number == 0
        break
    assert numbers.closed
