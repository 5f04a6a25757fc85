"""Building the images: once is enough, and a change of our code costs the last layers only."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

import pytest

from one_ring import __version__
from one_ring.api import load_yaml
from tests.e2e.world import REGISTRY, ROOT, Cluster, Json, run

pytestmark = pytest.mark.e2e
_NOT_SOURCES = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "build")
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def _build(checkout: Path, registry: str) -> str:
    """Builds the operator's image from a checkout; its digest."""
    run("env", f"REGISTRY={registry}", str(checkout / "deploy/images"), "operator", timeout_seconds=900)
    digest: str = load_yaml((checkout / "build/images.yaml").read_text())["image"]["digests"]["operator"]
    return digest


def _fetch(registry: str, what: str) -> Json:
    host, _, folder = registry.partition("/")
    url = f"http://{host}/v2/{folder}/one-ring-training/operator/{what}"
    request = urllib.request.Request(url, headers={"Accept": _MANIFEST})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: Json = json.load(answer)
    return found


@pytest.fixture
def checkout(node: Cluster, tmp_path: Path) -> Path:
    """A copy of this checkout, to be changed."""
    copy = tmp_path / "one-ring"
    shutil.copytree(ROOT, copy, ignore=_NOT_SOURCES, symlinks=True)
    return copy


def test_a_change_of_our_code_changes_the_last_layers_only(checkout: Path) -> None:
    registry = f"{REGISTRY}/scratch"
    first = _build(checkout, registry)
    assert _build(checkout, registry) == first
    with (checkout / "one_ring/api/names.py").open("a") as file:
        file.write("\n# Changed.\n")
    second = _build(checkout, registry)
    before, after = (
        [layer["digest"] for layer in _fetch(registry, f"manifests/{digest}")["layers"]] for digest in (first, second)
    )
    changed = [old != new for old, new in zip(before, after, strict=True)]
    # The base, our user, the requirements and what they install stay; our two packages and their bytecode do not.
    assert changed == [False] * (len(changed) - 3) + [True, changed[-2], True]


def test_the_image_says_what_it_is_and_runs_as_nobody(checkout: Path) -> None:
    registry = f"{REGISTRY}/scratch"
    manifest = _fetch(registry, f"manifests/{_build(checkout, registry)}")
    config = _fetch(registry, f"blobs/{manifest['config']['digest']}")["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/opt/venv/bin/python", "-m", "one_ring_operator"]
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert not [name for name in config["Env"] if name.startswith(("PIP_", "UV_", "SSL_"))]
