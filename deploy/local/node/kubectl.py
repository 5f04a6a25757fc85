"""kubectl, as administrator of the cluster."""

from __future__ import annotations

import json
from typing import Any

from node.places import Place
from node.shell import run
from node.tools import tool


def kubectl(place: Place, *arguments: str, stdin: str | None = None) -> str:
    return run([tool("kubectl"), f"--kubeconfig={place.kubeconfig}", *arguments], stdin=stdin)


def apply(place: Place, *documents: dict[str, Any]) -> None:
    listing = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    kubectl(place, "apply", "-f", "-", stdin=json.dumps(listing))
