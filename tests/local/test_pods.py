"""What pods find on the node: names, images, volumes, GPUs; and what people reach of them from outside."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from machine import Machine, soon

pytestmark = pytest.mark.e2e

# The registry's name in the pod leads nowhere: containerd has to find the image in the node's own registry.
PUSHED = "10.245.0.1:5000/one-ring-training/try:1"
PULLED = "ghcr.io/one-ring-training/try:1"
SERVER = ["python3", "-m", "http.server", "8000", "--directory", "/outputs"]


def pod(name: str, **spec: Any) -> dict[str, Any]:
    """A pod as the restricted standard wants it, with the outputs volume, serving it on port 8000."""
    container = {
        "name": "main",
        "image": PULLED,
        "command": SERVER,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "outputs", "mountPath": "/outputs"}],
    }
    identity = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    common = {
        "securityContext": identity | {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "outputs", "persistentVolumeClaim": {"claimName": "outputs"}}],
        "terminationGracePeriodSeconds": 1,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "one-ring", "labels": {"app": "try"}},
        "spec": common | spec,
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    common = {"selector": {"app": "try"}, "ports": [{"port": 80, "targetPort": 8000}]}
    metadata = {"name": name, "namespace": "one-ring"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": common | spec}


@pytest.fixture(scope="module")
def served(machine: Machine) -> Machine:
    """The node with one pod that serves the outputs volume, and services that lead to it."""
    machine.cluster("up")
    base = machine.cluster("base-image").strip()
    machine.say("deploy/local/buildah", "push", "--tls-verify=false", base, f"docker://{PUSHED}")
    documents = [pod("first", hostname="first", subdomain="peers"), service("peers", clusterIP="None"), service("web")]
    documents.append(service("outside", type="NodePort"))
    machine.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    machine.kubectl("wait", "pod/first", "--for=condition=Ready", "--timeout=180s")
    return machine


def in_pod(machine: Machine, code: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in the first pod."""
    return machine.run(*machine.kubectl_command("exec", "first", "--", "python3", "-c", code))


def fetching(url: str) -> str:
    """Python that prints the status of an answer."""
    return f"import urllib.request as u; print(u.urlopen({url!r}, timeout=20).status)"


@pytest.mark.parametrize(
    "name",
    [
        "kubernetes.default.svc",
        "kube-dns.kube-system.svc.cluster.local",
        "first.peers.one-ring.svc",
        "first.peers",
        "web",
    ],
)
def test_pods_resolve_names(served: Machine, name: str) -> None:
    # Names of the pod itself are known once its endpoints are.
    soon(lambda: in_pod(served, f"import socket; socket.gethostbyname({name!r})").returncode == 0)


def test_a_name_outside_is_refused_at_once(served: Machine) -> None:
    refused = in_pod(served, "import socket; socket.gethostbyname('example.org')")
    assert "socket.gaierror" in refused.stderr


def test_pods_reach_services_and_themselves_through_them(served: Machine) -> None:
    soon(lambda: "200" in in_pod(served, fetching("http://web")).stdout)


def test_the_api_server_knows_pods_by_their_tokens(served: Machine) -> None:
    code = (
        "import ssl, urllib.request as u; d = '/var/run/secrets/kubernetes.io/serviceaccount/';"
        "c = ssl.create_default_context(cafile=d + 'ca.crt');"
        "h = {'Authorization': 'Bearer ' + open(d + 'token').read()};"
        "r = u.Request('https://kubernetes.default.svc/version', headers=h);"
        "print(u.urlopen(r, context=c, timeout=20).status)"
    )
    assert in_pod(served, code).stdout.strip() == "200"


def test_a_node_port_is_open_to_the_host(served: Machine) -> None:
    port = served.kubectl("get", "service", "outside", "-o", "jsonpath={.spec.ports[0].nodePort}")
    soon(lambda: "200" in served.run("python3", "-c", fetching(f"http://10.245.0.1:{port}")).stdout)


