"""Getting ready: cluster, images, PyTorch and base model, side by side; then our chart."""

from __future__ import annotations

from pathlib import Path

from demo import base_model
from demo.cluster import LOCAL_CLUSTER, Cluster, is_foreign
from demo.places import NAMESPACE, PUSHED_IMAGES, RELEASE
from demo.screen import Screen
from demo.shell import Task, run, run_side_by_side

TRAINER_REQUIREMENTS = "tests/trainer/requirements.txt"
CHART = "deploy/helm/one-ring"
CLAIMS = "deploy/volumes/claims.yaml"
_LOCAL_ENV = f'eval "$({LOCAL_CLUSTER} env)"; '


def get_ready(screen: Screen) -> Path:
    """Returns the trainer environment's Python once cluster, images and base model are there."""
    screen.step("A cluster, three images and a base model")
    if is_foreign():
        screen.say("The cluster is the one of [bold]$KUBECONFIG[/], the registry [bold]$REGISTRY[/].")
    else:
        screen.say(
            "A real Kubernetes node on this machine: etcd, API server, kubelet, containerd. What is missing is "
            "built from source, the first time for most of half an hour; then it is cached."
        )
    run_side_by_side([*(_foreign() if is_foreign() else _local()), *_model()], screen)
    return _trainer_python()


def install(cluster: Cluster, screen: Screen) -> None:
    """Installs our chart, or brings it up to date; on a cluster without the volumes' claims asks for them."""
    screen.step("helm install: CRD, operator, gateway")
    command = ["helm", "upgrade", "--install", RELEASE, CHART, "-n", NAMESPACE, "-f", PUSHED_IMAGES, "--wait"]
    if not cluster.is_local:
        command.append("--create-namespace")
    if not _has_gpus(cluster):
        screen.say("No node of this cluster offers nvidia.com/gpu: the jobs train on the CPU.")
        command += ["--set", "trainer.resources.gpus=0"]
    screen.command(" ".join(command))
    remedy = f"kubectl -n {NAMESPACE} get pods,events; then make demo"
    cluster.run(*command, doing="installing the chart", remedy=remedy, timeout_seconds=320)
    if not cluster.kubectl("get", "pvc", "outputs", "--ignore-not-found", doing="looking for the claims").strip():
        screen.command(f"kubectl apply -f {CLAIMS}")
        cluster.kubectl("apply", "-f", CLAIMS, doing="asking for the volumes")
    screen.output(cluster.kubectl("get", "pods", doing="listing what runs"))


def _has_gpus(cluster: Cluster) -> bool:
    capacity = "jsonpath={.items[*].status.allocatable.nvidia\\.com/gpu}"
    shown = cluster.kubectl("get", "nodes", "-o", capacity, doing="looking for GPUs")
    return any(int(count) for count in shown.split())


def _local() -> list[Task]:
    return [
        Task("cluster", [LOCAL_CLUSTER, "up"], remedy="make cluster-down, then make demo; it needs root on Debian 12"),
        Task(
            "base image",
            [LOCAL_CLUSTER, "base-image"],
            remedy="check that Debian's mirror answers: apt-get update",
        ),
        Task(
            "images",
            ["bash", "-c", f"{_LOCAL_ENV}exec deploy/images"],
            remedy=f"{LOCAL_CLUSTER} status tells whether the registry runs",
            after=("cluster", "base image"),
        ),
    ]


def _foreign() -> list[Task]:
    return [Task("images", ["deploy/images"], remedy="check $REGISTRY: can this machine push to it?")]


def _model() -> list[Task]:
    """PyTorch comes into a cache that the trainer's image is built from too."""
    torch = Task("PyTorch", ["deploy/venv.sh", TRAINER_REQUIREMENTS], remedy="check the network, then make demo")
    program = f'exec nice "$(deploy/venv.sh {TRAINER_REQUIREMENTS})/bin/python" -m demo.base_model "$0"'
    base = Task(
        "base model",
        ["bash", "-c", program, str(base_model.cached_folder())],
        remedy="read the log, then make demo",
        after=("PyTorch",),
    )
    return [torch] if base_model.is_made() else [torch, base]


def _trainer_python() -> Path:
    doing = "finding the trainer's environment"
    return (
        Path(run("deploy/venv.sh", TRAINER_REQUIREMENTS, doing=doing, remedy="make venv-trainer").strip())
        / "bin/python"
    )
