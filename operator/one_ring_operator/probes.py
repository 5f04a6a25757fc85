"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from one_ring_operator.deliveries import Deliveries
from one_ring_operator.metrics import Metrics
from one_ring_operator.resync import Resync
from one_ring_operator.store import Store


class Probes:
    """Alive: the resync beats and the watch delivers. Ready: everything was listed once."""

    def __init__(self, *, resync: Resync, deliveries: Deliveries, store: Store, metrics: Metrics) -> None:
        self._resync = resync
        self._deliveries = deliveries
        self._store = store
        self._metrics = metrics

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._exposition)
        return app

    async def _healthz(self, _: web.Request) -> web.Response:
        if self._resync.has_stopped:
            return web.Response(status=500, text="the resync has stopped\n")
        if self._deliveries.is_failing(self._store.now()):
            return web.Response(status=500, text="the watch has missed a change for over a minute\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if not self._resync.done_once.is_set():
            return web.Response(status=503, text="the first listing is not done\n")
        return web.Response(text="ok\n")

    async def _exposition(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
