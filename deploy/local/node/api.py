"""Quick looks at the cluster's API, many a second while it starts; kubectl would cost a program's start for each."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from node.places import Place


def api_is_ready(place: Place) -> bool:
    """The service account controller has run once a namespace's own account is there: pods can be made from then on."""
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    return _get(place, "/readyz") is not None and _get(place, path) is not None


def node_is_ready(place: Place, name: str) -> bool:
    """Ready, and without the taint that keeps pods away until the controllers have seen so."""
    node = _node(place, name)
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not node["spec"].get("taints")


def allocatable(place: Place, name: str, resource: str) -> int:
    """How many of a resource the node offers."""
    return int(_node(place, name).get("status", {}).get("allocatable", {}).get(resource, 0))


def _node(place: Place, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_get(place, f"/api/v1/nodes/{name}") or "{}")
    return answer


def _get(place: Place, path: str) -> bytes | None:
    """The body of a good answer; None when there is none, for whatever reason."""
    try:
        server = urlsplit(json.loads(place.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])
        context = ssl.create_default_context(cafile=place.pki / "ca.crt")
        context.load_cert_chain(place.pki / "admin.crt", place.pki / "admin.key")
        connection = http.client.HTTPSConnection(server.netloc, timeout=3, context=context)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        return body if answer.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
