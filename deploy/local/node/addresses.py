"""The addresses that a cluster listens on."""

from __future__ import annotations

import socket
from dataclasses import dataclass

NODE_IP = "10.245.0.1"
HOST_IP = "10.245.0.2"
PREFIX_LENGTH = 30
POD_SUBNET = "10.244.0.0/24"
SERVICE_SUBNET = "10.96.0.0/16"
KUBERNETES_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
REGISTRY_ADDRESS = (NODE_IP, 5000)
REGISTRY = f"{NODE_IP}:5000"


@dataclass(frozen=True)
class Ports:
    """TCP ports on the cluster's own address."""

    ip: str
    api_server: int
    etcd: int
    etcd_peer: int

    @property
    def server_url(self) -> str:
        return f"https://{self.ip}:{self.api_server}"


NODE_PORTS = Ports(NODE_IP, api_server=6443, etcd=2379, etcd_peer=2380)


def free_ports() -> Ports:
    """Loopback ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(3)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        api_server, etcd, peer = (each.getsockname()[1] for each in sockets)
    finally:
        for each in sockets:
            each.close()
    return Ports("127.0.0.1", api_server, etcd, peer)


def listens(ip: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((ip, port)) == 0
