"""The service against a real API server: nobody else acts; the tests play the operator where its word matters."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from one_ring.api import API_VERSION, TrainingConfig
from one_ring.kube import TRAINING_JOBS, Kube, Object, Resource, Unavailable
from one_ring.services.async_service import AsyncTrainingService
from one_ring.services.errors import InvalidRequest, JobNotFound, WrongState
from one_ring.services.job import Job
from one_ring.services.training_service import TrainingService
from tests.controlplane.api import Api, until
from tests.controlplane.conftest import Run

CONFIG = TrainingConfig(train_file="data/train.jsonl", learning_rate=1e-4)


@pytest.fixture
def service(cluster: str, namespace: str) -> Iterator[TrainingService]:
    connected = TrainingService(kubeconfig=cluster, namespace=namespace)
    yield connected
    connected.close()


class Player:
    """Writes what the operator would."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._jobs = f"/apis/{API_VERSION}/namespaces/{namespace}/trainingjobs"

    def stored(self, job_id: str) -> Object:
        return self._api.get(f"{self._jobs}/{job_id}")

    def says(self, job_id: str, phase: str, **status: Any) -> None:
        self._api.patch(f"{self._jobs}/{job_id}/status", {"status": {"phase": phase} | status})

    def deletes(self, job_id: str) -> None:
        self._api.delete(f"{self._jobs}/{job_id}")


@pytest.fixture
def player(api: Api, namespace: str) -> Player:
    return Player(api, namespace)


def test_a_new_job_is_pending_with_its_whole_config(service: TrainingService, player: Player) -> None:
    job = service.create_training_job(config=CONFIG, name="Support bot")
    assert (job.name, job.status, job.config.learning_rate, job.config.lora_r) == ("Support bot", "pending", 1e-4, 16)
    assert job.id.startswith("support-bot-")
    assert player.stored(job.id)["spec"]["suspend"] is True
    assert service.get_job(job.id) == job


def test_a_config_may_be_a_plain_dict_and_the_rest_of_the_spec_comes_along(
    service: TrainingService, player: Player
) -> None:
    resources, storage = {"gpus": 0, "memory": "1Gi"}, {"outputs": {"claim_name": "mine"}}
    job = service.create_training_job(
        {"train_file": "a"}, "x", resources=resources, storage=storage, start_immediately=True
    )
    spec = player.stored(job.id)["spec"]
    assert spec["resources"] == resources
    assert spec["storage"] == {"outputs": {"claimName": "mine"}}
    assert spec["suspend"] is False


def test_a_refused_config_names_every_fault(service: TrainingService) -> None:
    with pytest.raises(InvalidRequest) as refused:
        service.create_training_job({"learning_rate": 3}, "")
    assert {error.field for error in refused.value.errors} == {"config.learning_rate", "config.train_file", "name"}


def test_a_fault_that_only_the_api_server_finds_has_the_same_shape(service: TrainingService) -> None:
    slipped_through = CONFIG.model_copy(update={"max_steps": 0})
    with pytest.raises(InvalidRequest, match="train nothing") as refused:
        service.create_training_job(slipped_through, "x")
    assert refused.value.errors[0].field == "config.max_steps"


def test_a_job_is_started_paused_resumed_and_cancelled(service: TrainingService, player: Player) -> None:
    job_id = service.create_training_job(CONFIG, "x").id
    service.start_training_job(job_id)
    assert player.stored(job_id)["spec"]["suspend"] is False
    player.says(job_id, "Running", startTime="2026-01-01T10:00:00Z")
    with pytest.raises(WrongState, match="already been started: it is running"):
        service.start_training_job(job_id)
    service.pause_job(job_id)
    assert player.stored(job_id)["spec"]["suspend"] is True
    player.says(job_id, "Suspended")
    assert service.get_job(job_id).status == "paused"
    service.resume_job(job_id)
    assert player.stored(job_id)["spec"]["suspend"] is False
    assert service.cancel_job(job_id) is True
    assert service.cancel_job(job_id) is True
    assert player.stored(job_id)["spec"]["cancel"] is True
    player.says(job_id, "Cancelled")
    assert service.get_job(job_id).is_over


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_job_that_is_over_cannot_be_cancelled(service: TrainingService, player: Player, phase: str) -> None:
    job_id = service.create_training_job(CONFIG, "x", start_immediately=True).id
    player.says(job_id, phase)
    assert service.cancel_job(job_id) is False


def test_a_deleted_job_is_gone(service: TrainingService) -> None:
    job_id = service.create_training_job(CONFIG, "x").id
    service.delete_job(job_id)
    for call in (service.get_job, service.start_training_job, service.cancel_job, service.delete_job):
        with pytest.raises(JobNotFound, match=job_id):
            call(job_id)


@pytest.mark.parametrize("job_id", ["", "..", "../secrets", "UPPER", "a/b", "a" * 53, "no-such-job"])
def test_an_id_that_cannot_be_is_not_found(service: TrainingService, job_id: str) -> None:
    with pytest.raises(JobNotFound):
        service.get_job(job_id)


