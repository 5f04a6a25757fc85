"""A line to the API server that a test can cut."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from one_ring.api import dump_yaml, load_yaml

T = TypeVar("T")


class Line:
    """Passes bytes on between a port of its own and the API server of a kubeconfig."""

    def __init__(self, kubeconfig: str, folder: Path) -> None:
        document = load_yaml(Path(kubeconfig).read_text())
        cluster = document["clusters"][0]["cluster"]
        target = urlsplit(cluster["server"])
        assert target.hostname
        assert target.port
        self._target = (target.hostname, target.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._server = self._run(asyncio.start_server(self._connected, "127.0.0.1", 0))
        port = self._server.sockets[0].getsockname()[1]
        cluster |= {"server": f"https://127.0.0.1:{port}", "tls-server-name": target.hostname}
        self.kubeconfig = str(folder / "line.kubeconfig")
        Path(self.kubeconfig).write_text(dump_yaml(document))

    def cut(self) -> None:
        """Nothing comes through any more; open connections break."""
        self._run(self._cut(is_cut=True))

    def mend(self) -> None:
        self._run(self._cut(is_cut=False))

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    async def _cut(self, *, is_cut: bool) -> None:
        self._is_cut = is_cut
        for writer in self._open:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ends = {writer, far_writer}
        self._open |= ends
        try:
            await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))
        finally:
            self._open -= ends

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()
