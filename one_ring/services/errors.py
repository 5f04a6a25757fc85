"""What can go wrong between a program and its jobs, each with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from one_ring.api import GROUP, FieldError, field_errors
from one_ring.kube import Forbidden, Invalid, KubeError, NotFound, Unavailable


class TrainingServiceError(Exception):
    """Any refusal or failure of the training service."""


class JobNotFound(TrainingServiceError):
    """There is no job of that id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no training job {job_id!r}: list the jobs to see which there are")
        self.job_id = job_id


class WrongState(TrainingServiceError):
    """The job is past, or not yet at, the point where this makes sense."""


class InvalidRequest(TrainingServiceError):
    """What was asked for breaks a rule; ``errors`` names every fault at once."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field} {error.message}".strip() for error in errors))
        self.errors = tuple(errors)


class NoLogYet(WrongState):
    """The job was never started, so it has written nothing."""


class LogGone(TrainingServiceError):
    """The pod that held the log is gone; ``file`` is its copy on the outputs volume (empty: it never had a log)."""

    def __init__(self, message: str, *, file: str = "") -> None:
        super().__init__(message)
        self.file = file


class NotPermitted(TrainingServiceError):
    """The cluster refuses these credentials, or does not let them do this."""


class NotInstalled(TrainingServiceError):
    """The cluster does not know TrainingJobs."""


class ClusterUnavailable(TrainingServiceError):
    """The cluster gave no answer; trying again later is safe."""


def invalid(refused: ValidationError) -> InvalidRequest:
    """The faults that the models found."""
    return InvalidRequest(field_errors(refused))


@contextmanager
def named_errors() -> Iterator[None]:
    """Turns every error of the Kubernetes client into one of ours."""
    try:
        yield
    except KubeError as refused:
        raise named(refused) from refused


def named(refused: KubeError) -> TrainingServiceError:
    """The same refusal, in this module's words."""
    if isinstance(refused, Invalid) or refused.status == 400:
        return InvalidRequest(_server_faults(refused))
    if isinstance(refused, Forbidden):
        return NotPermitted(f"{refused}{_permission_remedy(refused)}")
    if isinstance(refused, Unavailable):
        return ClusterUnavailable(f"the cluster does not answer just now: {refused}")
    if isinstance(refused, NotFound) and not refused.body:
        return NotInstalled("this cluster does not know TrainingJobs: install the one-ring chart")
    return TrainingServiceError(str(refused))


def _permission_remedy(refused: KubeError) -> str:
    if refused.status == 401:
        return ": log in to the cluster again"
    # A quota or a namespace that is going away is a 403 too, and says so itself.
    asked_too_much = "cannot" in str(refused)
    return f": ask for a Role on {GROUP} trainingjobs in this namespace" if asked_too_much else ""


def _server_faults(refused: KubeError) -> list[FieldError]:
    causes = refused.causes if isinstance(refused, Invalid) else []
    faults = [FieldError(_our_path(cause.get("field", "")), None, _sentence(cause)) for cause in causes]
    if not faults:
        names = re.findall(r'unknown field "([^"]+)"', str(refused))
        faults = [FieldError(_our_path(name), None, "is not known to this cluster: upgrade its CRD") for name in names]
    return faults or [FieldError("", None, str(refused))]


def _our_path(field: str) -> str:
    return "" if field == "<nil>" else field.removeprefix("spec.")


def _sentence(cause: dict[str, Any]) -> str:
    """The API server's words without the value and the path it puts before them."""
    words = re.sub(r'^(Invalid|Unsupported) value: ("object"|"[^"]*"|[^:]*): ', "", cause.get("message", ""))
    return words.removeprefix(f"{cause.get('field', '')} in body ")
