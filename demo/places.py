"""Where the demo finds its own files, and where it keeps what it makes."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "demo"
TEXT = DEMO / "text"
GUIDE = ROOT / "docs/training-workflow.md"
NAMESPACE = "one-ring"
RELEASE = "one-ring"
PUSHED_IMAGES = "build/images.yaml"  # chart values that pin what deploy/images pushed last
MODEL_NAME = "meta-llama/Llama-2-7b-chat-hf"


def shown(path: Path) -> str:
    """The path as one would type it."""
    home = str(Path.home())
    return f"~{str(path).removeprefix(home)}" if str(path).startswith(f"{home}/") else str(path)


def cache() -> Path:
    """Everything the demo keeps between runs; shared by checkouts."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("ONE_RING_CACHE") or f"{home}/one-ring") / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
