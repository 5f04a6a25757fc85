"""What Prometheus sees. Gauges about jobs are read from the store when asked for, so none is ever stale."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from one_ring.api import Phase, TrainingJobStatus
from one_ring_operator.deliveries import Deliveries
from one_ring_operator.store import Store

_TRAINING_SECONDS = (5, 15, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
_PER_JOB = {
    "trainingjob_step": ("Optimizer steps done by a running job.", "step"),
    "trainingjob_loss": ("Training loss of a running job.", "loss"),
    "trainingjob_tokens_per_second": ("Trained tokens per second of a running job.", "tokensPerSecond"),
}


class Metrics:
    """Every metric of the operator, by the names of the design."""

    def __init__(self, store: Store, deliveries: Deliveries) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_JobGauges(store, deliveries))
        here = self.registry
        self.reconcile_seconds = Histogram(
            "trainingjob_reconcile_duration_seconds", "Time to look at one job.", registry=here
        )
        self.reconcile_errors = Counter("trainingjob_reconcile_errors", "Looks that failed.", registry=here)
        self.api_requests = Counter(
            "trainingjob_api_requests", "Calls of the Kubernetes API.", ["verb", "resource"], registry=here
        )
        self.attempts = Counter("trainingjob_attempts", "Attempts that ended.", ["failure_class"], registry=here)
        self.resumed = Counter("trainingjob_resumed", "Attempts that went on from a checkpoint.", registry=here)
        self.first_step_seconds = Histogram(
            "trainingjob_time_to_first_step_seconds",
            "From the start to the first optimizer step.",
            buckets=_TRAINING_SECONDS,
            registry=here,
        )

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def count(self, before: TrainingJobStatus, after: TrainingJobStatus) -> None:
        """A status was written: counts what it tells."""
        started, first = after.start_time, after.first_step_time
        if first and started and before.first_step_time is None:
            self.first_step_seconds.observe((first - started).total_seconds())
        known = {attempt.number: attempt for attempt in before.attempts}
        for attempt in after.attempts:
            was = known.get(attempt.number)
            if attempt.end_time and not (was and was.end_time):
                self.attempts.labels(attempt.failure_class or "").inc()
            if attempt.resumed_from_step and not (was and was.resumed_from_step):
                self.resumed.inc()


class _JobGauges(Collector):
    def __init__(self, store: Store, deliveries: Deliveries) -> None:
        self._store = store
        self._deliveries = deliveries

    def collect(self) -> Iterator[GaugeMetricFamily]:
        statuses = {key: (self._store.job(key) or {}).get("status") or {} for key in self._store.known_jobs()}
        yield _phases(statuses.values())
        running = {key: s["progress"] for key, s in statuses.items() if _runs(s) and s.get("progress")}
        for name, (text, field) in _PER_JOB.items():
            gauge = GaugeMetricFamily(name, text, labels=["namespace", "name"])
            for key, progress in running.items():
                if progress.get(field) is not None:
                    gauge.add_metric(list(key), progress[field])
            yield gauge
        yield self._event_ages()

    def _event_ages(self) -> GaugeMetricFamily:
        text = "Seconds since the watch last delivered an event."
        ages = GaugeMetricFamily("trainingjob_watch_last_event_age_seconds", text, labels=["resource"])
        for kind, at in self._deliveries.last_event.items():
            ages.add_metric([kind.plural], self._store.now() - at)
        return ages


def _phases(statuses: Any) -> GaugeMetricFamily:
    counts = Tally(status.get("phase", Phase.PENDING) for status in statuses)
    gauge = GaugeMetricFamily("trainingjob_phase", "TrainingJobs in each phase.", labels=["phase"])
    for phase in Phase:
        gauge.add_metric([phase], counts[phase])
    return gauge


def _runs(status: dict[str, Any]) -> bool:
    return status.get("phase") in (Phase.RUNNING, Phase.SAVING)
