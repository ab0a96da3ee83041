"""What a phone should give before one is at hand: for each operation the larger of compute time and memory time.

The estimate is that ideal time over the share of the ideal that the same model reached on the measured machine; it
knows nothing of caches, heat or the schedulers of phones.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from squeezebert_mobile.benchmarks.costs import Cost
from squeezebert_mobile.benchmarks.protocol import Record

_MATRIX = 1024
_COPIED_BYTES = 256 * 2**20
_RUNS = 7
CHIPS = Path(__file__).with_name("chips.json")
Positive = Annotated[float, Field(gt=0)]


class Chip(Record):
    """Published figures of one core of a chip with their sources.

    ``ghz`` is the core's highest clock. Operations per cycle are the core's peak, a multiply-add counted as two.
    ``memory_gb_per_s`` is 10^9 bytes a second and belongs to the whole chip.
    """

    name: str
    core: str
    ghz: Positive
    fp32_ops_per_cycle: Positive
    int8_ops_per_cycle: Positive
    memory_gb_per_s: Positive
    sources: Annotated[tuple[str, ...], Field(min_length=1)]


class Chips(Record):
    """The file chips.json."""

    note: str
    chips: tuple[Chip, ...]


@dataclass(frozen=True)
class Estimate:
    """Milliseconds of one inference on one core of a chip, and the share of the ideal speed that was assumed."""

    chip: str
    fp32_ms: float
    int8_ms: float
    share: float


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


def share_of_ideal(cost: Cost, machine: Chip, measured_ms: float) -> float:
    """The share of a machine's ideal fp32 speed that a measured inference reached on it."""
    return ideal_ms(cost, machine, int8=False) / measured_ms


def estimate(cost: Cost, chip: Chip, share: float) -> Estimate:
    """The chip's times at a ``share`` of its ideal speed, 0 to 1."""
    return Estimate(chip.name, ideal_ms(cost, chip, int8=False) / share, ideal_ms(cost, chip, int8=True) / share, share)


def this_machine() -> Chip:
    """One thread of this machine, measured: the best of several large matrix products and of several large copies.

    Its int8 peak is not measured; the fp32 one stands for it.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a = torch.ones(_MATRIX, _MATRIX)
        source, target = torch.ones(2, _COPIED_BYTES // 4)
        product_seconds = _fastest(lambda: a @ a)
        copy_seconds = _fastest(lambda: target.copy_(source))
    finally:
        torch.set_num_threads(threads)
    peak = 2 * float(_MATRIX) ** 3 / product_seconds / 1e9
    # Each byte of a copy is read and written.
    bandwidth = 2 * _COPIED_BYTES / copy_seconds / 1e9
    return Chip(
        name="this machine",
        core="one thread",
        ghz=1.0,
        fp32_ops_per_cycle=peak,
        int8_ops_per_cycle=peak,
        memory_gb_per_s=bandwidth,
        sources=("measured",),
    )


def _fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
