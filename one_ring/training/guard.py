"""Are the numbers still numbers? Raw values, checked at every step and in every file that is left behind."""

from __future__ import annotations

import math
from pathlib import Path

from one_ring.training.errors import NonFinite

_REMEDY = "lower learning_rate, add warm-up, or check the base model and the data"
# Loss scaling probes for the largest scale that holds, so single overflows belong to float16.
_FP16_OVERFLOWS_IN_A_ROW = 20


class StepGuard:
    """Raises NonFinite at the first loss or gradient that is NaN or infinite."""

    def __init__(self, *, fp16: bool) -> None:
        self._overflows_allowed = _FP16_OVERFLOWS_IN_A_ROW if fp16 else 0
        self._overflows = 0

    def check(self, *, step: int, loss: float, grad_norm: float) -> None:
        """Look at one optimizer step, before it changes the weights."""
        if not math.isfinite(loss):
            raise NonFinite(f"step {step}: the loss is {loss}; {_REMEDY}")
        if math.isfinite(grad_norm):
            self._overflows = 0
            return
        self._overflows += 1
        if self._overflows > self._overflows_allowed:
            raise NonFinite(f"step {step}: the gradient norm is {grad_norm}; {_REMEDY}")

    def check_evaluation(self, *, step: int, loss: float) -> None:
        """Look at the loss of one evaluation."""
        if not math.isfinite(loss):
            raise NonFinite(f"step {step}: the evaluation loss is {loss}; {_REMEDY}")


def check_files(folder: Path) -> None:
    """Raise NonFinite if a saved tensor holds NaN or infinity."""
    import torch
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  (not a dict)
                if not torch.isfinite(file.get_tensor(name)).all():
                    raise NonFinite(f"{name} in {path.name} holds NaN or infinity; {_REMEDY}")
