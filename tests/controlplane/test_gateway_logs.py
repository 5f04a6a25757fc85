"""Logs over REST and Python, through a real API server from a kubelet that the test plays."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from one_ring.api import API_VERSION, ATTEMPT_LABEL, JOB_LABEL
from one_ring.services.errors import LogGone
from one_ring.services.training_service import TrainingService
from tests.controlplane.api import Api, until
from tests.controlplane.gateway_process import Gateway, GatewayProcess
from tests.controlplane.kubelet import Pod
from tests.controlplane.log_server import LogServer, PodLog

JOBS = "/api/v1/training/jobs"


@pytest.fixture(scope="module")
def kubelet(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogServer]:
    server = LogServer(api, tmp_path_factory.mktemp("kubelet"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def gateway(cluster: str, namespace: str) -> Iterator[Gateway]:
    with Gateway(cluster, namespace).serving() as served:
        yield served


@pytest.fixture
def service(cluster: str, namespace: str) -> Iterator[TrainingService]:
    connected = TrainingService(kubeconfig=cluster, namespace=namespace)
    yield connected
    connected.close()


class Training:
    """One job and its pods, as the operator and the kubelet would make them."""

    def __init__(self, api: Api, kubelet: LogServer, service: TrainingService, namespace: str) -> None:
        self._api = api
        self._kubelet = kubelet
        self._namespace = namespace
        self.id = service.create_training_job({"train_file": "a"}, "train", start_immediately=True).id
        self._path = f"/apis/{API_VERSION}/namespaces/{namespace}/trainingjobs/{self.id}"

    @property
    def uid(self) -> str:
        uid: str = self._api.get(self._path)["metadata"]["uid"]
        return uid

    def says(self, phase: str, **status: Any) -> None:
        self._api.patch(f"{self._path}/status", {"status": {"phase": phase} | status})

    def deleted(self) -> None:
        self._api.delete(self._path)

    def remembered(self) -> None:
        """An event about it, as the operator writes one on every transition."""
        about = {
            "apiVersion": API_VERSION,
            "kind": "TrainingJob",
            "name": self.id,
            "namespace": self._namespace,
            "uid": self.uid,
        }
        event = {"metadata": {"generateName": f"{self.id}."}, "involvedObject": about, "reason": "Started"}
        self._api.post(f"/api/v1/namespaces/{self._namespace}/events", event)

    def pod(self, attempt: int = 1) -> Pod:
        name = f"{self.id}-{attempt}"
        labels = {JOB_LABEL: self.id, ATTEMPT_LABEL: str(attempt)}
        container = {"name": "trainer", "image": "trainer"}
        spec = {"nodeName": self._kubelet.node, "containers": [container], "terminationGracePeriodSeconds": 0}
        self._api.post(
            f"/api/v1/namespaces/{self._namespace}/pods", {"metadata": {"name": name, "labels": labels}, "spec": spec}
        )
        return Pod(self._api, self._namespace, name)

    def log(self, attempt: int = 1) -> PodLog:
        return self._kubelet.log_of(f"{self.id}-{attempt}")


@pytest.fixture
def training(api: Api, kubelet: LogServer, service: TrainingService, namespace: str) -> Training:
    return Training(api, kubelet, service, namespace)


class Reader:
    """Reads a log over REST beside the test."""

    def __init__(self, gateway: Gateway | GatewayProcess, job_id: str) -> None:
        self.text = ""
        self.broke_off = False
        self.status = 0
        self._url = f"{gateway.url}{JOBS}/{job_id}/logs"
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def leaves(self) -> None:
        self._leave.set()

    def ended(self) -> str:
        self._thread.join(timeout=30)
        assert not self._thread.is_alive(), f"the log goes on after {self.text!r}"
        return self.text

    def _read(self) -> None:
        try:
            with httpx.stream("GET", self._url, timeout=60) as answer:
                self.status = answer.status_code
                for chunk in answer.iter_text():
                    self.text += chunk
                    if self._leave.is_set():
                        return
        except httpx.RemoteProtocolError:
            self.broke_off = True


def test_a_log_streams_while_the_pod_runs_and_ends_with_it(gateway: Gateway, training: Training) -> None:
    training.pod().runs()
    log = training.log()
    log.says("first")
    reader = Reader(gateway, training.id)
    until(lambda: reader.text == "first\n", "the first line")
    log.says("second")
    until(lambda: reader.text == "first\nsecond\n", "the second line, while the pod runs")
    log.ended = True
    assert reader.ended() == "first\nsecond\n"
    assert reader.status == 200


def test_a_reader_may_come_before_the_trainer_starts(gateway: Gateway, training: Training) -> None:
    reader = Reader(gateway, training.id)
    until(lambda: reader.status == 200, "the answer to begin")
    pod = training.pod()
    pod.waits("ContainerCreating", "pulling the image")
    training.log().says("first")
    training.log().ended = True
    pod.runs()
    assert reader.ended() == "first\n"


def test_a_log_is_read_as_long_as_the_pod_exists(gateway: Gateway, training: Training) -> None:
    pod = training.pod()
    pod.runs()
    training.log().says("all of it")
    training.log().ended = True
    pod.ends(0)
    training.says("Succeeded", attempts=[{"number": 1}])
    url = f"{gateway.url}{JOBS}/{training.id}/logs"
    assert httpx.get(url).text == "all of it\n"
    pod.vanishes()
    gone = httpx.get(url)
    assert gone.status_code == 410
    assert gone.json()["file"] == f"{training.id}-{training.uid[:8]}/train.log"


def test_without_following_what_is_there_is_the_answer(gateway: Gateway, training: Training) -> None:
    url = f"{gateway.url}{JOBS}/{training.id}/logs?follow=false"
    assert (httpx.get(url).status_code, httpx.get(url).text) == (200, "")
    training.pod().runs()
    training.log().says("so far")
    assert httpx.get(url).text == "so far\n"


def test_a_client_that_leaves_is_not_read_for_any_longer(gateway: Gateway, training: Training) -> None:
    training.pod().runs()
    log = training.log()
    log.says("first")
    reader = Reader(gateway, training.id)
    until(lambda: reader.text, "the first line")
    reader.leaves()
    log.says("second")
    reader.ended()
    until(lambda: log.readers == 0, "the kubelet's end to be closed")


def test_the_newest_attempts_log_is_the_jobs(gateway: Gateway, training: Training) -> None:
    training.pod(1).ends(1)
    training.pod(2).runs()
    training.log(1).says("old")
    training.log(2).says("new")
    training.log(2).ended = True
    assert httpx.get(f"{gateway.url}{JOBS}/{training.id}/logs").text == "new\n"


def test_a_paused_jobs_log_is_on_the_volume_and_a_resumed_ones_is_to_come(
    gateway: Gateway, training: Training, service: TrainingService
) -> None:
    url = f"{gateway.url}{JOBS}/{training.id}/logs"
    service.pause_job(training.id)
    training.says("Suspended", attempts=[{"number": 1}])
    assert httpx.get(url).status_code == 410
    service.resume_job(training.id)
    training.pod(2).runs()
    training.log(2).says("again")
    training.log(2).ended = True
    assert httpx.get(url).text == "again\n"


def test_a_deleted_jobs_log_is_named_as_long_as_the_cluster_remembers_the_job(
    gateway: Gateway, training: Training
) -> None:
    pod = training.pod()
    pod.runs()
    training.log().says("last words")
    training.log().ended = True
    training.remembered()
    uid = training.uid
    training.deleted()
    url = f"{gateway.url}{JOBS}/{training.id}/logs"
    assert httpx.get(url).text == "last words\n"
    pod.vanishes()
    gone = httpx.get(url)
    assert (gone.status_code, gone.json()["file"]) == (410, f"{training.id}-{uid[:8]}/train.log")
    assert httpx.get(f"{gateway.url}{JOBS}/{training.id}").status_code == 404


def test_a_kubelet_that_does_not_answer_is_503(gateway: Gateway, training: Training, api: Api) -> None:
    training.pod().runs()
    node = f"/api/v1/nodes/{training._kubelet.node}"
    port = api.get(node)["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    api.patch(f"{node}/status", {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 9}}}})
    try:
        assert httpx.get(f"{gateway.url}{JOBS}/{training.id}/logs").status_code == 503
    finally:
        api.patch(f"{node}/status", {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}})


def test_python_reads_lines_as_they_come(training: Training, service: TrainingService) -> None:
    training.pod().runs()
    log = training.log()
    log.says("first")
    lines = service.stream_logs(training.id)
    assert next(lines) == "first"
    log.says("second")
    assert next(lines) == "second"
    log.ended = True
    assert list(lines) == []
    assert service.get_logs(training.id) == "first\nsecond\n"
    until(lambda: log.readers == 0, "the kubelet's end to be closed")


def test_python_says_where_a_lost_log_is(training: Training, service: TrainingService) -> None:
    training.says("Failed", attempts=[{"number": 1}])
    with pytest.raises(LogGone, match=r"train\.log on the outputs volume"):
        service.get_logs(training.id)


@pytest.fixture
def process(cluster: str, namespace: str, tmp_path: Path) -> Iterator[GatewayProcess]:
    started = GatewayProcess(tmp_path, cluster, namespace)
    yield started.ready()
    started.stop()


def test_the_process_ends_within_its_grace_period_with_a_log_open(process: GatewayProcess, training: Training) -> None:
    training.pod().runs()
    training.log().says("first")
    reader = Reader(process, training.id)
    until(lambda: reader.text, "the first line")
    process.process.send_signal(signal.SIGTERM)
    process.process.wait(timeout=25)
    assert reader.ended() == "first\n"
    assert reader.broke_off
    until(lambda: training.log().readers == 0, "the kubelet's end to be closed")


def test_the_process_logs_json_with_a_line_for_each_change(process: GatewayProcess) -> None:
    body = {"config": {"train_file": "a"}, "name": "x"}
    job_id = httpx.post(f"{process.url}{JOBS}", json=body).json()["id"]
    httpx.get(f"{process.url}{JOBS}/{job_id}")
    (line,) = (line for line in process.log() if line["logger"] == "one_ring_gateway.access")
    assert (line["method"], line["path"], line["status"]) == ("POST", f"{JOBS}/{job_id}", 201)
