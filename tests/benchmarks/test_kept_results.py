"""The measured tables of the documents equal the runs that they name."""

import re
from pathlib import Path

import pytest
from arm_runs import RUN
from checkout import ROOT
from results import make_result

from squeezebert_mobile.benchmarks import cycles as stored
from squeezebert_mobile.benchmarks import results, tables
from squeezebert_mobile.benchmarks.lab import arm, cycles, runtimes, students, throughput
from squeezebert_mobile.benchmarks.statistics import ratio

RESULTS = ROOT / "benchmarks" / "results"
MATRIX = RESULTS / "runtimes.json"
STUDENTS = RESULTS / "students.json"
THROUGHPUT = RESULTS / "throughput.json"
CYCLES = stored.KEPT
DOCUMENTS = (ROOT / "README.md", RESULTS / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MARK = re.compile(r"^<!-- result: (\S+) -->\n((?:\|.*\n)+)", re.MULTILINE)

# The README's run, and its words on one line.
PEERS = results.read(RESULTS / "peers-1.jsonl")
WORDS = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
MOBILEBERT = "MobileBERT, ONNX Runtime, int8, quantize_dynamic"
OURS = ("ONNX Runtime, int8", "ONNX Runtime, int8-static", "ExecuTorch, int8")

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def kept(path: Path) -> Table:
    """The heads and rows of a kept run: latencies as JSON lines; all others as JSON."""
    if path == MATRIX:
        matrix = runtimes.read(path)
        return runtimes.HEADS, runtimes.rows(matrix)
    if path == STUDENTS:
        return students.HEADS, students.rows(students.read(path))
    if path == THROUGHPUT:
        return throughput.HEADS, throughput.rows(throughput.read(path))
    if path == CYCLES:
        return cycles.HEADS, list(map(cycles.cells, stored.read(path).estimates))
    if path.suffix == ".json":
        run = arm.read(path)
        return arm.heads(run), [arm.cells(run, answer) for answer in run.answers]
    result = results.read(path)
    return tables.HEADS, [tables.cells(row) for row in tables.rows(result, tables.find_baseline(result))]


def check(text: str, known: Table) -> None:
    """Every line stands in the run, under the same heads; a document may leave columns and rows out."""
    heads, rows = known
    shown, _, *lines = text.splitlines()
    columns = [heads.index(head) for head in split(shown)]
    assert lines
    for line in lines:
        assert split(line) in [[row[column] for column in columns] for row in rows], line


TABLES = [
    pytest.param(ROOT / path, text, id=f"{document.parent.name}-{path}")
    for document in DOCUMENTS
    if document.exists()
    for path, text in MARK.findall(document.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("path", "text"), TABLES)
def test_a_marked_table_equals_its_run(path: Path, text: str) -> None:
    check(text, kept(path))


# What the README says in words: how many times as fast the second case is as the first.
SAID = {
    r"int8 file is ([\d.]+)x as fast as the best int8 file of other tools": (
        "SqueezeBERT, ONNX Runtime, int8, quantize_dynamic, unsigned",
        "SqueezeBERT, ONNX Runtime, int8, bundle",
    ),
    r"MobileBERT's is ahead of it \(([\d.]+)x\)": (MOBILEBERT, "SqueezeBERT, ONNX Runtime, int8, bundle"),
    r"behind int8-static \(([\d.]+)x\)": (MOBILEBERT, "SqueezeBERT, ONNX Runtime, int8-static, bundle"),
    r"and the int8 .pte \(([\d.]+)x\)": (MOBILEBERT, "SqueezeBERT, ExecuTorch, int8, bundle"),
    r"SqueezeBERT came out ([\d.]+)x": (
        "BERT-base, ONNX Runtime, fp32, plain",
        "SqueezeBERT, ONNX Runtime, fp32, plain",
    ),
}


@pytest.mark.parametrize("sentence", SAID)
def test_a_ratio_of_the_readme_is_that_of_its_run(sentence: str) -> None:
    slow, fast = (PEERS.by_case[f"{name}, 1 thread, batch 1, 128 tokens"] for name in SAID[sentence])
    assert re.findall(sentence, WORDS) == [f"{ratio(slow, fast).value:.2f}"]


def test_no_other_tool_makes_a_faster_int8_file_than_the_readme_names() -> None:
    rows = tables.rows(PEERS)
    others = [row for row in rows if row.case.model == "SqueezeBERT" and "quantize_dynamic" in row.case.form]
    fastest = min(others, key=lambda row: row.infer.p50)
    assert len(others) > 1 and fastest.case.form == "quantize_dynamic, unsigned"


def test_the_cycles_of_the_readme_are_those_that_are_kept() -> None:
    files = (MOBILEBERT, *(f"SqueezeBERT, {file}, bundle" for file in OURS))
    known = {
        each.name: each for each in stored.read(CYCLES).estimates if (each.cpu, each.tokens) == ("cortex-a76", 128)
    }
    (said,) = re.findall(r"(\d+) million estimated cycles against (\d+), (\d+) and (\d+)", WORDS)
    assert said == tuple(f"{known[file].cycles / 1e6:.0f}" for file in files)


def test_no_mark_is_overlooked() -> None:
    marks = sum(document.read_text(encoding="utf-8").count("\n<!-- result: ") for document in DOCUMENTS)
    assert len(TABLES) == marks > 0


def test_every_kept_run_is_sealed_and_valid() -> None:
    for path in RESULTS.glob("*.jsonl"):
        result = results.read(path)
        assert [result.faults(case.name) for case in result.cases] == [()] * len(result.cases), path


def test_every_kept_run_on_arm_answered_as_the_reference() -> None:
    for path in set(RESULTS.glob("*.json")) - {MATRIX, STUDENTS, THROUGHPUT}:
        answers = arm.read(path).answers
        assert any(answer.holds for answer in answers), path
        assert all(answer.holds is not False for answer in answers), path


def test_a_figure_that_differs_is_found() -> None:
    result = make_result({"a": [10_000_000], "b": [20_000_000]})
    known = tables.HEADS, [tables.cells(row) for row in tables.rows(result)]
    cells = known[1][0]
    check(f"| case | p50 ms |\n| --- | --- |\n| {cells[0]} | {cells[2]} |\n", known)
    with pytest.raises(AssertionError):
        check(f"| case | p50 ms |\n| --- | --- |\n| {cells[0]} | 11.0 |\n", known)


def test_an_arm_table_is_compared_too() -> None:
    known = arm.heads(RUN), [arm.cells(RUN, answer) for answer in RUN.answers]
    check(arm.markdown(RUN), known)
    with pytest.raises(AssertionError):
        check(arm.markdown(RUN).replace("2.5", "2.4"), known)