def test_lists_select_count_and_page(service: TrainingService, player: Player) -> None:
    ids = [service.create_training_job(CONFIG, f"job {number}").id for number in range(4)]
    for job_id, phase in zip(ids, ["Running", "Succeeded", "Running", "Failed"], strict=True):
        player.says(job_id, phase)
    assert {job.id for job in service.list_jobs()} == set(ids)
    page = service.list_jobs("running,completed", limit=2)
    assert (len(page), page.total) == (2, 3)
    assert {job.status for job in service.list_jobs(["failed"])} == {"failed"}


def test_watching_tells_of_every_change_and_ends_with_the_job(service: TrainingService, player: Player) -> None:
    job_id = service.create_training_job(CONFIG, "x", start_immediately=True).id
    changes = service.watch_job(job_id)
    assert next(changes).status == "pending"
    player.says(job_id, "Running", progress={"step": 5, "totalSteps": 10, "percent": 50, "loss": 1.5})
    assert next(changes).metrics.loss == 1.5
    player.says(job_id, "Succeeded")
    assert next(changes).status == "completed"
    assert list(changes) == []
    assert service.wait_for_job(job_id).status == "completed"


def test_starting_in_the_foreground_waits_and_says_how_it_went(
    service: TrainingService, player: Player, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = service.create_training_job(CONFIG, "x").id
    ended: list[Job] = []
    waiting = threading.Thread(target=lambda: ended.append(service.start_training_job(job_id, background=False)))
    waiting.start()
    until(lambda: player.stored(job_id)["spec"]["suspend"] is False, "the job to be started")
    player.says(job_id, "Running", progress={"step": 5, "totalSteps": 10, "percent": 50, "loss": 1.5})
    printed = ""

    def shows_progress() -> bool:
        nonlocal printed
        printed += capsys.readouterr().out
        return "step 5/10" in printed

    until(shows_progress, "the progress to be shown")
    fault = {"file": "a.jsonl", "line": 3, "message": "is no JSON"}
    attempt = {"number": 1, "failureClass": "Data", "message": "1 line is malformed"}
    player.says(job_id, "Failed", attempts=[attempt], faults=[fault], faultCount=1)
    waiting.join(timeout=30)
    assert [job.status for job in ended] == ["failed"]
    assert "a.jsonl:3: is no JSON" in capsys.readouterr().out


class LosesAnswers(Kube):
    """The first answer to each write is lost on its way back."""

    lost = 0

    async def create(self, *args: Any, **more: Any) -> Object:
        return self._lose(await super().create(*args, **more))

    async def merge_patch(self, *args: Any, **more: Any) -> Object:
        return self._lose(await super().merge_patch(*args, **more))

    def _lose(self, answer: Object) -> Object:
        if self.lost == 0:
            self.lost += 1
            raise Unavailable("the answer was lost")
        return answer


class Overtaken(Kube):
    """Another writer is faster, three times."""

    overtaken = 0

    async def merge_patch(self, resource: Resource, name: str, body: Object, *, namespace: str, **more: Any) -> Object:
        if self.overtaken < 3:
            self.overtaken += 1
            annotation = {"metadata": {"annotations": {"count": str(self.overtaken)}}}
            await super().merge_patch(resource, name, annotation, namespace=namespace)
        return await super().merge_patch(resource, name, body, namespace=namespace, **more)


def faulty(kind: type[Kube], kube: Kube, namespace: str) -> AsyncTrainingService:
    connected = kind(kube._client, namespace=namespace)
    return AsyncTrainingService(connected)


def test_a_lost_answer_to_a_create_makes_one_job(kube: Kube, run: Run[Any], namespace: str) -> None:
    service = faulty(LosesAnswers, kube, namespace)
    job = run(service.create_training_job(CONFIG, "x"))
    assert [other.id for other in run(service.list_jobs())] == [job.id]


def test_a_lost_answer_to_a_start_is_no_wrong_state(kube: Kube, run: Run[Any], namespace: str) -> None:
    job = run(AsyncTrainingService(kube, namespace=namespace).create_training_job(CONFIG, "x"))
    assert run(faulty(LosesAnswers, kube, namespace).start_training_job(job.id)).id == job.id


def test_a_faster_writer_is_no_reason_to_fail(kube: Kube, run: Run[Any], namespace: str) -> None:
    service = faulty(Overtaken, kube, namespace)
    job = run(service.create_training_job(CONFIG, "x"))
    run(service.start_training_job(job.id))
    stored = run(kube.get(TRAINING_JOBS, job.id, namespace=namespace))
    assert (stored["spec"]["suspend"], stored["metadata"]["annotations"]["count"]) == (False, "3")


def test_a_decision_is_made_on_what_is_there_now(kube: Kube, run: Run[Any], namespace: str) -> None:
    """Two starts at the same time: one of them comes too late, and says so."""
    service = AsyncTrainingService(kube, namespace=namespace)
    job = run(service.create_training_job(CONFIG, "x"))

    async def both() -> list[Any]:
        starts = (service.start_training_job(job.id), service.start_training_job(job.id))
        return list(await asyncio.gather(*starts, return_exceptions=True))

    kinds = {type(outcome).__name__ for outcome in run(both())}
    assert kinds == {"Job", "WrongState"}
