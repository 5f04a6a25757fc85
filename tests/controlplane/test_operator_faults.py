"""What must hold when things go wrong: lost races, lost answers, a killed operator, an API server that is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from one_ring.api import Stage
from tests.controlplane.api import Api, until
from tests.controlplane.faults import FaultyWay, Request
from tests.controlplane.jobs import Job, Jobs
from tests.controlplane.kubelet import Trainer, succeeded, was_stopped
from tests.controlplane.operating import Operator, api_server_away


@pytest.fixture
def way(api: Api, tmp_path: Path) -> Iterator[FaultyWay]:
    """The operator's way to the API server."""
    faulty = FaultyWay(api, tmp_path)
    yield faulty
    faulty.close()


@pytest.fixture
def operator(way: FaultyWay, claims: str, tmp_path: Path) -> Iterator[Operator]:
    """An operator of its own for the test, serving the test's namespace alone."""
    process = Operator(tmp_path, way.kubeconfig, {"namespaces": [claims]}).start().ready()
    yield process
    process.kill()


@pytest.fixture
def jobs(api: Api, operator: Operator, claims: str) -> Jobs:
    return Jobs(api, operator, claims)


def trains(job: Job, trainer: Trainer, step: int) -> None:
    """Reports as a trainer does, again and again: one report alone may be lost with the operator that took it."""

    def is_running() -> bool:
        trainer.says(Stage.RUNNING, step=step)
        return bool(job.status["phase"] == "Running")

    until(is_running, f"{job.name} to be Running", seconds=60)


def whole_life(job: Job) -> None:
    """Trains, is paused, goes on and succeeds."""
    pod = job.pod(1).runs()
    trains(job, job.trainer(pod), step=10)
    job.change(suspend=True)
    until(pod.is_terminating, "the pod to be told to stop", seconds=60)
    pod.ends(143, message=was_stopped(10))
    pod.vanishes()
    job.reaches("Suspended", seconds=60)
    job.change(suspend=False)
    second = job.pod(2, seconds=60).runs()
    trains(job, job.trainer(second, 2), step=20)
    second.ends(0, message=succeeded())
    job.reaches("Succeeded", seconds=60)


def assert_lived_well(job: Job) -> None:
    """One Job per attempt, every attempt closed, nothing counted twice."""
    assert [attempt["number"] for attempt in job.status["attempts"]] == [1, 2]
    assert all(attempt["endTime"] for attempt in job.status["attempts"])
    assert [child["metadata"]["name"] for child in job.children()] == [f"{job.name}-2"]
    assert {pod["metadata"]["labels"]["training.one-ring.io/attempt"] for pod in job.pods()} == {"2"}


def test_a_lost_race_at_every_status_patch_changes_nothing(api: Api, way: FaultyWay, jobs: Jobs) -> None:
    raced: dict[str, int] = {"patches": 0}

    def somebody_is_quicker(request: Request) -> None:
        if request.is_status_patch:
            raced["patches"] += 1
            if raced["patches"] % 2:
                job_path = request.path.removesuffix("/status")
                api.patch(job_path, {"metadata": {"labels": {"raced": str(raced["patches"])}}})

    way.before = somebody_is_quicker
    job = jobs.create()
    whole_life(job)
    assert_lived_well(job)
    # Five phases at the least (Queued, Running, Suspended, Running, Succeeded), each patch of them tried twice.
    assert raced["patches"] >= 10


def test_an_operator_killed_after_every_single_write_loses_nothing(way: FaultyWay, jobs: Jobs) -> None:
    operator, writes, lock = jobs.operator, [], threading.Lock()

    def killed_before_the_answer(request: Request) -> None:
        if request.is_write:
            with lock:
                writes.append(f"{request.method} {request.path}")
                operator.kill()
                operator.start()
            raise ConnectionError("nobody is there to read the answer")

    way.after = killed_before_the_answer
    job = jobs.create()
    whole_life(job)
    assert_lived_well(job)
    assert len([write for write in writes if write.startswith("POST")]) == 2
    assert len([write for write in writes if write.startswith("DELETE")]) == 1


