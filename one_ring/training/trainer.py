"""Fine-tune a model: the whole run, to be read from top to bottom.

Importing this module loads neither torch nor transformers, so that clients can import TrainingConfig from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from one_ring.api import FinalReport, Outcome, Stage, TrainingConfig
from one_ring.training import checkpoints, data, hardware, logs, models, schedule, tokens
from one_ring.training.identity import ADALORA_RESTARTS, interrupted_run, run_identity
from one_ring.training.place import Place, data_files
from one_ring.training.reporting import Reporter
from one_ring.training.stop import Stop

if TYPE_CHECKING:
    from one_ring.training.loop import FineTuner, Material

__all__ = ["TrainingConfig", "train"]


def train(config: TrainingConfig, place: Place, output_dir: Path, reporter: Reporter, stop: Stop) -> FinalReport:
    """Run ``config`` to its end, or until told to stop.

    Raises TrainingError for what the user can mend, and whatever the libraries raise for the rest.
    """
    # What can be refused is refused before anything slow is loaded.
    reporter.enters(Stage.PREPARING, "checking the data")
    files = _checked_files(config, place)
    plan = schedule.plan(config, rows=files[0].rows)
    base = models.find(config.model_name_or_path, place.roots.models)

    material = _load(config, plan, base, files, reporter)
    run_id = place.run_id or run_identity(config, files)
    resumed = _resumed(config, output_dir, run_id, reporter)
    tuner = _tuner(material, output_dir, run_id, resumed, reporter, stop)

    reporter.enters(Stage.RUNNING, _announced(config, place, plan))
    stop.training_begins()
    tuner.go_on(resumed.path if resumed else None)
    checkpoints.clean(output_dir / "checkpoints")

    if tuner.state.global_step:
        _save(material, files, output_dir, reporter)
    return _final(tuner, plan, reporter)


def _checked_files(config: TrainingConfig, place: Place) -> list[data.DataFile]:
    """The training file, and the validation file if there is one, with every line checked."""
    wanted = data_files(config, place.roots.datasets)
    return data.check([path for path in (wanted.train, wanted.validation) if path], place.roots.datasets)


def _load(
    config: TrainingConfig,
    plan: schedule.Schedule,
    base: models.Base,
    files: list[data.DataFile],
    reporter: Reporter,
) -> Material:
    """Everything the loop needs: rows, tokenizer, and the model with its adapter."""
    reporter.enters(Stage.PREPARING, "loading torch")
    machine = hardware.detect()
    precision = hardware.choose_precision(config, machine)
    hardware.use_allowed_threads()
    logs.quiet_transformers()
    from transformers import set_seed

    from one_ring.training.loop import Material
    from one_ring.training.methods import adapt

    reporter.enters(Stage.PREPARING, "reading the data")
    tokenizer = models.load_tokenizer(base)
    rows = [tokens.tokenise(file, tokenizer, config.max_seq_length) for file in files]

    reporter.enters(Stage.PREPARING, f"loading {base.name} in {precision}")
    model = models.load(base, config, precision, machine)
    models.check_fit(base, model, rows)
    set_seed(config.seed)  # before the adapter gets its first weights
    model = adapt(model, config, plan)
    return Material(config, plan, machine, precision, model, tokenizer, rows[0], rows[1] if len(rows) > 1 else None)


def _resumed(config: TrainingConfig, output_dir: Path, run_id: str, reporter: Reporter) -> checkpoints.Saved | None:
    """The checkpoint to go on from, if any; the world hears about it."""
    saved = interrupted_run(config, output_dir, run_id)
    if saved:
        reporter.resumes(saved)
        reporter.enters(Stage.PREPARING, f"going on from the checkpoint of step {saved.step}")
    return saved


def _announced(config: TrainingConfig, place: Place, plan: schedule.Schedule) -> str:
    """What begins now, in the words that the job's status shows while it runs."""
    steps = f"training for {plan.total_steps} steps"
    restarts = config.peft_method == "adalora" and place.attempt > 1
    return f"{steps}; {ADALORA_RESTARTS}" if restarts else steps


def _tuner(
    material: Material, output_dir: Path, run_id: str, resumed: checkpoints.Saved | None, reporter: Reporter, stop: Stop
) -> FineTuner:
    """The training loop with everything that watches it."""
    from one_ring.training import callbacks, loop
    from one_ring.training.progress import ProgressMeter

    step, tokens_seen = (resumed.step, resumed.tokens_seen) if resumed else (0, 0)
    meter = ProgressMeter(total_steps=material.plan.total_steps, step=step, tokens_seen=tokens_seen)
    folder = output_dir / "checkpoints"
    watchers: list[Any] = [
        callbacks.Reports(reporter, meter),
        callbacks.KeepsCheckpoints(reporter, folder, run_id=run_id, limit=material.config.save_total_limit),
        callbacks.ObeysStop(stop),
    ]
    if material.config.peft_method == "adalora":
        watchers.append(callbacks.AllocatesRanks())
    return loop.build(material, watchers, folder, tokens_seen=tokens_seen)


def _save(material: Material, files: list[data.DataFile], output_dir: Path, reporter: Reporter) -> None:
    """Leave the adapter (or model) behind, proven to load."""
    from one_ring.training import results

    kind = "adapter" if material.config.use_peft else "model"
    reporter.enters(Stage.SAVING, f"saving the {kind}")
    origin = results.Origin(material.config, files, reporter.progress)
    results.save(material.model, material.tokenizer, output_dir / kind, origin)
    reporter.leaves(kind, output_dir / kind)


def _final(tuner: FineTuner, plan: schedule.Schedule, reporter: Reporter) -> FinalReport:
    """The good end, or the one that was asked for."""
    done, total = tuner.state.global_step, plan.total_steps
    loss = reporter.progress.loss if reporter.progress else None
    at = f"{done} of {total} steps" + (f", loss {loss}" if loss is not None else "")
    if done >= total:
        return reporter.final(Outcome.SUCCEEDED, f"trained {at}")
    return reporter.final(Outcome.STOPPED, f"stopped after {at}", saved=done > 0)
