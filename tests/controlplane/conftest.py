"""The world of the control-plane tests: a real API server, controllers and scheduler, and our CRD; no kubelet.

``cluster`` is the path of a kubeconfig, ``kube`` a connected client whose calls ``run`` completes, ``namespace`` a new
one. With ``ONE_RING_TEST_KUBECONFIG`` set that cluster is used, and left as it is.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from one_ring.kube import Kube, connect
from tests.controlplane.api import Api, until
from tests.controlplane.jobs import Jobs
from tests.controlplane.kubelet import NODE, offer_claims, offer_node, withdraw_claims
from tests.controlplane.operating import CRD, ROOT, Operator

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]

CLUSTER_NAME = f"tests-{os.getpid()}"


def local_cluster(*arguments: str) -> str:
    """Runs ``deploy/local/cluster``; its standard output. Fails with its standard error."""
    done = subprocess.run([ROOT / "deploy/local/cluster", *arguments], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, f"deploy/local/cluster {' '.join(arguments)} failed:\n{done.stderr[-4000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """Path of the kubeconfig of a cluster with our CRD."""
    if given := os.environ.get("ONE_RING_TEST_KUBECONFIG"):
        _install_crd(given)
        yield given
        return
    try:
        local_cluster("up", "--control-plane", "--name", CLUSTER_NAME)
        kubeconfig = local_cluster("kubeconfig", "--name", CLUSTER_NAME)
        _install_crd(kubeconfig)
        yield kubeconfig
    finally:
        local_cluster("down", "--name", CLUSTER_NAME)


@pytest.fixture(scope="session")
def api(cluster: str) -> Iterator[Api]:
    """Plain requests to the API server."""
    connected = Api(cluster)
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def run() -> Iterator[Run[Any]]:
    """Completes a coroutine on the session's event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=120)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=10)
    loop.close()


@pytest.fixture(scope="session")
def kube(cluster: str, run: Run[Any]) -> Iterator[Kube]:
    """A connected client; its calls are completed by ``run``."""
    connected: Kube = run(connect(kubeconfig=cluster))
    yield connected
    run(connected.close())


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A fresh namespace, deleted with all that is in it."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    until(lambda: api.get(account), "the namespace's service account")
    yield name
    _empty(api, name)


def _install_crd(kubeconfig: str) -> None:
    api = Api(kubeconfig)
    try:
        api.apply(CRD.read_text(), "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        until(lambda: api.get("/apis/training.one-ring.io/v1alpha1/trainingjobs"), "the CRD to be served")
    finally:
        api.close()


def _empty(api: Api, namespace: str) -> None:
    """Deletes the namespace. There is no kubelet to end its pods, so they are removed by force."""
    api.delete(f"/api/v1/namespaces/{namespace}")
    for pod in api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]:
        api.delete(f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}", grace_seconds=0)


@pytest.fixture(scope="session")
def played_node(api: Api) -> str:
    """A node whose kubelet the tests play."""
    offer_node(api)
    return NODE


@pytest.fixture
def claims(api: Api, played_node: str, namespace: str) -> Iterator[str]:
    """The namespace, with claims for datasets, models and outputs."""
    offer_claims(api, namespace)
    yield namespace
    withdraw_claims(api, namespace)


@pytest.fixture(scope="module")
def operator(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator for all namespaces that runs as long as the module's tests."""
    process = Operator(tmp_path_factory.mktemp("operator"), cluster).start().ready()
    yield process
    process.stop()


@pytest.fixture
def jobs(api: Api, operator: Operator, claims: str) -> Jobs:
    """TrainingJobs in a namespace of their own, which the running operator serves."""
    return Jobs(api, operator, claims)
