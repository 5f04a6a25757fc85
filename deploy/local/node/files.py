"""The configuration files of the components, as text."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from node.addresses import DNS_SERVICE_IP, NODE_IP, POD_SUBNET, REGISTRY
from node.places import Place, cache

NAMESPACE = "one-ring"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "ghcr.io/one-ring-training/pause:1.0"


def kubeconfig(server: str, pki: Path, identity: str, *, namespace: str = "default") -> str:
    """Access as ``identity``, with its keys inside, as JSON (which is YAML)."""

    def data(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    user = {"client-certificate-data": data(f"{identity}.crt"), "client-key-data": data(f"{identity}.key")}
    context = {"cluster": "one-ring-local", "user": identity, "namespace": namespace}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one-ring-local",
        "clusters": [
            {"name": "one-ring-local", "cluster": {"server": server, "certificate-authority-data": data("ca.crt")}}
        ],
        "users": [{"name": identity, "user": user}],
        "contexts": [{"name": "one-ring-local", "context": context}],
    }
    return json.dumps(document, indent=1)


def containerd(place: Place) -> str:
    return f"""version = 2
root = "{place.state}/containerd"
state = "/run/containerd"

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "/run/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  # Without CAP_SYS_RESOURCE a lower score than one's own is refused, and no sandbox starts.
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{place.config}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{place.config}/registries"
"""


def mirror() -> str:
    """Sends every pull to the local registry, and nowhere else: a missing image is said so at once."""
    return f"""server = "http://{REGISTRY}"

[host."http://{REGISTRY}"]
  capabilities = ["pull", "resolve"]
"""


def registry() -> str:
    return f"""version: 0.1
storage:
  filesystem: {{rootdirectory: {cache()}/registry}}
  delete: {{enabled: true}}
http: {{addr: "{REGISTRY}"}}
log: {{level: warn, accesslog: {{disabled: true}}}}
"""


def cni() -> str:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        # Leases lie in the node's private /run, so that they go with its processes.
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": POD_SUBNET}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/cni-leases",
        },
    }
    plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
    return json.dumps({"cniVersion": "0.4.0", "name": "one-ring", "plugins": plugins}, indent=1)


def kubelet(place: Place) -> str:
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{place.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "clusterDNS": [DNS_SERVICE_IP],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "5s",
        "oomScoreAdj": 0,
        "podLogsDir": f"{place.state}/pod-logs",
        "resolvConf": f"{place.config}/resolv.conf",
        "serializeImagePulls": False,
        "tlsCertFile": f"{place.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{place.pki}/kubelet.key",
    }
    return json.dumps(settings, indent=1)


def corefile(place: Place) -> str:
    # Names outside the cluster are refused at once: the node's network leads nowhere.
    return f""".:53 {{
    bind {NODE_IP}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {place.config}/coredns.kubeconfig
        ttl 5
    }}
    cache 5
}}
"""
