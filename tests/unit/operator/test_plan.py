"""The rule book, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from one_ring_operator.facts import Facts, Refusal
from one_ring_operator.plan import plan
from one_ring_operator.settings import Settings
from one_ring_operator.status import condition

from one_ring.api import Attempt, FailureClass, Fault, Outcome, Phase, Stage, TrainingJobStatus
from tests.unit.operator.worlds import (
    EARLIER,
    NOW,
    SETTINGS,
    attempt,
    child,
    exited,
    facts,
    final,
    job,
    pod,
    report,
    running,
    status,
    words,
)

SECONDS = timedelta(seconds=1)


# What is there -> the phase that it is.
RUNNING_JOBS: dict[str, tuple[Facts, Phase]] = {
    "no pod yet": (facts(job(status(Phase.QUEUED)), child()), Phase.QUEUED),
    "no node yet": (facts(job(status(Phase.QUEUED)), child(), pod()), Phase.QUEUED),
    "a node, no container yet": (facts(job(status(Phase.QUEUED)), child(), pod(scheduled=True)), Phase.PREPARING),
    "a container, no report yet": (facts(job(status(Phase.QUEUED)), child(), running()), Phase.PREPARING),
    "still preparing": (
        facts(job(status(Phase.QUEUED)), child(), running(), last_report=report(Stage.PREPARING)),
        Phase.PREPARING,
    ),
    "training": (
        facts(job(status(Phase.PREPARING)), child(), running(), last_report=report(Stage.RUNNING, 3)),
        Phase.RUNNING,
    ),
    "saving": (
        facts(job(status(Phase.RUNNING)), child(), running(), last_report=report(Stage.SAVING, 3)),
        Phase.SAVING,
    ),
    "training on after a save": (
        facts(job(status(Phase.SAVING)), child(), running(), last_report=report(Stage.RUNNING, 4)),
        Phase.RUNNING,
    ),
    "the report is quicker than the pod's event": (
        facts(job(status(Phase.QUEUED)), child(), last_report=report(Stage.RUNNING, 3)),
        Phase.RUNNING,
    ),
    "no report since the operator restarted": (facts(job(status(Phase.RUNNING)), child(), running()), Phase.RUNNING),
    "a report of an older attempt": (
        facts(
            job(status(Phase.QUEUED, attempt(1, ended=NOW), attempt(2))),
            child(2),
            running(2),
            last_report=report(Stage.SAVING, 9),
        ),
        Phase.PREPARING,
    ),
    "the pod is being deleted": (facts(job(status(Phase.RUNNING)), child(), running(deleting=True)), Phase.SAVING),
    "the pod is gone, its Job does not know yet": (facts(job(status(Phase.RUNNING)), child()), Phase.RUNNING),
}


@pytest.mark.parametrize(("known", "phase"), RUNNING_JOBS.values(), ids=RUNNING_JOBS.keys())
def test_a_wanted_attempt_is_in_the_phase_that_its_pod_and_reports_tell(known: Facts, phase: Phase) -> None:
    decided = plan(known)
    assert decided.status.phase is phase
    assert (decided.create, decided.delete) == ((), ())


# exit code, kubelet's reason, the trainer's last words -> failure class (None: success), part of the message
ENDINGS = {
    "success": (exited(0, message=words(Outcome.SUCCEEDED)), None, "it succeeded"),
    "zero without last words": (exited(0), FailureClass.INTERNAL, "no readable final report"),
    "zero with broken last words": (exited(0, message="{oops"), FailureClass.INTERNAL, "no readable final report"),
    "zero, but it says stopped": (exited(0, message=words(Outcome.STOPPED)), FailureClass.INTERNAL, "it stopped"),
    "success, then a crash": (exited(139, message=words(Outcome.SUCCEEDED)), FailureClass.INTERNAL, "exited with 139"),
    "config": (exited(2), FailureClass.CONFIG, "exited with 2"),
    "data": (exited(3, message=words(Outcome.FAILED, failure_class="Data")), FailureClass.DATA, "it failed"),
    "model access": (exited(4), FailureClass.MODEL_ACCESS, "exited with 4"),
    "gpu out of memory": (exited(5), FailureClass.GPU_OUT_OF_MEMORY, "exited with 5"),
    "non-finite": (exited(6), FailureClass.NON_FINITE, "exited with 6"),
    "internal": (exited(203, message="Traceback: boom"), FailureClass.INTERNAL, "boom"),
    "anything else": (exited(1), FailureClass.INTERNAL, "exited with 1"),
    "out of memory": (exited(137, reason="OOMKilled"), FailureClass.HOST_OUT_OF_MEMORY, "resources.memory"),
    "killed": (exited(137, reason="Error"), FailureClass.INTERNAL, "SIGKILL"),
    "its pod was deleted": (exited(143, message=words(Outcome.STOPPED)), FailureClass.PREEMPTED, "it stopped"),
    "drained": (exited(143, disruption="EvictionByEvictionAPI"), FailureClass.PREEMPTED, "EvictionByEvictionAPI"),
    "evicted by the kubelet": (
        pod(phase="Failed", reason="Evicted", message="low on memory"),
        FailureClass.PREEMPTED,
        "low on memory",
    ),
    "its node is lost": (pod(phase="Failed", disruption="DeletionByPodGC"), FailureClass.NODE_LOST, "DeletionByPodGC"),
    "refused by the kubelet": (
        pod(phase="Failed", reason="UnexpectedAdmissionError", message="no such device"),
        FailureClass.INTERNAL,
        "no such device",
    ),
}


@pytest.mark.parametrize(("ended", "failure", "said"), ENDINGS.values(), ids=ENDINGS.keys())
def test_an_ended_attempt_settles_the_job(ended: object, failure: FailureClass | None, said: str) -> None:
    decided = plan(facts(job(status(Phase.RUNNING)), child(), ended))  # type: ignore[arg-type]
    now = decided.status
    assert now.phase is (Phase.FAILED if failure else Phase.SUCCEEDED)
    assert now.completion_time == NOW
    assert now.attempts[-1].failure_class is failure
    assert now.attempts[-1].end_time == NOW
    told = condition(now, "Failed" if failure else "Complete")
    assert told
    assert told.status == "True"
    assert said in told.message
    assert told.reason == (failure or "TrainingSucceeded")


def test_the_faults_of_a_refused_dataset_reach_the_status() -> None:
    faults = [Fault(file="train.jsonl", line=17, message="not JSON")]
    last_words = words(Outcome.FAILED, failure_class="Data", faults=faults, fault_count=3)
    decided = plan(facts(job(status(Phase.PREPARING)), child(), exited(3, message=last_words)))
    assert [fault.line for fault in decided.status.faults] == [17]
    assert decided.status.fault_count == 3


def test_a_vanished_pod_of_a_failed_job_is_a_lost_node() -> None:
    decided = plan(facts(job(status(Phase.RUNNING)), child(finished=True, reason="BackoffLimitExceeded")))
    assert decided.status.attempts[-1].failure_class is FailureClass.NODE_LOST


def test_the_last_words_of_a_pod_already_deleted_still_count() -> None:
    gone = exited(0, message=words(Outcome.SUCCEEDED), gone=True)
    assert plan(facts(job(status(Phase.SAVING)), child(finished=True), gone)).status.phase is Phase.SUCCEEDED


def test_a_posted_final_report_stands_in_for_a_lost_termination_message() -> None:
    posted = report(Stage.SAVING, 100, final=final(Outcome.SUCCEEDED))
    decided = plan(facts(job(status(Phase.SAVING)), child(), exited(0), last_report=posted))
    assert decided.status.phase is Phase.SUCCEEDED


def test_a_finished_job_waits_for_its_pods_last_words() -> None:
    decided = plan(facts(job(status(Phase.SAVING)), child(finished=True), running()))
    assert decided.status.phase is Phase.SAVING


# Launching


def test_a_new_job_is_launched_once() -> None:
    decided = plan(facts(job()))
    assert [manifest["metadata"]["name"] for manifest in decided.create] == ["bot-1"]
    assert decided.status.phase is Phase.QUEUED
    assert decided.status.start_time == NOW
    assert decided.status.job_name == "bot-1"
    assert decided.status.gpus == 1
    assert decided.status.observed_generation == 3


def test_a_job_created_suspended_is_pending_without_a_write() -> None:
    created = job(suspend=True)
    decided = plan(facts(created))
    assert decided.status == created.status
    assert decided.create == ()


def test_a_job_whose_status_was_never_written_is_adopted_with_its_child() -> None:
    decided = plan(facts(job(), child(), running()))
    assert [(a.number, a.start_time) for a in decided.status.attempts] == [(1, EARLIER)]
    assert decided.status.phase is Phase.PREPARING
    assert decided.create == ()


def test_a_deleted_child_is_made_again_under_the_next_number() -> None:
    decided = plan(facts(job(status(Phase.RUNNING))))
    assert [manifest["metadata"]["name"] for manifest in decided.create] == ["bot-2"]
    assert [a.number for a in decided.status.attempts] == [1, 2]
    assert decided.status.attempts[0].end_time == NOW
    assert "deleted" in (decided.status.attempts[0].message or "")


@pytest.mark.parametrize("leftover", [running(), running(deleting=True), pod()], ids=["runs", "terminates", "pending"])
def test_no_attempt_starts_while_a_pod_of_the_last_may_still_write(leftover: object) -> None:
    assert plan(facts(job(status(Phase.RUNNING)), leftover)).create == ()  # type: ignore[arg-type]


def test_jobs_that_keep_being_deleted_are_made_again_ever_more_slowly() -> None:
    pauses = []
    for lost in range(1, 9):
        ends = [attempt(n, ended=NOW) for n in range(1, lost)]
        decided = plan(facts(job(status(Phase.QUEUED, *ends, attempt(lost)))))
        pauses.append(decided.look_again.total_seconds() if decided.look_again else 0)
        assert bool(decided.create) is (decided.look_again is None)
    assert pauses == [0, 0, 5, 10, 20, 40, 80, 160]


def test_a_job_that_the_api_server_refuses_is_tried_again_after_a_pause() -> None:
    refusal = Refusal("exceeded quota: gpus", NOW - 4 * SECONDS)
    decided = plan(facts(job(), refusal=refusal))
    assert (decided.create, decided.look_again) == ((), 6 * SECONDS)
    blocked = condition(decided.status, "Started")
    assert blocked
    assert (blocked.reason, blocked.message) == ("JobRefused", "exceeded quota: gpus")
    assert plan(facts(job(decided.status), refusal=refusal, now=NOW + 6 * SECONDS)).create


def test_a_job_without_an_outputs_volume_says_which_field_to_set() -> None:
    bare = Settings.model_validate({"trainerImage": "trainer"})
    decided = plan(replace(facts(job()), settings=bare))
    blocked = condition(decided.status, "Started")
    assert decided.create == ()
    assert blocked
    assert "spec.storage.outputs.claimName" in blocked.message


# Stopping


@pytest.mark.parametrize("wish", ["suspend", "cancel"])
def test_stopping_deletes_the_job_and_waits_for_its_pod(wish: str) -> None:
    decided = plan(facts(job(status(Phase.RUNNING), **{wish: True}), child(), running()))
    assert [c.name for c in decided.delete] == ["bot-1"]
    assert decided.status.phase is Phase.SAVING
    waiting = plan(facts(job(decided.status, **{wish: True}), child(deleting=True), running(deleting=True)))
    assert (waiting.delete, waiting.status) == ((), decided.status)


@pytest.mark.parametrize(
    ("wish", "phase", "kind"), [("suspend", Phase.SUSPENDED, "Suspended"), ("cancel", Phase.CANCELLED, "Cancelled")]
)
def test_a_stopped_job_rests_once_its_pod_is_gone(wish: str, phase: Phase, kind: str) -> None:
    gone = exited(143, message=words(Outcome.STOPPED, saved=True), gone=True)
    decided = plan(facts(job(status(Phase.SAVING), **{wish: True}), gone))
    assert decided.status.phase is phase
    told = condition(decided.status, kind)
    assert told
    assert told.status == "True"
    last = decided.status.attempts[-1]
    assert (last.exit_code, last.failure_class, last.message) == (143, None, "it stopped")
    assert bool(decided.status.completion_time) is (wish == "cancel")


def test_last_words_are_kept_while_the_job_is_still_going() -> None:
    stopped = exited(143, message=words(Outcome.STOPPED, saved=True))
    decided = plan(facts(job(status(Phase.SAVING), cancel=True), child(deleting=True), stopped))
    assert decided.status.phase is Phase.SAVING
    assert decided.status.attempts[-1].message == "it stopped"
    rested = plan(facts(job(decided.status, cancel=True)))
    assert rested.status.phase is Phase.CANCELLED
    assert rested.status.attempts == decided.status.attempts


def test_cancel_wins_over_suspend() -> None:
    both = job(status(Phase.SUSPENDED, attempt(ended=NOW)), suspend=True, cancel=True)
    assert plan(facts(both)).status.phase is Phase.CANCELLED


def test_a_pending_job_is_cancelled_at_once() -> None:
    assert plan(facts(job(suspend=True, cancel=True))).status.phase is Phase.CANCELLED


def test_a_job_that_succeeded_while_being_stopped_has_succeeded() -> None:
    done = exited(0, message=words(Outcome.SUCCEEDED))
    decided = plan(facts(job(status(Phase.SAVING), cancel=True), child(deleting=True), done))
    assert decided.status.phase is Phase.SUCCEEDED


@pytest.mark.parametrize(("wish", "phase"), [("suspend", Phase.FAILED), ("cancel", Phase.SAVING)])
def test_a_job_that_failed_by_itself_while_being_stopped(wish: str, phase: Phase) -> None:
    failed = exited(203, message=words(Outcome.FAILED, failure_class="Internal"))
    decided = plan(facts(job(status(Phase.SAVING), **{wish: True}), child(deleting=True), failed))
    assert decided.status.phase is phase


def test_a_stop_that_comes_after_the_failure_changes_nothing() -> None:
    decided = plan(facts(job(status(Phase.RUNNING), cancel=True), child(finished=True), exited(5)))
    assert decided.status.phase is Phase.FAILED


def test_a_resumed_job_gets_the_next_attempt() -> None:
    paused = plan(facts(job(status(Phase.SAVING), suspend=True))).status
    assert paused.phase is Phase.SUSPENDED
    decided = plan(facts(job(paused), now=NOW + 60 * SECONDS))
    assert [manifest["metadata"]["name"] for manifest in decided.create] == ["bot-2"]
    told = condition(decided.status, "Suspended")
    assert told
    assert (told.status, told.reason) == ("False", "Resumed")


def test_resuming_while_still_stopping_waits_for_the_old_pod() -> None:
    stopping = facts(job(status(Phase.SAVING)), child(deleting=True), running(deleting=True))
    decided = plan(stopping)
    assert (decided.create, decided.delete, decided.status.phase) == ((), (), Phase.SAVING)


def test_an_attempt_tells_from_which_step_it_went_on() -> None:
    known = job(status(Phase.PREPARING, attempt(1, ended=EARLIER), attempt(2)))
    heard = report(Stage.RUNNING, 60, number=2, resumed_from_step=50)
    assert plan(facts(known, child(2), running(2), last_report=heard)).status.attempts[-1].resumed_from_step == 50


def test_an_attempt_that_could_not_resume_says_why() -> None:
    known = job(status(Phase.PREPARING, attempt(1, ended=EARLIER), attempt(2)))
    heard = report(Stage.RUNNING, 1, number=2, message="AdaLoRA starts again: its ranks cannot be resumed")
    last = plan(facts(known, child(2), running(2), last_report=heard)).status.attempts[-1]
    assert "AdaLoRA" in (last.message or "")


# Resting


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED], ids=str)
@pytest.mark.parametrize("wish", [{}, {"suspend": True}, {"cancel": True}], ids=str)
def test_terminal_phases_never_change(phase: Phase, wish: dict[str, bool]) -> None:
    over = job(status(phase, attempt(ended=NOW)), **wish)
    for things in ((), (child(), exited(0)), (child(finished=True), exited(5))):
        decided = plan(facts(over, *things))
        assert (decided.status, decided.create, decided.delete) == (over.status, (), ())


def test_a_job_that_is_over_holds_nothing() -> None:
    over = job(status(Phase.CANCELLED, attempt(ended=NOW)))
    assert [c.name for c in plan(facts(over, child(), running())).delete] == ["bot-1"]


def test_a_job_being_deleted_is_left_alone() -> None:
    decided = plan(facts(job(status(Phase.RUNNING), deleted=True)))
    assert (decided.create, decided.delete, decided.status.phase) == ((), (), Phase.RUNNING)


# What stands in the way

BLOCKED = {
    "no such claim": (
        pod(unschedulable='0/1 nodes are available: persistentvolumeclaim "corpus" not found.'),
        "ClaimNotFound",
        "claim 'corpus' not found in namespace 'team'",
    ),
    "no such GPU": (pod(unschedulable="0/1 nodes: Insufficient nvidia.com/gpu."), "Unschedulable", "Insufficient"),
    "no such secret": (
        pod(scheduled=True, waiting_reason="CreateContainerConfigError", waiting_message='secret "hf" not found'),
        "SecretNotFound",
        "secret 'hf' not found",
    ),
    "no such key": (
        pod(
            scheduled=True,
            waiting_reason="CreateContainerConfigError",
            waiting_message="couldn't find key token in Secret team/hf",
        ),
        "SecretKeyNotFound",
        "secret 'hf' has no key 'token'",
    ),
    "no such image": (
        pod(scheduled=True, waiting_reason="ErrImagePull", waiting_message="not found"),
        "ImagePullFailed",
        "image 'registry.example/trainer:1' cannot be pulled: not found",
    ),
}


@pytest.mark.parametrize(("waiting", "reason", "said"), BLOCKED.values(), ids=BLOCKED.keys())
def test_what_stands_in_the_way_is_a_condition_that_names_it(waiting: object, reason: str, said: str) -> None:
    decided = plan(facts(job(status(Phase.QUEUED)), child(), waiting))  # type: ignore[arg-type]
    told = condition(decided.status, "Started")
    assert told
    assert (told.status, told.reason) == ("False", reason)
    assert said in told.message


def test_an_image_pull_that_backs_off_is_no_news() -> None:
    error = 'rpc error: failed to pull "trainer": not found'
    backing_off = f'Back-off pulling image "trainer": ErrImagePull: {error}'
    failing = pod(scheduled=True, waiting_reason="ErrImagePull", waiting_message=error)
    before = plan(facts(job(status(Phase.PREPARING)), child(), failing)).status
    waiting = replace(failing, waiting_reason="ImagePullBackOff", waiting_message=backing_off)
    assert plan(facts(job(before), child(), waiting)).status == before


def test_once_unblocked_the_condition_turns_true() -> None:
    blocked = plan(facts(job(status(Phase.QUEUED)), child(), pod(unschedulable="0/1 nodes"))).status
    told = condition(plan(facts(job(blocked), child(), running())).status, "Started")
    assert told
    assert told.status == "True"


# Writing seldom


def test_progress_alone_is_written_every_few_seconds() -> None:
    known = job(
        plan(facts(job(status(Phase.RUNNING)), child(), running(), last_report=report(Stage.RUNNING, 1))).status
    )
    heard = report(Stage.RUNNING, 5)
    early = plan(facts(known, child(), running(), last_report=heard, last_write=NOW - 2 * SECONDS))
    assert early.status == known.status
    assert early.look_again == 3 * SECONDS
    late = plan(facts(known, child(), running(), last_report=heard, last_write=NOW - 5 * SECONDS))
    assert late.status.progress
    assert late.status.progress.step == 5


def test_a_change_of_phase_is_written_at_once() -> None:
    heard = report(Stage.SAVING, 100)
    decided = plan(facts(job(status(Phase.RUNNING)), child(), running(), last_report=heard, last_write=NOW))
    assert decided.status.phase is Phase.SAVING


def test_numbers_are_rounded_and_the_time_left_is_readable() -> None:
    heard = report(Stage.RUNNING, 5)
    assert heard.progress
    exact = heard.progress.model_copy(update={"loss": 1.23456789, "eta_seconds": 3900})
    heard = heard.model_copy(update={"progress": exact})
    seen = plan(facts(job(status(Phase.RUNNING)), child(), running(), last_report=heard)).status.progress
    assert seen
    assert (seen.loss, seen.eta) == (1.23457, "1h05m")


def test_a_condition_keeps_its_time_while_it_holds() -> None:
    blocked = plan(facts(job(status(Phase.QUEUED)), child(), pod(unschedulable="0/1 nodes"))).status
    later = facts(job(blocked), child(), pod(unschedulable="0/2 nodes"), now=NOW + 60 * SECONDS)
    told = condition(plan(later).status, "Started")
    assert told
    assert (told.message, told.last_transition_time) == ("0/2 nodes", NOW)


def test_many_attempts_are_kept_within_bounds() -> None:
    tries: list[Attempt] = [attempt(n, ended=EARLIER) for n in range(1, 51)]
    decided = plan(facts(job(status(Phase.SUSPENDED, *tries))))
    assert [a.number for a in decided.status.attempts] == list(range(2, 52))
    TrainingJobStatus.model_validate(decided.status.model_dump(by_alias=True))


def test_the_settings_fill_what_the_job_leaves_out() -> None:
    assert SETTINGS.resources_of(job(resources={"gpus": 0}).spec.resources).memory == "32Gi"
    assert SETTINGS.resources_of(job(resources={"gpus": 0}).spec.resources).gpus == 0
