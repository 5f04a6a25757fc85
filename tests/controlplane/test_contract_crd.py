"""The CRD on a real API server accepts and refuses what the models accept and refuse."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from one_ring.api import API_VERSION, KIND, TrainingJob, TrainingJobSpec
from one_ring.kube import TRAINING_JOBS, Invalid, Kube, KubeError, connect

MINIMAL = {"train_file": "data/train.jsonl"}


def body(config: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"generateName": "job-"},
        "spec": {"config": MINIMAL | (config or {})} | spec,
    }


def create(cluster: str, namespace: str, document: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(_with_kube(cluster, lambda kube: kube.create(TRAINING_JOBS, document, namespace=namespace)))


def patch(cluster: str, namespace: str, name: str, change: dict[str, Any], subresource: str = "") -> dict[str, Any]:
    return asyncio.run(
        _with_kube(
            cluster,
            lambda kube: kube.merge_patch(TRAINING_JOBS, name, change, namespace=namespace, subresource=subresource),
        )
    )


async def _with_kube(cluster: str, call: Any) -> dict[str, Any]:
    kube: Kube = await connect(kubeconfig=cluster)
    try:
        answer: dict[str, Any] = await call(kube)
        return answer
    finally:
        await kube.close()


# One row for each rule across fields: what it accepts, what it refuses, a word of its message.
RULES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"train_file": "", "dataset_path": "data"}, {"train_file": ""}, "train_file is empty"),
    ({"validation_file": "data/other.jsonl"}, {"validation_file": "data/train.jsonl"}, "training file itself"),
    ({"max_steps": 5}, {"max_steps": 0}, "train nothing"),
    ({"warmup_ratio": 0.1}, {"warmup_ratio": 0.1, "warmup_steps": 5}, "warmup_ratio and warmup_steps"),
    ({"bf16": False, "fp16": True}, {"bf16": True, "fp16": True}, "exclude each other"),
    ({"use_peft": False}, {"use_peft": False, "peft_method": "qlora"}, "set use_peft to true"),
    ({"load_in_8bit": True}, {"load_in_8bit": True, "peft_method": "qlora"}, "load_in_8bit needs"),
    ({"adalora_init_r": 9}, {"adalora_init_r": 8}, "adalora_init_r must be above"),
    ({"eval_strategy": "epoch", "validation_file": "v.jsonl"}, {"eval_strategy": "epoch"}, "set validation_file"),
]


@pytest.mark.parametrize(("accepted", "refused", "message"), RULES, ids=[row[2] for row in RULES])
def test_each_rule_across_fields_accepts_and_refuses(
    cluster: str, namespace: str, accepted: dict[str, Any], refused: dict[str, Any], message: str
) -> None:
    create(cluster, namespace, body(accepted))
    with pytest.raises(Invalid, match=message):
        create(cluster, namespace, body(refused))


# Documents on which both sides must agree.
DOCUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("minimal", {"config": MINIMAL}),
    ("a learning rate of one", {"config": MINIMAL | {"learning_rate": 1}}),
    ("a learning rate of zero", {"config": MINIMAL | {"learning_rate": 0}}),
    ("a learning rate as text", {"config": MINIMAL | {"learning_rate": "2e-5"}}),
    ("half an epoch", {"config": MINIMAL | {"num_train_epochs": 0.5}}),
    ("an unknown method", {"config": MINIMAL | {"peft_method": "ia3"}}),
    ("an empty model name", {"config": MINIMAL | {"model_name_or_path": ""}}),
    ("target modules", {"config": MINIMAL | {"lora_target_modules": ["q_proj", "v_proj"]}}),
    ("an empty target module", {"config": MINIMAL | {"lora_target_modules": [""]}}),
    ("no config", {}),
    ("no GPU", {"config": MINIMAL, "resources": {"gpus": 0, "cpu": "500m", "memory": "1.5Gi"}}),
    ("a negative GPU", {"config": MINIMAL, "resources": {"gpus": -1}}),
    ("memory in words", {"config": MINIMAL, "resources": {"memory": "plenty"}}),
    ("a claim", {"config": MINIMAL, "storage": {"outputs": {"claimName": "outputs", "subPath": "team/a"}}}),
    ("a path out of the volume", {"config": MINIMAL, "storage": {"outputs": {"claimName": "o", "subPath": "/etc"}}}),
    ("a token secret", {"config": MINIMAL, "hfTokenSecret": {"name": "hf"}}),
    ("a toleration", {"config": MINIMAL, "tolerations": [{"key": "gpu", "operator": "Exists"}]}),
    ("a wrong effect", {"config": MINIMAL, "tolerations": [{"effect": "Sometimes"}]}),
    ("an environment variable", {"config": MINIMAL, "env": [{"name": "A", "value": "1"}]}),
    ("an impossible variable name", {"config": MINIMAL, "env": [{"name": "A B", "value": "1"}]}),
]


@pytest.mark.parametrize("spec", [spec for _, spec in DOCUMENTS], ids=[name for name, _ in DOCUMENTS])
def test_the_api_server_and_the_models_agree(cluster: str, namespace: str, spec: dict[str, Any]) -> None:
    document = body() | {"spec": spec}
    assert accepted_by_server(cluster, namespace, document) == accepted_by_models(spec)


def accepted_by_server(cluster: str, namespace: str, document: dict[str, Any]) -> bool:
    try:
        create(cluster, namespace, document)
    except KubeError as refused:
        assert refused.status in (400, 422), refused
        return False
    return True


def accepted_by_models(spec: dict[str, Any]) -> bool:
    try:
        TrainingJobSpec.model_validate(spec)
    except ValidationError:
        return False
    return True


def test_the_servers_defaults_are_the_models_defaults(cluster: str, namespace: str) -> None:
    stored = create(cluster, namespace, body())
    assert TrainingJob.model_validate(stored).spec == TrainingJobSpec.model_validate({"config": MINIMAL})


def test_a_new_job_is_pending_without_anyone_writing_it(cluster: str, namespace: str) -> None:
    assert create(cluster, namespace, body())["status"] == {"phase": "Pending"}


def test_a_config_can_change_until_the_job_has_started(cluster: str, namespace: str) -> None:
    name = create(cluster, namespace, body())["metadata"]["name"]
    change = {"spec": {"config": {"num_train_epochs": 7}}}
    assert patch(cluster, namespace, name, change)["spec"]["config"]["num_train_epochs"] == 7
    patch(cluster, namespace, name, {"status": {"startTime": "2026-01-01T00:00:00Z"}}, "status")
    with pytest.raises(Invalid, match="create a new job"):
        patch(cluster, namespace, name, {"spec": {"config": {"num_train_epochs": 8}}})


def test_storage_cannot_change_once_the_job_has_started(cluster: str, namespace: str) -> None:
    name = create(cluster, namespace, body())["metadata"]["name"]
    storage = {"spec": {"storage": {"outputs": {"claimName": "a"}}}}
    patch(cluster, namespace, name, storage)
    patch(cluster, namespace, name, {"status": {"startTime": "2026-01-01T00:00:00Z"}}, "status")
    with pytest.raises(Invalid, match=r"spec\.storage cannot change"):
        patch(cluster, namespace, name, {"spec": {"storage": {"outputs": {"claimName": "b"}}}})


def test_a_started_job_can_still_be_paused(cluster: str, namespace: str) -> None:
    name = create(cluster, namespace, body())["metadata"]["name"]
    patch(cluster, namespace, name, {"status": {"startTime": "2026-01-01T00:00:00Z"}}, "status")
    assert patch(cluster, namespace, name, {"spec": {"suspend": True}})["spec"]["suspend"] is True


def test_a_cancel_cannot_be_taken_back(cluster: str, namespace: str) -> None:
    name = create(cluster, namespace, body(cancel=True))["metadata"]["name"]
    with pytest.raises(Invalid, match="cannot be taken back"):
        patch(cluster, namespace, name, {"spec": {"cancel": False}})


def test_a_name_too_long_for_its_pods_is_refused(cluster: str, namespace: str) -> None:
    document = body()
    create(cluster, namespace, document | {"metadata": {"name": "a" * 52}})
    with pytest.raises(Invalid, match="52 characters"):
        create(cluster, namespace, document | {"metadata": {"name": "a" * 53}})


def test_an_unknown_field_is_refused_when_the_client_asks_for_strictness(cluster: str, namespace: str) -> None:
    """kubectl asks for it by default; the server's answer names the field."""
    document = body({"learning_rat": 1e-4})
    strict = _with_kube(
        cluster,
        lambda kube: kube.create(TRAINING_JOBS, document, namespace=namespace),
    )
    with pytest.raises(KubeError, match="learning_rat"):
        asyncio.run(strict)
