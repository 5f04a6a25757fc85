"""Which weights are trained? LoRA, QLoRA and AdaLoRA adapters, or all of them."""

from __future__ import annotations

from typing import Any

from one_ring.api import TrainingConfig
from one_ring.training.errors import refuse_field
from one_ring.training.schedule import Schedule


def adapt(model: Any, config: TrainingConfig, schedule: Schedule) -> Any:
    """The model with what is to be trained, in float32, and everything else frozen."""
    from peft import get_peft_model

    if not config.use_peft:
        return model
    try:
        adapted = get_peft_model(model, _adapter(config, schedule))
    except ValueError as error:
        raise refuse_field("lora_target_modules", f"does not fit this model: {error}") from error
    # As the user wrote it: the path inside this pod means nothing to whoever loads the adapter.
    adapted.peft_config["default"].base_model_name_or_path = config.model_name_or_path
    for weight in adapted.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    return adapted


def _adapter(config: TrainingConfig, schedule: Schedule) -> Any:
    from peft import AdaLoraConfig, LoraConfig, TaskType

    shared = {
        "task_type": TaskType.CAUSAL_LM,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "target_modules": list(config.lora_target_modules) or "all-linear",
    }
    if config.peft_method != "adalora":
        return LoraConfig(r=config.lora_r, **shared)
    return AdaLoraConfig(
        init_r=config.adalora_init_r,
        target_r=config.adalora_target_r,
        tinit=schedule.adalora_tinit,
        tfinal=schedule.adalora_tfinal,
        deltaT=config.adalora_delta_t,
        beta1=config.adalora_beta1,
        beta2=config.adalora_beta2,
        orth_reg_weight=config.adalora_orth_reg_weight,
        total_step=schedule.total_steps,
        **shared,
    )
