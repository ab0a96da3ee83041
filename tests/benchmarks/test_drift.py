"""When a case changed during a run: by itself, beside the run's other cases, in both directions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from results import make_result

from squeezebert_mobile.benchmarks import statistics, tables
from squeezebert_mobile.benchmarks.protocol import DRIFTING, Protocol
from squeezebert_mobile.benchmarks.statistics import Drift


def by_turn(latencies: Sequence[float]) -> dict[int, float]:
    return dict(enumerate(latencies))


def alone(latencies: Sequence[float]) -> Drift:
    found = statistics.case_drift(by_turn(latencies), [])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("low", "high", "proven"),
    [
        (0.051, 0.2, True),
        (0.05, 0.2, False),
        (0.04, 0.2, False),
        (-0.2, -0.051, True),
        (-0.2, -0.05, False),
        (-0.2, -0.04, False),
        (-0.2, 0.2, False),
        (-0.01, 0.01, False),
    ],
)
def test_a_drift_is_proven_where_the_whole_interval_lies_beyond_5_percent_on_either_side(
    low: float, high: float, proven: bool
) -> None:
    assert Drift((low + high) / 2, low, high).is_proven is proven


def test_the_value_does_not_prove_a_drift() -> None:
    assert not Drift(0.5, 0.01, 0.9).is_proven
    assert not Drift(-0.5, -0.9, -0.01).is_proven


@pytest.mark.parametrize("middle", [3, 4, 5])
def test_the_last_third_is_held_against_the_first_and_the_middle_is_left_out(middle: int) -> None:
    found = alone([10.0] * 3 + [1000.0] * middle + [12.0] * 3)
    assert (found.value, found.low, found.high) == tuple(pytest.approx(0.2) for _ in range(3))


def test_a_case_that_becomes_faster_drifts_below_zero() -> None:
    found = alone([10.0] * 6 + [8.0] * 6)
    assert (found.value, found.low, found.high) == tuple(pytest.approx(-0.2) for _ in range(3))
    assert found.is_proven


def test_turns_are_in_the_order_of_their_numbers() -> None:
    latencies = by_turn([10.0] * 6 + [12.0] * 6)
    assert statistics.case_drift(dict(reversed(latencies.items())), []) == statistics.case_drift(latencies, [])


def test_a_third_is_its_median_turn_and_one_bad_turn_is_no_drift() -> None:
    found = alone([10, 10, 10, 10, 10, 10, 10, 10, 10, 500])
    assert found.value == 0
    assert not found.is_proven


def test_fewer_than_nine_turns_tell_nothing() -> None:
    assert statistics.case_drift(by_turn([10.0] * 8), []) is None
    assert statistics.machine_drift([by_turn([10.0] * 8)]) is None
    assert statistics.case_drift(by_turn([10.0] * 9), []) == Drift(0, 0, 0)
    assert statistics.machine_drift([by_turn([10.0] * 9)]) == Drift(0, 0, 0)


@pytest.mark.parametrize("turns", [9, 31, 100])
def test_the_interval_is_of_95_percent_of_2000_resamples_of_each_third(turns: int) -> None:
    values = 100 + 10 * np.random.default_rng(turns).standard_normal(turns)
    found = alone(values.tolist())
    third = turns // 3
    rng = np.random.default_rng(0)

    def medians(part: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([np.median(part[row]) for row in rng.integers(0, third, (2000, third))])

    last = medians(values[-third:])
    changes = last / medians(values[:third]) - 1
    assert [found.low, found.high] == pytest.approx([np.quantile(changes, q) for q in (0.025, 0.975)])
    assert found.value == pytest.approx(np.median(values[-third:]) / np.median(values[:third]) - 1)


def test_a_drift_is_the_same_each_time() -> None:
    values = np.random.default_rng(5).uniform(90, 110, 30).tolist()
    assert alone(values) == alone(values)


def test_the_machines_pace_is_the_median_over_cases_in_units_of_each_ones_usual_latency() -> None:
    found = statistics.machine_pace([{0: 10, 1: 20, 2: 30}, {0: 2000, 1: 2000, 3: 1000}, {0: 7, 1: 7, 2: 70}])
    # Each case's usual latency is 20, 2000 and 7.
    assert found == {0: 1.0, 1: 1.0, 2: pytest.approx((1.5 + 10) / 2), 3: 0.5}


def test_one_case_of_three_does_not_move_the_pace() -> None:
    calm = by_turn([10.0] * 12)
    assert set(statistics.machine_pace([calm, calm, by_turn([10.0] * 6 + [90.0] * 6)]).values()) == {1.0}


@pytest.mark.parametrize("factor", [0.5, 1.4])
def test_what_the_machine_did_to_all_is_no_cases_drift(factor: float) -> None:
    machine = np.linspace(1, factor, 12)
    own, other = by_turn((20 * machine).tolist()), by_turn((3000 * machine).tolist())
    found = statistics.case_drift(own, [other])
    assert found is not None
    assert (found.value, found.low, found.high) == tuple(pytest.approx(0, abs=1e-12) for _ in range(3))


@pytest.mark.parametrize(("own", "others", "value"), [(1.2, 1.0, 0.2), (1.0, 1.25, -0.2), (0.8, 1.0, -0.2)])
def test_a_case_is_judged_beside_the_others(own: float, others: float, value: float) -> None:
    found = statistics.case_drift(by_turn([50.0] * 6 + [50 * own] * 6), [by_turn([7.0] * 6 + [7 * others] * 6)] * 2)
    assert found is not None
    assert (found.value, found.low, found.high) == tuple(pytest.approx(value) for _ in range(3))
    assert found.is_proven


def test_turns_that_no_other_case_had_are_left_out() -> None:
    own = by_turn([10.0] * 9 + [50.0] * 9)
    found = statistics.case_drift(own, [by_turn([10.0] * 9)])
    assert found == Drift(0, 0, 0)
    assert statistics.case_drift(own, [by_turn([10.0] * 8)]) is None


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_the_machines_drift_is_what_all_cases_have_in_common(factor: float) -> None:
    cases = [by_turn([scale] * 6 + [scale * factor] * 6) for scale in (3.0, 50.0, 4000.0)]
    found = statistics.machine_drift(cases)
    assert found is not None
    assert found.value == pytest.approx(factor - 1)
    assert found.is_proven


def test_the_machines_turns_are_in_the_order_of_their_numbers() -> None:
    case = by_turn([10.0] * 6 + [12.0] * 6)
    found = statistics.machine_drift([dict(reversed(case.items()))])
    assert found is not None
    assert found.value == pytest.approx(0.2)


@pytest.mark.parametrize(("last", "words"), [(120, "+20.0% of the first (+20.0% to +20.0%)"), (80, "-20.0%")])
def test_a_case_alone_that_changes_in_either_direction_is_a_fault(last: int, words: str) -> None:
    result = make_result({"a": [100] * 10 + [last] * 10})
    (fault,) = result.faults("a")
    assert words in fault
    assert result.notes == (), "one case knows nothing of the machine"


def test_a_case_beside_others_that_becomes_faster_is_a_fault_of_its_own() -> None:
    calm = [100] * 20
    result = make_result({"a": calm, "b": calm, "c": calm, "d": [100] * 10 + [80] * 10})
    assert "-20.0%" in result.faults("d")[0]
    assert [result.faults(name) for name in "abc"] == [()] * 3
    assert result.notes == ()


def test_a_case_is_not_held_against_itself() -> None:
    """Beside one calm case all of the change is its own; with itself among the others half would vanish."""
    result = make_result({"a": [100] * 20, "b": [100] * 10 + [120] * 10})
    assert "+20.0%" in result.faults("b")[0]


def test_a_machine_that_becomes_faster_for_all_is_noted() -> None:
    faster = [100] * 10 + [80] * 10
    (note,) = make_result({"a": faster, "b": faster}).notes
    assert "-20.0% in the last third" in note


def test_a_turn_is_its_median_latency() -> None:
    result = make_result({"a": [100] * 20})
    # One slow run among three of each late turn is no drift of the turn.
    late = [s.model_copy(update={"infer_ns": 900}) for s in result.samples if s.turn >= 10]
    result = replace(result, samples=(*result.samples, *result.samples, *late))
    assert result.faults("a") == ()


@pytest.mark.parametrize("scenario", DRIFTING)
def test_where_drift_is_expected_it_is_neither_judged_nor_noted(scenario: str) -> None:
    result = make_result({"a": [100] * 10 + [150] * 10})
    protocol = Protocol.model_validate({"scenario": scenario, "min_runs": 1, "min_seconds": 0})
    result = replace(result, cases=tuple(case.model_copy(update={"protocol": protocol}) for case in result.cases))
    assert result.faults("a") == ()
    few = replace(result, samples=result.samples[:5])
    assert few.notes == ()


@pytest.mark.parametrize("scenario", ["sustained", "single-stream"])
def test_cases_that_ran_one_after_the_other_are_judged_by_themselves(scenario: str) -> None:
    """Their turns have the same numbers and were not at the same time."""
    slower = [100] * 10 + [120] * 10
    result = make_result({"a": slower, "b": slower})
    protocol = Protocol.model_validate({"scenario": scenario, "min_runs": 1, "min_seconds": 0})
    result = replace(result, cases=tuple(case.model_copy(update={"protocol": protocol}) for case in result.cases))
    assert result.notes == ()
    assert bool(result.faults("a")) is (scenario == "single-stream")


def test_a_case_that_ran_alone_is_not_judged_beside_those_that_took_turns() -> None:
    slower = [100] * 10 + [120] * 10
    result = make_result({"a": slower, "b": slower, "c": slower})
    protocol = Protocol(scenario="single-stream", min_runs=1, min_seconds=0)
    first, *others = result.cases
    result = replace(result, cases=(first.model_copy(update={"protocol": protocol}), *others))
    assert "+20.0%" in result.faults("a")[0]
    assert result.faults("b") == result.faults("c") == ()


@given(st.integers(0, 100))
def test_a_machine_that_slows_down_for_all_leaves_ratios_standing_and_says_so(seed: int) -> None:
    rng = np.random.default_rng(seed)
    machine = np.linspace(1.0, 1.4, 30)
    noisy = {name: [int(1e7 * m * (1 + 0.03 * rng.standard_normal())) for m in machine] for name in "abcd"}
    result = make_result(noisy)
    assert [result.faults(name) for name in noisy] == [()] * 4
    (note,) = result.notes
    assert "the machine's own speed changed" in note
    assert note in tables.markdown(result)


@given(st.integers(0, 100), st.floats(0.2, 1.0))
def test_a_case_that_slows_down_alone_is_a_fault(seed: int, slowdown: float) -> None:
    rng = np.random.default_rng(seed)
    machine = 1 + 0.1 * rng.standard_normal(30)
    calm = {name: [int(1e7 * m) for m in machine] for name in "abc"}
    throttled = [int(1e7 * m * f) for m, f in zip(machine, np.linspace(1, 1 + slowdown, 30), strict=True)]
    result = make_result({**calm, "d": throttled})
    assert "beside the run's other cases" in result.faults("d")[0]
    assert [result.faults(name) for name in "abc"] == [()] * 3


def test_a_phones_cases_run_one_after_another_so_each_is_judged_by_itself() -> None:
    slower = [10**7] * 20 + [13 * 10**6] * 10
    made = make_result({"a": slower, "b": slower})
    assert made.faults("a") == made.faults("b") == ()
    environment = made.run.environment.model_copy(update={"device": "Pixel"})
    phone = replace(made, run=made.run.model_copy(update={"environment": environment}))
    assert [phone.faults(name)[0][:30] for name in "ab"] == ["the last third took +30.0% of "] * 2
    assert phone.notes == ()


def test_drift_needs_enough_turns() -> None:
    result = make_result({"a": [100] * 6 + [200] * 2})
    assert result.faults("a") == ()
    assert result.notes == ("too few turns to tell whether a case's speed changed during the run",)
