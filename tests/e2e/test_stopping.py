"""Cancel, pause and resume, and an operator that is killed, with real pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.world import Cluster, wait_for

LONG = {"num_train_epochs": 500, "save_steps": 20, "learning_rate": 1e-3}
GPU = {"gpus": 1}


def pods_and_gpus_are_free(cluster: Cluster, name: str) -> bool:
    return not cluster.pods_of(name)


@pytest.mark.e2e
def test_a_cancelled_job_keeps_its_adapter_and_frees_its_gpu(cluster: Cluster) -> None:
    name = cluster.apply("cancel-mid-run", LONG, resources=GPU)
    cluster.wait_for_step(name, 3)
    cluster.patch(name, cancel=True)
    cluster.wait_for_phase(name, "Cancelled", deadline_seconds=30)
    assert pods_and_gpus_are_free(cluster, name)
    assert (cluster.output(name) / "adapter/adapter_model.safetensors").exists()


@pytest.mark.e2e
def test_a_job_cancelled_while_torch_is_imported_ends_as_cancelled(cluster: Cluster) -> None:
    name = cluster.apply("cancel-early", LONG, resources=GPU)

    def importing() -> bool:
        statuses: list[dict[str, Any]] = [
            status for pod in cluster.pods_of(name) for status in pod["status"].get("containerStatuses", [])
        ]
        return any("running" in status["state"] for status in statuses)

    wait_for("the container has started", importing, poll_seconds=0.1)
    cluster.patch(name, cancel=True)
    cluster.wait_for_phase(name, "Cancelled", deadline_seconds=30)
    assert pods_and_gpus_are_free(cluster, name)


@pytest.mark.e2e
def test_a_paused_job_goes_on_from_its_checkpoint(cluster: Cluster) -> None:
    name = cluster.apply("pause", LONG | {"num_train_epochs": 40})
    cluster.wait_for_step(name, 25)
    cluster.patch(name, suspend=True)
    status = cluster.wait_for_phase(name, "Suspended", deadline_seconds=60)
    assert pods_and_gpus_are_free(cluster, name)
    stopped_at = status["lastCheckpoint"]["step"]
    assert stopped_at >= 25
    cluster.patch(name, suspend=False)
    status = cluster.wait_for_phase(name, "Succeeded")
    assert status["attempts"][-1]["resumedFromStep"] == stopped_at
    steps = [json.loads(line)["step"] for line in (cluster.output(name) / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


@pytest.mark.e2e
def test_the_operator_killed_mid_run_loses_nothing(cluster: Cluster) -> None:
    name = cluster.apply("operator-killed", LONG | {"num_train_epochs": 40})
    cluster.wait_for_step(name, 3)
    cluster.kubectl("delete", "pod", "-l", "app.kubernetes.io/component=operator", "--grace-period=0", "--force")
    status = cluster.wait_for_phase(name, "Succeeded")
    assert len(status["attempts"]) == 1
    assert status["progress"]["percent"] == 100


@pytest.mark.e2e
def test_a_resumed_adalora_job_starts_again_and_says_so(cluster: Cluster) -> None:
    name = cluster.apply("adalora-again", LONG | {"peft_method": "adalora"})
    cluster.wait_for_step(name, 2)
    cluster.patch(name, suspend=True)
    cluster.wait_for_phase(name, "Suspended", deadline_seconds=60)
    cluster.patch(name, suspend=False)
    status = cluster.wait_for_phase(name, "Running")
    assert "starts again from step 0" in status["attempts"][-1]["message"]
    assert "resumedFromStep" not in status["attempts"][-1]
