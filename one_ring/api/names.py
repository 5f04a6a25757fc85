"""The names that users, the API server and our own parts agree on."""

from __future__ import annotations

import re
import secrets
from typing import Final

GROUP = "training.one-ring.io"
VERSION = "v1alpha1"
API_VERSION: Final = "training.one-ring.io/v1alpha1"
KIND: Final = "TrainingJob"
PLURAL = "trainingjobs"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "one-ring"
JOB_LABEL = f"{GROUP}/job"
ATTEMPT_LABEL = f"{GROUP}/attempt"
DISPLAY_NAME_ANNOTATION = f"{GROUP}/display-name"

# A Job adds "-<attempt>" and its pod "-<5 letters>"; the sum must fit the 63 characters of a label.
MAX_NAME_LENGTH = 52
_SUFFIX_LENGTH = 5
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words by accident


def job_id(display_name: str) -> str:
    """A fresh, valid ``metadata.name``: a slug of the given name plus a short random suffix."""
    slug = re.sub(r"[^a-z0-9]+", "-", display_name.lower()).strip("-")
    slug = re.sub(r"^[^a-z]+", "", slug) or "job"
    suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(_SUFFIX_LENGTH))
    return f"{slug[: MAX_NAME_LENGTH - _SUFFIX_LENGTH - 1].rstrip('-')}-{suffix}"


def child_name(job_name: str, attempt: int) -> str:
    """The batch/v1 Job of one attempt."""
    return f"{job_name}-{attempt}"
