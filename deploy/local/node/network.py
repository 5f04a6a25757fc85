"""The node's own network: a namespace, and a pair of virtual cables to the host. The host's firewall stays as it is."""

from __future__ import annotations

from node.addresses import HOST_IP, NODE_IP, PREFIX_LENGTH
from node.shell import attempt, run

NAMESPACE = "one-ring"
NAMESPACE_FILE = f"/run/netns/{NAMESPACE}"
HOST_LINK = "one-ring0"
NODE_LINK = "eth0"


def make() -> None:
    """A fresh namespace; what was left of an older one goes first."""
    remove()
    run(["ip", "netns", "add", NAMESPACE], remedy="run as root, on a kernel with network namespaces")
    run(["ip", "link", "add", HOST_LINK, "type", "veth", "peer", "name", NODE_LINK, "netns", NAMESPACE])
    run(["ip", "address", "add", f"{HOST_IP}/{PREFIX_LENGTH}", "dev", HOST_LINK])
    run(["ip", "link", "set", HOST_LINK, "up"])
    for inner in (
        f"address add {NODE_IP}/{PREFIX_LENGTH} dev {NODE_LINK}",
        "link set lo up",
        f"link set {NODE_LINK} up",
        f"route add default via {HOST_IP}",
    ):
        run(["ip", "-n", NAMESPACE, *inner.split()])
    settings = ("net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1")
    # Where the bridge module filters nothing there is no such setting, and nothing to turn on.
    attempt(["nsenter", f"--net={NAMESPACE_FILE}", "sysctl", "-w", settings[1]])
    run(["nsenter", f"--net={NAMESPACE_FILE}", "sysctl", "-w", settings[0]])


def remove() -> None:
    """Takes bridges, cables and rules along with the namespace."""
    attempt(["ip", "link", "delete", HOST_LINK])
    attempt(["ip", "netns", "delete", NAMESPACE])


def route_taken_by() -> str:
    """The host's link that already holds our address range, if it is not ours."""
    shown = run(["ip", "-o", "route", "show", f"{NODE_IP}/{PREFIX_LENGTH}"])
    other = [line for line in run(["ip", "-o", "address", "show"]).splitlines() if f" {HOST_IP}/" in line]
    links = {line.split()[1] for line in other} | {line.split()[2] for line in shown.splitlines() if " dev " in line}
    return ", ".join(sorted(links - {HOST_LINK}))
