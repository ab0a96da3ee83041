"""The race behind --require-faster and the price of float units, on engines whose clock the tests set."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import handmade
import numpy as np
import pytest

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle.manifest import Artifact, Precision, Runtime, TensorSpec
from squeezebert_mobile.errors import GateError
from squeezebert_mobile.export import gates as speed_gate
from squeezebert_mobile.tasks import Task

BATCH = Batch(*(np.ones((1, 4), np.int64) for _ in range(3)))
# Seconds of an engine's n-th call, n from 0.
Pace = Callable[[int], float]


@dataclass
class Machine:
    """A clock that only engines move; an engine's name is the bytes it was loaded from."""

    paces: dict[str, Pace] = field(default_factory=dict)
    now: float = 1000.0
    calls: list[str] = field(default_factory=list)
    loads: list[tuple[Runtime, str, int, tuple[str, ...]]] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)

    def load(self, runtime: Runtime, model: bytes, threads: int, outputs: Sequence[TensorSpec]) -> "Engine":
        self.loads.append((runtime, model.decode(), threads, tuple(output.name for output in outputs)))
        return Engine(self, model.decode())

    def clock(self) -> float:
        return self.now


@dataclass
class Engine:
    machine: Machine
    name: str

    def run(self, batch: Batch) -> dict[str, Float32]:
        self.machine.now += self.machine.paces[self.name](self.machine.calls.count(self.name))
        self.machine.calls.append(self.name)
        self.machine.batches.append(batch)
        return {}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(speed_gate, "load_engine", made.load)
    monkeypatch.setattr(speed_gate, "perf_counter", made.clock)
    return made


def constant(seconds: float) -> Pace:
    return lambda _: seconds


def artifact(runtime: Runtime, precision: Precision) -> Artifact:
    made = handmade.artifact(b"")
    return made.model_copy(update={"path": f"{runtime}/{precision}", "runtime": runtime, "precision": precision})


INT8 = artifact("onnx", "int8")


# The race


def test_both_files_run_in_turn_after_three_unmeasured_rounds(machine: Machine) -> None:
    machine.paces = {"base": constant(0.25), "other": constant(0.5)}
    assert speed_gate.slowdown(b"base", b"other", INT8, BATCH) == 2.0
    rounds = [machine.calls[start : start + 2] for start in range(0, len(machine.calls), 2)]
    assert len(rounds) == 3 + 21
    assert {frozenset(each) for each in rounds} == {frozenset({"base", "other"})}
    assert sorted(Counter(first for first, _ in rounds[3:]).values()) == [10, 11]
    assert all(batch is BATCH for batch in machine.batches)


def test_both_files_are_loaded_once_with_one_thread(machine: Machine) -> None:
    machine.paces = {"base": constant(1), "other": constant(1)}
    speed_gate.slowdown(b"base", b"other", artifact("executorch", "int8"), BATCH)
    assert machine.loads == [("executorch", name, 1, ("logits",)) for name in ("base", "other")]


def test_the_ratio_is_of_medians_without_the_warm_up(machine: Machine) -> None:
    """Calls 3 to 23 count, whose median is call 13; one call that took a minute changes nothing."""
    machine.paces = {"base": lambda call: float(call + 1), "other": lambda call: 60.0 if call == 20 else 3.5}
    assert speed_gate.slowdown(b"base", b"other", INT8, BATCH) == 3.5 / 14
    machine.calls.clear()
    machine.paces = {"base": lambda call: 60.0 if call == 20 else 3.5, "other": lambda call: float(call + 1)}
    assert speed_gate.slowdown(b"base", b"other", INT8, BATCH) == 14 / 3.5


@pytest.mark.parametrize(("seconds", "rounds"), [(1.0, 21), (1 / 16, 21), (1 / 32, 32), (1 / 64, 64)])
def test_short_calls_run_for_two_seconds(machine: Machine, seconds: float, rounds: int) -> None:
    """A round is two calls; 21 rounds at the least."""
    machine.paces = {"base": constant(seconds), "other": constant(seconds)}
    assert speed_gate.slowdown(b"base", b"other", INT8, BATCH) == 1.0
    assert machine.calls.count("base") == machine.calls.count("other") == 3 + rounds


# The gate


