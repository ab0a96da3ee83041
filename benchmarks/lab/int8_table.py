"""The table that int8 is held to, from one interleaved run.

`python -m squeezebert_mobile.benchmarks.lab.int8_table BUNDLE... [-o FILE] [--quick] [--threads N]`

Of several bundles, such as one with `--approximate-gelu`, each line takes the fastest file. Batch 1, 128 tokens but
where a line says otherwise, one thread unless asked for more; ratios count, not milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from squeezebert_mobile import console
from squeezebert_mobile.benchmarks import benchmark as library
from squeezebert_mobile.benchmarks import tables
from squeezebert_mobile.benchmarks.benchmark import BenchmarkResult, Plan
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.options import BenchmarkOptions
from squeezebert_mobile.benchmarks.peers import PAPER
from squeezebert_mobile.benchmarks.results import Case, Result
from squeezebert_mobile.benchmarks.statistics import Ratio, ratio, summarize
from squeezebert_mobile.steps import Steps

_LONG, _SHORT = 128, 20
_INT8 = ("int8", "int8-static")
_OURS = "bundle"


@dataclass(frozen=True)
class Figure:
    """One line: what is compared, how many times as fast ours is, what it must be; None where a side is missing."""

    name: str
    measured: Ratio | None
    must: float
    faults: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Met, missed, invalid or not measured."""
        if self.faults:
            return "invalid"
        if self.measured is None:
            return "not measured"
        return "met" if self.measured.value >= self.must else "missed"


def figures(result: Result) -> tuple[Figure, ...]:
    """The speed lines of the table."""

    def fastest(
        form: str,
        precisions: Sequence[str],
        runtimes: Sequence[str],
        peer: str = "SqueezeBERT",
        tokens: tuple[int, int | None] = (_LONG, None),
    ) -> Case | None:
        found = [
            case
            for case in result.cases
            if case.form == form
            and (form == _OURS or case.model == peer)
            and case.precision in precisions
            and case.runtime in runtimes
            and (case.protocol.tokens, case.protocol.pad_to) == tokens
        ]
        return min(found, key=lambda case: summarize(result.latencies(case.name)).p50, default=None)

    int8, fp32 = _INT8, ("fp32",)
    onnx, pte = ("onnx",), ("executorch",)
    ours = fastest(_OURS, int8, onnx)
    lines = (
        ("ONNX int8 against quantize_dynamic defaults", fastest("quantize_dynamic", int8, onnx), ours, 9.0),
        ("ONNX int8 against unsigned weights", fastest("quantize_dynamic, unsigned", int8, onnx), ours, 2.6),
        ("ONNX int8 against BERT-base fp32", fastest("plain", fp32, onnx, "BERT-base"), ours, 7.0),
        (
            ".pte int8 against BERT-base fp32",
            fastest("plain", fp32, pte, "BERT-base"),
            fastest(_OURS, int8, pte),
            8.2,
        ),
        (
            "faster int8 against MobileBERT int8",
            fastest("quantize_dynamic", int8, onnx, "MobileBERT"),
            fastest(_OURS, int8, (*onnx, *pte)),
            1.05,
        ),
        (".pte fp32 against the plain export", fastest("plain", fp32, pte), fastest(_OURS, fp32, pte), 1.25),
        ("ONNX fp32 against the plain export", fastest("plain", fp32, onnx), fastest(_OURS, fp32, onnx), 1.12),
        (
            f"ONNX int8, {_SHORT} tokens against {_LONG}",
            ours,
            fastest(_OURS, int8, onnx, tokens=(_SHORT, None)),
            4.0,
        ),
        (
            f"ONNX int8, {_SHORT} tokens padded to {_LONG} against {_LONG}",
            ours,
            fastest(_OURS, int8, onnx, tokens=(_SHORT, _LONG)),
            4.0,
        ),
        (
            f".pte int8, {_SHORT} tokens against {_LONG}",
            fastest(_OURS, int8, pte),
            fastest(_OURS, int8, pte, tokens=(_SHORT, None)),
            4.0,
        ),
    )
    return tuple(_figure(result, *line) for line in lines)


def _figure(result: Result, name: str, other: Case | None, ours: Case | None, must: float) -> Figure:
    if other is None or ours is None:
        return Figure(name, None, must, ())
    faults = tuple(dict.fromkeys(result.faults(other.name) + result.faults(ours.name)))
    measured = None if faults else ratio(result.by_case[other.name], result.by_case[ours.name])
    return Figure(name, measured, must, faults)


def measure(
    folders: Sequence[Path], *, output: Path | None, quick: bool, threads: int, report: Report
) -> BenchmarkResult:
    """The run behind the table."""
    ours = BenchmarkOptions(
        bundles=tuple(folders), runtimes=("onnx", "executorch"), threads=(threads,), tokens=(_LONG,), quick=quick
    )
    short = replace(ours, precisions=_INT8, tokens=(_SHORT,))
    chosen = (replace(ours, peers=tuple(PAPER)), short, replace(short, runtimes=("onnx",), pad_to=_LONG))
    plans = [library.plan(options, report) for options in chosen]
    jobs = tuple(job for plan in plans for job in plan.jobs)
    skipped = tuple(left for plan in plans for left in plan.skipped)
    return library.execute(Plan(jobs, skipped), output, Steps(lambda _, step: report(step.name)))


def markdown(found: Sequence[Figure]) -> str:
    """The lines as a Markdown table; no ratio where a run is invalid."""
    rows = [(f.name, tables.interval(f.measured), f"{f.must:g}x", f.verdict) for f in found]
    lines = tables.lines(("figure", "measured", "must", "verdict"), rows)
    lines += [f"- invalid: {fault}" for fault in dict.fromkeys(fault for f in found for fault in f.faults)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure bundles and print the table and every case behind it."""
    import typer

    def command(
        bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...")],
        output: Annotated[Path | None, typer.Option("-o", "--output", help="result file")] = None,
        quick: Annotated[bool, typer.Option("--quick")] = False,
        threads: Annotated[int, typer.Option(min=1)] = 1,
    ) -> None:
        report: Report = lambda line: typer.echo(line, err=True)  # noqa: E731
        found = measure(bundles, output=output, quick=quick, threads=threads, report=report)
        typer.echo(markdown(figures(found.result)) + "\n" + tables.markdown(found.result))

    console.run(command)


if __name__ == "__main__":
    main()
