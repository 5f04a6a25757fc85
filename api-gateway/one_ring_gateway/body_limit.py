"""Refuses a body that is too large before anyone reads it."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from one_ring_gateway.problems import problem

LARGEST_BODY_BYTES = 64 * 1024
_TOO_LARGE = f"the body has more than {LARGEST_BODY_BYTES} bytes: a job's config is a few kilobytes at most"


class BodyLimit:
    """The middleware that does it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _announced(scope) > LARGEST_BODY_BYTES:
            await problem(413, _TOO_LARGE)(scope, receive, send)
        else:
            await self._app(scope, _Counted(receive), send)


class _Counted:
    """Receives until it is too much; a body need not announce its length."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > LARGEST_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)
        return message


def _announced(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0
