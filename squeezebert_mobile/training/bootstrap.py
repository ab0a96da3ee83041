"""Confidence intervals by drawing examples anew: of a metric, or of the difference of two on the same draws."""

from dataclasses import dataclass

import numpy as np

from squeezebert_mobile.training.metrics import Float64, Metric

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """Both ends of a 95 % interval."""

    low: float
    high: float


def replicates(metric: Metric, count: int, seed: int) -> Float64:
    """The metric on ``count`` samples of the examples, with replacement; equal seeds draw equal examples."""
    random = np.random.default_rng(seed)
    size = len(metric.statistics)
    return np.array([metric.reduce(metric.statistics[random.integers(size, size=size)]) for _ in range(count)])


def interval(values: Float64) -> Interval:
    """The percentile interval of replicates; of a paired difference, where they were subtracted one by one."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))


def drop(baseline: Float64, candidate: Float64, *, higher_is_better: bool) -> Float64:
    """By how much the candidate is worse, replicate by replicate."""
    return baseline - candidate if higher_is_better else candidate - baseline
