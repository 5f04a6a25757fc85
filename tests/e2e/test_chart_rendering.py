"""What the chart renders, without any cluster: exact rights, restricted pods, and values refused by name."""

from __future__ import annotations

import base64
import re
import ssl
from pathlib import Path

import pytest
import yaml
from one_ring_operator.settings import Settings

from one_ring.api import Resources, Storage, Volume, load_yaml
from tests.e2e.chart import CHART, expand, pick, pods, render, roles, subjects, try_render
from tests.unit.chart.restricted import faults

OPERATOR = expand(
    {
        ("training.one-ring.io", "trainingjobs"): "get list watch",
        ("training.one-ring.io", "trainingjobs/status"): "patch",
        ("training.one-ring.io", "trainingjobs/finalizers"): "update",
        ("batch", "jobs"): "get list watch create delete",
        ("", "pods"): "get list watch",
        ("", "events"): "create",
    }
)
TOKEN_REVIEW = {("authentication.k8s.io", "tokenreviews", "create")}
GATEWAY = expand(
    {
        ("training.one-ring.io", "trainingjobs"): "get list create patch",
        ("", "pods"): "list",
        ("", "pods/log"): "get",
        ("", "events"): "list",
    }
)
USERS = {
    ("ClusterRole", "", "one-ring-view"): expand({("training.one-ring.io", "trainingjobs"): "get list watch"}),
    ("ClusterRole", "", "one-ring-edit"): expand(
        {("training.one-ring.io", "trainingjobs"): "create update patch delete deletecollection"}
    ),
}
NARROW = ("operator.watchNamespaces={one-ring,team-a}",)
OPTIONS = (
    (),
    NARROW,
    ("storage.outputs.create=true",),
    ("metrics.podMonitor.enabled=true",),
    ("gateway.enabled=false",),
    ("image.pullSecrets[0].name=pull",),
)


def test_the_rights_are_exactly_these() -> None:
    assert roles(render()) == USERS | {
        ("ClusterRole", "", "one-ring-operator"): OPERATOR | TOKEN_REVIEW,
        ("Role", "one-ring", "one-ring-gateway"): GATEWAY,
    }


def test_with_namespaces_named_the_operator_has_rights_in_these_alone() -> None:
    assert roles(render(*NARROW)) == USERS | {
        ("ClusterRole", "", "one-ring-operator"): TOKEN_REVIEW,
        ("Role", "one-ring", "one-ring-operator"): OPERATOR,
        ("Role", "team-a", "one-ring-operator"): OPERATOR,
        ("Role", "one-ring", "one-ring-gateway"): GATEWAY,
    }


@pytest.mark.parametrize("settings", [(), NARROW], ids=["all namespaces", "named namespaces"])
def test_each_role_goes_to_its_own_account_only(settings: tuple[str, ...]) -> None:
    for binding, (kind, role, bound) in subjects(render(*settings)).items():
        assert bound == [("ServiceAccount", "one-ring", role)], binding
        assert kind == ("ClusterRole" if binding.startswith("Cluster") else "Role"), binding


@pytest.mark.parametrize("settings", OPTIONS, ids=str)
def test_no_right_is_a_wildcard_or_reads_secrets(settings: tuple[str, ...]) -> None:
    for name, granted in roles(render(*settings)).items():
        assert not [right for right in granted if "*" in "".join(right) or right[1] == "secrets"], name


@pytest.mark.parametrize("settings", OPTIONS, ids=str)
def test_every_pod_meets_the_restricted_standard(settings: tuple[str, ...]) -> None:
    found = pods(render(*settings))
    assert "one-ring-operator" in found
    assert {name: faults(pod) for name, pod in found.items()} == {name: [] for name in found}


def test_every_object_lies_in_the_release_and_carries_its_labels() -> None:
    for document in render("storage.outputs.create=true"):
        metadata = document["metadata"]
        assert metadata.get("namespace", "one-ring") == "one-ring"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "one-ring"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_the_operator_reads_the_settings_that_the_values_make() -> None:
    documents = render("trainer.resources.cpu=4", "trainer.resources.memory=32Gi", "image.pullSecrets[0].name=pull")
    text = pick(documents, "ConfigMap", "one-ring-operator")["data"]["operator.yaml"]
    settings = Settings.model_validate(yaml.safe_load(text))
    assert settings.trainer_image == f"ghcr.io/one-ring-training/trainer:{_version()}"
    assert settings.progress_url == "https://one-ring-operator.one-ring.svc:8443"
    assert [secret.name for secret in settings.image_pull_secrets] == ["pull"]
    assert settings.defaults.resources == Resources(gpus=1, gpu_resource="nvidia.com/gpu", cpu="4", memory="32Gi")
    assert settings.defaults.storage == Storage(
        datasets=Volume(claim_name="datasets"), models=Volume(claim_name="models"), outputs=Volume(claim_name="outputs")
    )
    assert (settings.namespaces, settings.run_as_user) == ([], 65532)


