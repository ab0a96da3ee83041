from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_benchmark_samples import make_result

from squeezebert_mobile.benchmarks import samples
from squeezebert_mobile.benchmarks.compare import CompareOptions, compare, markdown
from squeezebert_mobile.benchmarks.samples import Pace, Result
from squeezebert_mobile.errors import GateError, UsageError


def noisy(seed: int, scale: float = 1.0) -> list[int]:
    """A hundred latencies of 20 ms, and what other programs add: 10 % in the median, in every run another share."""
    rng = np.random.default_rng(seed)
    added = rng.uniform(0.06, 0.14) * rng.exponential(size=100)
    return [int(value) for value in 20e6 * scale * (1 + 0.003 * rng.standard_normal(100) + added)]


def pair(tmp_path: Path, before: list[int], after: list[int], **conditions) -> CompareOptions:
    samples.write(tmp_path / "a.jsonl", make_result({"m": before}, run_id="a"))
    samples.write(tmp_path / "b.jsonl", make_result({"m": after}, run_id="b", **conditions))
    return CompareOptions(tmp_path / "a.jsonl", tmp_path / "b.jsonl", max_slowdown=0.02, noise=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_thing_twice_passes(tmp_path: Path, seed: int) -> None:
    found = compare(pair(tmp_path, noisy(2 * seed), noisy(2 * seed + 1)))
    assert [change.verdict for change in found.changes] == ["same"]


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_slowdown_of_5_percent_fails_the_gate(tmp_path: Path, seed: int) -> None:
    with pytest.raises(GateError, match="became slower") as caught:
        compare(pair(tmp_path, noisy(2 * seed), noisy(2 * seed + 1, 1.05)))
    assert caught.value.exit_code == 6


def paced(latencies: list[int], run_id: str, copy_ns: int) -> Result:
    made = make_result({"m": latencies}, run_id=run_id)
    return replace(made, paces=tuple(Pace(case="m", turn=n, copy_ns=copy_ns) for n in range(9)))


def test_a_machine_that_is_slower_itself_proves_nothing(tmp_path: Path) -> None:
    options = pair(tmp_path, noisy(0), noisy(1, 1.2))
    samples.write(options.before, paced(noisy(0), "a", 1000))
    samples.write(options.after, paced(noisy(1, 1.2), "b", 1040))
    with pytest.raises(GateError, match="became slower"):
        compare(options)
    samples.write(options.after, paced(noisy(1, 1.2), "b", 1200))
    with pytest.raises(GateError, match=r"the machine itself took \+20% for a copy of memory"):
        compare(options)


def test_padding_is_part_of_a_case(tmp_path: Path) -> None:
    options = pair(tmp_path, noisy(0), noisy(1))
    made = make_result({"m": noisy(1)}, run_id="b")
    protocol = made.cases[0].protocol.model_copy(update={"pad_to": 256})
    samples.write(options.after, replace(made, cases=(made.cases[0].model_copy(update={"protocol": protocol}),)))
    with pytest.raises(UsageError, match="no case in common"):
        compare(options)


def test_a_gain_is_faster_and_passes(tmp_path: Path) -> None:
    found = compare(pair(tmp_path, noisy(0), noisy(1, 0.9)))
    assert found.changes[0].verdict == "faster"
    assert "faster" in markdown(found)


def test_an_invalid_run_fails_the_gate_whatever_its_figures(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="not valid"):
        compare(pair(tmp_path, noisy(0), noisy(1, 0.5), charging=True))


def test_a_case_that_is_gone_fails_the_gate(tmp_path: Path) -> None:
    options = pair(tmp_path, noisy(0), noisy(1))
    samples.write(options.before, make_result({"m": noisy(0), "gone": noisy(2)}, run_id="a"))
    with pytest.raises(GateError, match="lacks gone"):
        compare(options)


def test_nothing_in_common_is_a_usage_error(tmp_path: Path) -> None:
    options = pair(tmp_path, noisy(0), noisy(1))
    samples.write(options.before, make_result({"other": noisy(0)}, run_id="a"))
    with pytest.raises(UsageError, match="no case in common"):
        compare(options)
