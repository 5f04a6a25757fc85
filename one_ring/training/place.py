"""Where does a run read and write? One resolver with three roots: mounted volumes in a pod, folders on a laptop."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from one_ring.api import TrainingConfig, pod
from one_ring.training.errors import refuse_field


@dataclass(frozen=True)
class Roots:
    """The folders that a run may touch."""

    datasets: Path
    models: Path
    outputs: Path


@dataclass(frozen=True)
class Listener:
    """Who hears about the progress."""

    url: str
    token_file: str
    ca_file: str


@dataclass(frozen=True)
class Place:
    """Everything about a run that is not its configuration."""

    roots: Roots
    job_dir: str
    run_id: str = ""  # empty: made from the configuration and the data
    attempt: int = 1
    message_file: str = ""
    listener: Listener | None = None

    def output_dir(self, config: TrainingConfig) -> Path:
        """The run's own folder; raises ConfigRefused when ``output_dir`` leaves the outputs root."""
        return inside(self.roots.outputs, config.output_dir or self.job_dir, field="output_dir")

    def shown(self, path: Path) -> str:
        """``path`` relative to the outputs root, as status shows it."""
        return Path(os.path.relpath(path, self.roots.outputs)).as_posix()


def pod_place(env: Mapping[str, str]) -> Place:
    """The place that the operator has set up."""
    listener = Listener(
        url=env.get(pod.PROGRESS_URL, ""),
        token_file=env.get(pod.PROGRESS_TOKEN_FILE, ""),
        ca_file=env.get(pod.PROGRESS_CA_FILE, ""),
    )
    return Place(
        roots=Roots(
            datasets=Path(env.get(pod.DATASETS_ROOT, pod.DATASETS_MOUNT)),
            models=Path(env.get(pod.MODELS_ROOT, pod.MODELS_MOUNT)),
            outputs=Path(env.get(pod.OUTPUTS_ROOT, pod.OUTPUTS_MOUNT)),
        ),
        job_dir=env.get(pod.JOB_DIR) or "job",
        run_id=env.get(pod.RUN_ID, ""),
        attempt=int(env.get(pod.ATTEMPT) or 1),
        message_file=env.get(pod.TERMINATION_MESSAGE_FILE, ""),
        listener=listener if listener.url else None,
    )


def inside(root: Path, path: str, *, field: str) -> Path:
    """``path`` below ``root``; raises ConfigRefused when it leaves it."""
    top = os.path.abspath(root)
    found = os.path.abspath(os.path.join(top, path))
    if not Path(found).is_relative_to(top):
        raise refuse_field(field, f"{path!r} lies outside {root}: give a path below it, without '..'")
    return Path(found)


@dataclass(frozen=True)
class DataFiles:
    """The files a run reads its rows from."""

    train: Path
    validation: Path | None


def data_files(config: TrainingConfig, datasets: Path) -> DataFiles:
    """Which files hold the data; whether they can be read is another matter."""
    folder = inside(datasets, config.dataset_path, field="dataset_path")
    if folder.is_file():
        raise refuse_field("dataset_path", f"{config.dataset_path!r} is a file: name it as train_file")
    train = inside(datasets, _joined(config, config.train_file or "train.jsonl"), field="train_file")
    validation = _validation_file(config, datasets)
    if validation == train:
        raise refuse_field("validation_file", "is the training file itself: name another file, or leave it empty")
    if validation is None and config.eval_strategy in ("steps", "epoch"):
        raise refuse_field(
            "eval_strategy", "asks for evaluation but there is nothing to evaluate on: set validation_file"
        )
    return DataFiles(train, validation)


def _joined(config: TrainingConfig, name: str) -> str:
    return os.path.join(config.dataset_path, name)


def _validation_file(config: TrainingConfig, datasets: Path) -> Path | None:
    if config.validation_file:
        return inside(datasets, _joined(config, config.validation_file), field="validation_file")
    if not config.dataset_path:
        return None
    usual = inside(datasets, _joined(config, "validation.jsonl"), field="dataset_path")
    return usual if usual.is_file() else None
