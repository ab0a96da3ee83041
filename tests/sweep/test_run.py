"""What is made of bundles and of what the commands printed, with bundles that are written by hand."""

import json
from pathlib import Path
from typing import Any

import handmade
import pytest
from handmade_bundle import accuracy

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.manifest import Range
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.sweep import run
from squeezebert_mobile.sweep.options import SweepOptions
from squeezebert_mobile.sweep.stages import Stage, digests

GRID = """
rules = ["most accurate", "fastest"]
[grid]
checkpoint = ["model"]
precision = ["fp32"]
runtime = ["onnx"]
trimming = ["", "texts.txt"]
[export]
data = "dev.tsv"
[benchmark]
tokens = 8
"""


def options(folder: Path, **more: Any) -> SweepOptions:
    (folder / "grid.toml").write_text(GRID, encoding="utf-8")
    return SweepOptions(folder / "grid.toml", folder / "runs", **more)


def made(folder: Path, metric: str, values: tuple[float, float]) -> list[Stage]:
    """Both cells' exports, as if their commands had run."""
    place = run._place(options(folder))
    planned = run._planned(run.read(folder / "grid.toml"), digests(folder))
    content, described = handmade.contents(handmade.onnx_model().SerializeToString())
    for each, value in zip(planned, values, strict=True):
        found = accuracy(0.0, None).model_copy(
            update={"metric": metric, "value": value, "interval": Range(low=value - 1, high=value + 1)}
        )
        artifact = described.artifacts[0].model_copy(update={"accuracy": found})
        # Two bundles of the same files are the same to the digest; a sweep tells them apart all the same.
        with bundles.staged(each.export.target(place), force=False) as stage:
            bundles.fill(stage, content, described.model_copy(update={"artifacts": (artifact,)}))
        each.export.beside(place, ".json").write_text("{}\n")
    return [each.export for each in planned]


def timed(folder: Path, exports: list[Stage], rows: list[tuple[Stage, float]], skipped: dict[str, str]) -> None:
    """What `benchmark` would print of them."""
    place = run._place(options(folder))
    stage = Stage.of("benchmark", ["--tokens", "8"], exports, digests(folder), run.platform.node())
    printed = {
        "run": {"environment": {"cpu": "a processor", "device": None}},
        "rows": [
            {"case": {"model": f"SqueezeBERT {each.key}"}, "infer": {"p50": time}, "faults": []} for each, time in rows
        ],
        "skipped": [{"candidate": candidate, "reason": reason} for candidate, reason in skipped.items()],
    }
    path = stage.beside(place, ".json")
    path.parent.mkdir(parents=True)
    path.write_text(f"{json.dumps([printed])}\n", encoding="utf-8")


@pytest.mark.parametrize(("metric", "best"), [("accuracy", "trimmed to texts.txt"), ("pseudo_perplexity", "onnx fp32")])
def test_the_best_is_the_highest_of_a_metric_that_rises_and_the_lowest_of_one_that_falls(
    tmp_path: Path, metric: str, best: str
) -> None:
    exports = made(tmp_path, metric, (4.0, 5.0))
    timed(tmp_path, exports, [(exports[0], 2.0), (exports[1], 1.0)], {})
    found = run.sweep(options(tmp_path))
    assert found.rises == (metric == "accuracy")
    chosen = {choice.rule: choice.name for choice in found.choices}
    assert chosen == {"most accurate": best, "fastest": "trimmed to texts.txt"}
    assert {cell.name: cell.below for cell in found.cells}[best] == 0
    assert sorted(cell.below for cell in found.cells) == [0, 1]
    assert found.machine.endswith("(a processor)")


def test_a_cell_that_was_not_timed_says_why(tmp_path: Path) -> None:
    exports = made(tmp_path, "accuracy", (0.8, 0.8))
    timed(tmp_path, exports, [(exports[0], 2.0)], {f"SqueezeBERT {exports[1].key}, ONNX": "takes at most 4 tokens"})
    found = run.sweep(options(tmp_path))
    assert [cell.time for cell in found.cells] == [2.0, None]
    assert [(failed.name, failed.error) for failed in found.failed] == [
        ("trimmed to texts.txt", "takes at most 4 tokens")
    ]


def test_a_rule_that_no_cell_keeps_to_picks_nothing(tmp_path: Path) -> None:
    exports = made(tmp_path, "accuracy", (0.8, 0.9))
    timed(tmp_path, exports, [(each, 2.0) for each in exports], {})
    asked = options(tmp_path, pick="fastest under 1 ms", to=tmp_path / "picked")
    found = run.sweep(asked)
    with pytest.raises(UsageError, match="none, no cell keeps to it; fix: give a rule"):
        run.pick(found, asked)
    assert not (tmp_path / "picked").exists()
    asked = options(tmp_path, pick="most accurate", to=tmp_path / "picked")
    assert run.pick(run.sweep(asked), asked).name == "trimmed to texts.txt"
    assert bundles.read(tmp_path / "picked").manifest.artifacts[0].accuracy is not None
