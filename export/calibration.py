"""Calibration for static int8: texts run through the float form, one row a time without its padding."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.export.emulation import Emulation, emulate
from squeezebert_mobile.export.options import Method
from squeezebert_mobile.export.ort.form import GroupAttention, PerHeadLinear
from squeezebert_mobile.export.parts import GroupedLinear
from squeezebert_mobile.export.quantization import Ranges
from squeezebert_mobile.export.texts import ROWS_FLOOR
from squeezebert_mobile.model import PreTrained

BINS = 4096


@dataclass
class Observer:
    """The extremes of a tensor over all texts, and, on a second pass between them, its histogram."""

    low: float = math.inf
    high: float = -math.inf
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def see_extremes(self, x: Tensor) -> None:
        """Widen the range to hold ``x``."""
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))

    def see_values(self, x: Tensor) -> None:
        """Count the values of ``x``, which lie in the range."""
        if self.high > self.low:
            self.counts += torch.histc(x.float(), BINS, self.low, self.high).numpy().astype(np.int64)

    def range(self, method: Method, percentile: float) -> tuple[float, float]:
        """The range to quantize to: all of it, or what holds ``percentile`` of 100, as much cut off below as above."""
        if method == "minmax" or self.counts.sum() == 0:
            return self.low, self.high
        tail = self.counts.sum() * (1 - percentile / 100) / 2
        below = int(np.searchsorted(self.counts.cumsum(), tail, side="right"))
        above = int(np.searchsorted(self.counts[::-1].cumsum(), tail, side="right"))
        return self._edge(min(below, BINS - 1)), self._edge(BINS - min(above, BINS - 1))

    def _edge(self, index: int) -> float:
        return self.low + (self.high - self.low) * index / BINS


def calibrate(
    model: PreTrained, batches: Iterable[Batch], *, method: Method = "minmax", percentile: float = 99.99
) -> Ranges:
    """The ranges of every activation that static int8 quantizes, over all tokens of ``batches`` but padding.

    ``batches`` is read once for minmax and twice for percentiles, and never held whole. Raises InputFileError where it
    has no rows.
    """
    fp32 = emulate(model)
    observers: dict[str, Observer] = {}
    with _watching(fp32.form, lambda name, x: observers.setdefault(name, Observer()).see_extremes(x)):
        rows = _run(fp32, batches)
    if rows == 0:
        raise InputFileError("the calibration texts", "are empty", fix=f"give at least {ROWS_FLOOR} texts")
    if method != "minmax":
        with _watching(fp32.form, lambda name, x: observers[name].see_values(x)):
            _run(fp32, batches)
    by_name = {name: observer.range(method, percentile) for name, observer in observers.items()}
    shown = f"percentile {percentile:g}" if method == "percentile" else method
    return Ranges(by_name, shown, rows)


def _run(fp32: Emulation, batches: Iterable[Batch]) -> int:
    rows = 0
    for batch in batches:
        for index in range(len(batch.input_ids)):
            # The form drops masked tokens itself; a row alone has none that are masked and kept.
            fp32.run(batch.row(index))
            rows += 1
    return rows


@contextmanager
def _watching(form: nn.Module, see: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Call ``see`` with the name and value of every input and output of the form's maps."""
    handles = [
        module.register_forward_hook(_hook(name, see))
        for name, module in form.named_modules()
        if isinstance(module, (GroupedLinear, PerHeadLinear))
        or (isinstance(module, nn.Linear) and ".groups." not in name)
    ]
    handles += [
        module.qkv.register_forward_hook(_attention_hook(name, module.heads, see))
        for name, module in form.named_modules()
        if isinstance(module, GroupAttention)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(name: str, see: Callable[[str, Tensor], None]) -> Callable[[nn.Module, tuple[object], object], None]:
    def hook(_: nn.Module, inputs: tuple[object], output: object) -> None:
        for part in _tensors(inputs[0]):
            see(f"{name}.input", part)
        for part in _tensors(output):
            see(f"{name}.output", part)

    return hook


def _attention_hook(
    name: str, heads: int, see: Callable[[str, Tensor], None]
) -> Callable[[nn.Module, tuple[object], object], None]:
    """Sees what the products inside an attention read, and the scores between them: for one row a call."""

    def hook(_: nn.Module, _inputs: tuple[object], output: object) -> None:
        for part in _tensors(output):
            q, k, v = part.chunk(3, -1)  # [T, heads * D] each
            for kind, third in (("query", q), ("key", k), ("value", v)):
                see(f"{name}.qkv.{kind}", third)
            q, k = (third.unflatten(-1, (heads, -1)).transpose(0, 1) for third in (q, k))  # [heads, T, D]
            see(f"{name}.scores", q @ k.mT)

    return hook


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        yield from value
