"""Starts the gateway: ``python -m one_ring_gateway``."""

from __future__ import annotations

import asyncio
import sys

import uvicorn

from one_ring.kube import KubeError, connect
from one_ring.services.async_service import AsyncTrainingService
from one_ring_gateway.app import create_app
from one_ring_gateway.json_log import log_as_json

PORT = 8000
# A call is tried five times: in an outage the client has its 503 before it gives up itself.
CALL_DEADLINE_SECONDS = 4.0
# Log streams do not end by themselves; the pod has 30 s.
_SHUTDOWN_SECONDS = 5


def server(service: AsyncTrainingService, *, host: str, port: int) -> uvicorn.Server:
    """The gateway, ready to serve this service."""
    config = uvicorn.Config(
        create_app(service),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)


async def serve(host: str = "0.0.0.0", port: int = PORT) -> None:  # noqa: S104  (a pod's address is its own)
    """Serves until SIGTERM; open requests get a few seconds to end."""
    service = AsyncTrainingService(await connect(deadline_seconds=CALL_DEADLINE_SECONDS))
    try:
        await server(service, host=host, port=port).serve()
    finally:
        await service.close()


def main() -> None:
    """The process."""
    log_as_json()
    try:
        asyncio.run(serve())
    except KubeError as refused:
        sys.exit(str(refused))


if __name__ == "__main__":
    main()