def test_answers_that_get_lost_make_no_second_job(way: FaultyWay, jobs: Jobs) -> None:
    lost: set[str] = set()

    def is_lost_once(request: Request) -> None:
        if request.is_write and request.method not in lost:
            lost.add(request.method)
            raise ConnectionError("the answer is lost on its way")

    way.after = is_lost_once
    job = jobs.create()
    whole_life(job)
    assert_lived_well(job)
    assert lost == {"POST", "PATCH", "DELETE"}


@pytest.mark.parametrize("answer", [500, 503, 429, 401, 403], ids=str)
def test_an_api_server_in_trouble_is_waited_for(way: FaultyWay, jobs: Jobs, answer: int) -> None:
    job = jobs.create()
    pod = job.pod().runs()
    job.reaches("Preparing")
    errors = jobs.operator.metric("trainingjob_api_requests_total")
    way.refusal = answer
    pod.ends(0, message=succeeded())
    until(lambda: jobs.operator.metric("trainingjob_api_requests_total") >= errors + 2, "a few refused requests")
    assert jobs.operator.probe("healthz").status_code == 200
    way.refusal = None
    job.reaches("Succeeded", seconds=60)
    assert jobs.operator.is_alive()


def test_a_watch_that_delivers_nothing_is_healed_by_the_resync(way: FaultyWay, jobs: Jobs) -> None:
    way.is_frozen = True
    job = jobs.create()
    pod = job.pod().runs()
    job.reaches("Preparing")
    pod.ends(0, message=succeeded())
    job.reaches("Succeeded")


def test_what_happens_while_the_operator_is_away_is_caught_up_with(jobs: Jobs) -> None:
    job, doomed = jobs.create(), jobs.create()
    pod, other = job.pod().runs(), doomed.pod().runs()
    job.trainer(pod).says(Stage.RUNNING, step=5)
    job.reaches("Running")
    doomed.reaches("Preparing")
    jobs.operator.kill()
    pod.ends(0, message=succeeded())
    doomed.delete_child(1)
    until(other.is_terminating, "the other pod to be told to stop")
    other.vanishes()
    jobs.operator.start()
    assert job.reaches("Succeeded")["progress"]["step"] == 100
    doomed.pod(2)


def test_an_operator_that_is_told_to_stop_ends_cleanly(jobs: Jobs) -> None:
    assert jobs.operator.stop() == 0


def test_deleting_a_job_never_waits_for_the_operator(api: Api, jobs: Jobs) -> None:
    job = jobs.create()
    pod = job.pod().runs()
    jobs.operator.kill()
    job.delete()
    until(lambda: api.find(job.path) is None, "the TrainingJob to be gone")
    until(pod.is_terminating, "the pod to be told to stop")


def test_an_operator_outlives_an_api_server_that_is_away(
    api: Api, cluster: str, claims: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    operator = Operator(tmp_path_factory.mktemp("outage"), cluster, {"namespaces": [claims]}).start().ready()
    try:
        assert operator.process
        pid = operator.process.pid
        job = Jobs(api, operator, claims).create()
        pod = job.pod().runs()
        trainer = job.trainer(pod)
        trainer.says(Stage.RUNNING, step=5)
        job.reaches("Running")
        with api_server_away(cluster):
            until(lambda: "could not be asked" in operator.log, "the operator to notice", seconds=60)
            assert operator.probe("healthz").status_code == 200
            assert trainer.post(trainer.report(Stage.RUNNING, 6), token="x.y.z").status_code == 503
        pod.ends(0, message=succeeded())
        job.reaches("Succeeded", seconds=60)
        assert operator.is_alive()
        assert operator.process.pid == pid
    finally:
        operator.kill()