def test_logs_are_followed(served: Machine) -> None:
    following = served.start_kubectl("logs", "-f", "first")
    in_pod(served, fetching("http://127.0.0.1:8000/seen-in-the-log"))
    assert following.stdout
    lines = iter(following.stdout.readline, "")
    assert any("seen-in-the-log" in line for line in lines)
    following.terminate()
    following.wait()


def test_a_port_is_forwarded(served: Machine) -> None:
    forwarding = served.start_kubectl("port-forward", "pod/first", "18000:8000")
    soon(lambda: "200" in served.run("python3", "-c", fetching("http://127.0.0.1:18000")).stdout)
    forwarding.terminate()
    forwarding.wait()


def test_files_are_copied_in_and_lie_on_the_hosts_volume(served: Machine) -> None:
    source = served.folder / "note.txt"
    source.write_text("hello")
    served.kubectl("cp", str(source), "one-ring/first:/outputs/note.txt")
    assert (served.state / "node/volumes/outputs/note.txt").read_text() == "hello"


def test_claims_of_another_namespace_show_the_same_files(served: Machine) -> None:
    served.cluster("claims", "second")
    (served.state / "node/volumes/outputs/shared.txt").write_text("seen")
    other = pod("reader")
    other["metadata"]["namespace"] = "second"
    served.kubectl("apply", "-f", "-", stdin=json.dumps(other))
    served.kubectl("wait", "-n", "second", "pod/reader", "--for=condition=Ready", "--timeout=120s")
    assert served.kubectl("exec", "-n", "second", "reader", "--", "cat", "/outputs/shared.txt") == "seen"
    served.kubectl("delete", "namespace", "second", "--wait")


def test_a_pod_waits_for_a_gpu_that_others_hold(served: Machine) -> None:
    for name in ("taker", "waiter"):
        served.kubectl("apply", "-f", "-", stdin=json.dumps(pod(name)))
    reason = "jsonpath={.items[?(@.status.phase=='Pending')].status.conditions[0].message}"
    soon(lambda: "Insufficient nvidia.com/gpu" in served.kubectl("get", "pods", "-o", reason))
    served.kubectl("delete", "pod", "taker", "waiter", "--wait")


def test_a_pod_keeps_its_gpu_while_the_kubelet_restarts(served: Machine) -> None:
    before = served.kubectl("get", "pod", "first", "-o", "jsonpath={.status.startTime}{.status.containerStatuses}")
    for action in ("stop", "start"):
        served.cluster("component", "kubelet", action)
    served.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=60s")
    soon(lambda: "200" in in_pod(served, fetching("http://127.0.0.1:8000")).stdout)
    after = served.kubectl("get", "pod", "first", "-o", "jsonpath={.status.startTime}{.status.containerStatuses}")
    assert after == before


def test_every_pod_asks_the_registry_for_its_image(served: Machine) -> None:
    policy = served.kubectl("get", "pod", "first", "-o", "jsonpath={.spec.containers[0].imagePullPolicy}")
    assert policy == "Always"


def test_an_image_that_is_missing_is_said_at_once(served: Machine) -> None:
    missing = pod("missing")
    missing["spec"]["containers"][0] |= {"image": "ghcr.io/one-ring-training/none:1", "resources": {}}
    served.kubectl("apply", "-f", "-", stdin=json.dumps(missing))
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.message}"
    soon(lambda: "not found" in served.kubectl("get", "pod", "missing", "-o", reason))
    served.kubectl("delete", "pod", "missing", "--wait")


def test_a_pod_that_is_less_than_restricted_is_refused(served: Machine) -> None:
    lax = pod("lax", securityContext={})
    refused = served.run(*served.kubectl_command("apply", "-f", "-"), stdin=json.dumps(lax))
    assert "violates PodSecurity" in refused.stderr


def test_images_outlive_the_node(served: Machine) -> None:
    served.cluster("down")
    served.cluster("up")
    served.kubectl("apply", "-f", "-", stdin=json.dumps(pod("again")))
    served.kubectl("wait", "pod/again", "--for=condition=Ready", "--timeout=60s")
