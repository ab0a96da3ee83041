"""What the commands of this package print for people; Markdown is for files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.benchmarks import table
from squeezebert_mobile.benchmarks.adb import Listed
from squeezebert_mobile.benchmarks.benchmark import BenchmarkResult, Skipped
from squeezebert_mobile.benchmarks.compare import QUANTILE, Comparison
from squeezebert_mobile.benchmarks.device_model import Estimate
from squeezebert_mobile.benchmarks.reproduce import Line, Reproduction, tables
from squeezebert_mobile.benchmarks.samples import Run
from squeezebert_mobile.benchmarks.stages import Stage
from squeezebert_mobile.benchmarks.table import Row
from squeezebert_mobile.console import table as columns


@dataclass(frozen=True)
class Summary:
    """A run without its samples, which are in ``output`` where one was named; speed-ups are over ``baseline``."""

    run: Run
    baseline: str | None
    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    output: Path | None


def summarize(found: BenchmarkResult) -> Summary:
    """The figures of a run."""
    baseline = table.find_baseline(found.result)
    rows = table.rows(found.result, baseline)
    return Summary(found.result.run, baseline, rows, found.skipped, found.output)


def benchmark(runs: Sequence[BenchmarkResult]) -> str:
    """The runs one after the other, as many as there were machines; then the machines beside each other."""
    blocks = [_run(found) for found in runs]
    if len(runs) > 1:
        header, *rows = table.side_by_side([found.result for found in runs])
        blocks.append(columns(header, rows))
    return "\n\n".join(blocks)


def _run(found: BenchmarkResult) -> str:
    summary = summarize(found)
    shared = {table.conditions_of(row.case) for row in summary.rows}
    lines = [table.where(found.result), *(shared if len(shared) == 1 else ()), ""]
    header = ("case", "p50 ms", "p90 ms", "p99 ms", "end to end ms", "speed-up", "runs")
    lines.append(columns(header, [_cells(row, alone=len(shared) == 1) for row in summary.rows]))
    if any(row.speedup for row in summary.rows):
        lines.append(f"speed-up over {summary.baseline}, with a 95 % interval")
    lines += [f"invalid: {reason}" for reason in table.faults(summary.rows)]
    lines += [f"note: {note}" for note in found.result.notes]
    lines += [f"left out: {left.candidate}: {left.reason}" for left in summary.skipped]
    lines += [f"samples: {found.output}"] if found.output else []
    return "\n".join(lines)


def _cells(row: Row, *, alone: bool) -> tuple[str, ...]:
    name = table.name_of(row.case) + ("" if alone else f", {table.conditions_of(row.case)}")
    figures = (row.infer.p50, row.infer.p90, row.infer.p99, row.total_ms)
    invalid = " (invalid)" if row.faults else ""
    return (name + invalid, *map(table.number, figures), table.interval(row.speedup), str(row.infer.count))


def reproduction(found: Reproduction) -> str:
    """What of the paper came out."""
    blocks = [table.where(found.result), found.paragraph]
    blocks += [f"{part.name}\n{columns(part.header, part.rows)}" for part in tables(found)]
    return "\n\n".join([*blocks, found.check])


@dataclass(frozen=True)
class ModelCost:
    """What an inference of a model takes."""

    model: str
    parameters: int
    flops: int


@dataclass(frozen=True)
class ReproductionSummary:
    """A reproduction without the samples of its run."""

    costs: tuple[ModelCost, ...]
    lines: tuple[Line, ...]
    stages: tuple[Stage, ...]
    estimates: tuple[tuple[str, Estimate], ...]
    check: str
    paragraph: str
    run: Run


def reproduction_summary(found: Reproduction) -> ReproductionSummary:
    """The figures of a reproduction."""
    costs = tuple(ModelCost(name, cost.parameters, cost.flops) for name, cost in found.costs)
    figures = (found.lines, found.stages, found.estimates, found.check, found.paragraph)
    return ReproductionSummary(costs, *figures, found.result.run)


def comparison(found: Comparison) -> str:
    """Two runs, case by case."""
    rows = [
        (
            change.case,
            table.number(change.before_ms),
            table.number(change.after_ms),
            table.interval(change.slowdown),
            change.verdict,
        )
        for change in found.changes
    ]
    shown = f"p{100 * QUANTILE:g}"
    header = ("case", f"before {shown} ms", f"after {shown} ms", "after / before at one pace", "verdict")
    lines = [columns(header, rows)]
    reasons = dict.fromkeys(fault for change in found.changes for fault in change.faults)
    lines += [f"invalid: {reason}" for reason in reasons]
    lines += [f"only before: {name}" for name in found.only_before]
    lines += [f"only after: {name}" for name in found.only_after]
    return "\n".join(lines)


def devices(found: Sequence[Listed]) -> str:
    """The attached devices."""
    rows = [(f"adb:{device.serial}", device.state, device.model or "-") for device in found]
    return columns(("device", "state", "model"), rows) if rows else "no device is attached"
