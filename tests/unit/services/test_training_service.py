"""The sync face, as far as it goes without a cluster."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from one_ring.services.async_service import AsyncTrainingService
from one_ring.services.errors import TrainingServiceError
from one_ring.services.training_service import TrainingService

ROOT = Path(__file__).parents[3]


def test_importing_it_needs_no_cluster_and_loads_neither_torch_nor_kopf() -> None:
    code = (
        "import sys; from one_ring.services.training_service import training_service; "
        "assert not {'torch', 'kopf', 'fastapi'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"KUBECONFIG": "/nowhere"}, check=True)


def test_without_a_kubeconfig_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TrainingServiceError, match="set KUBECONFIG"):
        TrainingService(kubeconfig=str(tmp_path / "none")).list_jobs()


# What the sync face leaves to the async one: raw bytes and a cancel that raises are the gateway's.
ASYNC_ALONE = {"check", "create", "cancel", "open_logs"}


def test_both_faces_offer_the_same() -> None:
    def public(face: type) -> dict[str, inspect.Signature]:
        members = {name: member for name, member in vars(face).items() if not name.startswith("_")}
        return {name: inspect.signature(m) for name, m in members.items() if inspect.isfunction(m)}

    sync, both = public(TrainingService), public(AsyncTrainingService)
    assert set(both) - set(sync) == ASYNC_ALONE
    for name, signature in sync.items():
        assert list(signature.parameters) == list(both[name].parameters), name
