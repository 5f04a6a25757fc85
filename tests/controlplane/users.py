"""Users who may do no more than their Role says."""

from __future__ import annotations

from pathlib import Path

from one_ring.api import dump_yaml, load_yaml
from tests.controlplane.api import Api, Object

_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"


def token_with(api: Api, namespace: str, rules: list[Object], *, account: str = "user") -> str:
    """A token of a new service account whose Role in the namespace has these rules."""
    name = {"metadata": {"name": account}}
    api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", name)
    api.post(f"{_RBAC}/{namespace}/roles", name | {"rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    api.post(f"{_RBAC}/{namespace}/rolebindings", name | {"roleRef": role, "subjects": [subject]})
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    token: str = api.post(path, {"spec": {"expirationSeconds": 600}})["status"]["token"]
    return token


def as_user(kubeconfig: str, user: Object, folder: Path) -> str:
    """The same kubeconfig for another user."""
    document = load_yaml(Path(kubeconfig).read_text())
    document["users"] = [{"name": entry["name"], "user": user} for entry in document["users"]]
    own = folder / "user.kubeconfig"
    own.write_text(dump_yaml(document))
    return str(own)
