"""The figures behind every table: percentiles, and ratios whose two sides draw the same turns."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from results import make_result

from squeezebert_mobile.benchmarks import statistics
from squeezebert_mobile.benchmarks.results import Sample

# Twelve turns of a machine whose speed changes from turn to turn, far more than any model differs from another.
MACHINE = (100, 700, 300, 900, 200, 1300, 500, 150, 1100, 400, 800, 600)


def taken(groups: Sequence[Sequence[int]]) -> list[Sample]:
    """A case's samples, one list of latencies in nanoseconds for each turn."""
    return [
        Sample(case="m", turn=turn, at_ns=0, tokens=8, infer_ns=value)
        for turn, group in enumerate(groups)
        for value in group
    ]


def wandering(factor: int, runs: int = 1) -> list[Sample]:
    """A case that takes ``factor`` units of the machine's speed in each of its ``runs`` a turn."""
    return taken([[factor * speed] * runs for speed in MACHINE])


def naive(groups: Sequence[Sequence[int]], draws: NDArray[np.int64], quantile: float) -> NDArray[np.float64]:
    """The quantile of all latencies of the drawn turns, put together and sorted anew for each row of ``draws``."""
    return np.array([np.quantile(np.concatenate([groups[turn] for turn in row]), quantile) for row in draws])


