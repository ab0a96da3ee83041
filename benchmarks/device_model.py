"""What a phone should give before one is at hand: for each operation the larger of compute time and memory time.

The estimate is the chip's peak times the efficiency that the measured machine reached against its own; it knows nothing
of caches, heat or the schedulers of phones.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from squeezebert_mobile.benchmarks.costs import Cost
from squeezebert_mobile.benchmarks.protocol import Record

CHIPS = Path(__file__).with_name("chips.json")
Positive = Annotated[float, Field(gt=0)]


class Chip(Record):
    """Published figures of one core of a chip; a multiply-add counts as two operations."""

    name: str
    core: str
    ghz: Positive
    fp32_ops_per_cycle: Positive
    int8_ops_per_cycle: Positive
    memory_gb_per_s: Positive


class Chips(Record):
    """The file chips.json."""

    note: str
    chips: tuple[Chip, ...]


@dataclass(frozen=True)
class Estimate:
    """Milliseconds of one inference on one core of a chip, and the efficiency that was assumed."""

    chip: str
    fp32_ms: float
    int8_ms: float
    efficiency: float


def chips() -> tuple[Chip, ...]:
    """The chips of the package's file."""
    return TypeAdapter(Chips).validate_json(CHIPS.read_bytes()).chips


def ideal_ms(cost: Cost, chip: Chip, *, int8: bool) -> float:
    """The time at the chip's peaks. In int8 the attention products stay fp32, and weights take a byte each."""
    fp32_peak = chip.ghz * 1e9 * chip.fp32_ops_per_cycle
    int8_peak = chip.ghz * 1e9 * chip.int8_ops_per_cycle
    seconds = 0.0
    for operation in cost.operations:
        quantized = int8 and operation.weight_bytes > 0
        moved = operation.weight_bytes / (4 if quantized else 1) + operation.activation_bytes
        compute = operation.flops / (int8_peak if quantized else fp32_peak)
        seconds += max(compute, moved / (chip.memory_gb_per_s * 1e9))
    return 1000 * seconds


def efficiency(cost: Cost, measured_ms: float, peak_flops: float) -> float:
    """The share of a machine's measured fp32 peak (FLOP/s) that an inference reached on it."""
    return cost.flops / peak_flops / (measured_ms / 1000)


def estimate(cost: Cost, chip: Chip, share: float) -> Estimate:
    """The chip's times at an efficiency of ``share``, 0 to 1."""
    return Estimate(chip.name, ideal_ms(cost, chip, int8=False) / share, ideal_ms(cost, chip, int8=True) / share, share)


def measured_peak(size: int = 1024, runs: int = 5) -> float:
    """The fp32 peak of one thread of the machine, FLOP/s: the best of several large matrix products."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a = torch.ones(size, size)
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return 2 * float(size) ** 3 / min(times)
