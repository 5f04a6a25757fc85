"""Bringing a cluster up and down."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node import files, images, network, objects, preflight, tools
from node.addresses import NODE_PORTS, REGISTRY, REGISTRY_ADDRESS, Ports, free_ports, listens
from node.certificates import NODE_NAME, make_all
from node.components import Component, control_plane, whole_node
from node.kubectl import api_is_ready, node_is_ready
from node.places import CHECKOUT, WHOLE_NODE, Place, state_root
from node.problems import Problem
from node.processes import check_alive, end_supervisor, owner, start_supervisor, supervisors
from node.shell import attempt, run, say

# What a cluster writes and the next one must not find. Images, volumes and logs stay.
_OF_ONE_LIFE = ("etcd", "kubelet", "pod-logs", "pki", "config", "control", "plan.json", "status.json", "kubeconfig")


def up(place: Place) -> None:
    """Starts the cluster, or finds it running; returns when it can be used."""
    is_node = place.name == WHOLE_NODE
    started = time.monotonic()
    with _alone(place):
        holder = owner(place)
        if holder and is_node and holder.checkout != str(CHECKOUT) and Path(holder.checkout).exists():
            remedy = f"use that one, or stop it first: {holder.checkout}/deploy/local/cluster down"
            raise Problem(f"a node is already up, started from {holder.checkout}", remedy)
        if not holder:
            _start(place, is_node)
        _wait_until_usable(place, is_node)
    say(f"the cluster is ready after {time.monotonic() - started:.0f} s")


def down(place: Place, *, purge: bool = False) -> None:
    """Ends every process and removes what it left; images and volumes stay unless ``purge``."""
    with _alone(place):
        _clear(place)
        if place.name != WHOLE_NODE or purge:
            shutil.rmtree(place.state, ignore_errors=True)


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """One `up` or `down` of a cluster at a time."""
    state_root().mkdir(parents=True, exist_ok=True)
    with (state_root() / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(place: Place, is_node: bool) -> None:
    tools.build(only=() if is_node else ("etcd", "kubernetes"))
    preflight.check(whole_node=is_node)
    _clear(place)
    ports = NODE_PORTS if is_node else free_ports()
    _write_files(place, ports, is_node)
    components = whole_node(place, ports) if is_node else control_plane(place, ports, with_nodes=False)
    _write_plan(place, components, private_mounts=is_node)
    if is_node:
        objects.make_folders(place)
        network.make()
    start_supervisor(place)


def _clear(place: Place) -> None:
    """Ends what runs, and removes whatever an earlier life left, however it ended."""
    if supervisors(place):
        end_supervisor(place)
    place.owner_file.unlink(missing_ok=True)
    for name in _OF_ONE_LIFE:
        path = place.state / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if place.name == WHOLE_NODE:
        network.remove()
        _remove_cgroups()


def _remove_cgroups() -> None:
    """Deepest first: a control group with children cannot go."""
    for top in Path("/sys/fs/cgroup").glob("**/kubepods"):
        for folder in sorted(top.rglob("*"), key=lambda path: -len(path.parts)):
            if folder.is_dir():
                attempt(["rmdir", str(folder)])
        attempt(["rmdir", str(top)])


def _write_files(place: Place, ports: Ports, is_node: bool) -> None:
    for folder in (place.state, place.logs, place.config, place.control):
        folder.mkdir(parents=True, exist_ok=True)
    make_all(place.pki)
    for identity in ("controller-manager", "scheduler", "kubelet", "kube-proxy", "coredns"):
        text = files.kubeconfig(ports.server_url, place.pki, identity)
        (place.config / f"{identity}.kubeconfig").write_text(text)
    namespace = files.NAMESPACE if is_node else "default"
    place.kubeconfig.write_text(files.kubeconfig(ports.server_url, place.pki, "admin", namespace=namespace))
    place.kubeconfig.chmod(0o600)
    if is_node:
        _write_node_files(place)


def _write_node_files(place: Place) -> None:
    written = {
        "containerd.toml": files.containerd(place),
        "registry.yaml": files.registry(),
        "cni/10-one-ring.conflist": files.cni(),
        "registries/ghcr.io/hosts.toml": files.mirror(),
        f"registries/{REGISTRY}/hosts.toml": files.plain_registry(),
        "kubelet.json": files.kubelet(place),
        "Corefile": files.corefile(place),
        "resolv.conf": "",
    }
    for name, text in written.items():
        path = place.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _write_plan(place: Place, components: list[Component], *, private_mounts: bool) -> None:
    plan = {"private_mounts": private_mounts, "components": [each.as_json() for each in components]}
    place.plan_file.write_text(json.dumps(plan, indent=1))


def _wait_until_usable(place: Place, is_node: bool) -> None:
    _wait(place, "the API server", lambda: api_is_ready(place), deadline_seconds=90)
    if not is_node:
        return
    objects.offer_claims(place, files.NAMESPACE)
    _wait(place, "the registry", lambda: listens(*REGISTRY_ADDRESS), deadline_seconds=30)
    images.push_pause_image()
    _wait(place, "the node", lambda: node_is_ready(place, NODE_NAME), deadline_seconds=90)
    _wait(place, "the GPUs", lambda: _gpus_are_there(place), deadline_seconds=30)


def _gpus_are_there(place: Place) -> bool:
    if objects.gpus(place) == objects.GPUS:
        return True
    objects.advertise_gpus(place)
    return False


def _wait(place: Place, what: str, check: Callable[[], bool], *, deadline_seconds: float) -> None:
    end = time.monotonic() + deadline_seconds
    while not check():
        check_alive(place)
        if time.monotonic() > end:
            remedy = f"read the logs in {place.logs}, mend it, then run `up` again"
            raise Problem(f"{what} is not ready after {deadline_seconds:.0f} s", remedy, _last_words(place))
        time.sleep(0.2)


def _last_words(place: Place) -> str:
    return run(["tail", "-n", "5", *map(str, sorted(place.logs.glob("*.log")))])
