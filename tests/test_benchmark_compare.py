from pathlib import Path

import numpy as np
import pytest
from test_benchmark_samples import make_result

from squeezebert_mobile.benchmarks import samples
from squeezebert_mobile.benchmarks.compare import CompareOptions, compare, markdown
from squeezebert_mobile.errors import GateError, UsageError


def noisy(seed: int, scale: float = 1.0) -> list[int]:
    """Sixty latencies of 20 ms with the 2 % scatter that an idle machine shows."""
    rng = np.random.default_rng(seed)
    return [int(value) for value in 20e6 * scale * (1 + 0.02 * rng.standard_normal(60))]


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