def draws_of(*counts: int) -> list[NDArray[np.int64]]:
    """2000 resamples of so many turns for each count, from one generator of seed 0."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, count, (2000, count)) for count in counts]


def ends(ratios: NDArray[np.float64]) -> list[float]:
    return [float(np.quantile(ratios, q)) for q in (0.025, 0.975)]


def random_groups(seed: int, count: int) -> list[list[int]]:
    """Turns of one to five latencies whose level changes from turn to turn."""
    rng = np.random.default_rng(seed)
    return [rng.integers(1000, 2000, rng.integers(1, 6)).tolist() for _ in range(count)]


def test_a_summary_is_in_milliseconds_with_the_number_of_samples() -> None:
    found = statistics.summarize([n * 1_000_000 for n in range(100, -1, -1)])
    assert found == statistics.Summary(p50=50.0, p90=90.0, p99=99.0, count=101)


def test_percentiles_lie_between_two_samples_on_a_line() -> None:
    found = statistics.summarize([10_000_000, 20_000_000])
    assert (found.p50, found.p90, found.p99, found.count) == (pytest.approx(15), pytest.approx(19), 19.9, 2)


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=50))
def test_percentiles_are_numpys_linear_ones(values: list[int]) -> None:
    found = statistics.summarize(values)
    assert (found.p50, found.p90, found.p99) == pytest.approx(
        [float(np.percentile(np.array(values) / 1e6, q)) for q in (50, 90, 99)]
    )


def test_turns_come_in_order_with_the_inference_alone_of_their_samples() -> None:
    found = [
        Sample(case="m", turn=turn, at_ns=0, tokens=8, infer_ns=value, tokenize_ns=10**6, postprocess_ns=10**6)
        for turn, value in ((2, 5), (0, 9), (2, 4), (1, 7))
    ]
    assert statistics.turns(found) == [[9], [7], [5, 4]]


def test_a_ratio_is_of_the_medians_of_all_latencies_not_of_those_of_turns() -> None:
    above, below = taken([[10], [20], [90, 90, 90, 90]]), taken([[30], [30], [30]])
    assert statistics.ratio(above, below).value == pytest.approx(3.0)


def test_a_ratio_above_one_says_that_the_second_is_faster() -> None:
    assert statistics.ratio(wandering(3), wandering(1)).value == pytest.approx(3.0)
    assert statistics.ratio(wandering(1), wandering(4)).value == pytest.approx(0.25)


def test_both_sides_of_a_ratio_draw_the_same_turns() -> None:
    """Whatever the machine did in a turn it did to both, so a constant ratio has an interval without width."""
    found = statistics.ratio(wandering(6), wandering(3))
    assert (found.low, found.high) == (pytest.approx(2.0, abs=1e-12), pytest.approx(2.0, abs=1e-12))


def test_the_same_turns_are_drawn_where_one_side_has_longer_ones() -> None:
    found = statistics.ratio(wandering(6, runs=7), wandering(3))
    assert (found.low, found.high) == (pytest.approx(2.0, abs=1e-12), pytest.approx(2.0, abs=1e-12))


def test_sides_of_unequal_turns_are_drawn_independently() -> None:
    above, below = random_groups(1, 12), random_groups(2, 7)
    found = statistics.ratio(taken(above), taken(below))
    first, second = draws_of(12, 7)
    assert [found.low, found.high] == pytest.approx(ends(naive(above, first, 0.5) / naive(below, second, 0.5)))


def test_whole_turns_are_drawn_not_single_runs() -> None:
    """A thousand runs of two moments know two moments: their median is that of either, or between."""
    found = statistics.ratio(taken([[100] * 500, [200] * 500]), taken([[100] * 500] * 2))
    assert (found.low, found.value, found.high) == (1.0, 1.5, 2.0)


@pytest.mark.parametrize("seed", range(2))
def test_the_interval_is_of_95_percent_of_2000_resamples_as_a_naive_bootstrap_finds_them(seed: int) -> None:
    above, below = random_groups(seed, 12), random_groups(seed + 10, 12)
    found = statistics.ratio(taken(above), taken(below))
    (draws,) = draws_of(12)
    assert [found.low, found.high] == pytest.approx(ends(naive(above, draws, 0.5) / naive(below, draws, 0.5)))


def test_a_ratio_is_the_same_each_time() -> None:
    above, below = taken(random_groups(1, 12)), taken(random_groups(2, 12))
    assert statistics.ratio(above, below) == statistics.ratio(above, below)


@pytest.mark.parametrize("block", [40, 997, 40_000])
def test_resampling_in_blocks_changes_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    above, below = taken(random_groups(1, 12)), taken(random_groups(2, 12))
    whole = statistics.ratio(above, below)
    monkeypatch.setattr(statistics, "_BLOCK", block)
    assert statistics.ratio(above, below) == whole


def test_a_block_holds_no_more_numbers_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    split = np.array_split

    def array_split(draws: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
        parts = split(draws, count)
        held.extend(len(part) * 24 for part in parts)
        return parts

    monkeypatch.setattr(statistics, "_BLOCK", 12_000)
    monkeypatch.setattr(np, "array_split", array_split)
    statistics.ratio(wandering(1, runs=2), wandering(2, runs=2))
    assert sum(held) == 2 * 2000 * 24
    assert max(held) == 12_000


@pytest.mark.parametrize(("quantile", "value"), [(0.0, 2.0), (0.25, 4.0), (0.5, 1.5), (1.0, 3.0)])
def test_a_slowdown_is_of_the_quantile_that_was_asked_for(quantile: float, value: float) -> None:
    after, before = taken([[20], [80], [90], [100], [300]]), taken([[10], [20], [60], [80], [100]])
    assert statistics.slowdown(after, before, quantile=quantile).value == pytest.approx(value)


@pytest.mark.parametrize("quantile", [0.1, 0.99])
def test_a_slowdowns_interval_is_that_of_a_naive_bootstrap(quantile: float) -> None:
    after, before = random_groups(1, 12), random_groups(2, 9)
    found = statistics.slowdown(taken(after), taken(before), quantile=quantile)
    new, old = draws_of(12, 9)
    assert [found.low, found.high] == pytest.approx(ends(naive(after, new, quantile) / naive(before, old, quantile)))


def test_two_runs_were_not_interleaved_so_their_turns_are_drawn_independently() -> None:
    found = statistics.slowdown(wandering(1), wandering(1), quantile=0.5)
    assert found.value == 1.0
    assert found.low < 0.7
    assert found.high > 1.4


def test_a_turns_pace_is_drawn_with_the_turn() -> None:
    """In units of the pace both runs are constant: 6 units against 2, whatever each machine did."""
    backwards = MACHINE[::-1]
    before = taken([[2 * speed] for speed in backwards])
    found = statistics.slowdown(wandering(6), before, pace_after=MACHINE, pace_before=backwards, quantile=0.25)
    assert (found.low, found.value, found.high) == tuple(pytest.approx(3.0, abs=1e-12) for _ in range(3))


def test_each_run_is_in_units_of_its_own_pace() -> None:
    after, before = taken([[100]] * 9), taken([[100]] * 9)
    found = statistics.slowdown(after, before, pace_after=[20] * 9, pace_before=[50] * 9, quantile=0.25)
    assert found == statistics.Ratio(2.5, 2.5, 2.5)


def test_the_pace_is_taken_at_the_quantile_of_the_latencies() -> None:
    after, before = taken([[100]] * 5), taken([[100]] * 5)
    paces = {"pace_after": [10, 20, 30, 40, 50], "pace_before": [10] * 5}
    assert statistics.slowdown(after, before, **paces, quantile=0.25).value == pytest.approx(0.5)
    assert statistics.slowdown(after, before, **paces, quantile=0.75).value == pytest.approx(0.25)


@given(st.floats(0.2, 5.0), st.integers(0, 100))
def test_the_interval_holds_the_ratio_that_was_planted(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = 1e7 * (1 + 0.01 * rng.standard_normal(40))
    result = make_result({"a": [int(v * factor) for v in base], "b": [int(v) for v in base]})
    found = statistics.ratio(result.by_case["a"], result.by_case["b"])
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(factor, rel=1e-3)


def test_the_interval_is_wider_where_turns_differ() -> None:
    calm = make_result({"a": [100] * 20, "b": [50] * 20})
    wild = make_result({"a": [100 + 40 * (n % 2) for n in range(20)], "b": [50] * 20})
    narrow, wide = (statistics.ratio(r.by_case["a"], r.by_case["b"]) for r in (calm, wild))
    assert narrow.high - narrow.low == 0
    assert wide.high - wide.low > 0
