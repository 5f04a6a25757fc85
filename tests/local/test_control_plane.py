"""A control plane without a kubelet: for tests that play it themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from machine import Machine, soon

pytestmark = pytest.mark.e2e

NAME = "alone"
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "made-up"},
    "status": {
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "10", "nvidia.com/gpu": "1"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "placed"},
    "spec": {"containers": [{"name": "main", "image": "x", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
}
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}


@pytest.fixture(scope="module")
def alone(machine: Machine) -> Iterator[Machine]:
    print(machine.run("deploy/local/cluster", "up", "--control-plane", "--name", NAME).stderr)
    yield machine
    machine.cluster("down", "--name", NAME)
    assert not (machine.state / NAME).exists()


def kubectl(machine: Machine, *arguments: str, stdin: object = None) -> str:
    return machine.kubectl(*arguments, stdin=json.dumps(stdin), name=NAME)


def test_the_scheduler_places_pods_on_nodes_that_tests_make(alone: Machine) -> None:
    kubectl(alone, "create", "-f", "-", stdin=NODE)
    kubectl(alone, "patch", "node", "made-up", "--subresource=status", "-p", json.dumps({"status": NODE["status"]}))
    kubectl(alone, "create", "-f", "-", stdin=POD)
    soon(lambda: kubectl(alone, "get", "pod", "placed", "-o", "jsonpath={.spec.nodeName}") == "made-up")


def test_tokens_are_given_and_reviewed(alone: Machine) -> None:
    token = kubectl(alone, "create", "token", "default", "--audience=one-ring-progress").strip()
    review = REVIEW | {"spec": {"token": token, "audiences": ["one-ring-progress"]}}
    said = json.loads(kubectl(alone, "create", "-o", "json", "-f", "-", stdin=review))
    assert said["status"]["authenticated"]
    assert said["status"]["user"]["username"] == "system:serviceaccount:default:default"


def test_the_api_server_goes_and_comes_back_with_what_it_knew(alone: Machine) -> None:
    kubectl(alone, "create", "configmap", "kept")
    alone.cluster("component", "kube-apiserver", "stop", "--name", NAME)
    assert alone.run("deploy/local/cluster", "status", "--name", NAME).returncode == 1
    alone.cluster("component", "kube-apiserver", "start", "--name", NAME)
    soon(lambda: alone.run("deploy/local/cluster", "status", "--name", NAME).returncode == 0)
    assert "kept" in kubectl(alone, "get", "configmaps")


def test_control_planes_run_beside_each_other(alone: Machine) -> None:
    alone.cluster("up", "--control-plane", "--name", "beside")
    kubectl(alone, "create", "namespace", "of-the-first")
    assert "of-the-first" not in alone.kubectl("get", "namespaces", name="beside")
    alone.cluster("down", "--name", "beside")
    assert "of-the-first" in kubectl(alone, "get", "namespaces")


def test_a_component_that_cannot_start_is_shown_with_its_last_words(machine: Machine) -> None:
    env = machine.env | {"ETCD_ELECTION_TIMEOUT": "not-a-number"}
    failed = machine.run("deploy/local/cluster", "up", "--control-plane", "--name", "broken", env=env)
    assert failed.returncode == 1
    assert "etcd died" in failed.stderr
    assert "not-a-number" in failed.stderr
    assert "remedy: mend what" in failed.stderr
    assert machine.run("deploy/local/cluster", "status", "--name", "broken").returncode == 1
    machine.cluster("up", "--control-plane", "--name", "broken")
    machine.cluster("down", "--name", "broken")


def test_a_component_that_is_not_there_is_named(alone: Machine) -> None:
    refused = alone.run("deploy/local/cluster", "component", "kubelet", "stop", "--name", NAME)
    assert refused.returncode == 1
    assert "choose one of etcd, kube-apiserver" in refused.stderr


def test_down_all_ends_every_cluster(machine: Machine) -> None:
    machine.cluster("up", "--control-plane", "--name", "one")
    machine.cluster("down", "--all")
    assert not machine.run("pgrep", "-x", "etcd").stdout
