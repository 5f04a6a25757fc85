"""The one Kubernetes client: deadlines on every call, retries where they are safe, errors with a name.

The SDK and the operator share it. Objects go in and out as plain dicts; paths are known here, so nothing is discovered.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient

from one_ring.api.names import GROUP, PLURAL, VERSION

Object = dict[str, Any]
Renew = Callable[[], Awaitable[Any]]

MERGE_PATCH = "application/merge-patch+json"
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LIST_CHUNK = 500
_RETRY_DELAYS_SECONDS = (0.2, 0.5, 1.0, 2.0)
# What the loader lets through when a file is missing, is no YAML, or is YAML of another kind.
_UNUSABLE = (kube_config.ConfigException, OSError, yaml.YAMLError, TypeError, AttributeError, KeyError)
_NO_PERMISSION = {401: "the cluster does not accept these credentials", 403: "not permitted"}


class KubeError(Exception):
    """A call that the API server refused or never answered. ``status`` is 0 when there was no answer."""

    def __init__(self, message: str, *, status: int = 0, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = dict(body or {})


class NotFound(KubeError):
    """No such object."""


class AlreadyExists(KubeError):
    """The name is taken."""


class Conflict(KubeError):
    """The object has changed since it was read."""


class Invalid(KubeError):
    """The object breaks the schema; ``causes`` says where."""

    @property
    def causes(self) -> list[dict[str, str]]:
        """``{field, message, reason}`` of each fault."""
        return list((self.body.get("details") or {}).get("causes") or [])


class Forbidden(KubeError):
    """The caller may not do this (401 or 403)."""


class Unavailable(KubeError):
    """The API server did not answer in time, or said that it cannot just now (429, 5xx)."""


@dataclass(frozen=True)
class Resource:
    """Where a kind of object lives in the API."""

    prefix: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        scope = f"namespaces/{namespace}/" if self.namespaced and namespace else ""
        return "/".join(part for part in (self.prefix, scope + self.plural, name, subresource) if part)


TRAINING_JOBS = Resource(f"/apis/{GROUP}/{VERSION}", PLURAL)
JOBS = Resource("/apis/batch/v1", "jobs")
PODS = Resource("/api/v1", "pods")
EVENTS = Resource("/api/v1", "events")
CLAIMS = Resource("/api/v1", "persistentvolumeclaims")
TOKEN_REVIEWS = Resource("/apis/authentication.k8s.io/v1", "tokenreviews", namespaced=False)


class Kube:
    """A connection to one cluster. Use ``await connect()``; close it with ``await close()``."""

    def __init__(
        self, client: ApiClient, *, namespace: str, deadline_seconds: float = 15.0, renew: Renew | None = None
    ) -> None:
        self._client = client
        self._renew = renew
        self._dynamic = DynamicClient(client)
        self._deadline_seconds = deadline_seconds
        self.namespace = namespace

    async def close(self) -> None:
        await self._client.close()

    async def get(self, resource: Resource, name: str, *, namespace: str) -> Object:
        return await self._call("get", resource.path(namespace, name))

    async def list(
        self, resource: Resource, *, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> list[Object]:
        """Every object that matches, read in chunks; an empty namespace means all of them."""
        items: list[Object] = []
        token: str | None = None
        while True:
            page = await self._call(
                "get",
                resource.path(namespace),
                label_selector=label_selector or None,
                field_selector=field_selector or None,
                limit=_LIST_CHUNK,
                _continue=token,
            )
            items += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return items

    async def create(
        self, resource: Resource, body: Object, *, namespace: str = "", field_validation: str = "Strict"
    ) -> Object:
        """Creates the object; never retried, because a lost answer may hide a success. Unknown fields are refused."""
        query = [("fieldValidation", field_validation)]
        return await self._call("post", resource.path(namespace), body=body, retry=False, query_params=query)

    async def merge_patch(
        self, resource: Resource, name: str, body: Object, *, namespace: str, subresource: str = ""
    ) -> Object:
        """Applies a merge patch. With ``metadata.resourceVersion`` in the body a stale writer gets ``Conflict``."""
        path = resource.path(namespace, name, subresource)
        return await self._call("patch", path, body=body, content_type=MERGE_PATCH, retry=False)

    async def delete(
        self, resource: Resource, name: str, *, namespace: str, propagation_policy: str = "Background", uid: str = ""
    ) -> None:
        """Deletes the object; with ``uid`` only that very one (else ``Conflict``). Gone already is fine."""
        # In the body, not the query: beside a body the query is not read, and without a policy a Job orphans its pod.
        body: Object = {"propagationPolicy": propagation_policy} | ({"preconditions": {"uid": uid}} if uid else {})
        path = resource.path(namespace, name)
        try:
            await self._call("delete", path, body=body)
        except NotFound:
            return

    async def stream_log(
        self, pod: str, *, namespace: str, container: str = "", follow: bool = False, since_time: str = ""
    ) -> AsyncGenerator[bytes, None]:
        """The pod's log as it comes; with ``follow`` until the container ends."""
        wanted = {"container": container, "sinceTime": since_time, "follow": "true" if follow else ""}
        response = await self._request(
            "get",
            PODS.path(namespace, pod, "log"),
            query_params=[(key, value) for key, value in wanted.items() if value],
            deadline=aiohttp.ClientTimeout(total=None, sock_connect=self._deadline_seconds),
        )
        try:
            async for chunk in response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError) as broken:
            raise Unavailable(f"the log of pod {pod} broke off: {broken}") from broken
        finally:
            response.close()

    async def _call(self, verb: str, path: str, *, retry: bool = True, **parameters: Any) -> Object:
        """One request, answered with its JSON; idempotent ones are tried again while the server is unavailable."""
        for delay in (*_RETRY_DELAYS_SECONDS, None) if retry else (None,):
            try:
                response = await self._request(verb, path, deadline=self._deadline_seconds, **parameters)
                return await _json(response)
            except Unavailable:
                if delay is None:
                    raise
                await asyncio.sleep(delay * (0.5 + random.random()))
        raise AssertionError("unreachable")

    async def _request(self, verb: str, path: str, *, deadline: Any, **parameters: Any) -> aiohttp.ClientResponse:
        try:
            return await self._once(verb, path, deadline=deadline, **parameters)
        except ApiException as refused:
            if refused.status != 401 or self._renew is None:
                raise _named(refused, verb, path) from None
        # A kubeconfig's plugin gives out tokens that last an hour; training lasts longer.
        await self._renew()
        try:
            return await self._once(verb, path, deadline=deadline, **parameters)
        except ApiException as refused:
            raise _named(refused, verb, path) from None

    async def _once(self, verb: str, path: str, *, deadline: Any, **parameters: Any) -> aiohttp.ClientResponse:
        try:
            response: aiohttp.ClientResponse = await self._dynamic.request(
                verb, path, serialize=False, _request_timeout=deadline, **parameters
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as broken:
            raise Unavailable(f"no answer from the API server to {verb} {path}: {broken!r}") from broken
        return response


async def connect(*, kubeconfig: str = "", context: str = "", deadline_seconds: float = 15.0) -> Kube:
    """Connects by ``kubeconfig``, ``$KUBECONFIG`` or ``~/.kube/config``; inside a pod by its service account.

    Raises ``KubeError`` when there is no configuration to be found.
    """
    configuration = Configuration()
    if not kubeconfig and not os.environ.get("KUBECONFIG") and (_SERVICE_ACCOUNT / "token").exists():
        kube_config.load_incluster_config(client_configuration=configuration)
        return Kube(ApiClient(configuration), namespace=_own_namespace(), deadline_seconds=deadline_seconds)
    path = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")

    async def load() -> Any:
        try:
            return await kube_config.load_kube_config(
                config_file=path, context=context or None, client_configuration=configuration
            )
        except _UNUSABLE as wrong:
            raise KubeError(f"no usable kubeconfig at {path!r} ({wrong}): set KUBECONFIG to one") from wrong

    loader = await load()
    namespace = (loader.current_context.get("context") or {}).get("namespace") or "default"
    return Kube(ApiClient(configuration), namespace=namespace, deadline_seconds=deadline_seconds, renew=load)


def _own_namespace() -> str:
    return (_SERVICE_ACCOUNT / "namespace").read_text().strip()


async def _json(response: aiohttp.ClientResponse) -> Object:
    try:
        answer: Object = await response.json()
        return answer
    except (aiohttp.ClientError, TimeoutError, ValueError) as broken:
        raise Unavailable(f"the API server's answer broke off: {broken!r}") from broken


def _named(refused: ApiException, verb: str, path: str) -> KubeError:
    """The refusal as one of our errors, with the API server's own sentence."""
    body = _body(refused)
    status = refused.status or 0
    message = body.get("message") or _NO_PERMISSION.get(status) or f"{refused.reason} to {verb} {path}"
    return _class_of(status, body)(message, status=status, body=body)


def _class_of(status: int, body: Mapping[str, Any]) -> type[KubeError]:
    if status == 409:
        return AlreadyExists if body.get("reason") == "AlreadyExists" else Conflict
    if status == 429 or status >= 500 or status == 0:
        return Unavailable
    return {401: Forbidden, 403: Forbidden, 404: NotFound, 422: Invalid}.get(status, KubeError)


def _body(refused: ApiException) -> dict[str, Any]:
    try:
        parsed = json.loads(refused.body or "")
    except (TypeError, ValueError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
