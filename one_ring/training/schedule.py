"""How many steps, and what happens at which of them? Pure arithmetic, done before anything expensive."""

from __future__ import annotations

import math
from dataclasses import dataclass

from one_ring.api import TrainingConfig
from one_ring.training.errors import refuse_field

_CHECKPOINTS_PER_RUN = 10


@dataclass(frozen=True)
class Schedule:
    """The course of one run, in optimizer steps."""

    total_steps: int
    warmup_steps: int
    save_steps: int
    adalora_tinit: int
    adalora_tfinal: int


def plan(config: TrainingConfig, *, rows: int) -> Schedule:
    """The course of a run over ``rows`` training rows; raises ConfigRefused when AdaLoRA has no room in it."""
    total = total_steps(config, rows=rows)
    tinit, tfinal = adalora_phases(config, total) if config.peft_method == "adalora" else (0, 0)
    return Schedule(
        total_steps=total,
        warmup_steps=config.warmup_steps or math.ceil(config.warmup_ratio * total),
        save_steps=config.save_steps or max(1, total // _CHECKPOINTS_PER_RUN),
        adalora_tinit=tinit,
        adalora_tfinal=tfinal,
    )


def total_steps(config: TrainingConfig, *, rows: int) -> int:
    """Optimizer steps on one device, counted as transformers counts them."""
    if config.max_steps > 0:
        return config.max_steps
    batches = math.ceil(rows / config.per_device_train_batch_size)
    return config.num_train_epochs * math.ceil(batches / config.gradient_accumulation_steps)


def adalora_phases(config: TrainingConfig, total: int) -> tuple[int, int]:
    """Steps before the first pruning, and last steps at the final ranks."""
    tinit = total // 10 if config.adalora_tinit is None else config.adalora_tinit
    tfinal = total * 3 // 10 if config.adalora_tfinal is None else config.adalora_tfinal
    # The first step only measures; pruning takes a second one.
    if max(tinit, 1) < total - tfinal:
        return tinit, tfinal
    field = "adalora_tfinal" if config.adalora_tinit is None else "adalora_tinit"
    raise refuse_field(
        field,
        f"leaves AdaLoRA no step to prune in: of {total} steps it waits for {max(tinit, 1)} (adalora_tinit) and keeps "
        f"its ranks for the last {tfinal} (adalora_tfinal); lower one of them, or train longer",
    )
