"""The gateway on a port of its own: on a thread of the tests, or as the process that it is in its image."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from one_ring_gateway.__main__ import CALL_DEADLINE_SECONDS, server

from one_ring.api import dump_yaml, load_yaml
from one_ring.kube import connect
from one_ring.services.async_service import AsyncTrainingService
from tests.controlplane.api import until
from tests.controlplane.operating import free_port

ROOT = Path(__file__).resolve().parents[2]
_SERVE = "import sys, asyncio; from one_ring_gateway.__main__ import serve, log_as_json; log_as_json(); "


class Gateway:
    """One gateway on a thread, for the jobs of one namespace."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    @contextmanager
    def serving(self) -> Iterator[Gateway]:
        self._thread.start()
        try:
            until(lambda: _answers(self.url), "the gateway to answer")
            yield self
        finally:
            assert self._server is not None
            self._server.should_exit = True
            self._thread.join(timeout=30)

    async def _serve(self) -> None:
        kube = await connect(kubeconfig=self._kubeconfig, deadline_seconds=CALL_DEADLINE_SECONDS)
        service = AsyncTrainingService(kube, namespace=self._namespace)
        try:
            self._server = server(service, host="127.0.0.1", port=self.port)
            await self._server.serve()
        finally:
            await service.close()


class GatewayProcess:
    """One gateway as a process; its namespace comes from its kubeconfig, as in a cluster from its pod."""

    def __init__(self, folder: Path, kubeconfig: str, namespace: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "gateway.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{_SERVE}asyncio.run(serve('127.0.0.1', {self.port}))"],
                env=os.environ
                | {
                    "PYTHONPATH": f"{ROOT}:{ROOT}/api-gateway",
                    "KUBECONFIG": in_namespace(kubeconfig, namespace, folder),
                },
                stdout=log,
                stderr=log,
            )

    def ready(self) -> GatewayProcess:
        until(lambda: self.process.poll() is None and _answers(self.url), f"the gateway to answer: {self._log}")
        return self

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]


def in_namespace(kubeconfig: str, namespace: str, folder: Path) -> str:
    """The same kubeconfig with this namespace in its context."""
    document = load_yaml(Path(kubeconfig).read_text())
    for context in document["contexts"]:
        context["context"]["namespace"] = namespace
    own = folder / "kubeconfig"
    own.write_text(dump_yaml(document))
    return str(own)


def _answers(url: str) -> bool:
    return httpx.get(f"{url}/healthz").status_code == 200
