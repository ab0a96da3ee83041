"""From raw latencies to figures: percentiles, and ratios with an interval that repeats what was really varied."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.benchmarks.samples import Sample

_RESAMPLES = 2000
_SEED = 0
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Milliseconds at the 50th, 90th and 99th percentile (linear interpolation), and the number of samples."""

    p50: float
    p90: float
    p99: float
    count: int


@dataclass(frozen=True)
class Ratio:
    """A ratio of medians with the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def summarize(nanoseconds: Sequence[int]) -> Summary:
    """The percentiles of at least one latency."""
    p50, p90, p99 = np.percentile(np.asarray(nanoseconds, np.float64) / 1e6, [50, 90, 99])
    return Summary(float(p50), float(p90), float(p99), len(nanoseconds))


def turns(samples: Sequence[Sample]) -> list[list[int]]:
    """Inference latencies in nanoseconds, grouped by the turn that they were measured in."""
    groups: dict[int, list[int]] = {}
    for sample in samples:
        groups.setdefault(sample.turn, []).append(sample.infer_ns)
    return [groups[turn] for turn in sorted(groups)]


def ratio(above: Sequence[Sample], below: Sequence[Sample], *, paired: bool = True) -> Ratio:
    """Median latency of ``above`` over that of ``below``: how many times faster the second is.

    Whole turns are resampled, because the runs of one turn share the machine's state of that moment. ``paired`` draws
    the same turns for both, which is right where they were interleaved in one run.
    """
    a, b = turns(above), turns(below)
    rng = np.random.default_rng(_SEED)
    draws = _draw(rng, len(a))
    same = paired and len(a) == len(b)
    ratios = _medians(a, draws) / _medians(b, draws if same else _draw(rng, len(b)))
    low, high = np.quantile(ratios, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    value = np.median(np.concatenate(a)) / np.median(np.concatenate(b))
    return Ratio(float(value), float(low), float(high))


def _draw(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    return rng.integers(0, count, (_RESAMPLES, count))


def _medians(groups: list[list[int]], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """The median of each resample; turns that were cut short are filled with NaN to make a rectangle."""
    width = max(map(len, groups))
    table = np.full((len(groups), width), np.nan)
    for row, values in zip(table, groups, strict=True):
        row[: len(values)] = values
    medians: NDArray[np.float64] = np.nanmedian(table[draws].reshape(len(draws), -1), axis=1)
    return medians
