"""What TrainingConfig accepts, refuses, and says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from one_ring.api import TrainingConfig, dump_yaml, field_errors, load_yaml

MINIMAL = {"train_file": "data/train.jsonl"}


def faults_of(**fields: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        TrainingConfig.model_validate(MINIMAL | fields)
    return {error.field: error.message for error in field_errors(refused.value)}


def test_the_guides_defaults_hold() -> None:
    config = TrainingConfig(train_file="data/train.jsonl")
    assert config.model_name_or_path == "meta-llama/Llama-2-7b-chat-hf"
    assert (config.dataset_path, config.validation_file) == ("", "")
    assert (config.num_train_epochs, config.per_device_train_batch_size, config.learning_rate) == (3, 4, 2e-5)
    assert (config.use_peft, config.peft_method) == (True, "lora")


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"train_file": ""}, "train_file", "name the JSONL file"),
    ({"validation_file": "data/train.jsonl"}, "validation_file", "training file itself"),
    ({"max_steps": 0}, "max_steps", "above 0, or -1"),
    ({"warmup_ratio": 0.1, "warmup_steps": 5}, "warmup_ratio", "set one of them"),
    ({"bf16": True, "fp16": True}, "fp16", "exclude each other"),
    ({"use_peft": False, "peft_method": "qlora"}, "peft_method", "set use_peft to true"),
    ({"peft_method": "qlora", "load_in_8bit": True}, "load_in_8bit", "4 bits already"),
    ({"adalora_init_r": 8, "adalora_target_r": 8}, "adalora_init_r", "above adalora_target_r"),
    ({"eval_strategy": "steps"}, "eval_strategy", "set validation_file"),
    ({"learning_rate": 0}, "learning_rate", "0 is not allowed"),
    ({"learning_rate": float("nan")}, "learning_rate", "not allowed"),
    ({"learning_rate": "2e-5"}, "learning_rate", "'2e-5' is not allowed"),
    ({"use_peft": 1}, "use_peft", "1 is not allowed"),
    ({"num_train_epochs": 1.5}, "num_train_epochs", "1.5 is not allowed"),
    ({"peft_method": "lroa"}, "peft_method", "'lora', 'qlora' or 'adalora'"),
    ({"learning_rat": 1e-4}, "learning_rat", "did you mean 'learning_rate'?"),
    ({"zzz": 1}, "zzz", "remove it"),
]


@pytest.mark.parametrize(("fields", "field", "remedy"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_fault_names_its_field_and_the_remedy(fields: dict[str, Any], field: str, remedy: str) -> None:
    assert remedy in faults_of(**fields)[field]


def test_all_faults_are_named_at_once_also_the_ones_across_fields() -> None:
    faults = faults_of(learning_rat=1, lora_r=0, warmup_ratio=0.1, warmup_steps=3)
    assert set(faults) == {"learning_rat", "lora_r", "warmup_ratio"}


def test_a_rule_is_silent_while_a_field_it_reads_is_itself_refused() -> None:
    assert set(faults_of(adalora_init_r=0)) == {"adalora_init_r"}


def test_braces_in_a_value_are_shown_as_they_are() -> None:
    assert "'{x}'" in faults_of(lora_r="{x}")["lora_r"]


def test_automatic_is_said_by_absence_or_an_empty_list() -> None:
    config = TrainingConfig(train_file="x")
    assert config.bf16 is None
    assert config.save_steps is None
    assert config.lora_target_modules == []


@given(st.floats(min_value=1e-12, max_value=0.999))
def test_a_learning_rate_survives_yaml(learning_rate: float) -> None:
    config = TrainingConfig(train_file="x", learning_rate=learning_rate)
    assert TrainingConfig.model_validate(load_yaml(dump_yaml(config.model_dump(exclude_none=True)))) == config


@pytest.mark.parametrize("written", ["2e-5", "2.0e-5", "0.00002", "2E-5", ".2e-4"])
def test_a_learning_rate_is_a_number_however_it_is_written(written: str) -> None:
    assert load_yaml(f"learning_rate: {written}") == {"learning_rate": 2e-5}
