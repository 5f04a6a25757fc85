"""A number that is none stops the run, float16's search for a scale excepted."""

from __future__ import annotations

import math

import pytest

from one_ring.training.errors import NonFinite
from one_ring.training.guard import StepGuard


@pytest.mark.parametrize(("loss", "grad_norm"), [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)])
def test_a_step_that_is_not_finite_is_refused(loss: float, grad_norm: float) -> None:
    with pytest.raises(NonFinite, match="step 7"):
        StepGuard(fp16=False).check(step=7, loss=loss, grad_norm=grad_norm)


def test_float16_may_overflow_now_and_then_but_not_forever() -> None:
    guard = StepGuard(fp16=True)
    for step in range(20):
        guard.check(step=step, loss=1.0, grad_norm=math.inf)
    guard.check(step=20, loss=1.0, grad_norm=1.0)

    for step in range(21, 41):
        guard.check(step=step, loss=1.0, grad_norm=math.inf)
    with pytest.raises(NonFinite, match="step 41"):
        guard.check(step=41, loss=1.0, grad_norm=math.inf)
