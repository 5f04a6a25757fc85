"""kubectl, as administrator of the cluster."""

from __future__ import annotations

import json
from typing import Any

from node.places import Place
from node.problems import Problem
from node.shell import attempt, run
from node.tools import tool


def kubectl(place: Place, *arguments: str, stdin: str | None = None) -> str:
    return run([tool("kubectl"), f"--kubeconfig={place.kubeconfig}", *arguments], stdin=stdin)


def apply(place: Place, *documents: dict[str, Any]) -> None:
    listing = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    kubectl(place, "apply", "-f", "-", stdin=json.dumps(listing))


def api_is_ready(place: Place) -> bool:
    base = [tool("kubectl"), f"--kubeconfig={place.kubeconfig}", "--request-timeout=2s"]
    # The service account controller has run once the namespace's own account is there: pods can be made from then on.
    return attempt([*base, "get", "--raw", "/readyz"]) and attempt([*base, "get", "sa", "default", "-n", "default"])


def node_is_ready(place: Place, node: str) -> bool:
    """Ready, and without the taint that keeps pods away until the controllers have seen so."""
    path = "{.status.conditions[?(@.type=='Ready')].status}{.spec.taints}"
    try:
        return kubectl(place, "get", "node", node, "-o", f"jsonpath={path}") == "True"
    except Problem:
        return False
