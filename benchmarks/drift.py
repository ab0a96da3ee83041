"""Whether a case became slower or faster during a run than the machine did.

A shared machine's speed wanders by more than any bound worth setting, and interleaving gives that to all cases alike:
ratios stand. What a ratio does not survive is one case that changes alone, so each case is judged beside the
others of the same rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Repeat runs on an idle machine agreed within 3 %; a change of 5 % within one run is not chance.
MAX_DRIFT = 0.05
# Below three turns a third, a third's median is one turn's luck.
MIN_TURNS = 9
_RESAMPLES = 2000
_CONFIDENCE = 0.95

# The median latency of each turn, in any unit.
Turns = Mapping[int, float]


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
    rng = np.random.default_rng(0)
    changes = _medians(last, rng) / _medians(first, rng) - 1
    low, high = np.quantile(changes, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return Drift(float(np.median(last) / np.median(first)) - 1, float(low), float(high))


def _medians(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    draws = rng.integers(0, len(values), (_RESAMPLES, len(values)))
    medians: NDArray[np.float64] = np.median(values[draws], axis=1)
    return medians
