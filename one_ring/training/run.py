"""One run from its configuration to its exit code: the same in a pod and on a laptop."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from one_ring.api import KIND, ExitCode, Fault, FinalReport, Outcome, TrainingConfig, TrainingJob, load_yaml, pod
from one_ring.training import ending, logs
from one_ring.training.errors import ConfigRefused, refuse_config, refuse_field
from one_ring.training.place import Place, Roots, pod_place
from one_ring.training.reporting import Reporter
from one_ring.training.stop import Stop
from one_ring.training.trainer import train

_log = logging.getLogger(__name__)


def run_in_pod(stop: Stop) -> int:
    """Train what the operator has put into this pod; returns the exit code."""
    env = os.environ
    config_file = Path(env.get(pod.CONFIG_FILE) or f"{pod.JOB_FILES}/config.json")
    return run(lambda: read_config(config_file), pod_place(env), stop)


def run_on_laptop(config_file: Path, roots: Roots, stop: Stop) -> int:
    """Train ``config_file`` without any cluster; returns the exit code."""
    return run(lambda: read_config(config_file), Place(roots=roots, job_dir=config_file.stem), stop)


def run(read: Callable[[], TrainingConfig], place: Place, stop: Stop) -> int:
    """Read the configuration and train; whatever happens is reported, and told by the exit code."""
    # Kubeflow's callback would report 100 % also for a run that was stopped early.
    os.environ["DISABLE_KUBEFLOW_INTEGRATION"] = "TRUE"
    with logs.printing() as display:
        reporter = Reporter(place, display)
        config: TrainingConfig | None = None
        faults: Sequence[Fault] = ()
        try:
            config = read()
            final = _train(config, place, reporter, stop)
            code = ExitCode.DONE if final.outcome is Outcome.SUCCEEDED else ExitCode.STOPPED
        except KeyboardInterrupt:
            code, final = ExitCode.STOPPED, reporter.final(Outcome.STOPPED, "stopped at once; nothing more was saved")
        except Exception as error:
            code, final, faults = ending.failed(error, reporter)
            reporter.fails(final.message, faults, error if code is ExitCode.INTERNAL else None)
        _end(final, faults, config, reporter, place)
    return int(code)


def _train(config: TrainingConfig, place: Place, reporter: Reporter, stop: Stop) -> FinalReport:
    output_dir = _made(place.output_dir(config))
    logs.also_into(output_dir)
    reporter.writes_to(output_dir)
    return train(config, place, output_dir, reporter, stop)


def read_config(path: Path) -> TrainingConfig:
    """A TrainingConfig from YAML or JSON, bare or as ``spec.config`` of a TrainingJob; raises ConfigRefused."""
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigRefused(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigRefused(f"{path} is neither YAML nor JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigRefused(f"{path} holds no fields: give at least train_file: data/train.jsonl")
    try:
        return _parsed(document)
    except ValidationError as error:
        raise refuse_config(error) from None


def _parsed(document: dict[str, Any]) -> TrainingConfig:
    if document.get("kind") == KIND or "spec" in document:
        return TrainingJob.model_validate({"metadata": {}, **document}).spec.config
    return TrainingConfig.model_validate(document)


def _made(output_dir: Path) -> Path:
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refuse_field("output_dir", f"{output_dir} cannot be made: {error.strerror}") from None
    return output_dir


def _end(
    final: FinalReport, faults: Sequence[Fault], config: TrainingConfig | None, reporter: Reporter, place: Place
) -> None:
    """Leave the last word on the volume, in the termination message, and with the operator: in this order."""
    try:
        if reporter.output_dir:
            reporter.leaves("log", reporter.output_dir / "train.log")
            reporter.leaves("report", ending.write_report(reporter.output_dir, final, faults, config))
            final = final.model_copy(update={"outputs": reporter.outputs})
        if place.message_file:
            Path(place.message_file).write_text(ending.termination_message(final), encoding="utf-8")
    except OSError as error:
        _log.warning(f"the final report could not be written: {error}")
    reporter.ends(final)
