"""QLoRA and AdaLoRA train, finish, and leave adapters, in real pods."""

from __future__ import annotations

import json

import pytest

from tests.e2e.world import Cluster


@pytest.mark.e2e
@pytest.mark.parametrize("method", ["qlora", "adalora"])
def test_a_method_trains_to_completed_with_falling_loss(cluster: Cluster, method: str) -> None:
    config = {"peft_method": method, "learning_rate": 5e-3, "num_train_epochs": 5}
    name = cluster.apply(f"method-{method}", config)
    cluster.wait_for_phase(name, "Succeeded")
    folder = cluster.output(name)
    losses = [json.loads(line).get("loss") for line in (folder / "metrics.jsonl").read_text().splitlines()]
    seen = [loss for loss in losses if loss is not None]
    assert seen[-1] < seen[0]
    adapter = json.loads((folder / "adapter/adapter_config.json").read_text())
    assert adapter["peft_type"] == {"qlora": "LORA", "adalora": "ADALORA"}[method]
