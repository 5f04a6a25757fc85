"""Which jobs may be started, paused, resumed and cancelled, and what changes."""

from __future__ import annotations

from typing import Any

import pytest

from one_ring.services import transitions
from one_ring.services.errors import WrongState
from tests.unit.services.samples import job

NEVER_STARTED: dict[str, Any] = {"phase": "Pending", "suspend": True}
STARTED: dict[str, Any] = {"phase": "Pending"}
RUNNING: dict[str, Any] = {"phase": "Running"}
PAUSING: dict[str, Any] = {"phase": "Running", "suspend": True}
PAUSED: dict[str, Any] = {"phase": "Suspended", "suspend": True}
CANCELLING: dict[str, Any] = {"phase": "Running", "cancel": True}
CANCELLED: dict[str, Any] = {"phase": "Cancelled", "cancel": True}
COMPLETED: dict[str, Any] = {"phase": "Succeeded"}
FAILED: dict[str, Any] = {"phase": "Failed"}

ON, OFF, END, NOTHING = {"suspend": False}, {"suspend": True}, {"cancel": True}, dict[str, bool]()
REFUSED = None
VERBS = (transitions.start, transitions.pause, transitions.resume, transitions.cancel)
# state: what start, pause, resume and cancel change in its spec
TABLE = [
    ("never started", NEVER_STARTED, (ON, REFUSED, REFUSED, END)),
    ("started", STARTED, (REFUSED, OFF, NOTHING, END)),
    ("running", RUNNING, (REFUSED, OFF, NOTHING, END)),
    ("pausing", PAUSING, (ON, NOTHING, ON, END)),
    ("paused", PAUSED, (ON, NOTHING, ON, END)),
    ("cancelling", CANCELLING, (REFUSED, REFUSED, REFUSED, NOTHING)),
    ("cancelled", CANCELLED, (REFUSED, REFUSED, REFUSED, NOTHING)),
    ("completed", COMPLETED, (REFUSED, REFUSED, REFUSED, REFUSED)),
    ("failed", FAILED, (REFUSED, REFUSED, REFUSED, REFUSED)),
]
CASES = [
    pytest.param(state, verb, answer, id=f"{verb.__name__} {name}")
    for name, state, answers in TABLE
    for verb, answer in zip(VERBS, answers, strict=True)
]


@pytest.mark.parametrize(("state", "verb", "answer"), CASES)
def test_each_state_takes_each_verb_as_the_table_says(
    state: dict[str, Any], verb: transitions.Decide, answer: dict[str, bool] | None
) -> None:
    if answer is None:
        with pytest.raises(WrongState, match="training job 'support-bot-x7k2p'"):
            verb(job(**state))
    else:
        assert verb(job(**state)) == answer
