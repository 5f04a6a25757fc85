"""Every transition of a job, on a real API server, Job controller and scheduler; the tests play kubelet and trainer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from one_ring.api import Fault, FinalReport, Outcome, Stage, dump_yaml, load_yaml
from tests.controlplane.api import Api, until
from tests.controlplane.jobs import Job, Jobs
from tests.controlplane.kubelet import Pod, Trainer, succeeded, was_stopped
from tests.controlplane.operating import CRD
from tests.controlplane.requests import Writes

DELETIONS = 'trainingjob_api_requests_total{resource="jobs",verb="delete"}'


def running(job: Job, attempt: int = 1, step: int = 10) -> tuple[Pod, Trainer]:
    """The attempt, taken up to its training."""
    pod = job.pod(attempt).runs()
    trainer = job.trainer(pod, attempt)
    trainer.says(Stage.RUNNING, step=step)
    job.reaches("Running")
    return pod, trainer


def stopped(pod: Pod, step: int = 10) -> None:
    """The kubelet ends a pod that is being deleted, after its trainer has saved."""
    until(pod.is_terminating, f"pod {pod.name} to be told to stop")
    pod.ends(143, message=was_stopped(step))
    pod.vanishes()


def counted_from_a_quiet_moment(api: Api, jobs: Jobs) -> Writes:
    """Counts from when the operator has nothing left to write about the jobs of earlier tests."""
    idle = jobs.create(suspend=True)

    def quiet() -> Writes | None:
        writes = Writes(api)
        idle.settles()
        return None if writes.all_of_operator() else writes

    return until(quiet, "the operator to have nothing to write", seconds=120)


def test_a_plain_success_costs_one_create_and_five_status_patches(api: Api, jobs: Jobs) -> None:
    writes, deletions = counted_from_a_quiet_moment(api, jobs), jobs.operator.metric(DELETIONS)
    job = jobs.create()
    version = job.body["metadata"]["resourceVersion"]
    pod = job.pod().scheduled()
    job.reaches("Preparing")
    pod.runs()
    trainer = job.trainer(pod)
    trainer.says(Stage.PREPARING)
    trainer.says(Stage.RUNNING, step=1)
    job.reaches("Running")
    trainer.says(Stage.SAVING, step=100)
    job.reaches("Saving")
    pod.ends(0, message=succeeded())
    status = job.reaches("Succeeded")
    assert job.condition("Complete")["status"] == "True"
    assert status["progress"]["step"] == 100
    assert status["attempts"][0]["exitCode"] == 0
    assert status["outputs"][0]["path"] == "run/adapter"
    assert status["completionTime"]
    until(lambda: api.get(job.child_path(1))["status"].get("succeeded"), "the Job controller to see the success")
    assert writes.of_operator("jobs", "POST") == 1
    assert 3 <= job.writes_since(version) <= 5
    assert writes.of_operator("trainingjobs", "PATCH") == 0
    assert jobs.operator.metric(DELETIONS) == deletions
    assert_untouched(api, job)


def assert_untouched(api: Api, job: Job) -> None:
    """No finalizer and no annotation of ours, anywhere."""
    for thing in (job.body, *job.children(), *job.pods()):
        metadata = thing["metadata"]
        assert not [f for f in metadata.get("finalizers", []) if "one-ring" in f or "kopf" in f]
        assert not [a for a in metadata.get("annotations", {}) if "kopf" in a]


def test_the_events_tell_the_story(jobs: Jobs) -> None:
    job = jobs.create()
    pod, _ = running(job)
    pod.ends(0, message=succeeded())
    job.reaches("Succeeded")
    story = {"Queued", "Running", "Succeeded"}
    until(lambda: story <= {event["reason"] for event in job.events()}, "the events of the whole story")


def test_the_final_report_alone_tells_of_success(jobs: Jobs) -> None:
    job = jobs.create()
    job.pod().runs().ends(0, message=succeeded())
    assert job.reaches("Succeeded")["lastCheckpoint"]["step"] == 100


def test_a_job_created_suspended_waits_until_it_is_started(api: Api, jobs: Jobs) -> None:
    job = jobs.create(suspend=True)
    before = job.body["metadata"]["resourceVersion"]
    other = jobs.create()
    other.reaches("Preparing")
    assert job.body["metadata"]["resourceVersion"] == before
    assert job.children() == []
    job.change(suspend=False)
    job.reaches("Preparing")


def test_a_pending_job_is_cancelled_at_once(jobs: Jobs) -> None:
    job = jobs.create(suspend=True)
    job.change(cancel=True)
    job.reaches("Cancelled")
    assert job.children() == []


def test_a_queued_job_is_cancelled_without_a_trace(jobs: Jobs) -> None:
    job = jobs.create(nodeSelector={"no": "such-node"})
    job.shows("Started", "False", "Unschedulable")
    job.change(cancel=True)
    job.reaches("Cancelled")
    assert job.children() == []


def test_a_cancelled_job_keeps_what_its_trainer_said(jobs: Jobs) -> None:
    job = jobs.create()
    pod, _ = running(job)
    job.change(cancel=True)
    job.reaches("Saving")
    stopped(pod, step=12)
    status = job.reaches("Cancelled")
    assert status["attempts"][0]["exitCode"] == 143
    assert status["attempts"][0]["message"] == "stopped at step 12, saved"
    assert status["attempts"][0]["lastStep"] == 12
    assert "failureClass" not in status["attempts"][0]
    assert job.condition("Cancelled")["status"] == "True"
    assert (job.children(), job.pods()) == ([], [])


def test_a_paused_job_goes_on_as_the_next_attempt(jobs: Jobs) -> None:
    job = jobs.create()
    pod, _ = running(job)
    job.change(suspend=True)
    stopped(pod)
    job.reaches("Suspended")
    assert job.condition("Suspended")["status"] == "True"
    assert (job.children(), job.pods()) == ([], [])
    job.change(suspend=False)
    second = job.pod(2).runs()
    job.trainer(second, 2).says(Stage.RUNNING, step=11, resumed_from_step=10)
    status = job.reaches("Running")
    assert job.condition("Suspended")["status"] == "False"
    assert [attempt["number"] for attempt in status["attempts"]] == [1, 2]
    assert status["attempts"][1]["resumedFromStep"] == 10
    second.ends(0, message=succeeded())
    job.reaches("Succeeded")


def test_an_adalora_job_that_starts_again_says_so(jobs: Jobs) -> None:
    job = jobs.create(config={"peft_method": "adalora"})
    pod, _ = running(job)
    job.change(suspend=True)
    stopped(pod)
    job.reaches("Suspended")
    job.change(suspend=False)
    told = "AdaLoRA cannot resume its ranks: started again at step 0"
    job.trainer(job.pod(2).runs(), 2).says(Stage.RUNNING, step=1, message=told)
    assert job.reaches("Running")["attempts"][1]["message"] == told


def test_resuming_while_still_saving_waits_for_the_old_pod(jobs: Jobs) -> None:
    job = jobs.create()
    pod, _ = running(job)
    job.change(suspend=True)
    until(pod.is_terminating, "the pod to be told to stop")
    job.change(suspend=False)
    job.settles()
    assert len(job.pods()) == 1
    stopped(pod)
    job.pod(2)
    assert [attempt["number"] for attempt in job.reaches("Preparing")["attempts"]] == [1, 2]


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_a_job_deleted_by_hand_is_made_again(jobs: Jobs, policy: str) -> None:
    job = jobs.create()
    pod, _ = running(job)
    job.delete_child(1, policy)
    stopped(pod)
    running(job, 2, step=11)
    first = job.status["attempts"][0]
    assert first["endTime"]
    assert "failureClass" not in first


def test_a_pod_deleted_by_hand_fails_the_attempt(jobs: Jobs) -> None:
    job = jobs.create()
    pod, _ = running(job)
    pod.is_deleted()
    stopped(pod)
    job.reaches("Failed")
    assert job.condition("Failed")["reason"] == "Preempted"


FAILURES: dict[str, tuple[int, str, str, str]] = {
    "config": (2, "", "", "Config"),
    "model access": (4, "", "", "ModelAccess"),
    "non-finite": (6, "", "", "NonFinite"),
    "out of memory": (137, "", "OOMKilled", "HostOutOfMemory"),
    "unknown": (1, "Traceback", "", "Internal"),
    "zero without a report": (0, "", "", "Internal"),
}


@pytest.mark.parametrize(("code", "message", "reason", "failure"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_attempt_is_final(jobs: Jobs, code: int, message: str, reason: str, failure: str) -> None:
    job = jobs.create()
    job.pod().runs().ends(code, message=message, reason=reason)
    status = job.reaches("Failed")
    assert job.condition("Failed")["reason"] == failure
    assert status["attempts"][0]["failureClass"] == failure
    job.change(suspend=True)
    job.settles()
    assert job.status["phase"] == "Failed"


def test_the_bad_lines_of_a_dataset_reach_the_status(jobs: Jobs) -> None:
    job = jobs.create()
    faults = [Fault(file="train.jsonl", line=line, message="not JSON") for line in (3, 17)]
    told = FinalReport(
        outcome=Outcome.FAILED, failure_class="Data", message="2 bad lines", faults=faults, fault_count=2
    )
    job.pod().runs().ends(3, message=told)
    status = job.reaches("Failed")
    assert [fault["line"] for fault in status["faults"]] == [3, 17]
    assert status["faultCount"] == 2


def test_a_pod_taken_away_by_the_cluster_is_preempted(jobs: Jobs) -> None:
    job = jobs.create()
    pod, _ = running(job)
    pod.is_pushed_out("EvictionByEvictionAPI", "the node is drained")
    job.reaches("Failed")
    assert job.condition("Failed")["reason"] == "Preempted"


def test_an_impossible_gpu_request_stays_queued_with_the_schedulers_reason(jobs: Jobs) -> None:
    job = jobs.create(resources={"gpus": 64})
    told = job.shows("Started", "False", "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in told["message"]
    assert job.status["phase"] == "Queued"
    until(lambda: "Unschedulable" in {event["reason"] for event in job.events()}, "an event that says so")


def test_a_third_job_waits_for_one_of_two_gpus(jobs: Jobs) -> None:
    first, second = (jobs.create(resources={"gpus": 1}) for _ in range(2))
    pods = [job.pod().runs() for job in (first, second)]
    third = jobs.create(resources={"gpus": 1})
    third.shows("Started", "False", "Unschedulable")
    pods[0].ends(0, message=succeeded())
    third.pod().scheduled()
    third.reaches("Preparing")
    first.change(cancel=True)
    second.change(cancel=True)


STORAGE: dict[str, Any] = {"storage": {"datasets": {"claimName": "corpus"}}}


def test_a_missing_claim_is_a_condition_that_names_it(jobs: Jobs) -> None:
    job = jobs.create(**STORAGE)
    assert "'corpus'" in job.shows("Started", "False", "ClaimNotFound")["message"]
    assert job.status["phase"] == "Queued"


def test_a_missing_secret_is_a_condition_that_names_it(jobs: Jobs) -> None:
    job = jobs.create(hfTokenSecret={"name": "hf"})
    pod = job.pod().scheduled()
    pod.waits("CreateContainerConfigError", 'secret "hf" not found')
    assert "'hf'" in job.shows("Started", "False", "SecretNotFound")["message"]
    pod.runs()
    job.shows("Started", "True")


def test_a_missing_image_is_a_condition_that_names_it(jobs: Jobs) -> None:
    job = jobs.create()
    job.pod().scheduled().waits("ErrImagePull", "manifest unknown")
    assert "registry.example/trainer:test" in job.shows("Started", "False", "ImagePullFailed")["message"]


def test_deleting_a_job_takes_everything_along(api: Api, jobs: Jobs) -> None:
    job = jobs.create()
    pod, _ = running(job)
    job.delete()
    until(lambda: api.find(job.path) is None, "the TrainingJob to be gone")
    until(pod.is_terminating, "the pod to be told to stop")
    pod.vanishes()
    until(lambda: api.find(job.child_path(1)) is None, "the Job to be gone")


def test_a_successor_of_the_same_name_starts_from_scratch(api: Api, jobs: Jobs) -> None:
    job = jobs.create()
    pod, _ = running(job)
    job.delete()
    until(lambda: api.find(job.path) is None, "the TrainingJob to be gone")
    again = jobs.create(name=job.name)
    until(pod.is_terminating, "the old pod to be told to stop")
    pod.vanishes()
    status = again.reaches("Preparing")
    assert [attempt["number"] for attempt in status["attempts"]] == [1]
    assert [child["metadata"]["name"] for child in again.children()] == [f"{job.name}-1"]


def test_a_job_of_somebody_else_under_our_name_is_left_alone(api: Api, jobs: Jobs) -> None:
    theirs = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job-1-1"},
        "spec": {
            "suspend": True,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}},
        },
    }
    path = f"/apis/batch/v1/namespaces/{jobs.namespace}/jobs"
    made = api.post(path, theirs)
    job = jobs.create()
    assert "'job-1-1'" in job.shows("Started", "False", "JobRefused")["message"]
    assert api.get(job.child_path(1))["metadata"]["uid"] == made["metadata"]["uid"]
    api.delete(job.child_path(1))
    job.reaches("Preparing")


def test_a_quota_that_refuses_the_job_is_named(api: Api, jobs: Jobs) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    path = f"/api/v1/namespaces/{jobs.namespace}/resourcequotas"
    api.post(path, quota)
    until(lambda: api.get(f"{path}/none").get("status", {}).get("hard"), "the quota to be in force")
    job = jobs.create()
    assert "exceeded quota" in job.shows("Started", "False", "JobRefused")["message"]
    assert job.status["phase"] == "Queued"


def test_nothing_is_written_when_nothing_happens(api: Api, jobs: Jobs) -> None:
    training, waiting = jobs.create(), jobs.create(resources={"gpus": 64})
    running(training)
    waiting.shows("Started", "False", "Unschedulable")
    paused, over = jobs.create(suspend=True), jobs.create()
    over.pod().runs().ends(0, message=succeeded())
    over.reaches("Succeeded")
    writes, deletions = counted_from_a_quiet_moment(api, jobs), jobs.operator.metric(DELETIONS)
    looks = jobs.operator.metric("trainingjob_reconcile_duration_seconds_count")
    until(
        lambda: jobs.operator.metric("trainingjob_reconcile_duration_seconds_count") >= looks + 9,
        "three rounds of the resync",
        seconds=60,
    )
    assert writes.all_of_operator() == {}
    assert jobs.operator.metric(DELETIONS) == deletions
    assert paused.status == {"phase": "Pending"}


def _with_novelty(jobs: Jobs) -> Job | None:
    made = jobs.create(suspend=True, novelty="x")
    return made if "novelty" in made.body["spec"] else None


@pytest.fixture
def newer_crd(api: Api) -> Iterator[None]:
    """The CRD as a later version might have it: with a field that this operator does not know."""
    document = load_yaml(CRD.read_text())
    spec = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["novelty"] = {"type": "string"}
    collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    api.apply(dump_yaml(document), collection)
    yield
    api.apply(CRD.read_text(), collection)


def test_a_job_that_cannot_be_read_says_so_and_hurts_no_other(jobs: Jobs, newer_crd: None) -> None:
    probe = until(lambda: _with_novelty(jobs), "the newer CRD to be in force")
    probe.settles()
    unreadable = jobs.create(novelty="x")
    assert "spec.novelty" in unreadable.shows("Accepted", "False", "Unreadable")["message"]
    assert unreadable.children() == []
    jobs.create().reaches("Preparing")
    unreadable.change(novelty=None)
    unreadable.reaches("Preparing")
    assert unreadable.condition("Accepted") == {}
