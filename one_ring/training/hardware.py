"""What is this machine good at? Decides the precision and the number of threads."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from one_ring.api import TrainingConfig
from one_ring.training.errors import refuse_field

Precision = Literal["bfloat16", "float16", "float32"]

# Without one of these a CPU multiplies bfloat16 matrices a hundred times slower than float32 ones.
_NATIVE_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


@dataclass(frozen=True)
class Hardware:
    """The device that a run trains on."""

    cuda: bool
    fast_bf16: bool


def cpu_has_fast_bf16(cpuinfo: str) -> bool:
    """Whether the text of /proc/cpuinfo names native bfloat16 instructions."""
    lines = (line for line in cpuinfo.splitlines() if line.lower().startswith(("flags", "features")))
    return not _NATIVE_BF16_FLAGS.isdisjoint(next(lines, "").split())


def choose_precision(config: TrainingConfig, hardware: Hardware) -> Precision:
    """The data type of the matrix products; raises ConfigRefused for what this device cannot do."""
    if config.fp16:
        if not hardware.cuda:
            raise refuse_field("fp16", "needs a GPU: leave it false, or ask for a GPU")
        return "float16"
    if config.bf16 and hardware.cuda and not hardware.fast_bf16:
        raise refuse_field("bf16", "is not supported by this GPU: leave it out, or set fp16")
    wanted = hardware.fast_bf16 if config.bf16 is None else config.bf16
    return "bfloat16" if wanted else "float32"


def detect() -> Hardware:
    """The hardware under us."""
    import torch

    if torch.cuda.is_available():
        return Hardware(cuda=True, fast_bf16=torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        cpuinfo = ""
    return Hardware(cuda=False, fast_bf16=cpu_has_fast_bf16(cpuinfo))


def allowed_threads(cpu_max: str, cores: int) -> int:
    """Threads that fit a cgroup's ``cpu.max`` (``<quota> <period>`` or ``max <period>``) on ``cores`` cores."""
    quota, _, period = cpu_max.partition(" ")
    if not quota.isdigit() or not period.strip().isdigit():
        return cores
    return max(1, min(cores, math.ceil(int(quota) / int(period))))


def use_allowed_threads() -> None:
    """Keep torch from starting a thread per core of the node: over its CPU limit a pod is stopped and started."""
    import torch

    if "OMP_NUM_THREADS" in os.environ:
        return
    try:
        cpu_max = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8")
    except OSError:
        cpu_max = ""
    torch.set_num_threads(allowed_threads(cpu_max, torch.get_num_threads()))
