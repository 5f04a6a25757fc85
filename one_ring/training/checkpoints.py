"""Which saved state does a run go on from? Complete checkpoints of the same run only.

A checkpoint is written under another name, gets its manifest last, and is then renamed: what is called ``step-N`` and
matches its manifest is whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
UNFINISHED = ".unfinished"
_NAME = re.compile(r"^step-([0-9]+)$")


@dataclass(frozen=True)
class Saved:
    """One complete checkpoint."""

    path: Path
    step: int
    tokens_seen: int
    time: datetime
    bytes: int


def prepare(folder: Path) -> Path:
    """An empty folder to write checkpoints in before they are kept; what a killed run left there goes."""
    unfinished = folder / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    return unfinished


def clean(folder: Path) -> None:
    """Remove what is left of writing, and the folder itself if nothing was kept."""
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    with suppress(OSError):
        folder.rmdir()


def keep(written: Path, folder: Path, *, run_id: str, step: int, tokens_seen: int, limit: int) -> Saved:
    """Make ``written`` the checkpoint of ``step``, and remove this run's oldest ones beyond ``limit``."""
    files = {path.name: path.stat().st_size for path in sorted(written.iterdir())}
    manifest = {
        "runId": run_id,
        "step": step,
        "tokensSeen": tokens_seen,
        "time": datetime.now(UTC).isoformat(),
        "files": files,
    }
    (written / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in (*written.iterdir(), written):
        _flush(path)
    target = folder / f"step-{step}"
    shutil.rmtree(target, ignore_errors=True)
    written.rename(target)
    _flush(folder)
    for old in _of_run(folder, run_id)[:-limit]:
        shutil.rmtree(old.path, ignore_errors=True)
    return _saved(target, manifest)


def newest(folder: Path, run_id: str) -> Saved | None:
    """The complete checkpoint of this run with the most steps."""
    found = _of_run(folder, run_id)
    return found[-1] if found else None


def _of_run(folder: Path, run_id: str) -> list[Saved]:
    if not folder.is_dir():
        return []
    read = [_read(path, run_id) for path in folder.iterdir() if _NAME.match(path.name)]
    return sorted((saved for saved in read if saved), key=lambda saved: saved.step)


def _read(checkpoint: Path, run_id: str) -> Saved | None:
    """The checkpoint, if it is this run's and all its files are there in full."""
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        whole = all((checkpoint / name).stat().st_size == size for name, size in manifest["files"].items())
        return _saved(checkpoint, manifest) if whole and manifest["runId"] == run_id else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _saved(path: Path, manifest: dict[str, Any]) -> Saved:
    return Saved(
        path=path,
        step=manifest["step"],
        tokens_seen=manifest["tokensSeen"],
        time=datetime.fromisoformat(manifest["time"]),
        bytes=sum(manifest["files"].values()),
    )


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
