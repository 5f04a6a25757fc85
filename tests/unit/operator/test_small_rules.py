"""The small decisions: is the watch alive, whose token is it, what is worth an Event, which patch is smallest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_ring_operator.deliveries import Deliveries
from one_ring_operator.identity import Sender, sender_of
from one_ring_operator.merge_patches import merge_patch_between
from one_ring_operator.plan import plan
from one_ring_operator.transitions import happenings

from one_ring.api import Phase
from one_ring.kube import PODS
from tests.unit.operator.worlds import attempt, child, facts, job, pod, status

# The watch


def watch() -> Deliveries:
    deliveries = Deliveries()
    deliveries.delivered(PODS, "a", 5, now=0)
    return deliveries


def test_a_watch_that_has_brought_everything_is_fine_however_quiet() -> None:
    deliveries = watch()
    deliveries.listed(PODS, {"a": 5}, asked_at=10)
    assert not deliveries.is_failing(10_000)


def test_a_watch_that_owes_a_change_for_over_a_minute_has_failed() -> None:
    deliveries = watch()
    deliveries.listed(PODS, {"a": 6}, asked_at=10)
    deliveries.listed(PODS, {"a": 7}, asked_at=40)
    assert not deliveries.is_failing(70)
    assert deliveries.is_failing(71)


def test_a_watch_that_has_caught_up_is_fine_again() -> None:
    deliveries = watch()
    deliveries.listed(PODS, {"a": 6}, asked_at=10)
    deliveries.delivered(PODS, "a", 6, now=60)
    assert not deliveries.is_failing(200)


def test_an_outage_of_the_api_server_is_not_the_watchs_fault() -> None:
    deliveries = watch()
    deliveries.listed(PODS, {"a": 6}, asked_at=10)
    deliveries.unreachable()
    assert not deliveries.is_failing(200)


def test_what_came_and_went_is_not_owed() -> None:
    deliveries = watch()
    deliveries.listed(PODS, {"a": 5, "b": 6}, asked_at=10)
    deliveries.listed(PODS, {"a": 5}, asked_at=40)
    assert not deliveries.is_failing(200)


# Tokens

REVIEW: dict[str, Any] = {
    "authenticated": True,
    "audiences": ["one-ring-progress"],
    "user": {
        "username": "system:serviceaccount:team:default",
        "extra": {
            "authentication.kubernetes.io/pod-name": ["bot-1-abcde"],
            "authentication.kubernetes.io/pod-uid": ["pod-1"],
        },
    },
}


def test_a_reviewed_token_names_its_pod() -> None:
    assert sender_of(REVIEW) == Sender("team", "bot-1-abcde", "pod-1")


NOBODY: dict[str, dict[str, Any]] = {
    "nothing": {},
    "not authenticated": REVIEW | {"authenticated": False},
    "another audience": REVIEW | {"audiences": ["https://kubernetes.default.svc"]},
    "no audience": {key: value for key, value in REVIEW.items() if key != "audiences"},
    "no pod": REVIEW | {"user": {"username": "system:serviceaccount:team:default"}},
    "a person": REVIEW | {"user": REVIEW["user"] | {"username": "admin"}},
}


@pytest.mark.parametrize("review", NOBODY.values(), ids=NOBODY.keys())
def test_any_other_token_is_nobodys(review: dict[str, Any]) -> None:
    assert sender_of(review) is None


# Events


def test_a_new_phase_is_told_once() -> None:
    before = status(Phase.QUEUED)
    after = before.model_copy(update={"phase": Phase.PREPARING})
    assert [told.reason for told in happenings(before, after)] == ["Preparing"]
    assert list(happenings(after, after)) == []


def test_what_blocks_is_a_warning() -> None:
    before = status(Phase.QUEUED)
    after = plan(facts(job(before), child(), pod(unschedulable="0/1 nodes are available"))).status
    assert [(told.reason, told.is_warning) for told in happenings(before, after)] == [("Unschedulable", True)]


def test_an_attempt_whose_job_was_deleted_is_told() -> None:
    before = status(Phase.RUNNING)
    after = plan(facts(job(before))).status
    assert [told.reason for told in happenings(before, after)] == ["AttemptLost", "Queued"]


def test_a_resumed_attempt_tells_from_where() -> None:
    before = status(Phase.PREPARING, attempt(1), attempt(2))
    resumed = [before.attempts[0], before.attempts[1].model_copy(update={"resumed_from_step": 40})]
    after = before.model_copy(update={"phase": Phase.RUNNING, "attempts": resumed})
    assert [told.message for told in happenings(before, after)] == ["attempt 2 is training, resumed from step 40"]


# Merge patches

VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=2), VALUES, max_size=4)


def patched(target: Any, patch: Any) -> Any:
    """RFC 7386, word by word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), value)
    return result


@given(DOCUMENTS, DOCUMENTS)
def test_a_merge_patch_leads_from_one_document_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert patched(before, merge_patch_between(before, after)) == after


@given(DOCUMENTS)
def test_nothing_changed_is_an_empty_patch(document: dict[str, Any]) -> None:
    assert merge_patch_between(document, document) == {}
