"""What the operator remembers does not depend on the order, the repetition or the loss of events."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_ring_operator.children import Key
from one_ring_operator.store import Store

from one_ring.kube import JOBS, PODS, TRAINING_JOBS, Resource
from tests.unit.operator.worlds import KEY, UID

Event = tuple[Resource, dict[str, Any], bool]


def body(kind: Resource, uid: str, version: int, **status: Any) -> dict[str, Any]:
    labels = {"training.one-ring.io/job": KEY.name, "training.one-ring.io/run-id": UID}
    metadata: dict[str, Any] = {"namespace": KEY.namespace, "uid": uid, "resourceVersion": str(version)}
    if kind is TRAINING_JOBS:
        return {"metadata": metadata | {"name": KEY.name}, "status": status}
    owner = {"controller": True, "uid": UID if kind is JOBS else "job-1"}
    known = {
        "name": f"bot-{uid}",
        "labels": labels,
        "ownerReferences": [owner],
        "creationTimestamp": "2026-05-01T00:00:00Z",
    }
    return {"metadata": metadata | known, "status": status}


HISTORY: list[Event] = [
    (TRAINING_JOBS, body(TRAINING_JOBS, UID, 1), False),
    (JOBS, body(JOBS, "job-1", 2), False),
    (PODS, body(PODS, "pod-1", 3), False),
    (PODS, body(PODS, "pod-1", 4, phase="Running"), False),
    (TRAINING_JOBS, body(TRAINING_JOBS, UID, 5, phase="Running"), False),
    (PODS, body(PODS, "pod-1", 6, phase="Succeeded"), False),
    (PODS, body(PODS, "pod-0", 7, phase="Failed"), True),
    (JOBS, body(JOBS, "job-0", 8), False),
    (JOBS, body(JOBS, "job-0", 9), True),
]


def known(store: Store) -> tuple[Any, ...]:
    return store.job(KEY), store.children(KEY, UID), [pod for pod in store.pods(KEY, UID) if not pod.gone]


def after(events: list[Event]) -> Store:
    store = Store(lambda: 0.0)
    for kind, seen, deleted in events:
        store.see(kind, seen, deleted=deleted)
    return store


@given(st.integers(0, 2**32), st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_late_and_repeated_events_end_in_the_same_memory(seed: int, repeated: int) -> None:
    shuffler = random.Random(seed)
    events = HISTORY + shuffler.choices(HISTORY, k=repeated)
    shuffler.shuffle(events)
    assert known(after(events)) == known(after(HISTORY))


def test_a_repeated_event_is_no_news() -> None:
    store = after(HISTORY)
    assert [store.see(kind, seen, deleted=deleted) for kind, seen, deleted in HISTORY] == [None] * len(HISTORY)


def test_a_listing_removes_what_it_does_not_show() -> None:
    store = after(HISTORY)
    assert store.relist(PODS, [], asked_at=1.0) == {KEY}
    assert [pod.gone for pod in store.pods(KEY, UID) if pod.uid == "pod-1"] == [True]


def test_a_listing_keeps_what_came_after_it_was_asked_for() -> None:
    store = after(HISTORY)
    assert store.relist(PODS, [], asked_at=-1.0) == set()
    assert known(store) == known(after(HISTORY))


def test_the_last_words_of_a_deleted_pod_are_remembered() -> None:
    store = after(HISTORY)
    store.see(PODS, body(PODS, "pod-1", 10, phase="Succeeded"), deleted=True)
    assert [(pod.gone, pod.phase) for pod in store.pods(KEY, UID) if pod.uid == "pod-1"] == [(True, "Succeeded")]


def test_children_of_a_namesake_are_not_ours() -> None:
    store = after(HISTORY)
    assert store.children(KEY, "another-uid") == ()
    assert store.pods(KEY, "another-uid") == ()


def test_of_two_jobs_of_one_name_the_newer_counts() -> None:
    store = after(HISTORY)
    store.see(TRAINING_JOBS, body(TRAINING_JOBS, "successor", 20))
    assert (store.job(KEY) or {})["metadata"]["uid"] == "successor"
    store.see(TRAINING_JOBS, body(TRAINING_JOBS, UID, 19), deleted=True)
    assert (store.job(KEY) or {})["metadata"]["uid"] == "successor"


def test_hints_go_with_their_job() -> None:
    store = after(HISTORY)
    store.refusals[KEY] = store.reports[KEY] = None  # type: ignore[assignment]
    store.see(TRAINING_JOBS, body(TRAINING_JOBS, UID, 20), deleted=True)
    assert (store.refusals, store.reports, store.known_jobs()) == ({}, {}, [])


@pytest.mark.parametrize("kind", [JOBS, PODS], ids=lambda kind: kind.plural)
def test_a_child_without_our_label_is_nobodys(kind: Resource) -> None:
    stranger = body(kind, "x", 1)
    stranger["metadata"]["labels"] = {}
    store = Store(lambda: 0.0)
    assert store.see(kind, stranger) is None
    assert store.children(Key("team", ""), UID) == ()
