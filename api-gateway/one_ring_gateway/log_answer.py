"""A job's log as an answer that lasts as long as the log, and lets go of the cluster when the client leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from one_ring.services.log_stream import LogStream

MEDIA_TYPE = "text/plain; charset=utf-8"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold lines back
    "X-Content-Type-Options": "nosniff",
}
# Each takes one of the 100 connections to the API server; the rest is for everything else.
_MOST_OPEN = 64
# So long an answer waits for the first line, so that an early error has its own status.
_SETTLE_SECONDS = 1.0


class OpenLogs:
    """The logs that are being sent, and how many may be."""

    def __init__(self, most: int = _MOST_OPEN) -> None:
        self._most = most
        self._count = 0

    async def answer(self, opening: Callable[[], Awaitable[LogStream]]) -> LogAnswer:
        """The log as an answer; 503 when there is no room for one more."""
        if self._count >= self._most:
            detail = f"{self._most} logs are being read already: try again when one has ended"
            raise HTTPException(503, detail, headers={"Retry-After": "10"})
        self._count += 1
        try:
            log = await opening()
            await log.settle(_SETTLE_SECONDS)
        except BaseException:
            self.one_has_ended()
            raise
        return LogAnswer(log, self)

    def one_has_ended(self) -> None:
        """Makes room."""
        self._count -= 1


class LogAnswer(StreamingResponse):
    """Sends a log as it comes."""

    def __init__(self, log: LogStream, open_logs: OpenLogs) -> None:
        super().__init__(log, media_type=MEDIA_TYPE, headers=_HEADERS)
        self._log = log
        self._open_logs = open_logs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._open_logs.one_has_ended()
            await self._log.aclose()
