"""The part of a kubelet that serves the logs of containers, in the hands of the test."""

from __future__ import annotations

import asyncio
import ssl
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.controlplane.api import Api
from tests.controlplane.operating import make_certificate

_LOOK_SECONDS = 0.02


@dataclass
class PodLog:
    """What a container has written so far."""

    content: bytes = b""
    ended: bool = False
    readers: int = 0

    def says(self, line: str) -> None:
        self.content += f"{line}\n".encode()


class LogServer:
    """A node of its own, whose kubelet answers requests for logs."""

    def __init__(self, api: Api, folder: Path) -> None:
        self.node = f"logs-{uuid.uuid4().hex[:8]}"
        self._api = api
        self._logs: dict[str, PodLog] = {}
        make_certificate(folder)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        serving = asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._tls)
        server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        port = server.sockets[0].getsockname()[1]
        self._api.post("/api/v1/nodes", {"metadata": {"name": self.node}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        self._api.patch(f"/api/v1/nodes/{self.node}/status", {"status": status})

    def stop(self) -> None:
        self._api.delete(f"/api/v1/nodes/{self.node}")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def log_of(self, pod: str) -> PodLog:
        return self._logs.setdefault(pod, PodLog())

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            await self._send(request.split()[1], reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            return
        finally:
            writer.close()

    async def _send(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = urlsplit(target)
        log = self.log_of(asked.path.split("/")[3])
        follow = parse_qs(asked.query).get("follow") == ["true"]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        hung_up = asyncio.ensure_future(reader.read())
        log.readers += 1
        try:
            await _copy(log, writer, hung_up, follow=follow)
        finally:
            log.readers -= 1
            hung_up.cancel()


async def _copy(log: PodLog, writer: asyncio.StreamWriter, hung_up: asyncio.Future[bytes], *, follow: bool) -> None:
    sent = 0
    while not hung_up.done():
        ended = log.ended or not follow
        if fresh := log.content[sent:]:
            writer.write(f"{len(fresh):x}\r\n".encode() + fresh + b"\r\n")
            await writer.drain()
            sent += len(fresh)
        if ended:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return
        await asyncio.sleep(_LOOK_SECONDS)
