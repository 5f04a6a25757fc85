"""What happens between the steps? Reports, kept checkpoints, obeyed stops, and AdaLoRA's allocation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from one_ring.training import checkpoints
from one_ring.training.loop import FineTuner, StopEvaluation
from one_ring.training.progress import ProgressMeter, rounded
from one_ring.training.reporting import Reporter
from one_ring.training.stop import Stop


class _Callback(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
    """A callback that knows its loop, once there is one."""

    tuner: FineTuner


class Reports(_Callback):
    """Every step to the operator, every logged step to the log."""

    def __init__(self, reporter: Reporter, meter: ProgressMeter) -> None:
        self._reporter = reporter
        self._meter = meter

    def on_step_end(self, _args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step >= state.max_steps:
            control.should_log = True  # the last loss is known however rare the log lines are
        self._reporter.advances(self._progress(state))

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        known = {key: rounded(value) for key, value in (logs or {}).items() if key in _LOGGED}
        if "loss" not in known and "eval_loss" not in known:
            return
        self._meter.learn(**known)
        progress = self._progress(state)
        self._reporter.advances(progress)
        numbers = {"step": state.global_step, "epoch": progress.epoch, **known, "tokens_seen": progress.tokens_seen}
        self._reporter.logs(f"step {state.global_step} of {state.max_steps}", numbers)

    def _progress(self, state: TrainerState) -> Any:
        return self._meter.at(state.global_step, epoch=state.epoch or 0.0, tokens_seen=self.tuner.tokens_seen)


_LOGGED = ("loss", "eval_loss", "learning_rate", "grad_norm")


class KeepsCheckpoints(_Callback):
    """Gives each checkpoint that the Trainer has written its manifest and its name."""

    def __init__(self, reporter: Reporter, folder: Path, *, run_id: str, limit: int) -> None:
        self._reporter = reporter
        self._folder = folder
        self._run_id = run_id
        self._limit = limit

    def on_save(self, args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any) -> None:
        saved = checkpoints.keep(
            Path(args.output_dir) / f"checkpoint-{state.global_step}",
            self._folder,
            run_id=self._run_id,
            step=state.global_step,
            tokens_seen=self.tuner.tokens_seen,
            limit=self._limit,
        )
        self._reporter.saves(saved)


class ObeysStop(_Callback):
    """Ends the training at the next step, and saves there."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._obey(args, state, control)

    def on_substep_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._obey(args, state, control)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._obey(args, state, control)

    def on_epoch_end(self, _args: TrainingArguments, _state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._stop.requested:
            control.should_evaluate = False

    def on_prediction_step(self, *_: Any, **__: Any) -> None:
        if self._stop.requested:
            raise StopEvaluation

    def _obey(self, args: TrainingArguments, state: TrainerState, control: TrainerControl) -> None:
        if not self._stop.requested or state.global_step >= state.max_steps:
            return
        control.should_training_stop = True
        control.should_evaluate = False
        control.should_log = True
        control.should_save = args.save_strategy != "no" and state.global_step > 0


class AllocatesRanks(_Callback):
    """AdaLoRA's rank allocation: after the optimizer step, while the gradients are still there. No library calls it."""

    def on_optimizer_step(
        self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        model.base_model.update_and_allocate(state.global_step + 1)
