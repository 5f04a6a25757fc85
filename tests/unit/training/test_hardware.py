"""Precision and threads follow the hardware."""

from __future__ import annotations

import pytest

from one_ring.api import TrainingConfig
from one_ring.training.errors import ConfigRefused
from one_ring.training.hardware import Hardware, allowed_threads, choose_precision, cpu_has_fast_bf16

OLD_CPU = Hardware(cuda=False, fast_bf16=False)
NEW_CPU = Hardware(cuda=False, fast_bf16=True)
OLD_GPU = Hardware(cuda=True, fast_bf16=False)
NEW_GPU = Hardware(cuda=True, fast_bf16=True)


@pytest.mark.parametrize(
    ("fields", "hardware", "precision"),
    [
        ({}, OLD_CPU, "float32"),
        ({}, NEW_CPU, "bfloat16"),
        ({}, OLD_GPU, "float32"),
        ({}, NEW_GPU, "bfloat16"),
        ({"bf16": False}, NEW_GPU, "float32"),
        ({"bf16": True}, OLD_CPU, "bfloat16"),
        ({"fp16": True}, OLD_GPU, "float16"),
    ],
)
def test_precision(fields: dict[str, bool], hardware: Hardware, precision: str) -> None:
    assert choose_precision(TrainingConfig.model_validate({"train_file": "a", **fields}), hardware) == precision


@pytest.mark.parametrize(
    ("fields", "hardware", "field"), [({"fp16": True}, NEW_CPU, "fp16"), ({"bf16": True}, OLD_GPU, "bf16")]
)
def test_what_the_device_cannot_do_is_refused(fields: dict[str, bool], hardware: Hardware, field: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        choose_precision(TrainingConfig.model_validate({"train_file": "a", **fields}), hardware)

    assert refused.value.faults[0].field == field


@pytest.mark.parametrize(
    ("cpuinfo", "fast"),
    [
        ("processor: 0\nflags\t\t: fpu avx2 avx512_bf16\n", True),
        ("flags : fpu amx_bf16 amx_tile", True),
        ("Features : fp asimd bf16 i8mm", True),
        ("flags : fpu avx2 avx512f", False),
        ("", False),
    ],
)
def test_native_bfloat16_is_read_from_the_flags(cpuinfo: str, fast: bool) -> None:
    assert cpu_has_fast_bf16(cpuinfo) is fast


@pytest.mark.parametrize(
    ("cpu_max", "threads"),
    [
        ("max 100000", 16),
        ("200000 100000\n", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("6400000 100000", 16),
        ("", 16),
    ],
)
def test_threads_fit_the_cpu_limit(cpu_max: str, threads: int) -> None:
    assert allowed_threads(cpu_max, 16) == threads
