"""The training loop: transformers.Trainer, with raw numbers guarded, tokens counted and stops obeyed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from one_ring.api import TrainingConfig
from one_ring.training import checkpoints
from one_ring.training.guard import StepGuard
from one_ring.training.hardware import Hardware, Precision
from one_ring.training.schedule import Schedule
from one_ring.training.tokens import IGNORED, Collator, Rows, pad_id


class StopEvaluation(Exception):
    """An evaluation is under way and the run shall end."""


class FineTuner(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """A Trainer that knows how many tokens it has trained and never takes NaN for a number."""

    def __init__(self, *, tokens_seen: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self._tokens_seen = torch.tensor(tokens_seen, device=self.args.device)
        self._raw_loss = torch.tensor(0.0, device=self.args.device)
        self.guard = StepGuard(fp16=self.args.fp16)
        # Our own callbacks say what these would print.
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)

    @property
    def tokens_seen(self) -> int:
        """Trained tokens so far, without padding, over all attempts."""
        return int(self._tokens_seen)

    def go_on(self, checkpoint: Path | None) -> None:
        """Train to the end, from ``checkpoint`` if there is one."""
        if checkpoint:
            state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
            if state.global_step >= state.max_steps:  # the Trainer would take one more step
                self._take_over(checkpoint, state)
                return
        self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    def _take_over(self, checkpoint: Path, state: TrainerState) -> None:
        self._load_from_checkpoint(str(checkpoint))
        self.state = state
        last: dict[str, float] = next((entry for entry in reversed(state.log_history) if "loss" in entry), {})
        self.callback_handler.on_log(self.args, state, self.control, last)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """One forward and backward pass."""
        # The first position of a row is nobody's next token.
        self._tokens_seen += inputs["labels"][..., 1:].ne(IGNORED).sum()
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._raw_loss += loss
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        # Called once per optimizer step, before the weights change; the filtered loss that is logged would hide NaN.
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        self.guard.check(step=self.state.global_step + 1, loss=float(self._raw_loss), grad_norm=float(norm))
        self._raw_loss.zero_()
        return norm

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        """The losses on the validation rows, without AdaLoRA's penalty; empty when told to stop meanwhile."""
        adapters = getattr(self.model, "peft_config", {})
        weights = {name: getattr(adapter, "orth_reg_weight", 0.0) for name, adapter in adapters.items()}
        _set_penalty(adapters, dict.fromkeys(weights, 0.0))
        try:
            metrics: dict[str, float] = super().evaluate(*args, **options)
        except StopEvaluation:
            self.control.should_evaluate = False
            self.control.should_training_stop = True
            self.control.should_save = self.args.save_strategy != "no"
            return {}
        finally:
            _set_penalty(adapters, weights)
        self.guard.check_evaluation(step=self.state.global_step, loss=metrics["eval_loss"])
        return metrics

    def _save(self, output_dir: str | None = None, **_: Any) -> None:
        # The Trainer's own way asks the hub about embeddings at each save, and pickles its arguments.
        save_weights(self.model, Path(output_dir or self.args.output_dir))


def _set_penalty(adapters: dict[str, Any], weights: dict[str, float]) -> None:
    for name, adapter in adapters.items():
        if hasattr(adapter, "orth_reg_weight"):
            adapter.orth_reg_weight = weights[name]


def save_weights(model: Any, folder: Path) -> None:
    """Write what was trained: the adapter, or the whole model."""
    if hasattr(model, "peft_config"):
        model.save_pretrained(str(folder), save_embedding_layers=False)
    else:
        model.save_pretrained(str(folder))


@dataclass(frozen=True)
class Material:
    """All that a loop is made of."""

    config: TrainingConfig
    plan: Schedule
    machine: Hardware
    precision: Precision
    model: Any
    tokenizer: Any
    train_rows: Rows
    validation_rows: Rows | None


def build(material: Material, callbacks: list[Any], checkpoint_dir: Path, *, tokens_seen: int) -> FineTuner:
    """The loop, ready to run."""
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(checkpoint_dir.with_name("tensorboard"))
    arguments = TrainingArguments(
        output_dir=str(checkpoints.prepare(checkpoint_dir)),
        **_course(material.config, material.plan),
        **_cadence(material),
        **_hardware(material),
        remove_unused_columns=False,
        label_names=["labels"],
        disable_tqdm=True,
    )
    if material.machine.cuda:
        arguments._n_gpu = min(arguments.n_gpu, 1)  # one process trains on one GPU: DataParallel is no option
    tuner = FineTuner(
        tokens_seen=tokens_seen,
        model=material.model,
        args=arguments,
        data_collator=Collator(pad_id(material.tokenizer)),
        train_dataset=material.train_rows,
        eval_dataset=material.validation_rows,
        callbacks=callbacks,
    )
    for callback in callbacks:
        callback.tuner = tuner
    return tuner


def _course(config: TrainingConfig, plan: Schedule) -> dict[str, Any]:
    return {
        "max_steps": plan.total_steps if config.max_steps > 0 else -1,
        "num_train_epochs": config.num_train_epochs,
        "per_device_train_batch_size": config.per_device_train_batch_size,
        "per_device_eval_batch_size": config.per_device_eval_batch_size or config.per_device_train_batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.lr_scheduler_type,
        "warmup_steps": plan.warmup_steps,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "seed": config.seed,
    }


def _cadence(material: Material) -> dict[str, Any]:
    config = material.config
    resumable = config.peft_method != "adalora"  # a pruned AdaLoRA adapter cannot be trained on
    return {
        "logging_steps": config.logging_steps,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "eval_strategy": (config.eval_strategy or "epoch") if material.validation_rows else "no",
        "eval_steps": config.eval_steps or config.logging_steps,
        "prediction_loss_only": True,
        "save_strategy": "steps" if resumable else "no",
        "save_steps": material.plan.save_steps,
        "report_to": list(config.report_to) or "none",
    }


def _hardware(material: Material) -> dict[str, Any]:
    checkpointing = material.config.gradient_checkpointing
    return {
        "bf16": material.precision == "bfloat16",
        "fp16": material.precision == "float16",
        "activation_checkpointing": checkpointing,
        "activation_checkpointing_kwargs": {"use_reentrant": False} if checkpointing else None,
        "use_cpu": not material.machine.cuda and not torch.backends.mps.is_available(),
        "dataloader_pin_memory": material.machine.cuda,
    }
