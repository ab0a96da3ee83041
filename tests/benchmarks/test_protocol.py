"""Each rule by which a measurement does not count, at its bound and just beyond, and each minimum of a protocol."""

from typing import get_args

import pytest
from pydantic import ValidationError
from results import make_result

from squeezebert_mobile.benchmarks import tables
from squeezebert_mobile.benchmarks.page import page
from squeezebert_mobile.benchmarks.protocol import (
    Conditions,
    Protocol,
    Scenario,
    case_faults,
    machine_faults,
    spread_faults,
)
from squeezebert_mobile.benchmarks.statistics import Drift

SLOWER, FASTER = Drift(0.1, 0.08, 0.12), Drift(-0.1, -0.12, -0.08)
ANY = Protocol(min_runs=1, min_seconds=0)


@pytest.mark.parametrize(
    ("field", "allowed", "refused", "reason"),
    [
        ("cancelled", [False], True, "cancelled"),
        ("clock_jump_seconds", [0.0, 1.0, -1.0], 1.01, "the clock jumped by 1.0 s"),
        ("clock_jump_seconds", [], -1.26, "the clock jumped by -1.3 s"),
        ("other_load", [None, 0.0, 0.15], 0.151, "other programs used 0.15 cores"),
        ("stolen", [None, 0.0, 1.0], 1.01, "steal time of 1.01 cores"),
        ("throttle_events", [None, 0], 1, "the processor throttled 1 time"),
        ("thermal_status", [None, 0, 1], 2, "thermal status 2, moderate or worse"),
        ("thermal_status", [], 6, "thermal status 6, moderate or worse"),
        ("battery_percent", [None, 20, 100], 19, "battery at 19 %, at least 20 % needed"),
        ("battery_percent", [], 0, "battery at 0 %, at least 20 % needed"),
        ("screen_on", [None, True], False, "screen off"),
        ("thermal_headroom", [None, 0.0, 0.99], 1.0, "thermal headroom 1.00, throttling from 1"),
        ("thermal_headroom", [], 1.25, "thermal headroom 1.25, throttling from 1"),
        ("in_front", [None, True], False, "the app was not in front for the whole run"),
        ("locked", [None, False], True, "the phone was locked"),
        ("power_save", [None, False], True, "battery saver"),
        ("emulator", [None, False], True, "an emulator, not a phone"),
        ("clocks_known", [None, True], False, "cores and clocks are unknown"),
    ],
)
def test_each_rule_of_the_machine_holds_at_its_bound_and_not_beyond(
    field: str, allowed: list[object], refused: object, reason: str
) -> None:
    for value in allowed:
        assert machine_faults(Conditions.model_validate({"seconds": 1.0, field: value})) == ()
    assert machine_faults(Conditions.model_validate({"seconds": 1.0, field: refused})) == (reason,)


@pytest.mark.parametrize("most", [[], [0], [0] * 9, [100] * 6 + [130] * 4 + [500]])
def test_a_phone_is_in_one_state_where_p90_is_1_3_times_p50(most: list[int]) -> None:
    assert spread_faults(most) == ()


@pytest.mark.parametrize(
    ("latencies", "times"), [([100] * 6 + [131] * 4 + [500], "1.31"), ([1] * 6 + [2] * 4 + [9], "2.00")]
)
def test_a_phone_whose_p90_is_further_off_changed_its_state(latencies: list[int], times: str) -> None:
    assert spread_faults(latencies) == (f"p90 is {times} times p50, at most 1.3 times is one state of the phone",)


def test_a_charger_is_recorded_and_no_fault() -> None:
    assert machine_faults(Conditions(seconds=1.0, charging=True)) == ()


def test_a_machine_that_cannot_say_has_no_faults() -> None:
    assert machine_faults(Conditions(seconds=1.0)) == ()


def test_every_broken_rule_is_named() -> None:
    worst = Conditions(
        seconds=1.0,
        other_load=2.0,
        stolen=2.0,
        clock_jump_seconds=9.0,
        throttle_events=4,
        thermal_status=3,
        battery_percent=5,
        screen_on=False,
        cancelled=True,
    )
    assert machine_faults(worst) == (
        "cancelled",
        "the clock jumped by 9.0 s",
        "other programs used 2.00 cores",
        "steal time of 2.00 cores",
        "the processor throttled 4 times",
        "thermal status 3, moderate or worse",
        "battery at 5 %, at least 20 % needed",
        "screen off",
    )


@pytest.mark.parametrize(("stolen", "noted"), [(None, False), (0.05, False), (0.051, True), (1.0, True)])
def test_steal_time_is_noted_from_a_twentieth_of_a_core(stolen: float | None, noted: bool) -> None:
    result = make_result({"a": [100] * 9}, stolen=stolen)
    assert result.faults("a") == ()
    assert any("steal time" in note for note in result.notes) is noted


def test_steal_time_is_said_and_leaves_ratios_standing() -> None:
    result = make_result({"a": [100] * 20, "b": [50] * 20}, stolen=0.2)
    assert result.faults("a") == ()
    assert "steal time of 0.20 cores" in result.notes[0]
    assert "steal time of 0.20 cores" in page([result])
    assert tables.rows(result, "a")[1].speedup is not None


