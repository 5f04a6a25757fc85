"""One look at one job: gather the facts, decide, carry it out."""

from __future__ import annotations

from one_ring_operator.children import Key
from one_ring_operator.cluster import Cluster, Unreadable
from one_ring_operator.metrics import Metrics
from one_ring_operator.plan import plan


class Reconciler:
    """The work of the work queue."""

    def __init__(self, cluster: Cluster, metrics: Metrics) -> None:
        self._cluster = cluster
        self._metrics = metrics

    async def __call__(self, key: Key) -> float | None:
        """Brings the job one step on; in how many seconds to look again, if nothing happens until then."""
        with self._metrics.reconcile_seconds.time():
            try:
                facts = await self._cluster.observe(key)
            except Unreadable as unreadable:
                await self._cluster.explain_unreadable(key, str(unreadable))
                return None
            if facts is None:
                return None
            decided = plan(facts)
            if not await self._cluster.carry_out(facts, decided):
                return 0.0
            return decided.look_again.total_seconds() if decided.look_again else None
