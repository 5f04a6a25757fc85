"""What the node offers in the cluster: GPUs that are only said to be there, and claims on folders of this machine."""

from __future__ import annotations

import json
import os
from typing import Any

from node.addresses import DNS_SERVICE_IP, NODE_IP
from node.kubectl import apply, kubectl
from node.places import Place

CLAIMS = ("datasets", "models", "outputs")
# The user that the chart's pods run as; hostPath volumes know no fsGroup.
POD_USER = 65532


def offer_names(place: Place) -> None:
    """CoreDNS runs beside the cluster, not in it: a Service without a selector leads to it."""
    ports = [{"name": f"dns-{kind.lower()}", "port": 53, "protocol": kind} for kind in ("UDP", "TCP")]
    metadata = {"name": "kube-dns", "namespace": "kube-system"}
    spec = {"clusterIP": DNS_SERVICE_IP, "ports": ports}
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata | {"labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [NODE_IP]}],
        "ports": ports,
    }
    apply(place, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}, endpoints)


def namespace(name: str) -> dict[str, Any]:
    enforced = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": enforced}}


def make_folders(place: Place) -> None:
    for name in CLAIMS:
        folder = place.volumes / name
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, POD_USER, POD_USER)
        folder.chmod(0o2777)


def offer_claims(place: Place, name: str) -> None:
    """Makes the namespace and, in it, one claim on each folder; every namespace sees the same folders."""
    make_folders(place)
    _release_volumes(place, name)
    pairs = [pair for claim in CLAIMS for pair in (_volume(place, name, claim), _claim(name, claim))]
    apply(place, namespace(name), *pairs)


def _release_volumes(place: Place, name: str) -> None:
    """A volume stays bound to the claim of a namespace that is gone; made again it takes the new one."""
    names = [f"{name}-{claim}" for claim in CLAIMS]
    listed = kubectl(place, "get", "pv", *names, "--ignore-not-found", "-o", "json")
    items = json.loads(listed).get("items", []) if listed else []
    if released := [item["metadata"]["name"] for item in items if item["status"].get("phase") == "Released"]:
        kubectl(place, "delete", "pv", *released)


def _volume(place: Place, name: str, claim: str) -> dict[str, Any]:
    spec = _size() | {
        "claimRef": {"namespace": name, "name": claim},
        "hostPath": {"path": str(place.volumes / claim), "type": "Directory"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    spec["capacity"] = spec.pop("resources")["requests"]
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{name}-{claim}"}, "spec": spec}


def _claim(name: str, claim: str) -> dict[str, Any]:
    spec = _size() | {"volumeName": f"{name}-{claim}"}
    metadata = {"name": claim, "namespace": name}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _size() -> dict[str, Any]:
    return {
        "storageClassName": "",
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "50Gi"}},
    }
