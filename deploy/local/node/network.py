"""The cable between the host and the node's own network namespace. The host's firewall stays as it is."""

from __future__ import annotations

from collections.abc import Iterable

from node.addresses import HOST_IP, NODE_IP, PREFIX_LENGTH
from node.shell import attempt, run

HOST_LINK = "one-ring0"
NODE_LINK = "eth0"


def connect(pid: int) -> None:
    """Lays a cable from the host into the network namespace of process ``pid``, and gives both ends their addresses."""
    disconnect()
    run(["ip", "link", "add", HOST_LINK, "type", "veth", "peer", "name", NODE_LINK, "netns", str(pid)])
    run(["ip", "address", "add", f"{HOST_IP}/{PREFIX_LENGTH}", "dev", HOST_LINK])
    run(["ip", "link", "set", HOST_LINK, "up"])
    inside = ["nsenter", f"--target={pid}", "--net"]
    for command in (
        f"ip address add {NODE_IP}/{PREFIX_LENGTH} dev {NODE_LINK}",
        "ip link set lo up",
        f"ip link set {NODE_LINK} up",
        f"ip route add default via {HOST_IP}",
        "sysctl -w net.ipv4.ip_forward=1",
    ):
        run([*inside, *command.split()])
    # Where the bridge module filters nothing there is no such setting, and nothing to turn on.
    attempt([*inside, "sysctl", "-w", "net.bridge.bridge-nf-call-iptables=1"])


def disconnect() -> None:
    """The namespace itself, its bridges and its rules go with the last process in it."""
    attempt(["ip", "link", "delete", HOST_LINK])


def route_taken_by() -> str:
    """The host's link that already holds our address range, if it is not ours."""
    routes = run(["ip", "-o", "route", "show", "match", NODE_IP]).splitlines()
    return ", ".join(sorted(links_of(routes) - {HOST_LINK}))


def links_of(routes: Iterable[str]) -> set[str]:
    """The links that routes lead through, the default route's aside."""
    words = [route.split() for route in routes if not route.startswith("default")]
    return {route[route.index("dev") + 1] for route in words if "dev" in route}
