"""From what a program asks for to the TrainingJob that is created."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from one_ring.api import DISPLAY_NAME_ANNOTATION, TrainingConfig, TrainingJob, field_errors
from one_ring.services.request import JobRequest, manifest

CONFIG = {"train_file": "a.jsonl", "learning_rate": 2e-5}


def made(**fields: Any) -> dict[str, Any]:
    return manifest(JobRequest.model_validate({"config": CONFIG, "name": "My job"} | fields), name="my-job-x7k2p")


def test_only_what_was_said_is_sent() -> None:
    assert made()["spec"] == {"config": CONFIG, "suspend": True}


def test_a_job_waits_to_be_started_unless_told_otherwise() -> None:
    assert made()["spec"]["suspend"] is True
    assert made(start_immediately=True)["spec"]["suspend"] is False


def test_the_name_is_kept_as_given() -> None:
    assert made()["metadata"] == {"name": "my-job-x7k2p", "annotations": {DISPLAY_NAME_ANNOTATION: "My job"}}


def test_a_config_object_says_only_what_was_set() -> None:
    config = TrainingConfig(train_file="a.jsonl", bf16=None, lora_target_modules=["q_proj"])
    assert made(config=config)["spec"]["config"] == {"train_file": "a.jsonl", "lora_target_modules": ["q_proj"]}


def test_everything_a_spec_can_say_is_said_as_kubernetes_says_it() -> None:
    fields = {
        "resources": {"gpus": 0, "gpu_resource": "nvidia.com/gpu", "memory": "8Gi"},
        "storage": {"outputs": {"claim_name": "mine", "sub_path": "a/b"}},
        "hf_token_secret": {"name": "hf"},
        "image_pull_secrets": [{"name": "pull"}],
        "node_selector": {"zone": "a"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "env": [{"name": "A", "value": "1"}],
    }
    document = made(**fields)
    assert document["spec"] == {
        "config": CONFIG,
        "suspend": True,
        "resources": {"gpus": 0, "gpuResource": "nvidia.com/gpu", "memory": "8Gi"},
        "storage": {"outputs": {"claimName": "mine", "subPath": "a/b"}},
        "hfTokenSecret": {"name": "hf"},
        "imagePullSecrets": [{"name": "pull"}],
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "env": [{"name": "A", "value": "1"}],
    }
    TrainingJob.model_validate(document)


def test_nothing_said_is_the_same_as_none() -> None:
    assert made(resources=None, env=None) == made()


def test_all_faults_are_named_at_once_with_their_paths() -> None:
    wrong = {"config": {"learning_rate": 2, "trian_file": "a"}, "resources": {"gpus": -1}, "nmae": "x"}
    with pytest.raises(ValidationError) as refused:
        JobRequest.model_validate(wrong)
    faults = {fault.field: fault.message for fault in field_errors(refused.value)}
    assert set(faults) == {
        "config.learning_rate",
        "config.trian_file",
        "config.train_file",
        "resources.gpus",
        "name",
        "nmae",
    }
    assert "did you mean 'name'" in faults["nmae"]


@pytest.mark.parametrize("name", ["", " ", "x" * 201, None, 5])
def test_a_name_that_shows_nothing_is_refused(name: Any) -> None:
    with pytest.raises(ValidationError):
        JobRequest.model_validate({"config": CONFIG, "name": name})
