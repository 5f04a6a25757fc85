"""Puts the gateway together: routes, refusals, limits, metrics."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from one_ring import __version__
from one_ring.services.async_service import AsyncTrainingService
from one_ring_gateway import docs_page, observing, openapi, probes, problems, routes
from one_ring_gateway.body_limit import BodyLimit
from one_ring_gateway.log_answer import OpenLogs
from one_ring_gateway.readiness import Readiness

_DESCRIPTION = "Fine-tuning jobs (LoRA, QLoRA, AdaLoRA) on your own Kubernetes cluster."


def create_app(service: AsyncTrainingService) -> FastAPI:
    """The gateway in front of this service."""
    metrics = observing.Metrics()
    app = FastAPI(
        title="One Ring Training",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere; ours works without internet
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.readiness = Readiness(service)
    app.state.metrics = metrics
    app.state.open_logs = OpenLogs()
    app.add_middleware(BodyLimit)
    app.add_middleware(observing.Observing, metrics=metrics)
    problems.install(app)
    app.include_router(routes.router)
    app.include_router(probes.router)
    app.include_router(docs_page.router)
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]
    return app
