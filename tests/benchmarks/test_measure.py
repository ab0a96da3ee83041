"""The order of a run: alone, or in turns that rotate."""

import time
from pathlib import Path

import numpy as np
import pytest

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.benchmarks import measure
from squeezebert_mobile.benchmarks.candidates import Candidate, PlainFile
from squeezebert_mobile.benchmarks.children import Timing
from squeezebert_mobile.benchmarks.measure import Job
from squeezebert_mobile.benchmarks.protocol import Conditions, Protocol
from squeezebert_mobile.steps import Steps

ONE = np.ones((1, 8), np.int64)
ITEM = Batch(ONE, ONE, ONE)


class Recorder:
    """Measures nothing, in milliseconds that it is told, and remembers who was asked for how many runs."""

    def __init__(self, log: list[tuple[int, int]], milliseconds: int) -> None:
        self._log, self._infer_ns = log, milliseconds * 1_000_000

    def measure(self, number: int, items: tuple[int, ...], warmup: int = 0) -> tuple[Timing, ...]:
        self._log.append((number, len(items) - warmup))
        return tuple(Timing(time.perf_counter_ns(), 8, self._infer_ns, None, None) for _ in items)[warmup:]

    def pace(self) -> int:
        return self._infer_ns + len(self._log)


class Clock:
    """A machine on which nothing happens."""

    def look(self) -> None:
        """Nothing to see."""

    def finish(self) -> Conditions:
        return Conditions(seconds=1.0)


def job(name: str, **changes: object) -> Job:
    facts = {"min_runs": 8, "min_seconds": 0, "turn_runs": 4, "warmup": 2} | changes
    candidate = Candidate(name, "plain", "onnx", "fp32", PlainFile(Path("x")), vocab_size=10, max_tokens=8)
    return Job(candidate, Protocol.model_validate(facts), (ITEM,))


def run(jobs: list[Job], *milliseconds: int) -> tuple[measure.Measured, list[tuple[int, int]]]:
    log: list[tuple[int, int]] = []
    recorders = [Recorder(log, each) for each in milliseconds or [10] * len(jobs)]
    found = measure.measure(jobs, recorders, Clock, Steps())
    return found, log[len(jobs) :]


def test_the_order_rotates_and_every_second_round_runs_backwards() -> None:
    found, log = run([job("a"), job("b"), job("c")])
    assert [number for number, _ in log] == [0, 1, 2, 2, 1, 0]
    assert all(runs == 4 for _, runs in log)
    assert [sample.turn for sample in found.samples] == [0] * 4 + [1] * 4 + [0] * 4 + [1] * 4 + [0] * 4 + [1] * 4


def test_of_two_cases_each_goes_first_as_often() -> None:
    _, log = run([job("a", min_runs=16), job("b", min_runs=16)])
    assert [number for number, _ in log] == [0, 1, 1, 0, 1, 0, 0, 1]


@pytest.mark.parametrize("scenario", ["sustained", "single-stream"])
def test_a_scenario_that_runs_alone_is_measured_to_its_end(scenario: str) -> None:
    _, log = run([job("a", scenario=scenario), job("b", scenario=scenario)])
    assert [number for number, _ in log] == [0, 0, 1, 1]


def test_both_minima_are_met_in_turns_of_a_tenth_of_a_second() -> None:
    found, log = run([job("a", min_runs=10, min_seconds=1.0)], 5)
    assert log == [(0, 20)] * 10
    assert sum(sample.infer_ns for sample in found.samples) >= 1_000_000_000


def test_beside_a_slow_case_a_fast_one_has_longer_turns_instead_of_more_rounds() -> None:
    minima = {"min_runs": 12, "min_seconds": 3.0}
    _, log = run([job("fast", **minima), job("slow", **minima)], 5, 250)
    assert [runs for number, runs in log if number == 0] == [200] * 3
    assert [runs for number, runs in log if number == 1] == [4] * 3


def test_the_machines_pace_is_noted_before_each_turn() -> None:
    found, log = run([job("a"), job("b")])
    assert len(found.paces) == len(log) == 4
    # Two warm-ups were logged before the first turn, and each turn after its pace was read.
    assert sorted(pace.product_ns - 10_000_000 for pace in found.paces) == [2, 3, 4, 5]
    assert {(pace.case, pace.turn) for pace in found.paces} == {(s.case, s.turn) for s in found.samples}
