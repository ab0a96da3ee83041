"""Ranges from streamed activations: minimum and maximum, percentiles, and the least loss of information (entropy)."""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Method = Literal["minmax", "percentile", "entropy"]
BINS = 4096
LEVELS = 256


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
        """The range to quantize to."""
        if method == "minmax" or self.counts.sum() == 0:
            return self.low, self.high
        if method == "percentile":
            return self._percentile(percentile)
        return self._entropy()

    def _percentile(self, percentile: float) -> tuple[float, float]:
        """The values between which ``percentile`` of 100 lie, as much cut off below as above."""
        tail = self.counts.sum() * (1 - percentile / 100) / 2
        below = int(np.searchsorted(self.counts.cumsum(), tail, side="right"))
        above = int(np.searchsorted(self.counts[::-1].cumsum(), tail, side="right"))
        return self._edge(min(below, BINS - 1)), self._edge(BINS - min(above, BINS - 1))

    def _entropy(self) -> tuple[float, float]:
        """The shrunk range whose 256 levels have the least Kullback-Leibler divergence, as TensorRT calibrates."""
        zero = min(max(-self.low / (self.high - self.low), 0.0), 1.0) * BINS
        best = (math.inf, 0, BINS)
        for kept in np.linspace(0.3, 1.0, 71):
            first, last = round(zero - zero * kept), round(zero + (BINS - zero) * kept)
            if last - first >= LEVELS:
                best = min(best, (self._divergence(first, last), first, last))
        return self._edge(best[1]), self._edge(best[2])

    def _divergence(self, first: int, last: int) -> float:
        real = self.counts.astype(np.float64)
        clipped = real[first:last].copy()
        clipped[0] += real[:first].sum()
        clipped[-1] += real[last:].sum()
        level = np.arange(last - first) * LEVELS // (last - first)
        used = real[first:last] > 0
        total, bins = np.bincount(level, real[first:last], LEVELS), np.bincount(level, used, LEVELS)
        spread = np.where(used, (total / np.maximum(bins, 1))[level], 0.0)
        p, q = clipped / clipped.sum(), np.maximum(spread / max(spread.sum(), 1.0), 1e-12)
        present = p > 0
        return float((p[present] * np.log(p[present] / q[present])).sum())

    def _edge(self, index: int) -> float:
        return self.low + (self.high - self.low) * index / BINS
