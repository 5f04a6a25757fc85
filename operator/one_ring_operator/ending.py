"""How did an attempt end? By exit code, the trainer's last words and what the kubelet says about the pod."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from one_ring.api import FAILURE_OF_EXIT_CODE, ExitCode, FailureClass, FinalReport, Outcome
from one_ring_operator.children import ChildPod, Termination
from one_ring_operator.facts import Facts

_KILLED = 137
_LOST_WITH_THE_NODE = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
_PUSHED_OUT = frozenset({"Evicted", "Preempting", "Preempted", "Terminated", "NodeShutdown"})


@dataclass(frozen=True)
class Ending:
    """The end of one attempt. Neither succeeded nor failed: it was stopped."""

    time: datetime
    succeeded: bool = False
    failure_class: FailureClass | None = None
    message: str = ""
    exit_code: int | None = None
    final: FinalReport | None = None

    @property
    def failed_by_itself(self) -> bool:
        """The trainer itself says that it failed; it was not just stopped."""
        return self.final is not None and self.final.outcome is Outcome.FAILED


def ending_of(facts: Facts) -> Ending | None:
    """The end of the current attempt; None while it may still run."""
    pod = facts.pod
    if facts.attempt is None:
        return None
    if pod and pod.ended:
        return _of_pod(pod, facts)
    if facts.child and facts.child.finished and not (pod and pod.alive):
        return _of_vanished_pod(facts)
    return None


def _of_pod(pod: ChildPod, facts: Facts) -> Ending:
    ended = pod.termination
    final = _final(ended, facts)
    time = (ended.time if ended else None) or facts.now
    exit_code = ended.exit_code if ended else None
    if exit_code == ExitCode.DONE and final and final.outcome is Outcome.SUCCEEDED:
        return Ending(time, succeeded=True, message=final.message, exit_code=exit_code, final=final)
    failure, message = _failure(pod, ended, final)
    if final and final.message and (final.outcome is not Outcome.SUCCEEDED):
        message = final.message
    return Ending(time, failure_class=failure, message=message, exit_code=exit_code, final=final)


def _of_vanished_pod(facts: Facts) -> Ending:
    """Its Job has ended, but the pod is gone with its last words, unless a report told them."""
    final = facts.report.final if facts.report else None
    if final and final.outcome is Outcome.SUCCEEDED and facts.child and facts.child.reason != "BackoffLimitExceeded":
        return Ending(facts.now, succeeded=True, message=final.message, final=final)
    if final and final.outcome is Outcome.FAILED:
        return Ending(facts.now, failure_class=final.failure_class, message=final.message, final=final)
    return Ending(
        facts.now,
        failure_class=FailureClass.NODE_LOST,
        message="the pod is gone and has left no report; what it wrote is on the outputs volume",
        final=final,
    )


def _final(ended: Termination | None, facts: Facts) -> FinalReport | None:
    """The final report from the termination message, else from the last POST."""
    try:
        return FinalReport.model_validate_json(ended.message if ended else "")
    except ValidationError:
        return facts.report.final if facts.report else None


def _failure(pod: ChildPod, ended: Termination | None, final: FinalReport | None) -> tuple[FailureClass, str]:
    """Whose turn it is to act, and a sentence for when the trainer has left none."""
    if ended and ended.reason == "OOMKilled":
        return FailureClass.HOST_OUT_OF_MEMORY, "the pod ran out of memory: ask for more in spec.resources.memory"
    if pod.disruption or pod.reason in _PUSHED_OUT:
        lost = pod.disruption in _LOST_WITH_THE_NODE
        return FailureClass.NODE_LOST if lost else FailureClass.PREEMPTED, _pushed_out(pod)
    if final and final.outcome is Outcome.FAILED and final.failure_class:
        return final.failure_class, final.message
    if ended is None:
        said = ": ".join(word for word in (pod.reason, pod.message) if word)
        return FailureClass.INTERNAL, f"the pod failed before the trainer ran: {said or 'no reason given'}"
    return _of_exit_code(ended, final)


def _pushed_out(pod: ChildPod) -> str:
    why = pod.disruption or pod.reason
    return f"the cluster took the pod away ({why})" + (f": {pod.message}" if pod.message else "")


def _of_exit_code(ended: Termination, final: FinalReport | None) -> tuple[FailureClass, str]:
    code = ended.exit_code
    if code == ExitCode.STOPPED:
        return FailureClass.PREEMPTED, "the pod was stopped from outside"
    if code == _KILLED:
        return FailureClass.INTERNAL, "the trainer was killed (SIGKILL) from outside"
    if code == ExitCode.DONE and final is None:
        return FailureClass.INTERNAL, "the trainer exited with 0 but left no readable final report: see its log"
    if code == ExitCode.DONE:
        return FailureClass.INTERNAL, "the trainer exited with 0 but does not report success: see its log"
    said = f": {ended.message[-500:]}" if ended.message and final is None else ""
    known = FAILURE_OF_EXIT_CODE.get(code) if code in FAILURE_OF_EXIT_CODE else None  # type: ignore[call-overload]
    return known or FailureClass.INTERNAL, f"the trainer exited with {code}{said}; see its log"
