"""The reports of runs: Markdown, one self-contained HTML page, and a PNG for each figure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from squeezebert_mobile import atomic
from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.benchmarks import plots, tables
from squeezebert_mobile.benchmarks.results import RUNTIMES, Result
from squeezebert_mobile.benchmarks.tables import Row
from squeezebert_mobile.reports import document
from squeezebert_mobile.reports.document import NONE, Headline, Table
from squeezebert_mobile.reports.drawing import require_matplotlib

# What everybody looks for stands beside the name; columns that a run has nothing for are left out.
_HEADS = (
    *("model", "p50 ms", "speed-up", "runtime", "precision", "form", "p90 ms", "p99 ms"),
    *("tokenise ms", "post-process ms", "end to end ms", "first ms", "load ms", "peak MB", "file MB"),
    *("agrees with the reference", "runs"),
)


@dataclass(frozen=True)
class Outputs:
    """Where reports go; None for those that are not wanted. ``plots`` is a folder."""

    markdown: Path | None = None
    page: Path | None = None
    plots: Path | None = None


def require_writable(outputs: Outputs, kept: Path | None = None) -> None:
    """Raise EnvironmentFault, before anything is measured, where `write` or keeping the run would."""
    for path in (outputs.markdown, outputs.page, kept):
        if path is not None:
            atomic.require_writable(path)
    if outputs.plots is not None:
        atomic.require_writable(outputs.plots, folder=True)
        require_matplotlib()


def write(results: Sequence[Result], outputs: Outputs) -> None:
    """Write the reports of runs on one or several machines.

    Raises EnvironmentFault where plots are wanted and matplotlib is missing, or a path cannot be written.
    """
    if outputs.markdown is not None:
        replace_file(outputs.markdown, "\n".join(map(tables.markdown, results)).encode())
    if outputs.page is not None:
        replace_file(outputs.page, page(results).encode())
    if outputs.plots is not None:
        for number, result in enumerate(results):
            for figure in plots.figures(result):
                name = _anchor(figure.name, number)
                replace_file(outputs.plots / f"{name}.png", document.to_png([figure]))


def page(results: Sequence[Result]) -> str:
    """A page that fetches nothing, with a section for each run."""
    machines = list(map(tables.machine, results))
    body = []
    for number, result in enumerate(results):
        head = document.heading(f"{machines[number]}, {_conditions(result)}") if len(results) > 1 else ""
        body.append(f"<section>\n{head}\n{_summary(result)}\n{section(result, number)}\n</section>")
    if compared := tables.side_by_side(results):
        body.append(document.table(Table("Side by side", compared[0], tuple(compared[1:]))))
    title = f"Inference time on {machines[0]}" if len(set(machines)) == 1 else f"Inference time in {len(results)} runs"
    return document.page(title, body, below=_conditions(results[0]) if len(results) == 1 else "")


def section(result: Result, number: int = 0) -> str:
    """A run's figures and tables as HTML; ``number`` tells its anchors from those of the runs before."""
    baseline = tables.find_baseline(result)
    found = tables.rows(result, baseline)
    figures = [replace(figure, name=_anchor(figure.name, number)) for figure in plots.figures(result)]
    blocks = [
        document.notice("(!) Not valid as a claim", tables.faults(found)),
        document.notice("Note", result.notes),
        document.figures(figures),
        *map(document.table, _tables(found)),
        document.paragraph(f"Speed-up over {baseline}: 95 % bootstrap interval; none for invalid runs.", "muted"),
        document.paragraph(tables.where(result), "muted"),
    ]
    return "\n".join(block for block in blocks if block)


def _summary(result: Result) -> str:
    """The speed-up, time and size of the run's best as headlines."""
    baseline = tables.find_baseline(result)
    best = tables.leader(result, tables.rows(result, baseline))
    if best is None:
        return ""
    case, speedup = best.case, best.speedup
    reserve = "not valid as a claim" if best.faults else ""
    told = []
    if speedup is not None and baseline is not None:
        compared = f"as fast as {tables.over(result.case(baseline))}"
        told.append(Headline(tables.times(speedup.value), compared, f"95 %: {tables.between(speedup)}"))
    median = Headline(f"{tables.number(best.infer.p50)} ms", f"{RUNTIMES[case.runtime]} {case.precision}, p50")
    told.append(replace(median, reserve=reserve or f"p99: {tables.number(best.infer.p99)} ms"))
    if case.file_bytes is not None:
        agreed = "" if case.agreement is None else f"agrees with the reference: {100 * case.agreement:.3g} %"
        told.append(Headline(f"{tables.number(case.file_bytes / 1e6)} MB", f"{case.model}, one file", agreed))
    return document.headlines(told)


def _tables(found: Sequence[Row]) -> list[Table]:
    """A table for each of the conditions, which its name tells; the fastest first."""
    under: dict[str, list[Row]] = {}
    for row in sorted(found, key=lambda row: row.infer.p50):
        under.setdefault(row.case.protocol.conditions, []).append(row)
    return [_table(conditions, rows) for conditions, rows in under.items()]


def _table(conditions: str, found: Sequence[Row]) -> Table:
    said = [tables.facts(row) for row in found]
    heads = tuple(head for head in _HEADS if any(facts[head] != NONE for facts in said))
    ours = frozenset(place for place, row in enumerate(found) if tables.is_ours(row.case))
    return Table(conditions.capitalize(), heads, tuple(tuple(facts[head] for head in heads) for facts in said), ours)


def _conditions(result: Result) -> str:
    """What the main cases were measured under, how many other conditions there were, and the day."""
    found = {case.protocol.conditions for case in result.cases}
    main = next((case.protocol.conditions for case in tables.main_cases(result)), "nothing measured")
    beside = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{main}{beside}; {result.run.started[:10]}"


def _anchor(name: str, number: int) -> str:
    return name if number == 0 else f"{name}-{number + 1}"
