"""Bringing a cluster up and down."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from node import files, images, kernel, network, objects, preflight, tools
from node.addresses import NODE_PORTS, REGISTRY, REGISTRY_ADDRESS, Ports, free_ports, listens
from node.api import allocatable, api_is_ready, node_is_ready
from node.certificates import CONTROL_PLANE_IDENTITIES, NODE_IDENTITIES, NODE_NAME, make_all
from node.components import GPU_RESOURCE, GPUS, Component, control_plane, whole_node
from node.places import CHECKOUT, WHOLE_NODE, Place, state_root
from node.problems import Problem
from node.processes import check_alive, end_supervisor, holders, start_supervisor, supervisors
from node.shell import only_one, run, say, wait_for

# What a cluster writes and the next one must not find. Images, volumes and logs stay.
_OF_ONE_LIFE = ("etcd", "kubelet", "pod-logs", "pki", "config", "control", "plan.json", "status.json", "kubeconfig")


def up(place: Place) -> None:
    """Starts the cluster, or finds it running; returns when it can be used."""
    is_node = place.name == WHOLE_NODE
    started = time.monotonic()
    with only_one(state_root() / f"{place.name}.lock"):
        _refuse_if_another_checkout_holds_it(place)
        try:
            _bring_up(place, is_node)
        except Problem:
            # Half a cluster helps nobody: the next `up` starts from nothing, with these logs to read until then.
            end_supervisor(place)
            raise
    say(f"the cluster is ready after {time.monotonic() - started:.0f} s")


def down(place: Place, *, purge: bool = False) -> None:
    """Ends every process, whoever started it, and removes what it left; images and volumes stay unless ``purge``."""
    preflight.check_root()
    lock = state_root() / f"{place.name}.lock"
    with only_one(lock):
        _clear(place)
        if place.name != WHOLE_NODE or purge:
            shutil.rmtree(place.state, ignore_errors=True)
            lock.unlink()


def all_places() -> list[Place]:
    """Every cluster that runs, or left its state here."""
    running = {each.state.name for each in supervisors() if each.state.parent == state_root()}
    left = {folder.name for folder in state_root().glob("*/") if (folder / "plan.json").exists()}
    return [Place(name) for name in sorted({WHOLE_NODE} | running | left)]


def _refuse_if_another_checkout_holds_it(place: Place) -> None:
    ours = (CHECKOUT, place.state)
    others = [each for each in holders(place) if (each.checkout, each.state) != ours and each.checkout.exists()]
    # Control planes are told apart by their names; there can be only one whole node.
    if place.name == WHOLE_NODE and others:
        other = others[0]
        remedy = f"use that one, or stop it first: {other.checkout}/deploy/local/cluster down"
        raise Problem(f"a node is already up, started from {other.checkout}, its state in {other.state}", remedy)


def _bring_up(place: Place, is_node: bool) -> None:
    if any(each.checkout.exists() and each.state == place.state for each in holders(place)):
        _resume(place)
    else:
        _start(place, is_node)
    _wait(place, "the API server", lambda: api_is_ready(place), deadline_seconds=90)
    if is_node:
        _wait_for_the_node(place)


def _resume(place: Place) -> None:
    for stopped in place.control.glob("*.stop"):
        stopped.unlink()


def _start(place: Place, is_node: bool) -> None:
    preflight.check(whole_node=is_node)
    tools.build(whole_node=is_node)
    _clear(place)
    shutil.rmtree(place.logs, ignore_errors=True)
    ports = NODE_PORTS if is_node else free_ports()
    _write_files(place, ports, is_node)
    components = whole_node(place, ports) if is_node else control_plane(place, ports, with_nodes=False)
    if is_node:
        objects.make_folders(place)
        kernel.remember(place.kernel_file)
    pid = start_supervisor(place)
    if is_node:
        network.connect(pid)
    # The supervisor waits for its plan, and so for its network.
    _write_plan(place, components, private_mounts=is_node)


def _clear(place: Place) -> None:
    """Ends what runs, and removes whatever an earlier life left, however it ended."""
    end_supervisor(place)
    for name in _OF_ONE_LIFE:
        path = place.state / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if place.name == WHOLE_NODE:
        network.disconnect()
        kernel.restore(place.kernel_file)
        # The kernel needs a moment to let go of the last processes of a group.
        wait_for(_remove_control_groups, deadline_seconds=5)


def _remove_control_groups() -> bool:
    """Whether the pods' groups are gone; deepest first, as one with children cannot go."""
    tops = [*Path("/sys/fs/cgroup").glob("kubepods"), *Path("/sys/fs/cgroup").glob("*/kubepods")]
    for top in tops:
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                os.rmdir(folder)
    return not any(top.exists() for top in tops)


def _write_files(place: Place, ports: Ports, is_node: bool) -> None:
    for folder in (place.state, place.logs, place.config, place.control):
        folder.mkdir(parents=True, exist_ok=True)
    identities = CONTROL_PLANE_IDENTITIES + (NODE_IDENTITIES if is_node else ())
    make_all(place.pki, identities)
    for identity in identities:
        text = files.kubeconfig(ports.server_url, place.pki, identity.file)
        (place.config / f"{identity.file}.kubeconfig").write_text(text)
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
        f"registries/{REGISTRY}/hosts.toml": files.mirror(),
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
    written = place.plan_file.with_suffix(".new")
    written.write_text(json.dumps(plan, indent=1))
    written.replace(place.plan_file)


def _wait_for_the_node(place: Place) -> None:
    objects.offer_names(place)
    objects.offer_claims(place, files.NAMESPACE)
    _wait(place, "the registry", lambda: listens(*REGISTRY_ADDRESS), deadline_seconds=30)
    images.push_pause_image()
    _wait(place, "the node", lambda: node_is_ready(place, NODE_NAME), deadline_seconds=90)
    _wait(place, "the GPUs", lambda: allocatable(place, NODE_NAME, GPU_RESOURCE) == GPUS, deadline_seconds=30)


def _wait(place: Place, what: str, check: Callable[[], bool], *, deadline_seconds: float) -> None:
    if check():
        return
    say(f"waiting for {what} …")
    end = time.monotonic() + deadline_seconds
    while not check():
        check_alive(place)
        if time.monotonic() > end:
            remedy = f"read the logs in {place.logs}, mend it, then run `up` again"
            raise Problem(f"{what} is not ready after {deadline_seconds:.0f} s", remedy, _last_words(place))
        time.sleep(0.2)


def _last_words(place: Place) -> str:
    return run(["tail", "-n", "5", *map(str, sorted(place.logs.glob("*.log")))])