def test_an_invalid_run_has_no_speed_up() -> None:
    slow, fast = [100] * 20, [50] * 20
    assert tables.rows(make_result({"a": slow, "b": fast}), "a")[1].speedup is not None
    invalid = make_result({"a": slow, "b": fast}, screen_on=False)
    assert all(row.speedup is None for row in tables.rows(invalid, "a"))
    text = tables.markdown(invalid)
    assert "invalid: screen off" in text
    assert "2.00x" not in text


def test_a_case_has_its_minimum_of_runs() -> None:
    protocol = Protocol(min_runs=3, min_seconds=0)
    assert case_faults(protocol, [10] * 3, None) == ()
    assert case_faults(protocol, [10] * 2, None) == ("2 runs of at least 3",)
    assert case_faults(protocol, [], None) == ("0 runs of at least 3",)


def test_a_case_has_its_minimum_of_seconds() -> None:
    protocol = Protocol(min_runs=1, min_seconds=1.5)
    assert case_faults(protocol, [500_000_000] * 3, None) == ()
    assert case_faults(protocol, [500_000_000, 500_000_000, 499_000_000], None) == ("1.50 s of at least 1.5 s",)
    assert case_faults(protocol, [900_000_000], None) == ("0.90 s of at least 1.5 s",)


@pytest.mark.parametrize("latency", [0, -5])
def test_one_latency_that_is_not_above_zero_is_a_fault(latency: int) -> None:
    assert case_faults(ANY, [10, 10, latency], None) == ("a latency is not above zero",)
    assert case_faults(ANY, [10, 10, 1], None) == ()


@pytest.mark.parametrize("scenario", get_args(Scenario))
def test_a_proven_drift_in_either_direction_is_a_fault_but_where_a_scenario_drifts(scenario: Scenario) -> None:
    protocol = ANY.model_copy(update={"scenario": scenario})
    expected = 0 if scenario in ("sustained", "natural-length") else 1
    assert len(case_faults(protocol, [10], SLOWER)) == expected
    assert len(case_faults(protocol, [10], FASTER)) == expected
    assert case_faults(protocol, [10], Drift(0.1, 0.04, 0.2)) == ()
    assert case_faults(protocol, [10], None) == ()


def test_a_drift_is_said_in_percent_of_the_first_third() -> None:
    end = "beside the run's other cases: throttling, or another load"
    assert case_faults(ANY, [10], SLOWER) == (f"the last third took +10.0% of the first (+8.0% to +12.0%) {end}",)
    assert case_faults(ANY, [10], FASTER) == (f"the last third took -10.0% of the first (-12.0% to -8.0%) {end}",)


def test_every_fault_of_a_case_is_named() -> None:
    runs, seconds, latency, change = case_faults(Protocol(), [0] * 99, SLOWER)
    assert (runs, seconds) == ("99 runs of at least 100", "0.00 s of at least 1 s")
    assert latency == "a latency is not above zero"
    assert change.startswith("the last third took +10.0%")


def test_the_standard_protocol_is_128_tokens_at_least_100_runs_and_a_second() -> None:
    assert Protocol().model_dump() == {
        "scenario": "fixed-length",
        "threads": 1,
        "batch": 1,
        "tokens": 128,
        "pad_to": None,
        "warmup": 3,
        "turn_warmup": 1,
        "turn_runs": 4,
        "min_runs": 100,
        "min_seconds": 1.0,
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("field", "smallest"),
    [
        *((name, 1) for name in ("threads", "batch", "tokens", "pad_to", "turn_runs", "min_runs")),
        *((name, 0) for name in ("warmup", "turn_warmup", "seed")),
    ],
)
def test_each_count_of_a_protocol_has_its_minimum(field: str, smallest: int) -> None:
    assert getattr(Protocol.model_validate({field: smallest}), field) == smallest
    with pytest.raises(ValidationError, match=f"greater than or equal to {smallest}"):
        Protocol.model_validate({field: smallest - 1})


def test_seconds_may_be_none_and_not_negative() -> None:
    assert Protocol(min_seconds=0).min_seconds == 0
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Protocol(min_seconds=-0.001)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"runs": 5}, "Extra inputs are not permitted"),
        ({"min_runs": "100"}, "valid integer"),
        ({"min_runs": 10.0}, "valid integer"),
        ({"min_seconds": float("nan")}, "finite number"),
        ({"min_seconds": float("inf")}, "finite number"),
        ({"scenario": "race"}, "Input should be"),
    ],
)
def test_a_record_refuses_what_it_does_not_know(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Protocol.model_validate(change)


def test_a_record_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Protocol().min_runs = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("tokens", "pad_to", "words"),
    [
        (None, None, "natural length"),
        (1, None, "1 token"),
        (2, None, "2 tokens"),
        (128, None, "128 tokens"),
        (1, 8, "1 token padded to 8"),
        (8, 24, "8 tokens padded to 24"),
    ],
)
def test_a_length_is_said_in_words(tokens: int | None, pad_to: int | None, words: str) -> None:
    assert Protocol(tokens=tokens, pad_to=pad_to).length == words
