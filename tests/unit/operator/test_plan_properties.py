"""What holds for every job, whatever has become of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from one_ring_operator.children import ChildJob, ChildPod, Termination, parse_job
from one_ring_operator.facts import Facts, Refusal
from one_ring_operator.plan import Plan, plan

from one_ring.api import Outcome, Phase, Stage, TrainingJobStatus
from tests.unit.operator.worlds import (
    EARLIER,
    NOW,
    attempt,
    child,
    facts,
    final,
    job,
    pod,
    report,
    words,
)

ATTEMPTS = st.integers(1, 4)
LAST_WORDS = st.sampled_from(["", "{", *(words(outcome) for outcome in Outcome)])
TERMINATIONS = st.builds(
    Termination,
    exit_code=st.sampled_from([0, 1, 2, 3, 137, 143, 203]),
    reason=st.sampled_from(["", "Error", "OOMKilled"]),
    message=LAST_WORDS,
    time=st.sampled_from([None, NOW]),
)


def children() -> st.SearchStrategy[ChildJob]:
    return st.builds(child, ATTEMPTS, deleting=st.booleans(), finished=st.booleans())


@st.composite
def pods(draw: st.DrawFn) -> ChildPod:
    started = draw(st.booleans())
    return pod(
        draw(ATTEMPTS),
        uid=f"pod-{draw(st.integers(1, 99))}",
        phase=draw(st.sampled_from(["Pending", "Running", "Succeeded", "Failed"])),
        scheduled=started or draw(st.booleans()),
        started=started,
        deleting=draw(st.booleans()),
        gone=draw(st.booleans()),
        unschedulable=draw(st.sampled_from(["", "0/1 nodes are available"])),
        waiting_reason=draw(st.sampled_from(["", "ErrImagePull", "CreateContainerConfigError"])),
        disruption=draw(st.sampled_from(["", "DeletionByPodGC"])),
        termination=draw(st.none() | TERMINATIONS),
    )


@st.composite
def statuses(draw: st.DrawFn) -> TrainingJobStatus:
    count = draw(st.integers(0, 3))
    tries = [attempt(n, ended=EARLIER if n < count or draw(st.booleans()) else None) for n in range(1, count + 1)]
    return TrainingJobStatus(
        phase=draw(st.sampled_from(Phase)),
        attempts=tries,
        start_time=EARLIER if tries else None,
        job_name=f"bot-{count}" if tries else None,
    )


@st.composite
def worlds(draw: st.DrawFn) -> Facts:
    wishes: dict[str, Any] = {"suspend": draw(st.booleans()), "cancel": draw(st.booleans())}
    of = job(draw(statuses()), deleted=draw(st.booleans()), **wishes)
    things = {made.attempt: made for made in draw(st.lists(children(), max_size=2))}
    newest = max([*things, *(a.number for a in of.status.attempts)], default=0)
    heard = st.builds(
        report,
        st.sampled_from(Stage),
        st.integers(0, 100),
        number=st.integers(1, max(newest, 1)),
        final=st.none() | st.builds(final, st.sampled_from(Outcome)),
    )
    return facts(
        of,
        *things.values(),
        *draw(st.lists(pods(), max_size=3)),
        # The receiver takes none of an attempt that has no pod yet.
        last_report=draw(st.none() | heard) if newest else None,
        refusal=draw(st.none() | st.just(Refusal("exceeded quota", NOW - timedelta(seconds=3)))),
        last_write=draw(st.none() | st.just(NOW - timedelta(seconds=2))),
    )


def carried_out(known: Facts, decided: Plan) -> Facts:
    """The facts right after the plan was carried out."""
    dying = {doomed.uid for doomed in decided.delete}
    kept = tuple(replace(c, deleting=True) if c.uid in dying else c for c in known.children)
    made = tuple(parse_job(_as_stored(manifest)) for manifest in decided.create)
    after = known.job.model_copy(update={"status": decided.status})
    return replace(known, job=after, children=kept + made)


def _as_stored(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest["metadata"] | {"uid": "new", "creationTimestamp": NOW.isoformat()}
    return manifest | {"metadata": metadata}


@given(worlds())
@settings(max_examples=200, deadline=None)
def test_a_plan_is_always_found_and_a_second_look_does_nothing(known: Facts) -> None:
    decided = plan(known)
    TrainingJobStatus.model_validate(decided.status.model_dump(by_alias=True))
    again = plan(carried_out(known, decided))
    assert (again.create, again.delete) == ((), ())
    assert again.status == decided.status


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_at_most_one_job_is_made_and_never_beside_another(known: Facts) -> None:
    decided = plan(known)
    assert len(decided.create) <= 1
    if decided.create:
        assert not known.children
        assert not known.live_pods
        assert not known.job.spec.suspend
        assert not known.job.spec.cancel


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_the_order_in_which_children_were_seen_does_not_matter(known: Facts) -> None:
    mirrored = replace(known, children=known.children[::-1], pods=known.pods[::-1])
    if len({(p.attempt, p.alive, p.ended) for p in known.pods}) == len(known.pods):
        one, other = plan(known), plan(mirrored)
        assert (one.status, one.create, set(one.delete)) == (other.status, other.create, set(other.delete))


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_terminal_phases_never_change(known: Facts) -> None:
    if known.status.phase.is_terminal:
        assert plan(known).status == known.status
