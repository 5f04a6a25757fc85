"""Which phase is a wanted attempt in? From its pod, its reports, and what was known before."""

from __future__ import annotations

from one_ring.api import Phase, Stage
from one_ring_operator.facts import Facts

_OF_STAGE = {Stage.PREPARING: Phase.PREPARING, Stage.RUNNING: Phase.RUNNING, Stage.SAVING: Phase.SAVING}
_ORDER = (Phase.QUEUED, Phase.PREPARING, Phase.RUNNING, Phase.SAVING)


def phase_of(facts: Facts) -> Phase:
    """``Queued`` until a node is found, then ``Preparing`` until the first step; from there on the reports say.

    An attempt never falls back without a report: not when the operator restarts and has heard none yet.
    """
    pod, known = facts.pod, _known(facts)
    if pod and pod.alive and pod.deleting and pod.started:
        return Phase.SAVING
    if facts.report:
        return _OF_STAGE[facts.report.stage]
    seen = Phase.PREPARING if pod and pod.scheduled else Phase.QUEUED
    return max(known, seen, key=_ORDER.index)


def stopping_phase(facts: Facts) -> Phase:
    """``Saving`` while a trainer that ran is on its way out; one that never ran has nothing to save."""
    if any(pod.started for pod in facts.live_pods):
        return Phase.SAVING
    return _known(facts)


def _known(facts: Facts) -> Phase:
    """What the status says about this very attempt."""
    last = facts.status.attempts[-1].number if facts.status.attempts else None
    same = last is not None and last == facts.attempt
    return facts.status.phase if same and facts.status.phase in _ORDER else Phase.QUEUED