def test_the_files_that_the_settings_name_are_mounted() -> None:
    documents = render()
    settings = yaml.safe_load(pick(documents, "ConfigMap", "one-ring-operator")["data"]["operator.yaml"])
    pod = pods(documents)["one-ring-operator"]
    (volume,) = (volume for volume in pod["volumes"] if "projected" in volume)
    (secret,) = (source["secret"] for source in volume["projected"]["sources"] if "secret" in source)
    mounted = {f"/etc/one-ring/{item['path']}" for item in secret["items"]}
    assert {settings[key] for key in ("caFile", "tlsCertFile", "tlsKeyFile")} == mounted
    assert set(pick(documents, "Secret", secret["name"])["data"]) == {item["key"] for item in secret["items"]}


def test_the_certificate_convinces_who_trusts_the_ca(tmp_path: Path) -> None:
    data = pick(render(), "Secret", "one-ring-operator-tls")["data"]
    for name, content in data.items():
        (tmp_path / name).write_bytes(base64.b64decode(content))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    _shake_hands(client, server, "one-ring-operator.one-ring.svc")
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(client, server, "one-ring-operator.elsewhere.svc")


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        try:
            ends[0].do_handshake()
            ends.pop(0)
        except ssl.SSLWantReadError:
            ends.reverse()


def test_a_secret_of_ones_own_takes_the_place_of_the_charts() -> None:
    documents = render("operator.tls.existingSecret=mine")
    assert "Secret" not in {document["kind"] for document in documents}
    volumes = pods(documents)["one-ring-operator"]["volumes"]
    assert "mine" in {
        source.get("secret", {}).get("name") for v in volumes for source in v.get("projected", {}).get("sources", [])
    }


def test_the_crd_is_the_generated_one_and_goes_with_the_release_unless_kept() -> None:
    generated = load_yaml((CHART / "files/crd.yaml").read_text())
    name = generated["metadata"]["name"]
    crd = pick(render(), "CustomResourceDefinition", name)
    assert crd["spec"] == generated["spec"]
    assert "annotations" not in crd["metadata"]
    kept = pick(render("crds.keep=true"), "CustomResourceDefinition", name)
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "CustomResourceDefinition" not in {document["kind"] for document in render("crds.install=false")}


def test_claims_are_made_when_asked_for_and_outlive_the_release() -> None:
    assert "PersistentVolumeClaim" not in {document["kind"] for document in render()}
    claim = pick(render("storage.outputs.create=true", "storage.outputs.size=5Gi"), "PersistentVolumeClaim", "outputs")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}


def test_a_digest_and_a_registry_reach_every_image() -> None:
    digest = "sha256:" + "ab" * 32
    names = ("operator", "api-gateway", "trainer")
    documents = render("image.registry=registry.example", *(f"image.digests.{name}={digest}" for name in names))
    images = {container["image"] for pod in pods(documents).values() for container in pod["containers"]}
    settings = yaml.safe_load(pick(documents, "ConfigMap", "one-ring-operator")["data"]["operator.yaml"])
    expected = {name: f"registry.example/one-ring-training/{name}:{_version()}@{digest}" for name in names}
    assert images == {expected["operator"], expected["api-gateway"]}
    assert settings["trainerImage"] == expected["trainer"]


def test_a_changed_setting_rolls_the_operator() -> None:
    def checksum(*settings: str) -> str:
        deployment = pick(render(*settings), "Deployment", "one-ring-operator")
        found: str = deployment["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
        return found

    assert checksum() == checksum("gateway.replicas=2")
    assert checksum() != checksum("trainer.resources.gpus=2")


def test_the_operator_is_one_and_leaves_a_lost_node_soon() -> None:
    deployment = pick(render(), "Deployment", "one-ring-operator")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    tolerated = {t["key"]: t["tolerationSeconds"] for t in deployment["template"]["spec"]["tolerations"]}
    assert tolerated == {"node.kubernetes.io/not-ready": 20, "node.kubernetes.io/unreachable": 20}
    assert pick(render(), "PriorityClass", deployment["template"]["spec"]["priorityClassName"])["value"] == 1000000


def test_trainer_pods_take_nothing_in_and_reach_dns_the_operator_and_https() -> None:
    policy = pick(render(), "NetworkPolicy", "one-ring-trainer")["spec"]
    assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/managed-by": "one-ring"}
    assert policy["ingress"] == []
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [[53, 53], [8443], [443]]


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("trainer.resources.gpus=-1", "/trainer/resources/gpus"),
        ("trainer.resources.cpus=3", "'cpus' not allowed"),
        ("trainer.resources.memory=32GB", "/trainer/resources/memory"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("image.digests.operator=abc", "/image/digests/operator"),
        ("image.digests.gateway=", "'gateway' not allowed"),
        ("storage.outputs.claimName=Bad_Name", "/storage/outputs/claimName"),
        ("operator.watchNamespaces={-x}", "/operator/watchNamespaces/0"),
        ("operator.replicas=2", "'replicas' not allowed"),
        ("gatway.enabled=false", "'gatway' not allowed"),
        ("operator.watchNamespaces={team-a}", 'leaves out "one-ring"'),
    ],
)
def test_a_bad_value_is_refused_by_name(setting: str, path: str) -> None:
    refused = try_render(setting)
    assert refused.returncode != 0
    assert path in refused.stderr


def _version() -> str:
    (version,) = re.findall(r"^appVersion: (.+)$", (CHART / "Chart.yaml").read_text(), re.MULTILINE)
    return str(version)
