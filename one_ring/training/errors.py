"""Why can a run not go on? One exception per exit code, each with every fault that was found."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from one_ring.api import ExitCode, Fault, field_errors


class TrainingError(Exception):
    """A run that ended for a known reason; ``faults`` says where, all of them."""

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = list(faults)


class ConfigRefused(TrainingError):
    """The configuration cannot be run; the user has to change it."""

    exit_code = ExitCode.CONFIG


class DataRefused(TrainingError):
    """The training or validation data cannot be used; the user has to change it."""

    exit_code = ExitCode.DATA


class ModelUnavailable(TrainingError):
    """The base model cannot be read: not there, not allowed, or broken."""

    exit_code = ExitCode.MODEL_ACCESS


class NonFinite(TrainingError):
    """A loss, a gradient or a weight is NaN or infinite."""

    exit_code = ExitCode.NON_FINITE


def refuse_field(field: str, message: str) -> ConfigRefused:
    """One config field that cannot be run."""
    return ConfigRefused(f"{field} {message}", [Fault(field=field, message=message)])


def refuse_config(refused: ValidationError, *, under: str = "") -> ConfigRefused:
    """Every fault of a document that does not parse as a TrainingConfig."""
    faults = [Fault(field=error.field or None, message=error.message) for error in field_errors(refused, under=under)]
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return ConfigRefused(f"{first.field or 'the document'}: {first.message}{more}", faults)
