"""What the chart's tests share: helm, the rendered documents, and what they say."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import Any

from one_ring.api import load_yaml
from tests.e2e.world import ROOT, Json

CHART = ROOT / "deploy/helm/one-ring"
_DOCUMENT_END = re.compile(r"^---$", re.MULTILINE)
_RELEASE = ("one-ring", str(CHART), "--namespace", "one-ring")


@cache
def _path() -> str:
    """Where kubectl and helm are found; building them if this machine has neither."""
    cluster = str(ROOT / "deploy/local/cluster")
    subprocess.run([cluster, "build"], check=True, capture_output=True)
    exports = subprocess.run([cluster, "env"], check=True, capture_output=True, text=True).stdout
    folders = next(line for line in exports.splitlines() if line.startswith("export PATH="))
    return folders.removeprefix("export PATH=").replace("$PATH", os.environ["PATH"])


def run_tool(*command: str, kubeconfig: str = "", stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """A finished helm or kubectl, whatever its exit code."""
    env = os.environ | {"PATH": _path()} | ({"KUBECONFIG": kubeconfig} if kubeconfig else {})
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=env, cwd=ROOT, timeout=300, check=False
    )


def render(*settings: str) -> list[Json]:
    """The chart's documents for release one-ring in namespace one-ring; ``settings`` as ``--set`` takes them."""
    done = try_render(*settings)
    assert done.returncode == 0, done.stderr
    return [document for part in _DOCUMENT_END.split(done.stdout) if (document := load_yaml(part))]


@cache
def try_render(*settings: str) -> subprocess.CompletedProcess[str]:
    chosen = [part for setting in settings for part in ("--set", setting)]
    return run_tool("helm", "template", *_RELEASE, "--kube-version", "1.34.0", *chosen)


def pick(documents: Sequence[Json], kind: str, name: str, namespace: str = "one-ring") -> Json:
    """The one document of that kind and name; in a namespace, if it has one."""
    (found,) = (
        document
        for document in documents
        if document["kind"] == kind
        and document["metadata"]["name"] == name
        and document["metadata"].get("namespace", namespace) == namespace
    )
    return found


def pods(documents: Sequence[Json]) -> dict[str, Json]:
    """Every pod spec that the documents would make, by the name of its maker."""
    makers = {"Deployment", "StatefulSet", "DaemonSet", "Job"}
    return {
        document["metadata"]["name"]: document["spec"]["template"]["spec"]
        for document in documents
        if document["kind"] in makers
    }


def grants(role: Json) -> set[tuple[str, str, str]]:
    """What a Role allows, as (API group, resource, verb)."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def roles(documents: Sequence[Json]) -> dict[tuple[str, str, str], set[tuple[str, str, str]]]:
    """Every role's grants by (kind, namespace, name)."""
    return {
        (document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"]): grants(document)
        for document in documents
        if document["kind"] in {"Role", "ClusterRole"}
    }


def expand(resources: dict[tuple[str, str], str]) -> set[tuple[str, str, str]]:
    """``{(group, resource): "verb verb"}`` as grants."""
    return {(group, resource, verb) for (group, resource), verbs in resources.items() for verb in verbs.split()}


def subjects(documents: Sequence[Json]) -> dict[str, Any]:
    """Who each binding's role goes to."""
    return {
        f"{document['kind']} {document['metadata'].get('namespace', '')}/{document['metadata']['name']}": (
            document["roleRef"]["kind"],
            document["roleRef"]["name"],
            [(subject["kind"], subject["namespace"], subject["name"]) for subject in document["subjects"]],
        )
        for document in documents
        if document["kind"] in {"RoleBinding", "ClusterRoleBinding"}
    }
