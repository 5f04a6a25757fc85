"""Which jobs a list shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from one_ring.api import Phase
from one_ring.services.errors import InvalidRequest
from one_ring.services.selection import Selection
from tests.unit.services.samples import body

JOBS = [
    body("b", created="2026-01-01T10:00:00Z", phase="Running"),
    body("a", created="2026-01-01T10:00:00Z", phase="Succeeded"),
    body("c", created="2026-01-01T10:00:01Z", phase="Queued"),
    body("d", created="2026-01-01T09:00:00Z", phase="Running"),
]


def ids(status: str | list[str] | None = None, *, limit: int | None = None, offset: int = 0) -> list[str]:
    return [job.id for job in Selection.of(status, limit=limit, offset=offset).page(JOBS)]


def test_the_newest_come_first_and_equals_by_name() -> None:
    assert ids() == ["c", "a", "b", "d"]


@pytest.mark.parametrize(
    "status",
    ["running,completed", " Running , completed,", ["running", "completed"], ["completed", "running", "running"]],
    ids=repr,
)
def test_status_words_select(status: str | list[str]) -> None:
    assert ids(status) == ["a", "b", "d"]


def test_a_page_knows_how_many_there_are() -> None:
    page = Selection.of("running,completed", limit=1, offset=1).page(JOBS)
    assert ([job.id for job in page], page.total, page.limit, page.offset) == (["b"], 3, 1, 1)


def test_a_page_behind_the_end_is_empty() -> None:
    assert ids(limit=10, offset=99) == []


@pytest.mark.parametrize(
    ("status", "message"),
    [("runing", "did you mean 'running'"), ("sleepy-heads", "known are pending"), ("Succeeded", "is not a status")],
)
def test_an_unknown_status_is_refused_with_a_remedy(status: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        ids(status)


def test_every_fault_of_a_query_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        ids("runing", limit=0, offset=-1)
    assert [error.field for error in refused.value.errors] == ["status", "limit", "offset"]


@given(
    seconds=st.lists(st.integers(0, 5), max_size=30),
    phases=st.lists(st.sampled_from(list(Phase)), min_size=30, max_size=30),
    limit=st.integers(1, 7),
)
def test_pages_put_together_are_the_whole_list(seconds: list[int], phases: list[Phase], limit: int) -> None:
    bodies = [
        body(f"job-{number}", created=f"2026-01-01T10:00:0{second}Z", phase=phase)
        for number, (second, phase) in enumerate(zip(seconds, phases, strict=False))
    ]
    words = "running,completed,failed"
    pages = [Selection.of(words, limit=limit, offset=offset).page(bodies) for offset in range(0, len(bodies), limit)]
    whole = Selection.of(words, limit=None, offset=0).page(bodies)
    assert [job.id for page in pages for job in page] == [job.id for job in whole]
    assert len(whole) == whole.total
