"""Everything a decision may depend on, gathered before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from one_ring.api import Attempt, ProgressReport, TrainingJob, TrainingJobStatus
from one_ring_operator.children import ChildJob, ChildPod
from one_ring_operator.settings import Settings


@dataclass(frozen=True)
class Refusal:
    """The API server would not take the job's last Job."""

    message: str
    time: datetime


@dataclass(frozen=True)
class Facts:
    """One TrainingJob, what is there of it, what was heard of it, and the time."""

    job: TrainingJob
    settings: Settings
    now: datetime
    ca: str | None = None
    children: tuple[ChildJob, ...] = ()
    pods: tuple[ChildPod, ...] = ()
    last_report: ProgressReport | None = None  # a hint: lost when the operator restarts
    refusal: Refusal | None = None
    last_write: datetime | None = None

    @property
    def status(self) -> TrainingJobStatus:
        return self.job.status

    @property
    def child(self) -> ChildJob | None:
        """The latest attempt's Job, if it is there."""
        return max(self.children, key=lambda child: child.attempt, default=None)

    @property
    def open_attempt(self) -> Attempt | None:
        """The attempt that the status speaks of as running."""
        last = self.status.attempts[-1] if self.status.attempts else None
        return last if last and last.end_time is None else None

    @property
    def attempt(self) -> int | None:
        """Number of the attempt that runs or has just ended; None before and between attempts."""
        if self.child:
            return self.child.attempt
        return self.open_attempt.number if self.open_attempt else None

    @property
    def pod(self) -> ChildPod | None:
        """The attempt's pod, or what it said last."""
        own = [pod for pod in self.pods if pod.attempt == self.attempt]
        return max(own, key=lambda pod: (pod.alive, pod.ended, pod.version), default=None)

    @property
    def live_pods(self) -> tuple[ChildPod, ...]:
        """Pods of any attempt that may still write to the volumes."""
        return tuple(pod for pod in self.pods if pod.alive)

    def holds(self, child: ChildJob) -> bool:
        """The Job may still hold a GPU: nobody has told it to go, and its pod has not ended."""
        has_ended = any(pod.ended and pod.attempt == child.attempt for pod in self.pods)
        return not (child.finished or child.deleting or has_ended)

    @property
    def report(self) -> ProgressReport | None:
        """The attempt's newest report, if one was heard."""
        return self.last_report if self.last_report and self.last_report.attempt == self.attempt else None

    @property
    def is_stopping(self) -> bool:
        """The attempt's Job is gone or going."""
        return self.child is None or self.child.deleting
