"""The Job of one attempt: what it may do, what it carries, what it is given."""

from __future__ import annotations

import json
from typing import Any

from one_ring_operator.children import parse_job
from one_ring_operator.manifests import build_job
from one_ring_operator.settings import Settings

from one_ring.api import TrainingConfig
from tests.unit.operator.worlds import EARLIER, KEY, SETTINGS, UID, job


def manifest(*, settings: Settings = SETTINGS, ca: str | None = "PEM", **spec: Any) -> dict[str, Any]:
    return build_job(job(**spec), attempt=2, settings=settings, ca=ca)


def pod_spec(**spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = manifest(**spec)["spec"]["template"]["spec"]
    return found


def container(**spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod_spec(**spec)["containers"][0]
    return found


def environment(**spec: Any) -> dict[str, Any]:
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container(**spec)["env"]}


def test_a_job_runs_one_pod_once() -> None:
    made = manifest()
    assert made["metadata"]["name"] == "bot-2"
    assert made["spec"]["backoffLimit"] == 0
    assert made["spec"]["podReplacementPolicy"] == "Failed"
    assert pod_spec()["restartPolicy"] == "Never"


def test_a_job_is_found_again_as_the_attempt_it_was_made_for() -> None:
    stored = manifest()
    stored["metadata"] |= {"uid": "u", "creationTimestamp": EARLIER.isoformat(), "resourceVersion": "9"}
    child = parse_job(stored)
    assert (child.key, child.attempt, child.run_id, child.owner_uid) == (KEY, 2, UID, UID)


def test_the_pod_meets_the_restricted_standard() -> None:
    pod, trainer = pod_spec(), container()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert trainer["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    allowed = {"persistentVolumeClaim", "downwardAPI", "projected", "emptyDir"}
    assert all(allowed & set(volume) for volume in pod["volumes"])


def test_the_pod_holds_no_credentials_but_the_progress_token() -> None:
    pod = pod_spec()
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    sources = [s for v in pod["volumes"] for s in v.get("projected", {}).get("sources", [])]
    token = {"audience": "one-ring-progress", "expirationSeconds": 3600, "path": "token"}
    assert sources == [{"serviceAccountToken": token}]


def test_the_config_and_the_ca_travel_as_annotations() -> None:
    annotations = manifest()["spec"]["template"]["metadata"]["annotations"]
    config = TrainingConfig.model_validate(json.loads(annotations["training.one-ring.io/config"]))
    assert config == job().spec.config
    assert annotations["training.one-ring.io/progress-ca"] == "PEM"
    assert environment()["ONE_RING_PROGRESS_CA_FILE"] == "/etc/one-ring/job/ca.crt"


def test_without_a_ca_the_trainer_is_not_pointed_at_one() -> None:
    without = build_job(job(), attempt=1, settings=SETTINGS, ca=None)
    assert "progress-ca" not in json.dumps(without)
    assert "ONE_RING_PROGRESS_CA_FILE" not in json.dumps(without)


def test_gpus_are_asked_for_by_their_resource_name() -> None:
    limits = container(resources={"gpus": 2, "gpuResource": "amd.com/gpu"})["resources"]["limits"]
    assert limits == {"cpu": "4", "memory": "32Gi", "amd.com/gpu": "2"}


def test_no_gpus_means_no_gpu_resource() -> None:
    assert set(container(resources={"gpus": 0})["resources"]["limits"]) == {"cpu", "memory"}


def test_the_users_environment_cannot_replace_ours() -> None:
    mine = [{"name": "ONE_RING_PROGRESS_URL", "value": "https://elsewhere"}, {"name": "HF_TOKEN", "value": "x"}]
    seen = environment(env=[*mine, {"name": "SPEED", "value": "1"}], hfTokenSecret={"name": "hf"})
    assert seen["SPEED"] == "1"
    assert seen["ONE_RING_PROGRESS_URL"].startswith("https://one-ring-operator.")
    assert seen["HF_TOKEN"] == {"secretKeyRef": {"name": "hf", "key": "token"}}
    names = [variable["name"] for variable in container(env=mine)["env"]]
    assert len(names) == len(set(names))


def test_each_run_has_its_own_folder_and_id() -> None:
    seen = environment()
    assert seen["ONE_RING_RUN_ID"] == UID
    assert seen["ONE_RING_JOB_DIR"] == "bot-11111111"
    assert seen["ONE_RING_ATTEMPT"] == "2"
    assert seen["ONE_RING_PROGRESS_URL"].endswith("/v1alpha1/namespaces/team/trainingjobs/bot/progress")


def test_data_and_models_are_mounted_read_only() -> None:
    mounts = {
        m["mountPath"]: m for m in container(storage={"outputs": {"claimName": "o", "subPath": "a/b"}})["volumeMounts"]
    }
    assert mounts["/datasets"]["readOnly"]
    assert mounts["/models"]["readOnly"]
    assert mounts["/outputs"] == {"name": "outputs", "mountPath": "/outputs", "subPath": "a/b"}
    assert {"/tmp", "/dev/shm", "/etc/one-ring/job", "/var/run/secrets/one-ring"} <= set(mounts)


def test_a_job_without_a_models_volume_gets_an_empty_one() -> None:
    bare = Settings.model_validate({"trainerImage": "t", "defaults": {"storage": {"outputs": {"claimName": "o"}}}})
    volumes = {v["name"]: v for v in manifest(settings=bare)["spec"]["template"]["spec"]["volumes"]}
    assert volumes["models"] == {"name": "models", "emptyDir": {}}


def test_placement_and_pull_secrets_reach_the_pod() -> None:
    settings = Settings.model_validate({"trainerImage": "t", "imagePullSecrets": [{"name": "ours"}]})
    asked: dict[str, Any] = {
        "imagePullSecrets": [{"name": "theirs"}],
        "nodeSelector": {"gpu": "h100"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }
    pod = manifest(settings=settings, **asked)["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "theirs"}, {"name": "ours"}]
    assert pod["nodeSelector"] == {"gpu": "h100"}
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
