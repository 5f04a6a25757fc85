"""Progress is made of numbers that any JSON can carry."""

from __future__ import annotations

import math

import pytest

from one_ring.training.progress import ProgressMeter, eta_text, rounded


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m00s"),
        (250, "4m10s"),
        (3599, "59m59s"),
        (3900, "1h05m"),
        (86_399, "23h59m"),
        (183_600, "2d03h"),
    ],
)
def test_time_left_for_people(seconds: int, text: str) -> None:
    assert eta_text(seconds) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.23456789, 1.2346), (2.000001e-05, 2e-05), (None, None), (math.nan, None), (math.inf, None), (0.0, 0.0)],
)
def test_numbers_are_rounded_and_finite(value: float | None, shown: float | None) -> None:
    assert rounded(value) == shown


def test_speed_and_time_left_follow_the_recent_steps() -> None:
    now = [100.0]
    meter = ProgressMeter(total_steps=100, clock=lambda: now[0])
    for step in range(1, 61):
        now[0] += 2.0 if step > 10 else 1000.0
        progress = meter.at(step, epoch=step / 10, tokens_seen=step * 30)

    assert progress.tokens_per_second == 15.0
    assert (progress.eta_seconds, progress.eta) == (80, "1m20s")
    assert progress.percent == 60


def test_a_resumed_run_counts_only_its_own_time() -> None:
    now = [0.0]
    meter = ProgressMeter(total_steps=20, step=10, tokens_seen=1000, clock=lambda: now[0])
    now[0] = 4.0

    progress = meter.at(12, epoch=1.2, tokens_seen=1200)

    assert (progress.tokens_per_second, progress.eta_seconds) == (50.0, 16)


def test_nothing_is_guessed_before_the_first_step() -> None:
    progress = ProgressMeter(total_steps=20, clock=lambda: 1.0).at(0, epoch=0.0, tokens_seen=0)

    assert progress.eta is None
    assert progress.tokens_per_second is None


def test_what_was_learned_stays() -> None:
    meter = ProgressMeter(total_steps=20)
    meter.learn(loss=2.5, grad_norm=math.inf)
    meter.learn(eval_loss=3.5)

    progress = meter.at(1, epoch=0.1, tokens_seen=1)

    assert (progress.loss, progress.eval_loss, progress.grad_norm) == (2.5, 3.5, None)
