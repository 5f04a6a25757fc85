"""How kopf watches for us: settings under which it survives an outage, credentials, and every handler.

kopf only delivers events here. It keeps nothing on our objects: no finalizer, no annotation.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration

from one_ring.api import GROUP, PLURAL, VERSION
from one_ring.kube import JOBS, PODS, TRAINING_JOBS, Resource
from one_ring_operator.resync import OURS

Deliver = Callable[[Resource, Mapping[str, Any], bool], None]
_LOGIN_PAUSE_SECONDS = 5.0
_LOGIN_LIFETIME = timedelta(minutes=10)


class Forever:
    """Backoffs without end, with jitter: a bounded list ends the process in an outage of a minute."""

    def __iter__(self) -> Iterator[float]:
        yield from (1, 1, 2, 3, 5)
        while True:
            yield 5 + random.random() * 5


def kopf_settings() -> kopf.OperatorSettings:
    """kopf's settings for an operator that only watches."""
    settings = kopf.OperatorSettings()
    settings.networking.error_backoffs = Forever()
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    settings.watching.label_selectors["batch", "v1", "jobs"] = OURS
    settings.watching.label_selectors["", "v1", "pods"] = OURS
    settings.queueing.error_delays = (1, 2, 3, 5, 8, 13, 21, 34, 60)
    settings.execution.max_workers = 4
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = 25
    return settings


def registry(deliver: Deliver) -> kopf.OperatorRegistry:
    """Every handler. The event's type tells only deletions apart: a listing after a gap has no types."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await logins()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def training_job(event: kopf.RawEvent, **_: Any) -> None:
        deliver(TRAINING_JOBS, event["object"], event["type"] == "DELETED")

    @kopf.on.event("batch", "v1", "jobs", registry=handlers)
    async def job(event: kopf.RawEvent, **_: Any) -> None:
        deliver(JOBS, event["object"], event["type"] == "DELETED")

    @kopf.on.event("", "v1", "pods", registry=handlers)
    async def pod(event: kopf.RawEvent, **_: Any) -> None:
        deliver(PODS, event["object"], event["type"] == "DELETED")

    logins = _Logins()
    return handlers


class _Logins:
    """Fresh, expiring credentials; at most one login every few seconds, or a 401 would spin."""

    def __init__(self) -> None:
        self._earliest = 0.0

    async def __call__(self) -> kopf.ConnectionInfo:
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._earliest - now))
        self._earliest = max(now, self._earliest) + _LOGIN_PAUSE_SECONDS
        configuration = Configuration()
        try:
            kube_config.load_incluster_config(client_configuration=configuration)  # reads the rotated token anew
        except kube_config.ConfigException:
            await kube_config.load_kube_config(client_configuration=configuration)
        return _connection(configuration)


def _connection(configuration: Any) -> kopf.ConnectionInfo:
    _, _, token = configuration.api_key.get("BearerToken", "").strip().rpartition(" ")  # "bearer …"
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        expiration=datetime.now(UTC) + _LOGIN_LIFETIME,
    )
