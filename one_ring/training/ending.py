"""How does a run end? Every exception becomes an exit code, a message, a termination message and a report."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from pathlib import Path

from one_ring.api import (
    FAILURE_OF_EXIT_CODE,
    TERMINATION_MESSAGE_LIMIT_BYTES,
    ExitCode,
    Fault,
    FinalReport,
    Outcome,
    TrainingConfig,
)
from one_ring.training.card import versions
from one_ring.training.errors import TrainingError
from one_ring.training.reporting import Reporter

FAULTS_REPORTED = 20
_MESSAGE_LIMIT = 1000
_FAULT_LIMITS = (300, 120, 60)


def explain(error: BaseException) -> tuple[ExitCode, str, Sequence[Fault]]:
    """What an exception means: exit code, one sentence, and all faults."""
    if isinstance(error, TrainingError):
        return error.exit_code, str(error), error.faults
    if _is_gpu_out_of_memory(error):
        remedy = "lower per_device_train_batch_size and raise gradient_accumulation_steps, or lower max_seq_length"
        return ExitCode.GPU_OUT_OF_MEMORY, f"the GPU is out of memory: {remedy}", ()
    last = traceback.format_exception_only(error)[-1].strip()
    return ExitCode.INTERNAL, f"internal error: {last}", ()


def _is_gpu_out_of_memory(error: BaseException) -> bool:
    said = str(error)
    return type(error).__name__ == "OutOfMemoryError" or "CUDA out of memory" in said or "CUBLAS_STATUS_ALLOC" in said


def failed(error: BaseException, reporter: Reporter) -> tuple[ExitCode, FinalReport, Sequence[Fault]]:
    """The end of a run that raised ``error``."""
    code, message, faults = explain(error)
    final = reporter.final(
        Outcome.FAILED,
        _short(message, _MESSAGE_LIMIT),
        failure_class=FAILURE_OF_EXIT_CODE[code],
        faults=[_shortened(fault, _FAULT_LIMITS[0]) for fault in faults[:FAULTS_REPORTED]],
        fault_count=len(faults) or None,
    )
    return code, final, faults


def termination_message(final: FinalReport) -> str:
    """``final`` as JSON of at most 4,096 bytes: faults get shorter, then fewer; the counts stay."""
    for limit in _FAULT_LIMITS:
        faults = [_shortened(fault, limit) for fault in final.faults]
        if _fits(text := _json(final.model_copy(update={"faults": faults}))):
            return text
    while faults:
        faults.pop()
        if _fits(text := _json(final.model_copy(update={"faults": faults}))):
            return text
    bare = final.model_copy(update={"faults": [], "outputs": [], "message": _short(final.message, 300)})
    return _json(bare)


def write_report(folder: Path, final: FinalReport, faults: Sequence[Fault], config: TrainingConfig | None) -> Path:
    """``report.json``: the final report with every fault, the configuration and the versions."""
    report = {
        **json.loads(_json(final)),
        "faults": [fault.model_dump(mode="json", by_alias=True, exclude_none=True) for fault in faults],
        "config": config.model_dump(mode="json", exclude_none=True) if config else None,
        "versions": versions(),
    }
    path = folder / "report.json"
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _json(final: FinalReport) -> str:
    return final.model_dump_json(by_alias=True, exclude_none=True)


def _fits(text: str) -> bool:
    return len(text.encode()) <= TERMINATION_MESSAGE_LIMIT_BYTES


def _shortened(fault: Fault, limit: int) -> Fault:
    return fault.model_copy(update={"message": _short(fault.message, limit)})


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
