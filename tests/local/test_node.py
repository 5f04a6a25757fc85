"""The whole node, on a machine of its own: starting, losing everything, stopping, and what is left."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import Machine, soon
from node.places import CHECKOUT

pytestmark = pytest.mark.e2e

SUPERVISOR = "deploy/local/node/supervisor.py"


def traces(machine: Machine) -> dict[str, str]:
    """All that a node could leave on a machine."""
    looks = {
        "links": "ip -o link show | cut -d: -f2 | grep -vx ' lo'",
        "routes and addresses": "ip route; ip -o -4 address | grep -v ' lo '",
        "network namespaces": "ip netns list; lsns --type net --noheadings --output NS",
        "firewall": "iptables-save; ip6tables-save",
        "mounts": "cut -d' ' -f2- /proc/mounts",
        "processes": "ps -eo args | grep -vE '^(ps|bash|sh|grep|sleep 1000)'",
        "control groups": "find /sys/fs/cgroup -type d | sort",
        "kernel settings": "sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops",
    }
    return {what: machine.run("sh", "-c", look).stdout for what, look in looks.items()}


def supervisors(machine: Machine) -> list[str]:
    return machine.run("pgrep", "-f", f"python.*{SUPERVISOR}").stdout.split()


def lose_all_processes(machine: Machine) -> None:
    for pid in supervisors(machine):
        machine.run("kill", "-9", pid)
    soon(lambda: not supervisors(machine))


def the_node_is_ready(machine: Machine) -> bool:
    return machine.run("deploy/local/cluster", "status").returncode == 0


@pytest.fixture
def another_checkout(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "another"
    shutil.copytree(CHECKOUT / "deploy/local", folder / "deploy/local", ignore=shutil.ignore_patterns(".*"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_down_leaves_nothing(machine: Machine) -> None:
    machine.cluster("down")
    before = traces(machine)
    print(machine.run("deploy/local/cluster", "up").stderr)
    assert traces(machine) != before
    machine.cluster("down")
    assert traces(machine) == before


def test_up_twice_finds_the_node_running(node: Machine) -> None:
    before = supervisors(node)
    node.cluster("up")
    assert supervisors(node) == before
    assert the_node_is_ready(node)


def test_up_recovers_when_all_processes_were_lost_and_files_stayed(node: Machine) -> None:
    lose_all_processes(node)
    assert not the_node_is_ready(node)
    node.cluster("up")
    assert the_node_is_ready(node)


def test_down_cleans_up_when_all_processes_were_lost(machine: Machine) -> None:
    machine.cluster("down")
    before = traces(machine)
    machine.cluster("up")
    lose_all_processes(machine)
    machine.cluster("down")
    assert traces(machine) == before


def test_a_component_that_crashes_comes_back(node: Machine) -> None:
    (pid,) = node.say("pgrep", "-x", "kube-scheduler").split()
    node.say("kill", "-9", pid)
    soon(lambda: node.run("pgrep", "-x", "kube-scheduler").stdout.split() not in ([], [pid]))
    assert "kube-scheduler" in node.cluster("status")


def test_up_starts_what_was_stopped(node: Machine) -> None:
    node.cluster("component", "kube-apiserver", "stop")
    assert not the_node_is_ready(node)
    node.cluster("up")
    assert the_node_is_ready(node)


def test_a_second_checkout_is_refused_and_told_of_the_first(node: Machine, another_checkout: Path) -> None:
    refused = node.run(str(another_checkout / "deploy/local/cluster"), "up")
    assert refused.returncode == 1
    assert f"started from {CHECKOUT}" in refused.stderr
    assert f"{CHECKOUT}/deploy/local/cluster down" in refused.stderr
    assert the_node_is_ready(node)


def test_a_node_whose_checkout_is_gone_gives_way(machine: Machine, another_checkout: Path) -> None:
    machine.cluster("down")
    machine.say(str(another_checkout / "deploy/local/cluster"), "up")
    shutil.rmtree(another_checkout)
    machine.cluster("up")
    assert f"started from {CHECKOUT}" in machine.cluster("status")


def test_env_leads_a_shell_to_the_node(node: Machine) -> None:
    script = 'eval "$(deploy/local/cluster env)"; kubectl get nodes -o name; helm version --short; echo $REGISTRY'
    answer = node.say("bash", "-c", script)
    assert answer.splitlines()[0] == "node/one-ring-node"
    assert answer.splitlines()[1].startswith("v3.")
    assert answer.splitlines()[2] == "10.245.0.1:5000"


def test_claims_bind_anew_after_their_namespace_was_deleted(node: Machine) -> None:
    for _ in range(2):
        node.cluster("claims", "short-lived")
        node.kubectl("wait", "-n", "short-lived", "pvc", "--all", "--for=jsonpath={.status.phase}=Bound")
        node.kubectl("delete", "namespace", "short-lived", "--wait")


def test_two_gpus_are_there_and_outlive_the_kubelet(node: Machine) -> None:
    def gpus() -> str:
        return node.kubectl("get", "nodes", "-o", r"jsonpath={.items[*].status.allocatable.nvidia\.com/gpu}")

    assert gpus() == "2"
    for action in ("stop", "start"):
        node.cluster("component", "kubelet", action)
    soon(lambda: "offering" in node.say("sh", "-c", "tail -n 1 $ONE_RING_LOCAL_STATE/node/logs/gpus.log"))
    soon(lambda: gpus() == "2")


def test_purge_removes_images_and_volumes_too(node: Machine) -> None:
    folder = Path(node.cluster("volumes").strip())
    assert {each.name for each in folder.iterdir()} == {"datasets", "models", "outputs"}
    node.cluster("down")
    assert folder.exists()
    node.cluster("down", "--purge")
    assert not folder.parent.exists()


def test_the_kubeconfig_is_its_owners_alone(node: Machine) -> None:
    path = Path(node.cluster("kubeconfig").strip())
    assert path.stat().st_mode & 0o077 == 0
    assert json.loads(path.read_text())["contexts"][0]["context"]["namespace"] == "one-ring"


def test_two_ups_at_once_end_with_one_node(machine: Machine) -> None:
    machine.cluster("down")
    command = machine.entering(["deploy/local/cluster", "up"])
    both = [subprocess.Popen(command, env=machine.env, stderr=subprocess.PIPE) for _ in range(2)]
    assert [each.wait() for each in both] == [0, 0]
    assert len(supervisors(machine)) == 2, "the supervisor and its outer process"
