"""The page of a run in a real browser, at a laptop's and a phone's width, light and dark."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from browser import assert_readable, look
from results import make_result

from squeezebert_mobile.benchmarks import page as pages
from squeezebert_mobile.benchmarks import tables
from squeezebert_mobile.benchmarks.plots import figures
from squeezebert_mobile.benchmarks.protocol import Conditions
from squeezebert_mobile.benchmarks.results import Result, Sample
from squeezebert_mobile.reports.document import Figure
from squeezebert_mobile.reports.drawing import WIDTH, Dot, Line, Text


def wide_result() -> Result:
    """A run with every chart's data: two lengths of four cases, long names, a sustained scenario."""
    names = ("onnx", "executorch")
    made = make_result({f"{name} {precision}": [9_000_000] * 12 for name in names for precision in ("fp32", "int8")})
    cases = []
    for number, case in enumerate(made.cases):
        facts = {"model": "BERT-base" if number == 0 else "SqueezeBERT", "file_bytes": 10**7 * (number + 1)}
        facts |= {"runtime": names[number // 2], "precision": ("fp32", "int8")[number % 2], "agreement": 1.0}
        facts |= {"form": "quantize_dynamic, unsigned" if number == 3 else "bundle"}
        cases.append(case.model_copy(update=facts))
    taken = [
        sample.model_copy(update={"infer_ns": sample.infer_ns + 10**5 * (3 * n % 7), "at_ns": 10**9 * n})
        for n, sample in enumerate(made.samples)
    ]
    return Result(made.run, tuple(cases), tuple(taken), made.conditions)


def varied(result: Result, **changes: object) -> Result:
    """The same run, each case a second time under another protocol."""
    again = [
        case.model_copy(update={"name": f"{case.name} again", "protocol": case.protocol.model_copy(update=changes)})
        for case in result.cases
    ]
    tokens = changes.get("tokens", 8)
    copies = [
        Sample.model_validate(sample.model_dump() | {"case": f"{sample.case} again", "tokens": tokens})
        for sample in result.samples
    ]
    return Result(result.run, (*result.cases, *again), (*result.samples, *copies), result.conditions)


def sustained(result: Result) -> Result:
    cases = [
        case.model_copy(update={"protocol": case.protocol.model_copy(update={"scenario": "sustained"})})
        for case in result.cases
    ]
    return Result(result.run, tuple(cases), result.samples, result.conditions)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_can_be_read_at_both_widths(tmp_path: Path, scheme: str) -> None:
    plain = wide_result()
    results = [plain, varied(plain, tokens=16), varied(plain, threads=2), sustained(plain)]
    wanted = [figure.name for result in results for figure in figures(result)]
    assert set(wanted) == {"latency", "speed-up", "length", "threads", "size", "sustained"}
    page = tmp_path / "page.html"
    page.write_text(pages.page(results), encoding="utf-8")
    numbered = [f"{figure.name}-{n}" for n, result in enumerate(results, 1) for figure in figures(result)]
    assert_readable(page, scheme, [name.removesuffix("-1") for name in numbered])


def drawn(result: Result) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(result)}


def written(figure: Figure) -> list[str]:
    return [mark.text for mark in figure.drawing.marks if isinstance(mark, Text)]


def test_a_run_of_mixed_lengths_has_the_figures_of_its_main_length() -> None:
    plain = wide_result()
    short = varied(plain, tokens=16)
    kept = [case for case in short.cases if "again" not in case.name or "onnx" in case.name]
    names = {case.name for case in kept}
    mixed = replace(short, cases=tuple(kept), samples=tuple(s for s in short.samples if s.case in names))
    for result in (mixed, short):
        assert set(drawn(result)) == {"latency", "speed-up", "length", "size"}
        assert "128 tokens" in drawn(result)["latency"].words


def test_a_speed_up_is_over_the_same_work() -> None:
    short = varied(wide_result(), tokens=16)
    found = tables.rows(short, tables.find_baseline(short))
    assert [row.speedup is not None for row in found] == [False, *[True] * 3, *[False] * 4]


def test_padded_input_is_no_point_of_its_length() -> None:
    plain = wide_result()
    padded = varied(plain, tokens=8, pad_to=128)
    assert "length" not in drawn(padded)


def test_bars_are_grouped_by_model_with_the_best_of_each_first() -> None:
    made = wide_result()
    slower = {case.name: n for n, case in enumerate(made.cases)}
    samples = tuple(s.model_copy(update={"infer_ns": s.infer_ns * (9 - 2 * slower[s.case])}) for s in made.samples)
    texts = written(drawn(replace(made, samples=samples))["latency"])
    heads = [text for text in texts if text in ("BERT-base", "SqueezeBERT")]
    assert heads == ["SqueezeBERT", "BERT-base"]
    values = [float(text.split()[0]) for text in texts if text.endswith(" ms")]
    assert values == sorted(values)


def test_the_first_point_of_a_curve_is_whole() -> None:
    threads = drawn(varied(wide_result(), threads=2))["threads"].drawing
    dots = [mark for mark in threads.marks if isinstance(mark, Dot)]
    axis = min(mark.points[0][0] for mark in threads.marks if isinstance(mark, Line))
    assert dots
    assert all(axis <= dot.x - dot.radius and dot.x + dot.radius <= WIDTH for dot in dots)


def test_one_file_is_no_scatter() -> None:
    made = wide_result()
    alone = replace(made, cases=made.cases[:1], samples=tuple(s for s in made.samples if s.case == made.cases[0].name))
    assert set(drawn(alone)) == {"latency"}


def test_agreement_is_named_as_what_it_is() -> None:
    made = wide_result()
    cases = tuple(case.model_copy(update={"agreement": 0.99}) for case in made.cases)
    page = pages.page([replace(made, cases=cases)])
    assert "agrees with the reference: 99 %" in page
    assert "accuracy" not in page.lower()


def test_the_conditions_stand_once_above_their_table() -> None:
    page = pages.page([wide_result()])
    _, table = page.split("<tbody", 1)
    assert page.count("<h2>1 thread, batch 1, 128 tokens</h2>") == 1
    assert "128 tokens" not in table.split("</table>")[0]
    heads = re.findall(r"<th role=\"columnheader\".*?>(.*?)</th>", page)
    assert heads[:5] == ["model", "p50 ms", "speed-up", "runtime", "precision"]


def test_an_invalid_run_has_no_speed_up_as_its_headline() -> None:
    made = wide_result()
    valid, invalid = (
        pages.page([made]),
        pages.page([replace(made, conditions=Conditions(seconds=1.0, screen_on=False))]),
    )
    assert "as fast as fp32 BERT-base" in valid
    assert "as fast as fp32 BERT-base" not in invalid
    assert "not valid as a claim" in invalid


def test_the_page_fetches_nothing() -> None:
    page = pages.page([wide_result()])
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page)
    assert "@import" not in page and "url(http" not in page


def test_a_fault_of_a_page_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><html><head></head><body><script>throw new Error('x')</script>"
        '<div style="width:3000px">a</div><figure id="a"><img></figure></body></html>'
    )
    for found in look(page):
        assert found["faults"] and found["overflow"] > 0 and found["beyond"] and found["charts"][0][:2] == ["a", False]
