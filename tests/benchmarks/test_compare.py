from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from results import make_result, noisy

from squeezebert_mobile.benchmarks import compare as comparison
from squeezebert_mobile.benchmarks import results
from squeezebert_mobile.benchmarks.compare import compare, require
from squeezebert_mobile.benchmarks.options import CompareOptions
from squeezebert_mobile.benchmarks.results import Pace, Result, Version
from squeezebert_mobile.errors import GateError, UndecidedError, UsageError


def pair(tmp_path: Path, before: list[int], after: list[int], **conditions) -> CompareOptions:
    results.write(tmp_path / "a.jsonl", make_result({"m": before}, run_id="a"))
    results.write(tmp_path / "b.jsonl", make_result({"m": after}, run_id="b", **conditions))
    return CompareOptions(tmp_path / "a.jsonl", tmp_path / "b.jsonl", max_slowdown=0.02, noise=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_thing_twice_passes(tmp_path: Path, seed: int) -> None:
    found = compare(pair(tmp_path, noisy(2 * seed), noisy(2 * seed + 1)))
    assert [change.verdict for change in found.changes] == ["same"]


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_slowdown_of_5_percent_fails_the_gate(tmp_path: Path, seed: int) -> None:
    options = pair(tmp_path, noisy(2 * seed), noisy(2 * seed + 1, 1.05))
    with pytest.raises(GateError, match=r"became slower by \+\d\.\d% .*expected at most \+2.0%") as caught:
        require(compare(options), options.after)
    assert caught.value.exit_code == 6


def paced(seed: int, machine: float, scale: float = 1.0) -> Result:
    """A run on a machine that takes ``machine`` times as long for everything, a model ``scale`` times as long.

    Other programs add 2 to 5 % in the mean, in every run another share.
    """
    share = np.random.default_rng(seed).uniform(0.02, 0.05)
    made = make_result({"m": noisy(seed, machine * scale, share)}, run_id=str(seed))
    readings = [round(value / 2) for value in noisy(100 + seed, machine, share)]
    return replace(made, paces=tuple(Pace(case="m", turn=n, product_ns=each) for n, each in enumerate(readings)))


def paced_pair(tmp_path: Path, before: Result, after: Result) -> CompareOptions:
    results.write(tmp_path / "a.jsonl", before)
    results.write(tmp_path / "b.jsonl", after)
    return CompareOptions(tmp_path / "a.jsonl", tmp_path / "b.jsonl", max_slowdown=0.02)


@pytest.mark.parametrize("machine", [0.93, 1.0, 1.08])
def test_a_machine_of_another_pace_is_no_slower_model(tmp_path: Path, machine: float) -> None:
    found = compare(paced_pair(tmp_path, paced(0, 1.0), paced(1, machine)))
    assert [change.verdict for change in found.changes] == ["same"]


@pytest.mark.parametrize("machine", [0.93, 1.0, 1.08])
def test_a_slower_model_is_found_at_any_pace(tmp_path: Path, machine: float) -> None:
    found = compare(paced_pair(tmp_path, paced(0, 1.0), paced(1, machine, 1.05)))
    assert found.decision == "regression"
    assert "became slower" in found.reasons[0]


@pytest.mark.parametrize("machine", [0.8, 1.25])
def test_at_too_different_a_pace_nothing_is_proven(tmp_path: Path, machine: float) -> None:
    options = paced_pair(tmp_path, paced(0, 1.0), paced(1, machine))
    with pytest.raises(UndecidedError, match=r"the reference kernel took [+-]2\d%") as caught:
        require(compare(options), options.after)
    assert caught.value.exit_code == 8


def test_too_noisy_a_pair_proves_nothing(tmp_path: Path) -> None:
    """What is not known to be slower is not known to be as fast either, so the gate does not let it pass."""
    options = pair(tmp_path, noisy(0, share=0.3), noisy(1, share=0.3))
    with pytest.raises(UndecidedError, match=r"known to ±\d+% only, at most ±3%"):
        require(compare(options), options.after)


def test_paces_of_two_products_are_not_divided_by(tmp_path: Path) -> None:
    """Another numpy multiplies at another speed, and that is not the machine's."""
    after = paced(1, 1.3)
    environment = after.run.environment.model_copy(update={"versions": (Version(name="numpy", version="0"),)})
    after = replace(after, run=after.run.model_copy(update={"environment": environment}))
    (change,) = compare(replace(paced_pair(tmp_path, paced(0, 1.0), after), max_slowdown=None)).changes
    assert change.verdict == "slower"
    assert change.slowdown.value > 1.2


def test_padding_is_part_of_a_case(tmp_path: Path) -> None:
    options = pair(tmp_path, noisy(0), noisy(1))
    made = make_result({"m": noisy(1)}, run_id="b")
    protocol = made.cases[0].protocol.model_copy(update={"pad_to": 256})
    results.write(options.after, replace(made, cases=(made.cases[0].model_copy(update={"protocol": protocol}),)))
    with pytest.raises(UsageError, match="no case in common"):
        compare(options)


def test_a_gain_is_faster_and_passes(tmp_path: Path) -> None:
    found = compare(pair(tmp_path, noisy(0), noisy(1, 0.9)))
    assert found.changes[0].verdict == "faster"
    assert "faster" in comparison.text(found)


def test_an_invalid_run_never_passes_the_gate_whatever_its_figures(tmp_path: Path) -> None:
    options = pair(tmp_path, noisy(0), noisy(1, 0.5), screen_on=False)
    with pytest.raises(UndecidedError, match="not valid"):
        require(compare(options), options.after)


def test_a_case_that_is_gone_never_passes_the_gate(tmp_path: Path) -> None:
    options = pair(tmp_path, noisy(0), noisy(1))
    results.write(options.before, make_result({"m": noisy(0), "gone": noisy(2)}, run_id="a"))
    with pytest.raises(UndecidedError, match="is gone"):
        require(compare(options), options.after)


def test_a_regression_counts_more_than_what_cannot_be_told(tmp_path: Path) -> None:
    options = pair(tmp_path, noisy(0), noisy(1, 1.1))
    results.write(options.before, make_result({"m": noisy(0), "gone": noisy(2)}, run_id="a"))
    found = compare(options)
    assert found.decision == "regression"
    assert comparison.verdict(found).holds is False and comparison.verdict(found).text.startswith("regression: ")


def test_nothing_in_common_is_a_usage_error(tmp_path: Path) -> None:
    options = pair(tmp_path, noisy(0), noisy(1))
    results.write(options.before, make_result({"other": noisy(0)}, run_id="a"))
    with pytest.raises(UsageError, match="no case in common"):
        compare(options)
