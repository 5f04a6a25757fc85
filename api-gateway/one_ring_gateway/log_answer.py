"""A job's log as an answer that lasts as long as the log, and lets go of the cluster when the client leaves."""

from __future__ import annotations

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from one_ring.services.log_stream import LogStream

MEDIA_TYPE = "text/plain; charset=utf-8"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold lines back
    "X-Content-Type-Options": "nosniff",
}


class LogAnswer(StreamingResponse):
    """Sends a log as it comes."""

    def __init__(self, log: LogStream) -> None:
        super().__init__(log, media_type=MEDIA_TYPE, headers=_HEADERS)
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._log.aclose()
