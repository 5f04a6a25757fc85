"""A job's log as it comes: notices when nothing can come any more, and lets go of the cluster when it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

# A connection that broke without a word would otherwise be read for ever.
_LOOK_AFTER_SILENCE_SECONDS = 30.0


class LogStream:
    """Chunks of bytes, until the trainer ends. Iterate once; ``aclose`` it, or use it with ``async with``."""

    def __init__(self, chunks: AsyncGenerator[bytes, None], still_there: Callable[[], Awaitable[bool]]) -> None:
        self._chunks = chunks
        self._still_there = still_there
        self._ahead: asyncio.Future[bytes | None] | None = None

    async def settle(self, seconds: float) -> None:
        """Waits a moment for the first chunk, so that an error comes up before anything was answered."""
        ahead = self._reading()
        try:
            await asyncio.wait({ahead}, timeout=seconds)
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if ahead.done() and (error := ahead.exception()):
            raise error

    def __aiter__(self) -> LogStream:
        return self

    async def __anext__(self) -> bytes:
        ahead = self._reading()
        while not (await asyncio.wait({ahead}, timeout=_LOOK_AFTER_SILENCE_SECONDS))[0]:
            if not await self._still_there():
                raise StopAsyncIteration
        self._ahead = None
        chunk = ahead.result()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Lets go of the cluster's end."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait({self._ahead})
        await self._chunks.aclose()

    async def __aenter__(self) -> LogStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _reading(self) -> asyncio.Future[bytes | None]:
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._read())
        return self._ahead

    async def _read(self) -> bytes | None:
        return await anext(self._chunks, None)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The same as lines of text, without their ends."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
