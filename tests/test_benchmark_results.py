"""The README's measured tables equal the runs that they name."""

import re
from pathlib import Path

import pytest
from test_benchmark_samples import make_result

from squeezebert_mobile.benchmarks import samples, table
from squeezebert_mobile.benchmarks.samples import Result

ROOT = Path(__file__).resolve().parents[1]
MARK = re.compile(r"<!-- result: (\S+) -->\n((?:\|.*\n)+)")


def split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def check(text: str, result: Result) -> None:
    heads, _, *lines = text.splitlines()
    columns = [table.heads().index(head) for head in split(heads)]
    known = [
        [table.cells(row)[column] for column in columns] for row in table.rows(result, table.find_baseline(result))
    ]
    for line in lines:
        assert split(line) in known, line


def test_every_marked_table_of_the_readme_equals_its_run() -> None:
    readme = ROOT / "README.md"
    for path, text in MARK.findall(readme.read_text() if readme.exists() else ""):
        check(text, samples.read(ROOT / path))


def test_every_kept_run_is_sealed_and_valid() -> None:
    for path in (ROOT / "benchmarks" / "results").glob("*.jsonl"):
        result = samples.read(path)
        assert [result.faults(case.name) for case in result.cases] == [()] * len(result.cases), path


def test_a_figure_that_differs_is_found() -> None:
    result = make_result({"a": [10_000_000], "b": [20_000_000]})
    cells = table.cells(table.rows(result)[0])
    check(f"| case | p50 ms |\n| --- | --- |\n| {cells[0]} | {cells[2]} |\n", result)
    with pytest.raises(AssertionError):
        check(f"| case | p50 ms |\n| --- | --- |\n| {cells[0]} | 11.0 |\n", result)
