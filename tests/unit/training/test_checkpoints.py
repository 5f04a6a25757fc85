"""A checkpoint counts once it is whole and this run's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from one_ring.training import checkpoints


def keep(folder: Path, step: int, *, run_id: str = "run", limit: int = 3) -> checkpoints.Saved:
    written = checkpoints.prepare(folder) / f"checkpoint-{step}"
    written.mkdir()
    (written / "weights").write_bytes(b"x" * step)
    return checkpoints.keep(written, folder, run_id=run_id, step=step, tokens_seen=step * 10, limit=limit)


def test_the_newest_is_the_one_with_most_steps(tmp_path: Path) -> None:
    keep(tmp_path, 10)
    saved = keep(tmp_path, 9)

    found = checkpoints.newest(tmp_path, "run")

    assert found is not None
    assert (found.step, found.tokens_seen, found.bytes) == (10, 100, 10)
    assert saved.path == tmp_path / "step-9"


def test_another_runs_checkpoint_is_not_ours_and_not_removed(tmp_path: Path) -> None:
    keep(tmp_path, 50, run_id="other")
    keep(tmp_path, 1, limit=1)
    keep(tmp_path, 2, limit=1)

    found = checkpoints.newest(tmp_path, "run")

    assert found is not None
    assert found.step == 2
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-2", "step-50"]


def test_the_same_step_is_replaced(tmp_path: Path) -> None:
    keep(tmp_path, 4, run_id="other")
    keep(tmp_path, 4)

    assert checkpoints.newest(tmp_path, "other") is None
    assert checkpoints.newest(tmp_path, "run") is not None


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"{}", b'{"runId": "run", "files": {}}', b"\xff", b"null"])
def test_a_manifest_that_says_nothing_is_no_checkpoint(tmp_path: Path, manifest: bytes) -> None:
    (keep(tmp_path, 4).path / "manifest.json").write_bytes(manifest)

    assert checkpoints.newest(tmp_path, "run") is None


def test_no_folder_holds_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path / "absent", "run") is None


def test_cleaning_leaves_kept_checkpoints_and_no_empty_folder(tmp_path: Path) -> None:
    kept, empty = tmp_path / "kept", tmp_path / "empty"
    keep(kept, 1)
    for folder in (kept, empty):
        checkpoints.prepare(folder)
        checkpoints.clean(folder)

    assert [path.name for path in kept.iterdir()] == ["step-1"]
    assert not empty.exists()
