"""Each method trains on a CPU, and leaves an adapter that plain PEFT loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

BF16 = {
    "bf16": True,
    "gradient_accumulation_steps": 2,
    "num_train_epochs": 6,
    "lora_target_modules": ["v_proj", "o_proj", "down_proj"],
}


def load_with_plain_peft(base_model: Path, adapter: Path) -> Any:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base_model), adapter).eval()


def loss_of(model: Any, tokenizer: Any, texts: list[str]) -> float:
    import torch

    with torch.no_grad():
        rows = [torch.tensor([tokenizer(text)["input_ids"]]) for text in texts]
        # Not with labels: PEFT's AdaLoRA cannot compute a loss unless it is training.
        losses = [torch.nn.functional.cross_entropy(model(input_ids=row).logits[0, :-1], row[0, 1:]) for row in rows]
        return float(sum(losses)) / len(losses)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="lora"),
        pytest.param(BF16, id="lora-bf16"),
        pytest.param({"peft_method": "qlora"}, id="qlora"),
        pytest.param({"load_in_8bit": True, "gradient_checkpointing": True}, id="lora-8bit"),
        pytest.param({"peft_method": "adalora", "learning_rate": 5e-2, "num_train_epochs": 4}, id="adalora"),
    ],
)
def test_a_method_lowers_the_loss_and_its_adapter_loads(
    world: Any, base_model: Path, tokenizer: Any, tales: list[str], fields: dict[str, Any]
) -> None:
    ended = world.run(**fields)

    assert ended.code == 0, ended.message
    assert ended.final["outcome"] == "succeeded"
    assert ended.losses[-1] < ended.losses[0]
    tuned = load_with_plain_peft(base_model, ended.folder / "adapter")
    with tuned.disable_adapter():
        before = loss_of(tuned, tokenizer, tales)
    assert loss_of(tuned, tokenizer, tales) < before - 0.1


def test_training_every_weight_leaves_a_whole_model(world: Any, tokenizer: Any, tales: list[str]) -> None:
    from transformers import AutoModelForCausalLM

    ended = world.run(use_peft=False)

    assert ended.code == 0, ended.message
    model = AutoModelForCausalLM.from_pretrained(ended.folder / "model").eval()
    assert loss_of(model, tokenizer, tales) < ended.losses[0] - 0.5
    assert [output["kind"] for output in ended.final["outputs"]] == ["model", "log", "report"]


def test_an_adapter_comes_with_tokenizer_card_and_the_models_own_name(world: Any) -> None:
    ended = world.run(max_steps=2)

    adapter = ended.folder / "adapter"
    assert json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == "org/tiny"
    assert (adapter / "tokenizer.json").is_file()
    card = (adapter / "README.md").read_text()
    assert "LoRA adapter of org/tiny" in card
    assert "| `train.jsonl` | 24 |" in card
    assert "learning_rate: 0.01" in card
    outputs = {output["kind"]: output for output in ended.final["outputs"]}
    assert outputs["adapter"]["path"] == "job/adapter"
    assert all(output["bytes"] > 0 for output in outputs.values())


def test_adapters_stay_in_float32_over_a_float16_base(world: Any, model_maker: Any) -> None:
    import torch
    from safetensors.torch import load_file

    model_maker(world.roots.models / "org" / "half", dtype="float16")

    ended = world.run(model_name_or_path="org/half", max_steps=3, bf16=True)

    assert ended.code == 0, ended.message
    weights = load_file(ended.folder / "adapter" / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_adalora_moves_ranks_between_the_layers(world: Any) -> None:
    ended = world.run(peft_method="adalora", max_steps=40, learning_rate=5e-2, adalora_delta_t=2)

    assert ended.code == 0, ended.message
    pattern = json.loads((ended.folder / "adapter" / "adapter_config.json").read_text())["rank_pattern"]
    ranks = {name: sum(kept) for name, kept in pattern.items()}
    assert len(set(ranks.values())) > 1, ranks
    assert sum(ranks.values()) == 8 * len(ranks)


@pytest.mark.parametrize("steps", [2, 5])
def test_adalora_works_in_a_very_short_run(world: Any, steps: int) -> None:
    ended = world.run(peft_method="adalora", max_steps=steps)

    assert ended.code == 0, ended.message
    pattern = json.loads((ended.folder / "adapter" / "adapter_config.json").read_text())["rank_pattern"]
    assert sum(map(sum, pattern.values())) == 8 * len(pattern)


def test_adaloras_penalty_stays_out_of_the_evaluation_loss(world: Any, tales: list[str]) -> None:
    world.rows("validation.jsonl", tales)

    ended = world.run(
        peft_method="adalora",
        adalora_orth_reg_weight=100.0,
        validation_file="validation.jsonl",
        max_steps=2,
        eval_strategy="steps",
        eval_steps=1,
    )

    evaluated = [entry["eval_loss"] for entry in ended.metrics if "eval_loss" in entry]
    assert len(evaluated) == 2
    assert max(evaluated) < 10 < min(ended.losses)


def test_the_same_seed_gives_the_same_losses(world: Any) -> None:
    first = world.run(max_steps=4, run_id="one", output_dir="a")
    losses = [
        json.loads(line)["loss"] for line in (world.roots.outputs / "a" / "metrics.jsonl").read_text().splitlines()
    ]
    world.run(max_steps=4, run_id="two", output_dir="b")
    again = [
        json.loads(line)["loss"] for line in (world.roots.outputs / "b" / "metrics.jsonl").read_text().splitlines()
    ]

    assert first.code == 0
    assert again == losses
    assert len(losses) == 4
