"""Takes the trainers' progress over TLS: only from the job's own pod, only what is newer than what is known.

204 taken; 401 bad or expired token; 403 token of another pod; 404 unknown job; 409 older than what is known; 413 body
over 64 KiB; 422 bad body; 503 the token cannot be reviewed just now.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from aiohttp import web
from pydantic import ValidationError

from one_ring.api import ProgressReport, field_errors
from one_ring.api.pod import progress_path
from one_ring.kube import KubeError
from one_ring_operator.children import ChildPod, Key
from one_ring_operator.cluster import Cluster
from one_ring_operator.identity import Identities, Sender
from one_ring_operator.settings import Settings
from one_ring_operator.store import Store

_BODY_LIMIT_BYTES = 64 * 1024
_BODY_SECONDS = 10.0


class Receiver:
    """The progress endpoint of every job."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        store: Store,
        identities: Identities,
        is_ready: Callable[[], bool],
        wake: Callable[[Key], None],
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._identities = identities
        self._is_ready = is_ready
        self._wake = wake

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_BODY_LIMIT_BYTES)
        app.router.add_post(progress_path("{namespace}", "{name}"), self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        key = Key(request.match_info["namespace"], request.match_info["name"])
        try:
            sender = await self._sender(request)
            if self._store.job(key) is None:
                raise _refusal(web.HTTPNotFound, f"there is no TrainingJob {key}")
            pod = await self._pod(key, sender)
        except KubeError as error:
            raise _refusal(web.HTTPServiceUnavailable, f"the token cannot be reviewed now: {error}") from error
        self._accept(key, pod, await _report(request))
        return web.Response(status=204)

    async def _sender(self, request: web.Request) -> Sender:
        if not self._is_ready():
            raise _refusal(web.HTTPServiceUnavailable, "the operator is starting")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        sender = await self._identities.sender(token) if scheme.lower() == "bearer" and token else None
        if sender is None:
            raise _refusal(web.HTTPUnauthorized, "the token is missing, forged, expired or for another audience")
        return sender

    async def _pod(self, key: Key, sender: Sender) -> ChildPod:
        """The sender's pod, if it is one of this job."""
        if sender.may_be_of(key):
            pod = self._known_pod(key, sender)
            if pod is None:
                await self._cluster.learn_of_pod(key, sender.pod_name)
                pod = self._known_pod(key, sender)
            if pod:
                return pod
        raise _refusal(web.HTTPForbidden, f"the token is not that of a pod of {key}")

    def _known_pod(self, key: Key, sender: Sender) -> ChildPod | None:
        job = self._store.job(key)
        pods = self._store.pods(key, job["metadata"]["uid"]) if job else ()
        return next((p for p in pods if (p.name, p.uid) == (sender.pod_name, sender.pod_uid)), None)

    def _accept(self, key: Key, pod: ChildPod, report: ProgressReport) -> None:
        if report.attempt != pod.attempt:
            raise _refusal(web.HTTPForbidden, f"the token is that of attempt {pod.attempt}, not {report.attempt}")
        known = self._store.reports.get(key)
        if self._store.is_over(key):
            raise _refusal(web.HTTPConflict, f"{key} is over")
        if known and (known.attempt, known.sequence) >= (report.attempt, report.sequence):
            raise _refusal(web.HTTPConflict, f"report {known.sequence} of attempt {known.attempt} is known already")
        self._store.reports[key] = report
        self._wake(key)


async def _report(request: web.Request) -> ProgressReport:
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
        return ProgressReport.model_validate_json(body)
    except ValidationError as refused:
        faults = "; ".join(f"{fault.field}: {fault.message}" for fault in field_errors(refused))
        raise _refusal(web.HTTPUnprocessableEntity, faults) from None
    except TimeoutError:
        raise _refusal(web.HTTPRequestTimeout, f"the body did not come within {_BODY_SECONDS:.0f} s") from None


def _refusal(kind: type[web.HTTPError], text: str) -> web.HTTPError:
    return kind(text=text)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The receiver's certificate; None if there is none, and so no receiver."""
    if not settings.tls_cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    return context
