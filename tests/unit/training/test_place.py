"""Paths resolve below their roots, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from one_ring.api import TrainingConfig, pod
from one_ring.training.errors import ConfigRefused, ModelUnavailable
from one_ring.training.models import find
from one_ring.training.place import Place, Roots, data_files, inside, pod_place


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train.jsonl", "/data/train.jsonl"),
        ("a/../b.jsonl", "/data/b.jsonl"),
        ("./a//b", "/data/a/b"),
        ("/data/a", "/data/a"),
        ("", "/data"),
    ],
)
def test_a_path_stays_below_its_root(path: str, expected: str) -> None:
    assert inside(Path("/data"), path, field="train_file") == Path(expected)


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc/passwd", "/database/x"])
@pytest.mark.parametrize("root", ["/data", "."], ids=["pod", "laptop"])
def test_a_path_that_leaves_its_root_is_refused(root: str, path: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        inside(Path(root), path, field="train_file")

    [fault] = refused.value.faults
    assert fault.field == "train_file"
    assert path in fault.message


@pytest.mark.parametrize(
    ("fields", "train", "validation"),
    [
        pytest.param({"train_file": "a.jsonl"}, "a.jsonl", None, id="a file"),
        pytest.param({"train_file": "a.jsonl", "validation_file": "b.jsonl"}, "a.jsonl", "b.jsonl", id="two files"),
        pytest.param({"dataset_path": "d", "train_file": "a.jsonl"}, "d/a.jsonl", None, id="a file in a folder"),
        pytest.param({"dataset_path": "d"}, "d/train.jsonl", None, id="a folder"),
        pytest.param({"dataset_path": "full"}, "full/train.jsonl", "full/validation.jsonl", id="a folder with both"),
    ],
)
def test_data_files_lie_under_the_dataset_path(
    tmp_path: Path, fields: dict[str, str], train: str, validation: str | None
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "validation.jsonl").touch()

    files = data_files(TrainingConfig.model_validate(fields), tmp_path)

    assert files.train == tmp_path / train
    assert files.validation == (tmp_path / validation if validation else None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"dataset_path": "file.jsonl"}, "dataset_path", id="a file as folder"),
        pytest.param({"train_file": "a.jsonl", "validation_file": "./a.jsonl"}, "validation_file", id="the same file"),
        pytest.param({"dataset_path": "d", "eval_strategy": "steps"}, "eval_strategy", id="nothing to evaluate on"),
    ],
)
def test_data_files_that_make_no_sense_are_refused(tmp_path: Path, fields: dict[str, str], field: str) -> None:
    (tmp_path / "file.jsonl").touch()

    with pytest.raises(ConfigRefused) as refused:
        data_files(TrainingConfig.model_validate(fields), tmp_path)

    assert refused.value.faults[0].field == field


def test_a_model_is_read_from_the_volume_first(tmp_path: Path) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "org" / "name" / "config.json").touch()

    assert find("org/name", tmp_path).source == str(tmp_path / "org" / "name")
    assert find("org/other", tmp_path).source == "org/other"
    assert not find("org/other", tmp_path).is_local


def test_a_model_without_config_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "org" / "name" / "model.safetensors").touch()

    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        find("org/name", tmp_path)


def test_results_lie_in_the_jobs_folder_unless_the_config_names_one(tmp_path: Path) -> None:
    place = Place(Roots(tmp_path, tmp_path, tmp_path / "out"), "bot-1234")

    assert place.output_dir(TrainingConfig(train_file="a")) == tmp_path / "out" / "bot-1234"
    assert place.output_dir(TrainingConfig(train_file="a", output_dir="x/y")) == tmp_path / "out" / "x" / "y"
    assert place.shown(tmp_path / "out" / "x" / "adapter") == "x/adapter"


def test_a_pod_says_where_everything_is() -> None:
    place = pod_place(
        {
            pod.JOB_DIR: "bot-1234",
            pod.RUN_ID: "uid",
            pod.ATTEMPT: "3",
            pod.PROGRESS_URL: "https://op/x",
            pod.PROGRESS_TOKEN_FILE: "/t",
            pod.PROGRESS_CA_FILE: "/c",
        }
    )

    assert place.roots == Roots(Path("/datasets"), Path("/models"), Path("/outputs"))
    assert (place.job_dir, place.run_id, place.attempt) == ("bot-1234", "uid", 3)
    assert place.listener is not None
    assert place.listener.url == "https://op/x"


def test_nobody_listens_without_a_progress_url() -> None:
    assert pod_place({}).listener is None
