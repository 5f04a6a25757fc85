"""Plain HTTP to the API server, so that a test sees exactly what is there."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from one_ring.api import load_yaml

T = TypeVar("T")
Object = dict[str, Any]
_MERGE = {"Content-Type": "application/merge-patch+json"}


class Refused(AssertionError):
    """The API server said no."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")
        self.status = response.status_code


class Api:
    """The API server of a kubeconfig, with the rights of its user."""

    def __init__(self, kubeconfig: str) -> None:
        document = load_yaml(Path(kubeconfig).read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self.url: str = cluster["server"]
        self.tls = _tls(cluster, user)
        self._client = httpx.Client(base_url=self.url, verify=self.tls, timeout=30)

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> Object:
        return self._call("GET", path)

    def find(self, path: str) -> Object | None:
        """The object, or None if there is none."""
        try:
            return self.get(path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def text(self, path: str) -> str:
        return self._client.get(path).text

    def post(self, path: str, body: Object) -> Object:
        return self._call("POST", path, body)

    def patch(self, path: str, change: Object) -> Object:
        return self._call("PATCH", path, change)

    def delete(self, path: str, *, policy: str = "Background", grace_seconds: int | None = None) -> None:
        options: Object = {"propagationPolicy": policy}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            self._call("DELETE", path, options)
        except Refused as refused:
            if refused.status != 404:
                raise

    def apply(self, text: str, collection: str) -> Object:
        """Server-side apply."""
        body = load_yaml(text)
        path = f"{collection}/{body['metadata']['name']}?fieldManager=tests&force=true"
        response = self._client.patch(
            path, content=json.dumps(body), headers={"Content-Type": "application/apply-patch+yaml"}
        )
        return _answer(response)

    def _call(self, method: str, path: str, body: Object | None = None) -> Object:
        headers = _MERGE if method == "PATCH" else {}
        content = None if body is None else json.dumps(body)
        for _ in range(3):
            try:
                return _answer(self._client.request(method, path, content=content, headers=headers))
            except httpx.RemoteProtocolError:  # a kept-alive connection that the server has closed
                continue
        raise AssertionError(f"{method} {path}: the API server keeps hanging up")


def until(wanted: Callable[[], T | None], what: str, *, seconds: float = 30.0) -> T:
    """Asks until there is an answer; what it waits for is named when the deadline has passed."""
    deadline = time.monotonic() + seconds
    trouble: AssertionError | KeyError | httpx.HTTPError | None = None  # a key: what is asked for is not there yet
    while time.monotonic() < deadline:
        try:
            if answer := wanted():
                return answer
            trouble = None
        except (AssertionError, KeyError, httpx.HTTPError) as error:
            trouble = error
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s for {what}" + (f": {trouble}" if trouble else ""))


def _answer(response: httpx.Response) -> Object:
    if response.status_code >= 400:
        raise Refused(response)
    answer: Object = response.json()
    return answer


def _tls(cluster: Object, user: Object) -> ssl.SSLContext:
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with tempfile.NamedTemporaryFile("wb", suffix=".pem") as pair:
        pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
        pair.write(base64.b64decode(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)
    return context
