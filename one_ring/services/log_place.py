"""Where is a job's log now: in a pod, not written yet, or only on the outputs volume? Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Any

from one_ring.api import ATTEMPT_LABEL, Phase, TrainingJob
from one_ring.api.pod import TRAINER_CONTAINER, job_dir
from one_ring.services.errors import LogGone, NoLogYet

LOG_FILE = "train.log"
Pod = dict[str, Any]


def pod_with_log(job: TrainingJob, pods: Iterable[Pod]) -> str | None:
    """The pod whose log can be read; ``None`` when it has yet to start.

    Raises ``NoLogYet`` for a job that was never started, ``LogGone`` when no pod will hold its log any more.
    """
    if pod := started_pod(pods):
        return pod
    if job.status.phase.is_terminal or (job.status.phase is Phase.SUSPENDED and job.spec.suspend):
        raise gone(job)
    if job.status.phase is Phase.PENDING and job.spec.suspend and not job.spec.cancel:
        raise NoLogYet(f"training job {job.metadata.name!r} was never started and has no log: start it")
    return None


def started_pod(pods: Iterable[Pod]) -> str | None:
    """The newest attempt's pod, if its trainer has started."""
    newest = max(pods, key=_age, default=None)
    return newest["metadata"]["name"] if newest and _has_started(newest) else None


def gone(job: TrainingJob) -> LogGone:
    """What to say when only the copy on the outputs volume is left."""
    if not job.status.attempts and job.status.start_time is None:
        return LogGone(f"training job {job.metadata.name!r} was over before its trainer started: it wrote no log")
    return _gone(log_file(job), f" (claim {claim})" if (claim := _claim(job)) else "")


def gone_with_its_job(name: str, uid: str) -> LogGone:
    """The same for a job that was deleted; ``uid`` is what it had."""
    return _gone(posixpath.join(job_dir(name, uid), LOG_FILE), ", unless its config named another output_dir")


def log_file(job: TrainingJob) -> str:
    """The log's copy, relative to the outputs volume."""
    if kept := next((output.path for output in job.status.outputs if output.kind == "log"), ""):
        return kept
    own = job_dir(job.metadata.name, job.metadata.uid)
    return posixpath.join(posixpath.normpath(job.spec.config.output_dir or own), LOG_FILE)


def _gone(file: str, where: str) -> LogGone:
    return LogGone(f"the pod and its log are gone: read the file {file} on the outputs volume{where}", file=file)


def _claim(job: TrainingJob) -> str:
    outputs = job.spec.storage.outputs
    return posixpath.join(outputs.claim_name, outputs.sub_path or "").rstrip("/") if outputs else ""


def _age(pod: Pod) -> tuple[int, str]:
    metadata = pod["metadata"]
    attempt = (metadata.get("labels") or {}).get(ATTEMPT_LABEL, "")
    return int(attempt) if attempt.isdecimal() else 0, metadata.get("creationTimestamp") or ""


def _has_started(pod: Pod) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    states = (s.get("state") or {} for s in statuses if s.get("name") == TRAINER_CONTAINER)
    return any("running" in state or "terminated" in state for state in states)
