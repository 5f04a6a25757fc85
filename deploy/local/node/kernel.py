"""Kernel settings that the kubelet changes for the whole machine, and that go back when it leaves."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def remember(notes: Path) -> None:
    """Notes how they are, unless an earlier life that did not end well has done so."""
    if not notes.exists():
        notes.write_text(json.dumps({name: (Path("/proc/sys") / name).read_text() for name in _SETTINGS}))


def restore(notes: Path) -> None:
    """Puts them back as noted."""
    with suppress(FileNotFoundError):
        for name, value in json.loads(notes.read_text()).items():
            (Path("/proc/sys") / name).write_text(value)
        notes.unlink()
