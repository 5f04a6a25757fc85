"""Every end has its exit code, and its last words fit into 4,096 bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from one_ring.api import FAILURE_OF_EXIT_CODE, ExitCode, Fault, FinalReport, Outcome, Output
from one_ring.training import errors
from one_ring.training.ending import explain, termination_message


class OutOfMemoryError(RuntimeError):
    """Named as torch's is."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigRefused("x"), ExitCode.CONFIG),
        (errors.DataRefused("x"), ExitCode.DATA),
        (errors.ModelUnavailable("x"), ExitCode.MODEL_ACCESS),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate"), ExitCode.GPU_OUT_OF_MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), ExitCode.GPU_OUT_OF_MEMORY),
        (errors.NonFinite("x"), ExitCode.NON_FINITE),
        (MemoryError(), ExitCode.INTERNAL),
        (KeyError("x"), ExitCode.INTERNAL),
    ],
)
def test_an_exception_has_its_exit_code(error: Exception, code: ExitCode) -> None:
    assert explain(error)[0] is code
    assert code in FAILURE_OF_EXIT_CODE


def test_an_unexpected_exception_shows_its_last_line() -> None:
    assert explain(ValueError("first\nsecond"))[1] == "internal error: ValueError: first\nsecond"


@given(
    message=st.text(max_size=1000),
    faults=st.lists(st.builds(Fault, file=st.text(max_size=300), message=st.text(max_size=600)), max_size=20),
    paths=st.lists(st.text(max_size=300), max_size=4),
)
def test_last_words_fit_whatever_they_say(message: str, faults: list[Fault], paths: list[str]) -> None:
    final = FinalReport(
        outcome=Outcome.FAILED,
        message=message,
        faults=faults,
        fault_count=5000,
        outputs=[Output(kind="log", path=path) for path in paths],
    )

    text = termination_message(final)

    assert len(text.encode()) <= 4096
    read = FinalReport.model_validate_json(text)
    assert read.outcome is Outcome.FAILED
    assert read.fault_count == 5000


def test_twenty_ordinary_faults_all_fit() -> None:
    faults = [Fault(file="data/train.jsonl", line=number, message='"text" is 5, not text') for number in range(1, 21)]
    final = FinalReport(outcome=Outcome.FAILED, message="x", faults=faults, fault_count=20)

    assert FinalReport.model_validate_json(termination_message(final)).faults == faults
