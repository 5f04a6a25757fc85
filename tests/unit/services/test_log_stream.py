"""A log as it comes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from one_ring.services import log_stream
from one_ring.services.log_stream import LogStream, lines


class Source:
    """A log that yields its chunks, then ends, breaks or falls silent."""

    def __init__(self, *chunks: bytes, then: str = "end") -> None:
        self.closed = False
        self._chunks = chunks
        self._then = then

    async def read(self) -> AsyncGenerator[bytes, None]:
        try:
            for chunk in self._chunks:
                yield chunk
            if self._then == "breaks":
                raise ConnectionError("broken")
            if self._then == "is silent":
                await asyncio.Event().wait()
        finally:
            self.closed = True

    def stream(self, *, still_there: bool = True) -> LogStream:
        async def look() -> bool:
            return still_there

        return LogStream(self.read(), look)


def test_all_chunks_come_and_the_source_is_closed() -> None:
    source = Source(b"a", b"b")

    async def read() -> list[bytes]:
        async with source.stream() as log:
            return [chunk async for chunk in log]

    assert asyncio.run(read()) == [b"a", b"b"]
    assert source.closed


def test_a_silent_log_ends_when_its_job_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "_LOOK_AFTER_SILENCE_SECONDS", 0.01)
    source = Source(b"a", then="is silent")

    async def read() -> list[bytes]:
        async with source.stream(still_there=False) as log:
            return [chunk async for chunk in log]

    assert asyncio.run(asyncio.wait_for(read(), 10)) == [b"a"]
    assert source.closed


def test_settling_brings_up_an_early_error() -> None:
    async def settle() -> None:
        async with Source(then="breaks").stream() as log:
            await log.settle(10)

    with pytest.raises(ConnectionError):
        asyncio.run(settle())


def test_settling_loses_no_chunk_and_waits_no_longer_than_it_may() -> None:
    async def read() -> list[bytes]:
        async with Source(b"a", b"b").stream() as log, Source(then="is silent").stream() as silent:
            await silent.settle(0.01)
            await log.settle(10)
            return [chunk async for chunk in log]

    assert asyncio.run(read()) == [b"a", b"b"]


def test_closing_lets_go_of_a_source_that_is_being_read() -> None:
    source = Source(then="is silent")

    async def leave() -> None:
        async with source.stream() as log:
            await log.settle(0.01)

    asyncio.run(leave())
    assert source.closed


@given(text=st.text(alphabet="aä\n€", max_size=30), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_lines_do_not_depend_on_where_chunks_are_cut(text: str, cuts: list[int]) -> None:
    data = text.encode()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]

    async def chunks() -> AsyncIterator[bytes]:
        for start, end in itertools.pairwise(edges):
            yield data[start:end]

    async def read() -> list[str]:
        return [line async for line in lines(chunks())]

    expected = text.split("\n")
    assert asyncio.run(read()) == (expected if expected[-1] else expected[:-1])
