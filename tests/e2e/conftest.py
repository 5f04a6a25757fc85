"""The world of the end-to-end tests: a real node, our chart on it, a tiny base model and small texts on its volumes.

With KUBECONFIG and REGISTRY set that cluster is used (its volumes must be this machine's folders), else the local node.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import BASE_MODEL, NAMESPACE, ROOT, Cluster, run, wait_for

SENTENCES = (
    "The ring was made of plain gold and fitted every finger.",
    "A small lamp burned in the window of the last house.",
    "They walked north until the road became a path.",
    "Nobody in the village had ever seen the sea.",
    "The map was old, but the mountains had not moved.",
    "In the morning there was frost on the gate.",
    "He counted the coins twice and gave them back.",
    "Every river in that country ran toward the west.",
)


@pytest.fixture(scope="session")
def node() -> Iterator[Cluster]:
    """A running cluster; the local node is started if it does not run, and then stopped at the end."""
    os.chdir(ROOT)
    given = bool(os.environ.get("KUBECONFIG") and os.environ.get("REGISTRY"))
    runs = given or subprocess.run(["deploy/local/cluster", "status"], capture_output=True, check=False).returncode == 0
    if not runs:
        run("deploy/local/cluster", "up", timeout_seconds=3600)
    if not given:
        _use_local_node()
    yield Cluster(volumes=Path(run("deploy/local/cluster", "volumes").strip()))
    if not runs:
        run("deploy/local/cluster", "down")


def _use_local_node() -> None:
    """Points kubectl and helm at it."""
    exports = run("bash", "-c", 'eval "$(deploy/local/cluster env)"; env -0')
    for line in exports.split("\0"):
        key, _, value = line.partition("=")
        if key in {"KUBECONFIG", "PATH"}:  # without REGISTRY pulls go by the mirror
            os.environ[key] = value


@pytest.fixture(scope="session")
def release(node: Cluster) -> Cluster:
    """The cluster with our chart installed from images of this checkout."""
    run("deploy/images", timeout_seconds=3000)
    run(
        "helm", "upgrade", "--install", "one-ring", "deploy/helm/one-ring", "-n", NAMESPACE, "--wait", "--timeout", "5m"
    )
    return node


@pytest.fixture(scope="session")
def world(release: Cluster) -> Cluster:
    """The release, with a base model and texts on the volumes and no jobs."""
    _put_inputs(release.volumes)
    release.kubectl("delete", "tjob", "--all")
    return release


@pytest.fixture
def cluster(world: Cluster) -> Iterator[Cluster]:
    """The same, for one test; the jobs that it leaves go, so that the next one finds every GPU free."""
    yield world
    world.kubectl("delete", "tjob", "--all")


def _put_inputs(volumes: Path) -> None:
    rows = [json.dumps({"text": sentence}) for sentence in SENTENCES]
    for name in ("data", "path/to"):
        folder = volumes / "datasets" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "train.jsonl").write_text("\n".join(rows * 4) + "\n")
        (folder / "validation.jsonl").write_text("\n".join(rows[:4]) + "\n")
    (volumes / "datasets/data/broken.jsonl").write_text(f'{rows[0]}\n{{"text": \n{rows[1]}\n{{"txt": "x"}}\n')
    model = volumes / "models" / BASE_MODEL
    shutil.rmtree(model, ignore_errors=True)
    run(".venv-trainer/bin/python", "tests/e2e/tiny_base.py", str(model), str(volumes / "datasets/data/train.jsonl"))
    run("chmod", "-R", "a+rX", str(volumes / "datasets"), str(volumes / "models"))


@pytest.fixture
def port_8000(cluster: Cluster) -> Iterator[str]:
    """The gateway at the guide's own address."""
    forward = subprocess.Popen(
        ["kubectl", "-n", NAMESPACE, "port-forward", "svc/one-ring-gateway", "8000:8000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = "http://localhost:8000"
    try:
        wait_for("port 8000 answers", lambda: _answers(url), deadline_seconds=30)
        yield url
    finally:
        forward.terminate()
        forward.wait()


def _answers(url: str) -> bool:
    return subprocess.run(["curl", "-fsS", f"{url}/healthz"], capture_output=True, check=False).returncode == 0