def race(machine: Machine, folder: Path, seconds: dict[tuple[Runtime, Precision], float]) -> None:
    artifacts = [artifact(*key) for key in seconds]
    machine.paces = {made.path: constant(value) for made, value in zip(artifacts, seconds.values(), strict=True)}
    for made in artifacts:
        (folder / made.path).parent.mkdir(exist_ok=True)
        (folder / made.path).write_text(made.path)
    speed_gate.require_faster(artifacts, folder, BATCH)


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-static"])
@pytest.mark.parametrize(("seconds", "found"), [(0.25, "1.00x its time"), (0.375, "1.50x its time")])
@pytest.mark.parametrize("runtime", ["onnx", "executorch"])
def test_a_file_that_is_not_faster_than_fp32_is_refused(
    machine: Machine, tmp_path: Path, runtime: Runtime, precision: Precision, seconds: float, found: str
) -> None:
    with pytest.raises(GateError, match="is not faster than fp32") as caught:
        race(machine, tmp_path, {(runtime, "fp32"): 0.25, (runtime, precision): seconds})
    assert caught.value.exit_code == 6
    assert caught.value.file == f"{runtime}/{precision}"
    assert caught.value.found == found


def test_a_file_that_is_faster_passes(machine: Machine, tmp_path: Path) -> None:
    race(machine, tmp_path, {("onnx", "fp32"): 0.25, ("onnx", "int8"): 0.25 - 2**-10})
    assert set(machine.calls) == {"onnx/fp32", "onnx/int8"}


def test_every_file_races_the_fp32_of_its_runtime_in_any_order(machine: Machine, tmp_path: Path) -> None:
    """Between runtimes all of these are slower, within them none."""
    race(
        machine,
        tmp_path,
        {
            ("onnx", "int8"): 0.5, ("executorch", "fp32"): 0.25, ("onnx", "fp32"): 1.0,
            ("executorch", "int8"): 0.125, ("executorch", "fp16"): 0.1875,
        },
    )  # fmt: skip
    assert [(runtime, name) for runtime, name, _, _ in machine.loads] == [
        ("onnx", "onnx/fp32"), ("onnx", "onnx/int8"),
        ("executorch", "executorch/fp32"), ("executorch", "executorch/int8"),
        ("executorch", "executorch/fp32"), ("executorch", "executorch/fp16"),
    ]  # fmt: skip


def test_the_last_file_is_held_to_it_as_well(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(GateError) as caught:
        race(
            machine,
            tmp_path,
            {
                ("onnx", "fp32"): 1.0, ("onnx", "int8"): 0.5, ("executorch", "fp32"): 0.25, ("executorch", "int8"): 0.5,
            },
        )  # fmt: skip
    assert (caught.value.file, caught.value.found) == ("executorch/int8", "2.00x its time")


# What float units cost


@pytest.mark.parametrize(
    ("sizes", "seconds", "cost"),
    [((1, 1_500_001), (0.25, 0.3125), "+1.5 MB and 1.25x"), ((2_000_001, 1), (0.5, 0.25), "-2.0 MB and 0.50x")],
)
def test_the_price_is_the_growth_in_megabytes_and_the_ratio_of_times(
    machine: Machine, sizes: tuple[int, int], seconds: tuple[float, float], cost: str
) -> None:
    throughout, settled = b"i" * sizes[0], b"f" * sizes[1]
    machine.paces = {throughout.decode(): constant(seconds[0]), settled.decode(): constant(seconds[1])}
    said = speed_gate.cost_report(throughout, settled, INT8, 3, BATCH)
    assert said == f"onnx/int8: 3 units in float for its accuracy, {cost} the time"
    assert all(asked is BATCH for asked in machine.batches)


# What runs


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize(("max_length", "width"), [(512, 128), (128, 128), (40, 40)])
def test_the_input_is_128_tokens_or_as_many_as_fit(task: Task, max_length: int, width: int) -> None:
    made = speed_gate.snippet(task, 50, max_length)
    assert made.input_ids.shape == ((1, 2, width) if task is Task.MULTIPLE_CHOICE else (1, width))
    assert 0 <= made.input_ids.min() < made.input_ids.max() < 50
    assert np.array_equal(made.attention_mask, np.ones_like(made.input_ids))
    assert np.array_equal(made.token_type_ids, np.zeros_like(made.input_ids))
    assert {array.dtype for array in made.arrays().values()} == {np.dtype(np.int64)}
