"""What is decided and written, without starting anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from node import addresses, commands, components, files, network, objects, preflight, processes, tools
from node.places import Place
from node.problems import Problem, Problems

PLACE = Place("node")


def flags(listed: list[components.Component], name: str) -> str:
    return " ".join(next(each.command for each in listed if each.name == name))


@pytest.mark.parametrize(
    ("words", "held"),
    [
        (["python3", "/a/deploy/local/node/supervisor.py", "/s/node"], (Path("/a"), Path("/s/node"))),
        (["unshare", "--pid", "python3", "/a/deploy/local/node/supervisor.py", "/s/x"], (Path("/a"), Path("/s/x"))),
        (["vim", "/a/deploy/local/node/supervisor.py"], None),
        (["python3", "/a/other/supervisor.py", "/s/node"], None),
        ([""], None),
    ],
    ids=["a supervisor", "its outer process", "an editor", "another program", "a kernel thread"],
)
def test_a_supervisor_is_known_by_its_command_line(words: list[str], held: tuple[Path, Path] | None) -> None:
    assert processes.supervised(words) == held


@pytest.mark.parametrize(
    ("routes", "links"),
    [
        (["default via 192.0.2.1 dev eth0"], set()),
        (["10.245.0.0/30 dev one-ring0 proto kernel"], {"one-ring0"}),
        (["default via 192.0.2.1 dev eth0", "10.0.0.0/8 via 192.0.2.9 dev tun0"], {"tun0"}),
    ],
    ids=["the default route is no claim", "our own link", "a tunnel over a wider range"],
)
def test_links_that_claim_the_nodes_address_are_found(routes: list[str], links: set[str]) -> None:
    assert network.links_of(routes) == links


@pytest.mark.parametrize(
    ("said", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.24 linux/arm64", (1, 24)), ("", (0, 0))],
    ids=["a patch release", "a first release", "nothing"],
)
def test_the_version_of_go_is_read(said: str, version: tuple[int, int]) -> None:
    assert preflight.go_version(said) == version


def test_problems_are_said_all_at_once_each_with_its_remedy() -> None:
    text = str(Problems([Problem("no root", "use sudo"), Problem("no disk", "free some", "2 GiB left")]))
    assert text == "no root\n  remedy: use sudo\nno disk\n2 GiB left\n  remedy: free some"


def test_a_changed_pin_is_built_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tools, "LOCAL", tmp_path)
    pin = tmp_path / "tools/pause/go.mod"
    pin.parent.mkdir(parents=True)
    pin.write_text("go 1.24")
    before = tools.tool("pause")
    pin.write_text("go 1.25")
    assert tools.tool("pause") != before


def test_every_program_of_the_plan_is_one_that_is_built_or_a_package() -> None:
    plan = components.whole_node(PLACE, addresses.NODE_PORTS)
    built = {tools.tool(name) for name in ("etcd", "kubelet", "kube-proxy", "coredns", "gpus")}
    programs = {each.command[0] for each in plan}
    assert built < programs
    assert programs & set(tools.PACKAGES.values()) == {"/usr/bin/containerd", "/usr/bin/docker-registry"}


def test_tests_may_make_nodes_without_a_kubelet() -> None:
    plan = components.control_plane(PLACE, addresses.NODE_PORTS, with_nodes=False)
    assert "-node-lifecycle-controller" in flags(plan, "kube-controller-manager")
    assert [each.name for each in plan] == ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]


def test_an_image_pushed_again_reaches_the_next_pod_of_the_node_only() -> None:
    node = components.control_plane(PLACE, addresses.NODE_PORTS, with_nodes=True)
    alone = components.control_plane(PLACE, addresses.NODE_PORTS, with_nodes=False)
    assert "AlwaysPullImages" in flags(node, "kube-apiserver")
    assert "AlwaysPullImages" not in flags(alone, "kube-apiserver")


def test_pulls_never_leave_the_machine() -> None:
    assert "ghcr.io" not in files.mirror()
    assert f'server = "http://{addresses.REGISTRY}"' in files.mirror()


def test_names_in_pods_are_asked_of_the_service() -> None:
    kubelet = json.loads(files.kubelet(PLACE))
    assert kubelet["clusterDNS"] == [addresses.DNS_SERVICE_IP]


def test_free_ports_are_three_different_ones() -> None:
    ports = addresses.free_ports()
    assert len({ports.api_server, ports.etcd, ports.etcd_peer}) == 3
    assert not addresses.listens(ports.ip, ports.api_server)


def test_the_namespace_enforces_the_restricted_standard() -> None:
    labels = objects.namespace("team")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_whole_node_takes_no_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["cluster", "up", "--name", "mine"])
    assert commands.main() == 1
    assert "up --control-plane --name mine" in capsys.readouterr().err
