import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import make_result

from squeezebert_mobile.benchmarks import report, statistics, table
from squeezebert_mobile.benchmarks.drift import Drift
from squeezebert_mobile.benchmarks.protocol import Conditions, Protocol, case_faults, machine_faults

PROTOCOL = Protocol(min_runs=9, min_seconds=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"other_load": 0.5}, "other programs used 0.50 cores"),
        ({"stolen": 1.2}, "the host kept 1.20 cores"),
        ({"clock_jump_seconds": -3.0}, "the clock jumped"),
        ({"throttle_events": 2}, "throttled 2 times"),
        ({"thermal_status": 2}, "thermal status 2"),
        ({"battery_percent": 19}, "battery at 19 %"),
        ({"charging": True}, "charging"),
        ({"screen_on": False}, "screen off"),
        ({"cancelled": True}, "cancelled"),
    ],
)
def test_each_fault_of_the_machine_has_its_reason(change: dict, words: str) -> None:
    (reason,) = machine_faults(Conditions(seconds=1.0, **change))
    assert words in reason


def test_a_quiet_machine_has_no_faults() -> None:
    quiet = Conditions(
        seconds=1.0, other_load=0.1, thermal_status=1, battery_percent=20, charging=False, screen_on=True
    )
    assert machine_faults(quiet) == ()


def test_too_few_runs_too_few_seconds_and_drift_are_faults() -> None:
    drift = Drift(0.1, 0.08, 0.12)
    assert case_faults(PROTOCOL, [10] * 9, None) == ()
    assert "8 runs of at least 9" in case_faults(PROTOCOL, [10] * 8, None)[0]
    assert "0.00 s of at least 1 s" in case_faults(PROTOCOL.model_copy(update={"min_seconds": 1.0}), [10] * 9, None)[0]
    assert "the last third took +10.0% of the first (+8.0% to +12.0%)" in case_faults(PROTOCOL, [10] * 9, drift)[0]
    assert case_faults(PROTOCOL.model_copy(update={"scenario": "sustained"}), [10] * 9, drift) == ()


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=50))
def test_percentiles_are_numpys_linear_ones(values: list[int]) -> None:
    found = statistics.summarize(values)
    assert (found.p50, found.p90, found.p99) == pytest.approx(
        [float(np.percentile(np.array(values) / 1e6, q)) for q in (50, 90, 99)]
    )


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


def test_what_a_host_kept_is_said_and_leaves_ratios_standing() -> None:
    result = make_result({"a": [100] * 20, "b": [50] * 20}, stolen=0.2)
    assert result.faults("a") == ()
    assert "the host kept 0.20 cores" in result.notes[0]
    assert "Note: the host kept 0.20 cores" in report.page("t", [result])
    assert table.rows(result, "a")[1].speedup is not None


def test_an_invalid_run_has_no_speed_up() -> None:
    slow, fast = [100] * 20, [50] * 20
    assert table.rows(make_result({"a": slow, "b": fast}), "a")[1].speedup is not None
    invalid = make_result({"a": slow, "b": fast}, charging=True)
    assert all(row.speedup is None for row in table.rows(invalid, "a"))
    text = table.markdown(invalid)
    assert "invalid: charging" in text
    assert "2.00x" not in text


@given(st.integers(0, 100))
def test_a_machine_that_slows_down_for_all_leaves_ratios_standing_and_says_so(seed: int) -> None:
    rng = np.random.default_rng(seed)
    machine = np.linspace(1.0, 1.4, 30)
    noisy = {name: [int(1e7 * m * (1 + 0.03 * rng.standard_normal())) for m in machine] for name in "abcd"}
    result = make_result(noisy)
    assert [result.faults(name) for name in noisy] == [()] * 4
    (note,) = result.notes
    assert "the machine's own speed changed" in note
    assert note in table.markdown(result)


@given(st.integers(0, 100), st.floats(0.2, 1.0))
def test_a_case_that_slows_down_alone_is_a_fault(seed: int, slowdown: float) -> None:
    rng = np.random.default_rng(seed)
    machine = 1 + 0.1 * rng.standard_normal(30)
    calm = {name: [int(1e7 * m) for m in machine] for name in "abc"}
    throttled = [int(1e7 * m * f) for m, f in zip(machine, np.linspace(1, 1 + slowdown, 30), strict=True)]
    result = make_result({**calm, "d": throttled})
    assert "beside the run's other cases" in result.faults("d")[0]
    assert [result.faults(name) for name in "abc"] == [()] * 3


def test_a_case_by_itself_is_judged_by_itself() -> None:
    assert make_result({"a": [100] * 20}).faults("a") == ()
    assert "+20.0%" in make_result({"a": [100] * 10 + [120] * 10}).faults("a")[0]


def test_drift_needs_enough_turns() -> None:
    result = make_result({"a": [100] * 6 + [200] * 2})
    assert result.faults("a") == ()
    assert result.notes == ("too few turns to tell whether a case's speed changed during the run",)
