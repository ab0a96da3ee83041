"""Estimates beside what real hardware took."""

from dataclasses import replace

import pytest
from cycle_runs import ESTIMATE, RUN
from results import make_result

from squeezebert_mobile.benchmarks.lab import against
from squeezebert_mobile.benchmarks.lab.arm_machine import CPUS
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.errors import UsageError

A57, A76, _ = CPUS
OURS = "SqueezeBERT, ONNX Runtime, fp32, bundle"
ESTIMATES = RUN.model_copy(update={"estimates": (ESTIMATE.model_copy(update={"name": OURS}),)})


def measured(**conditions: float) -> Result:
    """100 inferences of 1 ms each."""
    return make_result({"SqueezeBERT": [1_000_000] * 100, "BERT-base": [2_000_000] * 100}, **conditions)


def test_a_millisecond_is_as_many_cycles_as_the_clock_that_the_run_saw() -> None:
    (found,) = against.compare(measured(slowest_mhz=2500.0, fastest_mhz=2500.0), ESTIMATES, A76)
    assert (found.name, found.measured, found.estimated, found.bounded) == (OURS, 2_500_000, 2_000_000, 2_500_000)
    assert found.error == pytest.approx(-0.2)
    assert "-20%" in against.text((found,))


def test_a_clock_that_is_given_is_taken() -> None:
    (found,) = against.compare(measured(), ESTIMATES, A76, ghz=1.6)
    assert found.error == pytest.approx(0.25)


@pytest.mark.parametrize("clocks", [{}, {"slowest_mhz": 1500.0, "fastest_mhz": 2500.0}])
def test_without_a_steady_clock_it_is_asked_for(clocks: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="--ghz"):
        against.compare(measured(**clocks), ESTIMATES, A76)


def test_another_core_threads_or_padding_have_no_estimate() -> None:
    with pytest.raises(UsageError, match="no valid case with an estimate"):
        against.compare(measured(), ESTIMATES, A57, ghz=1)
    result = measured()
    for change in ({"threads": 2}, {"pad_to": 256}, {"tokens": 20}):
        cases = [c.model_copy(update={"protocol": c.protocol.model_copy(update=change)}) for c in result.cases]
        with pytest.raises(UsageError, match="no valid case with an estimate"):
            against.compare(replace(result, cases=tuple(cases)), ESTIMATES, A76, ghz=1)


def test_an_invalid_case_settles_nothing() -> None:
    with pytest.raises(UsageError, match="no valid case with an estimate"):
        against.compare(measured(other_load=5.0), ESTIMATES, A76, ghz=1)
