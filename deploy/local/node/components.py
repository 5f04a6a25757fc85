"""The processes of a cluster: what runs, with which arguments, after what."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from node.addresses import NODE_IP, POD_SUBNET, REGISTRY_ADDRESS, SERVICE_SUBNET, Ports
from node.certificates import NODE_NAME
from node.places import Place
from node.tools import tool

GPU_RESOURCE = "nvidia.com/gpu"
GPUS = 2


@dataclass(frozen=True)
class Component:
    """One supervised process. It starts once the addresses ``after`` answer, and the page ``after_page`` is there."""

    name: str
    command: tuple[str, ...]
    after: tuple[tuple[str, int], ...] = ()
    after_page: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def control_plane(place: Place, ports: Ports, *, with_nodes: bool) -> list[Component]:
    """etcd, the API server, the controller manager and the scheduler."""
    # What is refused before the API server knows its roles comes back late: it waits longer with each try.
    ready = f"{ports.server_url}/readyz"
    return [
        Component("etcd", _etcd(place, ports)),
        Component("kube-apiserver", _api_server(place, ports, with_nodes), ((ports.ip, ports.etcd),)),
        Component("kube-controller-manager", _controller_manager(place, with_nodes), after_page=ready),
        Component("kube-scheduler", _scheduler(place), after_page=ready),
    ]


def whole_node(place: Place, ports: Ports) -> list[Component]:
    """The control plane, and all that runs pods."""
    api_server = ((ports.ip, ports.api_server),)
    config = place.config
    return [
        Component("registry", ("/usr/bin/docker-registry", "serve", f"{config}/registry.yaml")),
        Component("containerd", ("/usr/bin/containerd", "--config", f"{config}/containerd.toml")),
        *control_plane(place, ports, with_nodes=True),
        Component("coredns", (tool("coredns"), "-conf", f"{config}/Corefile"), api_server),
        Component("kube-proxy", _proxy(place), after_page=f"{ports.server_url}/readyz"),
        Component("kubelet", _kubelet(place), (*api_server, REGISTRY_ADDRESS)),
        Component("gpus", _flags("gpus", count=GPUS)),
    ]


def _flags(program: str, **flags: object) -> tuple[str, ...]:
    return (tool(program), *(f"--{name.replace('_', '-')}={value}" for name, value in flags.items()))


def _etcd(place: Place, ports: Ports) -> tuple[str, ...]:
    client, peer = f"http://{ports.ip}:{ports.etcd}", f"http://{ports.ip}:{ports.etcd_peer}"
    flags = _flags(
        "etcd",
        data_dir=place.state / "etcd",
        listen_client_urls=client,
        advertise_client_urls=client,
        listen_peer_urls=peer,
        initial_advertise_peer_urls=peer,
        initial_cluster=f"default={peer}",
        log_level="warn",
    )
    # The data does not outlive the cluster, so nothing is lost by not waiting for the disk.
    return (*flags, "--unsafe-no-fsync")


def _api_server(place: Place, ports: Ports, with_nodes: bool) -> tuple[str, ...]:
    pki = place.pki
    kubelet_access = {
        "kubelet_client_certificate": pki / "apiserver-kubelet-client.crt",
        "kubelet_client_key": pki / "apiserver-kubelet-client.key",
        "kubelet_preferred_address_types": "InternalIP",
    }
    # A node that a test makes is ready at once: nobody is there to take the taint off.
    without_kubelets = {"endpoint_reconciler_type": "none", "disable_admission_plugins": "TaintNodesByCondition"}
    return _flags(
        "kube-apiserver",
        etcd_servers=f"http://{ports.ip}:{ports.etcd}",
        bind_address=ports.ip,
        advertise_address=ports.ip,
        secure_port=ports.api_server,
        tls_cert_file=pki / "apiserver.crt",
        tls_private_key_file=pki / "apiserver.key",
        client_ca_file=pki / "ca.crt",
        service_account_issuer="https://kubernetes.default.svc.cluster.local",
        service_account_key_file=pki / "service-account.key",
        service_account_signing_key_file=pki / "service-account.key",
        service_cluster_ip_range=SERVICE_SUBNET,
        authorization_mode="Node,RBAC",
        # An image pushed again under the same name has to reach the next pod.
        enable_admission_plugins="NodeRestriction" + (",AlwaysPullImages" if with_nodes else ""),
        allow_privileged="true",
        **(kubelet_access if with_nodes else without_kubelets),
    )


def _controller_manager(place: Place, with_nodes: bool) -> tuple[str, ...]:
    return _flags(
        "kube-controller-manager",
        kubeconfig=place.config / "controller-manager.kubeconfig",
        service_account_private_key_file=place.pki / "service-account.key",
        root_ca_file=place.pki / "ca.crt",
        leader_elect="false",
        use_service_account_credentials="true",
        secure_port=0,
        # Its own brake would cost seconds at the start, when every controller lists everything.
        kube_api_qps=200,
        kube_api_burst=400,
        # Without kubelets nobody renews the leases of the nodes that tests make.
        controllers="*" if with_nodes else "*,-node-lifecycle-controller",
    )


def _scheduler(place: Place) -> tuple[str, ...]:
    kubeconfig = place.config / "scheduler.kubeconfig"
    return _flags("kube-scheduler", kubeconfig=kubeconfig, leader_elect="false", secure_port=0)


def _proxy(place: Place) -> tuple[str, ...]:
    return _flags(
        "kube-proxy",
        kubeconfig=place.config / "kube-proxy.kubeconfig",
        proxy_mode="iptables",
        cluster_cidr=POD_SUBNET,
        hostname_override=NODE_NAME,
        bind_address=NODE_IP,
        # The kernel's table is the host's to size.
        conntrack_max_per_core=0,
        conntrack_min=0,
        conntrack_tcp_timeout_established="0s",
        conntrack_tcp_timeout_close_wait="0s",
        oom_score_adj=0,
    )


def _kubelet(place: Place) -> tuple[str, ...]:
    return _flags(
        "kubelet",
        config=place.config / "kubelet.json",
        kubeconfig=place.config / "kubelet.kubeconfig",
        root_dir=place.state / "kubelet",
        hostname_override=NODE_NAME,
        node_ip=NODE_IP,
    )
