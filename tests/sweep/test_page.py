"""The page of a sweep in a real browser, at a laptop's and a phone's width, light and dark."""

from dataclasses import replace
from pathlib import Path

import pytest
from browser import assert_readable

from squeezebert_mobile.sweep import choice, page
from squeezebert_mobile.sweep.choice import Measured, Rule
from squeezebert_mobile.sweep.run import Failed, SweepResult

RULES = ("smallest", "fastest within 1 point", "most accurate under 8 MB", "most accurate under 1 ms")


def result(**changes: object) -> SweepResult:
    """Twelve cells, six of them on the front, one of them not timed well, and two that failed."""
    cells = tuple(
        Measured(
            name=f"layers {layers}, width {width}, {precision}, onnx",
            bundle=f"runs/export/{layers}{width}{precision}",
            artifact="onnx/model.onnx",
            accuracy=0.86 - 0.02 / layers - 0.008 * (width == 1536) - 0.003 * (precision == "int8"),
            low=0.835 - 0.02 / layers,
            high=0.885 - 0.02 / layers,
            below=0.02 / layers - 0.02 / 12 + 0.008 * (width == 1536) + 0.003 * (precision == "int8"),
            drop=0.003 * (precision == "int8"),
            megabytes=(4 + layers * width / 1536) * (1 if precision == "int8" else 4),
            time=layers * (0.5 + width / 3072) * (1 if precision == "int8" else 2.5),
            faults=("1.2 cores were used by other programs",) if layers == 2 and width == 1536 else (),
        )
        for layers in (12, 6, 2)
        for width in (3072, 1536)
        for precision in ("fp32", "int8")
    )
    rules = [choice.decide(Rule.parse(rule), cells, "accuracy", "ms") for rule in RULES]
    made = SweepResult(
        grid="grid.toml", output_dir="runs", metric="accuracy", rises=True, rows=872, data="dev.tsv",
        data_sha256="0" * 64, chance=0.51, unit="ms", machine="a desk (a processor)", cells=cells,
        front=tuple(cell.name for cell in choice.front(cells)), choices=tuple(rules),
        failed=(Failed("layers 1, width 3072, int8, onnx", "finetune: dev.tsv: is no such file; fix: check the path"),),
        page="runs/sweep.html",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_at_both_widths(tmp_path: Path, scheme: str) -> None:
    found = result(page=str(tmp_path / "page.html"))
    page.write(found)
    assert_readable(Path(found.page), scheme, ["time", "size"])


def test_table_and_page_say_the_same() -> None:
    found = result()
    shown, told = page.page(found), page.text(found)
    for choice_ in found.choices:
        assert choice_.sentence in page.verdict(found).text
        assert (choice_.name or choice_.sentence) in shown
    for cell in found.cells:
        assert f"{cell.accuracy:.4f}" in shown and f"{cell.accuracy:.4f}" in told
    assert shown.count("is no such file") == told.count("is no such file") == 1
    assert shown.count('<tr role="row" class="ours">') == len(found.front)
    assert "most accurate under 1 ms: none, no cell keeps to it" in shown
    assert "1.2 cores were used" in shown and " (!)" in told


def test_cells_without_a_time_have_one_figure_and_models_at_chance_a_note() -> None:
    untimed = tuple(replace(cell, time=None, low=0.4) for cell in result().cells)
    shown = page.page(result(cells=untimed))
    assert 'id="size"' in shown and 'id="time"' not in shown
    assert "The commonest label alone reaches 0.5100, and no cell is surely better." in shown
