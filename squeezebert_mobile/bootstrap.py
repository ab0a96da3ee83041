"""The percentile bootstrap (Efron 1979) behind every interval: what is drawn anew, and where 95 % of results lie."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """Both ends of a 95 % interval."""

    low: float
    high: float


def draw(random: np.random.Generator, size: int, count: int) -> NDArray[np.int64]:
    """Which of ``size`` observations each of ``count`` resamples holds: [count, size], with replacement.

    Two quantities that were observed together take the same draws, so that what they share cancels in their ratio.
    """
    return random.integers(0, size, (count, size))


def interval(values: NDArray[np.float64]) -> Interval:
    """The percentile interval of a statistic over its resamples [count]; NaN, where it is undefined, does not count."""
    low, high = np.nanquantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))
