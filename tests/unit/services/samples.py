"""TrainingJobs as the API server would answer with them."""

from __future__ import annotations

from typing import Any

from one_ring.api import API_VERSION, DISPLAY_NAME_ANNOTATION, KIND, TrainingJob
from one_ring.services.job import read

UID = "6f6f0d52-0000-4000-8000-000000000000"


def body(
    name: str = "support-bot-x7k2p", *, created: str = "2026-01-01T10:00:00Z", config: Any = None, **status: Any
) -> dict[str, Any]:
    """A started job; give ``suspend`` or ``cancel`` to change its spec, the rest is status."""
    flags = {flag: status.pop(flag) for flag in ("suspend", "cancel") if flag in status}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": UID,
            "resourceVersion": "7",
            "creationTimestamp": created,
            "annotations": {DISPLAY_NAME_ANNOTATION: "Support bot"},
        },
        "spec": {"config": {"train_file": "data/train.jsonl"} | (config or {}), "suspend": False, "cancel": False}
        | flags,
        "status": {"phase": "Pending"} | status,
    }


def job(**status: Any) -> TrainingJob:
    """The same, read."""
    return read(body(**status))
