"""The line to the API server is cut, and mended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from one_ring.services.errors import ClusterUnavailable
from one_ring.services.training_service import TrainingService
from tests.controlplane.api import until
from tests.controlplane.gateway_process import Gateway
from tests.controlplane.line import Line

JOBS = "/api/v1/training/jobs"


@pytest.fixture
def line(cluster: str, tmp_path: Path) -> Iterator[Line]:
    laid = Line(cluster, tmp_path)
    yield laid
    laid.close()


@pytest.fixture
def service(line: Line, namespace: str) -> Iterator[TrainingService]:
    connected = TrainingService(kubeconfig=line.kubeconfig, namespace=namespace)
    yield connected
    connected.close()


def test_a_short_outage_is_not_noticed(line: Line, service: TrainingService) -> None:
    job_id = service.create_training_job({"train_file": "a"}, "x").id
    line.cut()
    mending = threading.Timer(0.5, line.mend)
    mending.start()
    assert service.get_job(job_id).id == job_id
    mending.join()


def test_a_long_one_is_named(line: Line, service: TrainingService) -> None:
    assert service.list_jobs() == []
    line.cut()
    with pytest.raises(ClusterUnavailable, match="does not answer"):
        service.list_jobs()
    line.mend()
    assert service.list_jobs() == []


def test_waiting_sits_out_an_outage(line: Line, service: TrainingService, cluster: str) -> None:
    job_id = service.create_training_job({"train_file": "a"}, "x").id
    changes = service.watch_job(job_id)
    assert next(changes).status == "pending"
    line.cut()
    with pytest.raises(ClusterUnavailable):
        service.get_job(job_id)
    beside = TrainingService(kubeconfig=cluster, namespace=service.namespace)
    beside.cancel_job(job_id)
    beside.delete_job(job_id)
    line.mend()
    with pytest.raises(Exception, match=job_id):  # it is gone, and the watch says so
        next(changes)
    beside.close()


def test_the_gateway_answers_503_and_comes_back(line: Line, namespace: str) -> None:
    with Gateway(line.kubeconfig, namespace).serving() as gateway:
        assert httpx.get(f"{gateway.url}/readyz").status_code == 200
        line.cut()
        refused = httpx.get(f"{gateway.url}{JOBS}", timeout=30)
        assert (refused.status_code, int(refused.headers["retry-after"])) == (503, 5)
        until(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 503, "the gateway to be unready")
        assert httpx.get(f"{gateway.url}/healthz").status_code == 200
        line.mend()
        until(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 200, "the gateway to be ready again")
        assert httpx.get(f"{gateway.url}{JOBS}").json()["total"] == 0
