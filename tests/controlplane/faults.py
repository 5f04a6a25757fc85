"""A faulty way to the API server: every request passes through here, and a test decides what goes wrong.

The API server behind it is the real one; so a conflict is a real conflict, made by changing the object just before.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from one_ring.api import dump_yaml
from tests.controlplane.api import Api

_HOP_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "content-encoding"}


@dataclass(frozen=True)
class Request:
    """What the operator asks for."""

    method: str
    path: str

    @property
    def is_status_patch(self) -> bool:
        return self.method == "PATCH" and self.path.endswith("/status") and "/trainingjobs/" in self.path

    @property
    def is_write(self) -> bool:
        """A write that counts: a Job made or deleted, a status."""
        return self.is_status_patch or (self.method in ("POST", "DELETE") and "/jobs" in self.path)


def nothing(_: Request) -> None:
    """No fault."""


class FaultyWay:
    """``before`` and ``after`` are called around each forwarded request; an exception there breaks the connection."""

    def __init__(self, api: Api, folder: Path) -> None:
        self._api = api
        self.before: Callable[[Request], None] = nothing
        self.after: Callable[[Request], None] = nothing
        self.refusal: int | None = None  # a status that every request gets instead of an answer
        self.is_frozen = False  # watches stay open and deliver nothing
        self._threads = ThreadPoolExecutor(8)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        port = self._run(self._start())
        self.kubeconfig = str(folder / "faulty.kubeconfig")
        Path(self.kubeconfig).write_text(dump_yaml(_kubeconfig(f"http://127.0.0.1:{port}")))

    def close(self) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._threads.shutdown(wait=False)

    async def _start(self) -> int:
        self._session = aiohttp.ClientSession(self._api.url, timeout=aiohttp.ClientTimeout(total=None))
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        asked = Request(request.method, request.path)
        if self.refusal is not None:
            return web.json_response({"kind": "Status", "message": "a fault of the test"}, status=self.refusal)
        await self._in_thread(self.before, asked)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_HEADERS}
        body = await request.read()
        async with self._session.request(
            request.method, request.raw_path, headers=headers, data=body or None, ssl=self._api.tls
        ) as answer:
            if "watch" in request.query:
                return await self._stream(request, answer)
            content = await answer.read()
            await self._in_thread(self.after, asked)
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_HEADERS}
            return web.Response(status=answer.status, headers=kept, body=content)

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        passed_on = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
        await passed_on.prepare(request)
        async for chunk in answer.content.iter_any():
            if not self.is_frozen:
                await passed_on.write(chunk)
        return passed_on

    def _in_thread(self, hook: Callable[[Request], None], asked: Request) -> Awaitable[None]:
        return self._loop.run_in_executor(self._threads, hook, asked)

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "faulty",
        "clusters": [{"name": "faulty", "cluster": {"server": server}}],
        "users": [{"name": "faulty", "user": {}}],
        "contexts": [{"name": "faulty", "context": {"cluster": "faulty", "user": "faulty"}}],
    }
