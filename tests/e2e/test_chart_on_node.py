"""The installed chart on a real node: what its containers may do, metrics, volumes, and uninstalling under load."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from one_ring.api import load_yaml
from tests.e2e.world import NAMESPACE, ROOT, Cluster, Json, run, wait_for

pytestmark = pytest.mark.e2e
HELPER = load_yaml((ROOT / "deploy/volumes/helper-pod.yaml").read_text())
POD = "volumes-of-a-test"
IMPORTS = """
import os, py_compile, torch, transformers, peft, bitsandbytes, accelerate, one_ring.api
print(os.getuid(), os.path.exists(one_ring.api.__cached__), os.path.exists(torch.__cached__))
"""


def _install() -> None:
    chart = ("one-ring", "deploy/helm/one-ring", "--namespace", NAMESPACE, "-f", "build/images.yaml")
    run("helm", "upgrade", "--install", *chart, "--wait", "--timeout", "5m", timeout_seconds=400)


@pytest.fixture
def installed(cluster: Cluster) -> Cluster:
    _install()
    return cluster


@pytest.mark.parametrize("component", ["operator", "gateway"])
def test_a_container_is_nobody_and_cannot_write_its_image(installed: Cluster, component: str) -> None:
    script = "id -u; touch /app/x 2>&1; touch /tmp/x && echo tmp"
    said = installed.kubectl("exec", f"deploy/one-ring-{component}", "--", "sh", "-c", script).split("\n")
    assert said[0] == "65532"
    assert "Read-only file system" in said[1]
    assert said[2] == "tmp"


@pytest.mark.parametrize(("service", "metric"), [("operator:8080", "trainingjob_"), ("gateway:8000", "# HELP")])
def test_the_metrics_answer(installed: Cluster, service: str, metric: str) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/services/one-ring-{service}/proxy/metrics"
    assert metric in installed.kubectl("get", "--raw", path)


@pytest.fixture
def helper_pod(installed: Cluster) -> Iterator[Json]:
    """The shipped helper pod under a test's own name; what changes is applied by the test, removed by this."""
    spec = HELPER["spec"]
    container = spec["containers"][0] | {"image": _image_of(installed, "operator")}
    yield HELPER | {"metadata": {"name": POD}, "spec": spec | {"containers": [container]}}
    installed.kubectl("delete", "pod", POD, "--ignore-not-found", "--wait=true")


def _image_of(cluster: Cluster, name: str) -> str:
    """The image that the release runs; the trainer's stands in the operator's settings."""
    if name == "trainer":
        settings = cluster.get("configmap", "one-ring-operator")
        assert settings is not None
        return str(load_yaml(settings["data"]["operator.yaml"])["trainerImage"])
    deployment = cluster.get("deployment", f"one-ring-{name}")
    assert deployment is not None
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def test_files_go_onto_the_volumes_and_off_them_as_the_readme_says(
    installed: Cluster, helper_pod: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.kubectl("apply", "-f", "-", stdin=json.dumps(helper_pod))
    installed.kubectl("wait", "--for=condition=Ready", f"pod/{POD}", "--timeout=2m", timeout_seconds=150)
    text = (ROOT / "deploy/volumes/README.md").read_text()
    on, off = (line.split() for line in text.splitlines() if line.startswith("kubectl cp"))
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/train.jsonl").write_text('{"text": "carried"}\n')
    run(*(word.replace("one-ring-volumes", POD) for word in on))
    installed.kubectl("exec", POD, "--", "sh", "-c", _PRETEND_A_JOB_RAN)
    run(*(word.replace("one-ring-volumes", POD) for word in off))
    assert Path("adapter/was-train.jsonl").read_text() == '{"text": "carried"}\n'


_PRETEND_A_JOB_RAN = """
set -e
mkdir -p /outputs/support-bot-1a2b3c4d/adapter
mv /datasets/train.jsonl /outputs/support-bot-1a2b3c4d/adapter/was-train.jsonl
"""


def test_the_trainer_image_loads_its_libraries_as_nobody_without_writing(installed: Cluster, helper_pod: Json) -> None:
    pod = helper_pod["spec"]
    container = pod["containers"][0] | {
        "image": _image_of(installed, "trainer"),
        "command": ["/opt/venv/bin/python", "-c", IMPORTS],
        "resources": {},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = pod | {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]}
    installed.kubectl("apply", "-f", "-", stdin=json.dumps(helper_pod | {"spec": spec}))
    ended = {"Succeeded", "Failed"}
    wait_for(
        "the pod ends", lambda: (installed.get("pod", POD) or {})["status"]["phase"] in ended, deadline_seconds=300
    )
    assert installed.kubectl("logs", POD, "--tail=1").split() == ["65532", "True", "True"]


def test_uninstalling_during_a_run_leaves_nothing_but_the_volumes(installed: Cluster) -> None:
    name = installed.apply("uninstalled", {"max_steps": 5000, "save_steps": 100})
    installed.wait_for_step(name, 1)
    outputs = installed.output(name)
    try:
        run("helm", "uninstall", "one-ring", "--namespace", NAMESPACE, "--wait")
        wait_for("the trainer's pod is gone", lambda: not installed.pods_of(name))
        wait_for("nothing of the release is left", lambda: not _left(installed))
        assert "trainingjobs" not in installed.kubectl(
            "api-resources", "--api-group=training.one-ring.io", "-o", "name"
        )
        claims = {claim["metadata"]["name"] for claim in installed.find("pvc")}
        assert {"datasets", "models", "outputs"} <= claims
        assert (outputs / "train.log").exists()
    finally:
        _install()


def _left(cluster: Cluster) -> list[str]:
    """Objects of ours, of any kind: by the release's label, and by the operator's."""
    kinds = cluster.kubectl("api-resources", "--verbs=list,delete", "-o", "name").split()
    wanted = ",".join(kind for kind in kinds if not kind.startswith("events"))
    found: list[str] = []
    for label in ("app.kubernetes.io/instance=one-ring", "app.kubernetes.io/managed-by=one-ring"):
        found += cluster.kubectl("get", wanted, "--all-namespaces", "-l", label, "-o", "name").split()
    return [name for name in found if not name.startswith("persistentvolumeclaim")]
