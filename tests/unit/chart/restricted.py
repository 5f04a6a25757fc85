"""The restricted Pod Security Standard, as far as a pod of ours could break it."""

from __future__ import annotations

from typing import Any

_VOLUMES = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_HOST = ("hostNetwork", "hostPID", "hostIPC")


def faults(pod: dict[str, Any]) -> list[str]:
    """What in a pod's spec the standard would refuse, and what we ask beyond it: a read-only root file system."""
    found = [f"{field} is set" for field in _HOST if pod.get(field)]
    for volume in pod.get("volumes", []):
        found += [f"volume {volume['name']} is a {kind}" for kind in volume if kind != "name" and kind not in _VOLUMES]
    shared = pod.get("securityContext", {})
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        found += [f"{container['name']}: {fault}" for fault in _container_faults(container, shared)]
    return found


def _container_faults(container: dict[str, Any], shared: dict[str, Any]) -> list[str]:
    context = shared | container.get("securityContext", {})
    checks = {
        "may run as root": context.get("runAsNonRoot") is True and context.get("runAsUser", 1) != 0,
        "has no seccomp profile": context.get("seccompProfile", {}).get("type") in {"RuntimeDefault", "Localhost"},
        "may gain privileges": context.get("allowPrivilegeEscalation") is False,
        "keeps capabilities": context.get("capabilities", {}).get("drop") == ["ALL"],
        "adds capabilities": not context.get("capabilities", {}).get("add"),
        "is privileged": not context.get("privileged"),
        "may write its root file system": context.get("readOnlyRootFilesystem") is True,
        "takes a port of the host": not any(port.get("hostPort") for port in container.get("ports", [])),
    }
    return [fault for fault, holds in checks.items() if not holds]
