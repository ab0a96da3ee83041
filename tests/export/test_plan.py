"""The planned steps of an export are those that it takes, with every option."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import tiny

from squeezebert_mobile import machine
from squeezebert_mobile.export import pipeline, plan
from squeezebert_mobile.export.gates import AccuracyGate
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.steps import Step, Steps
from squeezebert_mobile.tasks import Task

SMALL = replace(tiny.CONFIG, num_hidden_layers=1)
STATIC = {"precisions": ("fp32", "int8", "int8-static"), "calibration": "texts.txt", "calibration_rows": 16}
GATE = {"data": "dev.tsv", "max_accuracy_drop": 1.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("plan")
    tiny.checkpoint(made / "model", Task.TEXT_CLASSIFICATION, SMALL)
    (made / "texts.txt").write_text("a good film\na bad film\n" * 8)
    (made / "dev.tsv").write_text("sentence\tlabel\n" + "good\tpositive\nbad\tnegative\n" * 4)
    return made


def options(folder: Path, **given: object) -> ExportOptions:
    paths = {name: folder / given[name] for name in ("calibration", "sensitivity") if name in given}  # type: ignore[operator]
    data = {"data": str(folder / str(given["data"]))} if "data" in given else {}
    return ExportOptions(folder / "bundle", folder / "model", force=True, **{**given, **paths, **data})  # type: ignore[arg-type]


@pytest.mark.parametrize("returns", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"runtimes": ("onnx",), "archive": "x.zip"},
        STATIC,
        {**STATIC, "sensitivity": "s.json"},
        GATE,
        {**STATIC, **GATE, "sensitivity": "s.json"},
        {**STATIC, **GATE, "require_faster": True},
    ],
)
def test_an_export_takes_the_steps_that_were_planned(
    folder: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], returns: bool
) -> None:
    """Nothing is lowered here; what a lane begins is what `_make` reports."""
    asked = options(folder, **given)
    if asked.archive is not None:
        asked = replace(asked, archive=folder / "bundle.zip")
    told: list[tuple[int, int]] = []
    steps = Steps(lambda steps, _: told.append((len(steps.done) + len(steps.running), len(steps.planned))))
    if returns:
        monkeypatch.setattr(AccuracyGate, "drop", lambda *_: 2.0)

    class Made(Exception):
        """As far as the test goes."""

    def made(*_: object) -> None:
        promised = {step.name for step in plan.plan(asked, SMALL)}
        assert {step.name for step in steps.planned} <= promised
        raise Made

    monkeypatch.setattr(pipeline, "_make_all", made)
    with pytest.raises(Made):
        pipeline.export(asked, steps)
    assert all(done <= total for done, total in told)
    lanes = [step for step in steps.planned if step.lane]
    expected = [plan.exporting, plan.checking]
    for runtime, precision in product(asked.runtimes, asked.precisions):
        throughout = [plan.costing] if returns and GATE.items() <= given.items() and "int8" in precision else []
        names = [name(runtime, precision) for name in (*expected, *throughout)]
        assert [step.name for step in lanes if step.lane == plan.lane(runtime, precision)] == names
    waiting = [step.name for step in steps.planned if step not in steps.done and not step.lane]
    cost = [plan.COST] if any(step.name.endswith("throughout") for step in lanes) else []
    speed = [plan.SPEED] if asked.require_faster else []
    assert waiting == [*cost, *speed, plan.WRITE, *([plan.PACK] if asked.archive else [])]


def test_every_step_takes_time_and_has_a_name_of_its_own(folder: Path) -> None:
    steps = plan.plan(options(folder, **STATIC, **GATE, sensitivity="s.json", require_faster=True), SMALL)
    assert len({step.name for step in steps}) == len(steps)
    assert all(step.seconds > 0 for step in steps)


def test_as_many_are_made_at_once_as_cores_and_memory_allow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = options(folder, **STATIC)

    def jobs(cores: int, memory: int | None, asked: ExportOptions = asked) -> int:
        monkeypatch.setattr(machine, "cores", lambda: cores)
        monkeypatch.setattr(machine, "available_memory", lambda: memory)
        return plan.jobs(asked, SMALL)

    assert jobs(4, 2**40) == 4
    assert jobs(64, None) == 6
    assert jobs(4, 3 * 2**30) in (2, 3, 4)
    assert jobs(4, 1) == 1
    assert jobs(1, None, replace(asked, jobs=5)) == 5
    assert jobs(9, None, replace(asked, jobs=9)) == 6


def test_the_lanes_that_take_longest_come_first() -> None:
    assert plan.seconds_by_lane([Step("a", 1, "x"), Step("b", 2, "x"), Step("c", 4)]) == {"x": 3, "": 4}
