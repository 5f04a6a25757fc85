"""The operator put together: who knows whom, and what runs beside what."""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import kopf
from aiohttp import web

from one_ring.kube import Kube, Resource, connect
from one_ring_operator.children import Key, version_of
from one_ring_operator.cluster import Cluster
from one_ring_operator.deliveries import Deliveries
from one_ring_operator.identity import Identities
from one_ring_operator.metrics import Metrics
from one_ring_operator.probes import Probes
from one_ring_operator.receiver import Receiver, tls_context
from one_ring_operator.reconciling import Reconciler
from one_ring_operator.resync import Resync
from one_ring_operator.settings import Settings
from one_ring_operator.store import Store
from one_ring_operator.watching import kopf_settings, registry
from one_ring_operator.work_queue import WorkQueue

_WORKERS = 20


class Operator:
    """All parts of one running operator."""

    def __init__(self, settings: Settings, kube: Kube) -> None:
        self._settings = settings
        self._store = Store(time.monotonic)
        self._deliveries = Deliveries()
        self._metrics = Metrics(self._store, self._deliveries)
        self._cluster = Cluster(kube, store=self._store, settings=settings, metrics=self._metrics, clock=_now)
        self._queue: WorkQueue[Key] = WorkQueue(
            Reconciler(self._cluster, self._metrics), failed=lambda _: self._metrics.reconcile_errors.inc()
        )
        self._resync = Resync(
            self._cluster,
            store=self._store,
            deliveries=self._deliveries,
            settings=settings,
            wake=self._queue.add,
        )

    async def run(self) -> None:
        """Runs until it is told to stop by a signal."""
        async with _served(self._probes(), self._settings.probe_port), self._receiver(), asyncio.TaskGroup() as group:
            beside = [group.create_task(self._resync.run())]
            # Nothing is decided before everything was listed once: a Job not seen yet would look like one deleted.
            await self._resync.done_once.wait()
            beside.append(group.create_task(self._queue.run(_WORKERS)))
            await self._watch()
            for task in beside:
                task.cancel()

    async def _watch(self) -> None:
        await kopf.operator(
            registry=registry(self._deliver),
            settings=kopf_settings(),
            standalone=True,
            clusterwide=not self._settings.namespaces,
            namespaces=self._settings.namespaces,
        )

    def _deliver(self, kind: Resource, body: Mapping[str, Any], deleted: bool) -> None:
        """Every event ends here."""
        self._deliveries.delivered(kind, body["metadata"]["uid"], version_of(body), now=self._store.now())
        key = self._store.see(kind, body, deleted=deleted)
        if key:
            self._queue.add(key)

    def _probes(self) -> web.Application:
        return Probes(resync=self._resync, deliveries=self._deliveries, store=self._store, metrics=self._metrics).app()

    @asynccontextmanager
    async def _receiver(self) -> AsyncIterator[None]:
        tls = tls_context(self._settings)
        if tls is None:
            yield
            return
        receiver = Receiver(
            self._cluster,
            store=self._store,
            identities=Identities(self._cluster, time.monotonic),
            is_ready=self._resync.done_once.is_set,
            wake=self._queue.add,
        )
        async with _served(receiver.app(), self._settings.progress_port, tls):
            yield


@asynccontextmanager
async def _served(app: web.Application, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    await web.TCPSite(runner, port=port, ssl_context=tls, reuse_address=True).start()
    try:
        yield
    finally:
        await runner.cleanup()


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def run(settings: Settings) -> None:
    """Connects and runs the operator until it is told to stop."""
    if task := asyncio.current_task():  # until kopf takes the signals over; as PID 1 there is no default action
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    kube = await connect()
    try:
        await Operator(settings, kube).run()
    finally:
        await kube.close()
