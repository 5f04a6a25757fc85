"""Is this the same run as before? What it goes on from, and when it starts anew."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from one_ring.api import TrainingConfig
from one_ring.training import checkpoints
from one_ring.training.data import DataFile

ADALORA_RESTARTS = "adalora cannot go on from a checkpoint: the training starts again from step 0"


def run_identity(config: TrainingConfig, files: Sequence[DataFile]) -> str:
    """A name for a run without a cluster: another configuration or other data is another run."""
    parts = [config.model_dump_json(), *(file.sha256 for file in files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def interrupted_run(config: TrainingConfig, output_dir: Path, run_id: str) -> checkpoints.Saved | None:
    """The checkpoint to go on from: this run's newest complete one."""
    if config.peft_method == "adalora":
        return None
    return checkpoints.newest(output_dir / "checkpoints", run_id)
