"""Intervals of metrics: which examples are drawn, that two models draw the same ones, and what the ends are."""

import numpy as np
import pytest

from squeezebert_mobile import bootstrap
from squeezebert_mobile.bootstrap import Interval
from squeezebert_mobile.training import metrics
from squeezebert_mobile.training.comparison import Scored, compare
from squeezebert_mobile.training.evaluate import Candidate
from squeezebert_mobile.training.metrics import Float64, Metric


def mean(values: object, *, higher_is_better: bool = True) -> Metric:
    statistics = np.asarray(values, np.float64)[:, None]
    return Metric("mean", statistics, lambda x: float(x.mean()), higher_is_better)


def candidate(name: str, runtime: str = "onnx", precision: str = "fp32") -> Candidate:
    def predict(_batch: object) -> dict[str, np.ndarray]:
        raise AssertionError("its answers are scored already")

    return Candidate(name, runtime, precision, predict)


def test_a_replicate_is_the_metric_of_as_many_examples_drawn_with_replacement() -> None:
    seen: list[Float64] = []

    def reduce(statistics: Float64) -> float:
        seen.append(statistics)
        return float(statistics[0, 0])

    statistics = np.arange(40.0).reshape(20, 2)
    found = metrics.replicates(Metric("first", statistics, reduce), 300, seed=0)
    assert found.tolist() == [drawn[0, 0] for drawn in seen]
    assert len(seen) == 300
    rows = {tuple(row) for row in statistics.tolist()}
    for drawn in seen:
        assert drawn.shape == (20, 2)
        assert {tuple(row) for row in drawn.tolist()} < rows, "some were drawn twice"
    assert {tuple(row) for drawn in seen for row in drawn.tolist()} == rows


def test_equal_seeds_draw_equal_examples_and_others_do_not() -> None:
    metric = mean(np.random.default_rng(0).random(50))
    first, again, other = (metrics.replicates(metric, 20, seed) for seed in (3, 3, 4))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
    assert len(set(first.tolist())) == 20, "each replicate draws anew"


def test_the_draws_of_two_metrics_of_one_size_are_the_same() -> None:
    values = np.random.default_rng(0).random(50)
    low, high = (metrics.replicates(mean(v), 100, seed=1) for v in (values, values + 0.25))
    assert metrics.drop(high, low, higher_is_better=True) == pytest.approx(np.full(100, 0.25))


def test_an_interval_leaves_two_and_a_half_percent_on_either_side() -> None:
    assert bootstrap.interval(np.arange(1001.0)) == Interval(pytest.approx(25.0), pytest.approx(975.0))


def test_a_replicate_without_a_value_does_not_count() -> None:
    values = np.concatenate([np.arange(1001.0), np.full(500, np.nan)])
    assert bootstrap.interval(values) == Interval(pytest.approx(25.0), pytest.approx(975.0))


def test_a_drop_is_positive_where_the_candidate_is_worse() -> None:
    baseline, other = np.array([5.0, 7.0]), np.array([4.0, 9.0])
    assert metrics.drop(baseline, other, higher_is_better=True).tolist() == [1.0, -2.0]
    assert metrics.drop(baseline, other, higher_is_better=False).tolist() == [-1.0, 2.0]


@pytest.mark.parametrize(("higher_is_better", "drop"), [(True, -0.25), (False, 0.25)])
def test_a_row_has_its_interval_its_drop_and_its_median_milliseconds(higher_is_better: bool, drop: float) -> None:
    values = np.random.default_rng(0).random(50)
    scored = [
        (candidate("a"), Scored((mean(values, higher_is_better=higher_is_better),), np.array([0.001, 0.009, 0.002]))),
        (
            candidate("b", precision="int8"),
            Scored((mean(values + 0.25, higher_is_better=higher_is_better),), np.array([0.004, 0.004, 0.1])),
        ),
    ]
    base, other = compare(scored, resamples=200, seed=7)
    assert (base.milliseconds, other.milliseconds) == (pytest.approx(2.0), pytest.approx(4.0))
    assert (base.baseline, base.drop, base.drop_interval) == (None, None, None)
    assert (other.baseline, other.drop) == ("a", pytest.approx(drop))
    # Every example is as much better or worse, so a pair of equal draws never differs by anything else.
    assert other.drop_interval == Interval(pytest.approx(drop), pytest.approx(drop))
    expected = bootstrap.interval(metrics.replicates(scored[0][1].metrics[0], 200, seed=7))
    assert base.interval == expected
    assert base.metrics == {"mean": pytest.approx(values.mean())}
