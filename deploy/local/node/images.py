"""The two images that come from nowhere else: the base of ours, and the pause container."""

from __future__ import annotations

import shutil
import tempfile
import urllib.request
from pathlib import Path

from node.addresses import REGISTRY
from node.files import PAUSE_IMAGE
from node.places import LOCAL, cache
from node.shell import attempt, logged, run, say
from node.tools import tool

BASE_IMAGE = "localhost/one-ring-training/base:bookworm"
_SUITE = "bookworm"
_PACKAGES = "python3,python3-venv,ca-certificates,tar"


def base_image() -> str:
    """A minimal Debian with Python, made by debootstrap when the cache does not hold it; its reference."""
    if not attempt([_buildah(), "inspect", "--type", "image", BASE_IMAGE]):
        say("making the base image (Debian with Python, about 3 min, once) …")
        with tempfile.TemporaryDirectory(dir=cache()) as folder:
            root = Path(folder) / "root"
            log = cache() / "log/base-image.log"
            # It mounts /proc in the folder; a mount namespace takes that along, however it ends.
            logged(
                ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(root)],
                log,
            )
            shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
            shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
            _from_folder(root, BASE_IMAGE, log)
    return BASE_IMAGE


def push_pause_image() -> None:
    """Puts the pause container where containerd's mirror finds it."""
    repository, tag = PAUSE_IMAGE.removeprefix("ghcr.io/").split(":")
    if _is_in_registry(repository, tag):
        return
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        shutil.copy(tool("pause"), f"{folder}/pause")
        _from_folder(Path(folder), PAUSE_IMAGE, cache() / "log/pause-image.log", "ENTRYPOINT", "/pause")
    run([_buildah(), "push", "--tls-verify=false", PAUSE_IMAGE, f"docker://{REGISTRY}/{repository}:{tag}"])


def _from_folder(root: Path, reference: str, log: Path, *last: str) -> None:
    recipe = root.parent / f"{root.name}.Containerfile"
    entry = f'{last[0]} ["{last[1]}"]\n' if last else ""
    recipe.write_text(f"FROM scratch\nCOPY . /\n{entry}")
    try:
        logged([_buildah(), "bud", "--isolation", "chroot", "-t", reference, "-f", str(recipe), str(root)], log)
    finally:
        recipe.unlink()


def _is_in_registry(repository: str, tag: str) -> bool:
    url = f"http://{REGISTRY}/v2/{repository}/tags/list"
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with directly.open(url, timeout=5) as answer:
            return f'"{tag}"'.encode() in answer.read()
    except OSError:
        return False


def _buildah() -> str:
    return str(LOCAL / "buildah")
