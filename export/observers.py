"""Ranges from streamed activations: minimum and maximum, or percentiles."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from squeezebert_mobile.export.options import Method

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
