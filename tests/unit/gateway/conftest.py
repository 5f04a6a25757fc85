"""The gateway in this process, in front of a cluster that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from kubernetes.aio.client import ApiClient, Configuration
from one_ring_gateway.app import create_app

from one_ring.kube import Kube
from one_ring.services.async_service import AsyncTrainingService

NOBODY_LISTENS = "http://127.0.0.1:9"
Ask = Callable[..., httpx.Response]


async def _ask(method: str, path: str, **request: Any) -> httpx.Response:
    kube = Kube(ApiClient(Configuration(host=NOBODY_LISTENS)), namespace="team")
    try:
        app = create_app(AsyncTrainingService(kube))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, **request)
    finally:
        await kube.close()


@pytest.fixture(scope="session")
def ask() -> Ask:
    """One request to a fresh gateway."""
    return lambda method, path, **request: asyncio.run(_ask(method, path, **request))


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """The gateway, not served."""

    async def make() -> FastAPI:
        kube = Kube(ApiClient(Configuration(host=NOBODY_LISTENS)), namespace="team")
        await kube.close()
        return create_app(AsyncTrainingService(kube))

    return asyncio.run(make())
