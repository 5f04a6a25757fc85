"""Counts and times every request; logs the ones that change something."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOGGER = logging.getLogger("one_ring_gateway.access")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Metrics:
    """Everything the gateway counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "one_ring_gateway_requests_total",
            "Requests answered.",
            ("method", "route", "code"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "one_ring_gateway_request_duration_seconds",
            "Time until the answer began.",
            ("method", "route"),
            registry=self.registry,
        )
        self.open = Gauge("one_ring_gateway_open_requests", "Requests being answered.", registry=self.registry)


@dataclass
class _Answer:
    status: int = 500
    location: str = ""
    seconds: float = 0.0


class Observing:
    """The middleware that does it."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, answer = time.monotonic(), _Answer()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.location = Headers(raw=message["headers"]).get("location", "")
                answer.seconds = time.monotonic() - begun
            await send(message)

        try:
            with self._metrics.open.track_inprogress():
                await self._app(scope, receive, noting)
        finally:
            self._note(scope, answer)

    def _note(self, scope: Scope, answer: _Answer) -> None:
        method = scope["method"] if scope["method"] in _READING | {"POST"} else "other"
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(method, route, str(answer.status)).inc()
        self._metrics.seconds.labels(method, route).observe(answer.seconds)
        if scope["method"] not in _READING:
            _LOGGER.info("request", extra={"fields": _access(scope, answer)})


def _access(scope: Scope, answer: _Answer) -> dict[str, object]:
    return {
        "method": scope["method"],
        "path": answer.location or scope["path"],
        "status": answer.status,
        "seconds": round(answer.seconds, 3),
        "client": (scope.get("client") or ("",))[0],
    }
