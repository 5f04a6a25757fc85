"""The chart on a real API server that runs no pods: admission, rights, upgrade, uninstall."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from one_ring.api import dump_yaml, load_yaml
from tests.e2e.chart import CHART, run_tool
from tests.e2e.test_chart_rendering import GATEWAY, OPERATOR, TOKEN_REVIEW
from tests.e2e.world import ROOT, Json, run, wait_for

NARROW = ("operator.watchNamespaces={one-ring}",)
CRD = "trainingjobs.training.one-ring.io"
# What the cluster itself writes all the time.
_RESTLESS = {"events", "events.events.k8s.io", "leases.coordination.k8s.io"}
JOB = {
    "apiVersion": "training.one-ring.io/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "kept"},
    "spec": {"config": {"model_name_or_path": "org/model", "train_file": "train.jsonl"}},
}


@dataclass(frozen=True)
class Api:
    """kubectl and helm on an API server of these tests' own, in one namespace."""

    kubeconfig: str
    namespace: str

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        done = run_tool("kubectl", "-n", self.namespace, *args, kubeconfig=self.kubeconfig, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(args)}\n{done.stderr}"
        return done.stdout

    def helm(self, *args: str) -> str:
        done = run_tool("helm", *args, "--namespace", self.namespace, kubeconfig=self.kubeconfig)
        assert done.returncode == 0, f"helm {' '.join(args)}\n{done.stderr}"
        return done.stdout

    def install(self, *settings: str, chart: Path = CHART) -> None:
        chosen = [part for setting in settings for part in ("--set", setting)]
        self.helm("upgrade", "--install", "one-ring", str(chart), *chosen)

    def get(self, kind: str, name: str) -> Json | None:
        found = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found.strip() else None

    def apply(self, document: Json) -> Json:
        applied: Json = json.loads(self.kubectl("apply", "-o", "json", "-f", "-", stdin=json.dumps(document)))
        return applied

    def everything(self) -> set[str]:
        """Each object of the cluster as kind namespace/name."""
        kinds = self.kubectl("api-resources", "--verbs=list,delete", "-o", "name").split()
        wanted = ",".join(kind for kind in kinds if kind not in _RESTLESS)
        items = json.loads(self.kubectl("get", wanted, "--all-namespaces", "-o", "json"))["items"]
        return {f"{i['kind']} {i['metadata'].get('namespace', '')}/{i['metadata']['name']}" for i in items}

    def rights(self, account: str, namespace: str) -> set[tuple[str, str, str]]:
        """What a service account of the release may do in a namespace, as (API group, resource, verb)."""
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
        user = f"--as=system:serviceaccount:{self.namespace}:{account}"
        body = json.dumps(review | {"spec": {"namespace": namespace}})
        answer = json.loads(self.kubectl("create", user, "--validate=false", "-o", "json", "-f", "-", stdin=body))
        return {
            (group, resource, verb)
            for rule in answer["status"]["resourceRules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[str]:
    name = "chart-tests"
    cluster = str(ROOT / "deploy/local/cluster")
    run(cluster, "up", "--control-plane", "--name", name, timeout_seconds=1800)
    try:
        yield run(cluster, "kubeconfig", "--name", name).strip()
    finally:
        run(cluster, "down", "--name", name)


@pytest.fixture
def api(kubeconfig: str) -> Iterator[Api]:
    """A fresh namespace that enforces the restricted standard; release and namespace are gone afterwards."""
    api = Api(kubeconfig, "one-ring")
    api.apply(_namespace("one-ring"))
    wait_for("the namespace has its account", lambda: api.get("serviceaccount", "default"))
    try:
        yield api
    finally:
        run_tool("helm", "uninstall", "one-ring", "-n", "one-ring", "--ignore-not-found", kubeconfig=kubeconfig)
        api.kubectl("delete", "crd", CRD, "--ignore-not-found")
        api.kubectl("delete", "namespace", "one-ring")


def _namespace(name: str) -> Json:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def test_a_restricted_namespace_admits_the_pods_of_the_chart_and_the_helper_pod(api: Api) -> None:
    bare = run_tool("kubectl", "-n", "one-ring", "run", "bare", "--image=x", kubeconfig=api.kubeconfig)
    assert "violates PodSecurity" in bare.stderr
    api.install()

    def components() -> set[str]:
        found = json.loads(api.kubectl("get", "pods", "-o", "json"))["items"]
        return {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in found}

    wait_for("both pods are admitted", lambda: components() == {"operator", "gateway"})
    api.kubectl("apply", "--dry-run=server", "-f", "deploy/volumes/claims.yaml", "-f", "deploy/volumes/helper-pod.yaml")


@pytest.mark.parametrize(
    ("settings", "elsewhere"),
    [((), OPERATOR | TOKEN_REVIEW), (NARROW, TOKEN_REVIEW)],
    ids=["all namespaces", "named namespaces"],
)
def test_the_accounts_may_do_exactly_what_they_need(
    api: Api, settings: tuple[str, ...], elsewhere: set[tuple[str, str, str]]
) -> None:
    api.install(*settings)
    anyone = api.rights("default", "one-ring")
    expected = {
        ("one-ring-operator", "one-ring"): OPERATOR | TOKEN_REVIEW,
        ("one-ring-operator", "default"): elsewhere,
        ("one-ring-gateway", "one-ring"): GATEWAY,
        ("one-ring-gateway", "default"): set(),
    }

    def as_expected() -> bool:
        return all(api.rights(who, where) - anyone == rights for (who, where), rights in expected.items())

    wait_for("every account has its rights", as_expected, deadline_seconds=20)


def test_those_who_may_edit_a_namespace_may_train_in_it(api: Api) -> None:
    api.install()
    api.kubectl("create", "rolebinding", "editor", "--clusterrole=edit", "--serviceaccount=one-ring:editor")
    job = ("training.one-ring.io", "trainingjobs", "create")
    wait_for("the roles are aggregated", lambda: job in api.rights("editor", "one-ring"))
    assert job not in api.rights("editor", "default")


def test_an_upgrade_brings_the_new_crd_and_keeps_jobs_and_certificate(api: Api, tmp_path: Path) -> None:
    api.install(chart=_chart_with_older_crd(tmp_path))
    assert "env" not in _spec_properties(api)
    wait_for("the CRD is served", lambda: run_tool("kubectl", "get", "tjob", kubeconfig=api.kubeconfig).returncode == 0)
    job = api.apply(JOB)
    before = api.get("secret", "one-ring-operator-tls")
    api.install("trainer.gracePeriodSeconds=90")
    assert "env" in _spec_properties(api)
    kept, after = api.get("tjob", "kept"), api.get("secret", "one-ring-operator-tls")
    assert kept is not None
    assert before is not None
    assert after is not None
    assert kept["metadata"]["uid"] == job["metadata"]["uid"]
    assert (after["metadata"]["uid"], after["data"]) == (before["metadata"]["uid"], before["data"])


def test_a_certificate_that_was_deleted_is_made_anew_and_rolls_the_operator(api: Api) -> None:
    def checksum() -> str:
        deployment = api.get("deployment", "one-ring-operator")
        assert deployment is not None
        return str(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/tls"])

    api.install()
    first = checksum()
    api.install()
    assert checksum() == first
    api.kubectl("delete", "secret", "one-ring-operator-tls")
    api.install()
    assert checksum() != first


def _chart_with_older_crd(folder: Path) -> Path:
    chart = folder / "one-ring"
    shutil.copytree(CHART, chart)
    crd = load_yaml((chart / "files/crd.yaml").read_text())
    del _schema(crd)["spec"]["properties"]["env"]
    (chart / "files/crd.yaml").write_text(dump_yaml(crd))
    return chart


def _schema(crd: Json) -> dict[str, Any]:
    properties: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return properties


def _spec_properties(api: Api) -> dict[str, Any]:
    crd = api.get("crd", CRD)
    assert crd is not None
    properties: dict[str, Any] = _schema(crd)["spec"]["properties"]
    return properties


def test_uninstalling_leaves_nothing_but_the_volumes(api: Api) -> None:
    before = api.everything()
    claims = ("datasets", "models", "outputs")
    api.install(*(f"storage.{name}.create=true" for name in claims))
    wait_for("the CRD is served", lambda: run_tool("kubectl", "get", "tjob", kubeconfig=api.kubeconfig).returncode == 0)
    api.apply(JOB)
    api.helm("uninstall", "one-ring", "--wait")
    left = {f"PersistentVolumeClaim one-ring/{name}" for name in claims}
    wait_for("only the claims are left", lambda: api.everything() - before == left)
    assert before - api.everything() == set()


def test_a_kept_crd_keeps_the_jobs_and_is_taken_over_by_the_next_install(api: Api) -> None:
    api.install("crds.keep=true")
    wait_for("the CRD is served", lambda: run_tool("kubectl", "get", "tjob", kubeconfig=api.kubeconfig).returncode == 0)
    job = api.apply(JOB)
    api.helm("uninstall", "one-ring", "--wait")
    api.install("crds.keep=true")
    kept = api.get("tjob", "kept")
    assert kept is not None
    assert kept["metadata"]["uid"] == job["metadata"]["uid"]
