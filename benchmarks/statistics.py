"""From raw latencies to figures: percentiles, ratios with an interval that repeats what was really varied, and drift.

A shared machine's speed wanders by more than any bound worth setting, and interleaving gives that to all cases alike:
ratios stand. What a ratio does not survive is one case that changes alone, so a case's drift is taken beside the others
of the same rounds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.bootstrap import draw, interval

if TYPE_CHECKING:
    from squeezebert_mobile.benchmarks.results import Sample

_RESAMPLES = 2000
_SEED = 0
_MEDIAN = 0.5
# Numbers that are held at once.
_BLOCK = 4_000_000
# Repeat runs on an idle machine agreed within 3 %; a change of 5 % within one run is not chance.
MAX_DRIFT = 0.05
# Below three turns a third, a third's median is one turn's luck.
MIN_TURNS = 9

# The median latency of each turn, in any unit.
Turns = Mapping[int, float]


@dataclass(frozen=True)
class Summary:
    """Milliseconds at the 50th, 90th and 99th percentile (linear interpolation), and the number of samples."""

    p50: float
    p90: float
    p99: float
    count: int


@dataclass(frozen=True)
class Ratio:
    """A ratio of latencies with the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def summarize(nanoseconds: Sequence[int]) -> Summary:
    """The percentiles of at least one latency."""
    p50, p90, p99 = np.percentile(np.asarray(nanoseconds, np.float64) / 1e6, [50, 90, 99])
    return Summary(float(p50), float(p90), float(p99), len(nanoseconds))


def turns(samples: "Sequence[Sample]") -> list[list[int]]:
    """Inference latencies in nanoseconds, grouped by the turn that they were measured in."""
    groups: dict[int, list[int]] = {}
    for sample in samples:
        groups.setdefault(sample.turn, []).append(sample.infer_ns)
    return [groups[turn] for turn in sorted(groups)]


def ratio(above: "Sequence[Sample]", below: "Sequence[Sample]") -> Ratio:
    """The median latency of ``above`` over that of ``below``, in one run: how many times faster the second is.

    Whole turns are resampled, because the runs of one turn share the machine's state of that moment; the same turns for
    both where they have as many, because they were interleaved.
    """
    a, b = turns(above), turns(below)
    rng = np.random.default_rng(_SEED)
    draws = draw(rng, len(a), _RESAMPLES)
    same = draws if len(a) == len(b) else draw(rng, len(b), _RESAMPLES)
    return _over(_resampled(a, draws, _MEDIAN), _resampled(b, same, _MEDIAN))


def slowdown(
    after: "Sequence[Sample]",
    before: "Sequence[Sample]",
    *,
    pace_after: Sequence[int] = (),
    pace_before: Sequence[int] = (),
    quantile: float,
) -> Ratio:
    """A quantile of one run's latencies over another's, each in units of the reference kernel's time where given.

    ``pace_*`` is a reading for each turn, and the same quantile is taken of it.
    """
    rng = np.random.default_rng(_SEED)
    new = _in_paces(turns(after), pace_after, quantile, rng)
    return _over(new, _in_paces(turns(before), pace_before, quantile, rng))


def _in_paces(
    groups: list[list[int]], pace: Sequence[int], quantile: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """`_resampled` latencies, in units of the reference kernel where that is given: the same turns drawn for both."""
    draws = draw(rng, len(groups), _RESAMPLES)
    latencies = _resampled(groups, draws, quantile)
    return latencies / _resampled([[reading] for reading in pace], draws, quantile) if pace else latencies


def _resampled(groups: list[list[int]], draws: NDArray[np.int64], quantile: float) -> NDArray[np.float64]:
    """The quantile of the measured latencies, and behind it that of each resample."""
    return np.append(np.quantile(np.concatenate(groups), quantile), _quantiles(groups, draws, quantile))


def _over(above: NDArray[np.float64], below: NDArray[np.float64]) -> Ratio:
    """The ratio of two figures that are `_resampled`."""
    ratios = above / below
    found = interval(ratios[1:])
    return Ratio(float(ratios[0]), found.low, found.high)


def _quantiles(groups: list[list[int]], draws: NDArray[np.int64], quantile: float) -> NDArray[np.float64]:
    """That quantile of each resample, as numpy's linear one, without sorting any: how often a turn was drawn is what
    each of its latencies counts for, in the one sorted order of all.
    """
    values = np.concatenate(groups).astype(np.float64)
    order = np.argsort(values)
    values, turn_of = values[order], np.repeat(np.arange(len(groups)), [len(group) for group in groups])[order]
    found = []
    for block in np.array_split(draws, math.ceil(draws.shape[0] * len(values) / _BLOCK)):
        drawn = np.apply_along_axis(np.bincount, 1, block, minlength=len(groups))
        below = np.cumsum(drawn[:, turn_of], axis=1)
        place = quantile * (below[:, -1] - 1)
        lower = np.floor(place)
        upper = np.minimum(lower + 1, below[:, -1] - 1)
        first, second = (values[np.argmax(below > rank[:, None], axis=1)] for rank in (lower, upper))
        found.append(first + (place - lower) * (second - first))
    return np.concatenate(found)


@dataclass(frozen=True)
class Drift:
    """The median of the last third of the turns over that of the first, less one, with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    @property
    def is_proven(self) -> bool:
        """True where the whole interval lies beyond 5 %."""
        return self.low > MAX_DRIFT or self.high < -MAX_DRIFT


def case_drift(own: Turns, others: Sequence[Turns]) -> Drift | None:
    """A case's drift beside that of the others; by itself where there are none. None for too few turns to tell."""
    pace = machine_pace(others)
    return _drift([own[turn] / pace.get(turn, 1.0) for turn in sorted(own) if turn in pace or not pace])


def machine_drift(cases: Sequence[Turns]) -> Drift | None:
    """What all cases have in common; None for too few turns to tell."""
    pace = machine_pace(cases)
    return _drift([pace[turn] for turn in sorted(pace)])


def machine_pace(cases: Sequence[Turns]) -> dict[int, float]:
    """For each turn the median, over the cases that had it, of its latency in units of the case's usual one."""
    shares: dict[int, list[float]] = {}
    for case in cases:
        usual = float(np.median(list(case.values())))
        for turn, latency in case.items():
            shares.setdefault(turn, []).append(latency / usual)
    return {turn: float(np.median(values)) for turn, values in shares.items()}


def _drift(latencies: Sequence[float]) -> Drift | None:
    if len(latencies) < MIN_TURNS:
        return None
    third = len(latencies) // 3
    first, last = np.asarray(latencies[:third]), np.asarray(latencies[-third:])
    rng = np.random.default_rng(_SEED)
    found = interval(_medians(last, rng) / _medians(first, rng) - 1)
    return Drift(float(np.median(last) / np.median(first)) - 1, found.low, found.high)


def _medians(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    medians: NDArray[np.float64] = np.median(values[draw(rng, len(values), _RESAMPLES)], axis=1)
    return medians
