"""The figures of a run: everything that it has data for, drawn by `reports.charts`."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from squeezebert_mobile.benchmarks import published, tables
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.benchmarks.tables import Row
from squeezebert_mobile.reports import charts
from squeezebert_mobile.reports.charts import Axis, Bar, Curve, Group, Point
from squeezebert_mobile.reports.document import Figure

_RUNTIMES = {"torch": "PyTorch", "onnx": "ORT", "executorch": "ExecuTorch"}
_MS, _MB = Axis("median ms", log=True), Axis("file, MB", log=True)
# Of a sustained run: enough to see it slow down.
_PARTS = 30


def figures(result: Result) -> tuple[Figure, ...]:
    """Every figure that the run has data for, the paper's claim first; ``(!)`` marks a case that is not valid."""
    baseline = tables.find_baseline(result)
    found = tables.rows(result, baseline)
    names = {case.name for case in tables.main_cases(result)}
    main = [row for row in found if row.case.name in names]
    paper = published.figure(published.paper_lines(result))
    drawn = [paper] if paper else []
    if baseline is not None and any(row.speedup for row in main):
        drawn.append(_speedups(main, baseline))
    if main:
        drawn.append(_latencies(result, main))
    if len({(row.case.file_bytes, row.infer.p50) for row in main if row.case.file_bytes}) > 1:
        drawn.append(_sizes([row for row in main if row.case.file_bytes]))
    if lengths := _of_several_lengths(found):
        drawn.append(_lengths(result, lengths))
    if len({row.case.protocol.threads for row in found}) > 1:
        drawn.append(_threads(found))
    if any(row.case.protocol.scenario == "sustained" for row in found):
        drawn.append(_over_time(result, [row for row in found if row.case.protocol.scenario == "sustained"]))
    return tuple(drawn)


def _of_several_lengths(found: Sequence[Row]) -> list[Row]:
    """The rows without padding of those candidates that were measured at several lengths, or at natural ones."""
    unpadded = _candidates([row for row in found if row.case.protocol.pad_to is None])
    lengths = {name: {row.case.protocol.tokens for row in group} for name, group in unpadded.items()}
    chosen = [name for name, values in lengths.items() if len(values) > 1 or None in values]
    return [row for name in chosen for row in unpadded[name]]


def _speedups(main: Sequence[Row], baseline: str) -> Figure:
    def bar(row: Row) -> Bar:
        speedup = row.speedup
        assert speedup is not None
        value, low, high = speedup.value, speedup.low, speedup.high
        return Bar(_name(row), value, f"{value:.2f}x", tables.is_ours(row.case), low, high)

    compared = [row for row in main if row.speedup is not None]
    drawing = charts.bars(_grouped(compared, bar, lambda bar: -bar.value), reference=1.0)
    words = f"Times as fast as {baseline}; the line in a bar is its 95 % interval. Longer is better."
    return Figure("speed-up", "Speed-up", words, drawing)


def _latencies(result: Result, main: Sequence[Row]) -> Figure:
    def bar(row: Row) -> Bar:
        low, high = np.percentile(result.latencies(row.case.name), [5, 95]) / 1e6
        text = f"{tables.number(row.infer.p50)} ms"
        return Bar(_name(row), row.infer.p50, text, tables.is_ours(row.case), float(low), float(high))

    drawing = charts.bars(_grouped(main, bar, lambda bar: bar.value))
    words = f"{main[0].case.protocol.conditions}: median, and a line from 5 to 95 %. Shorter is better."
    return Figure("latency", "Latency", words, drawing)


def _grouped(found: Sequence[Row], bar: Callable[[Row], Bar], order: Callable[[Bar], float]) -> list[Group]:
    """Bars of one model together, the best first in each group and the group of the best first."""
    models: dict[str, list[Bar]] = {}
    for row in found:
        models.setdefault(row.case.model, []).append(bar(row))
    groups = [Group(model, tuple(sorted(members, key=order))) for model, members in models.items()]
    return sorted(groups, key=lambda group: order(group.bars[0]))


def _sizes(sized: Sequence[Row]) -> Figure:
    """Files by size and latency; named are those that no other beats, and the fastest of each model."""
    fastest_first = sorted(sized, key=lambda row: row.infer.p50)
    points = {row.case.name: _point(row) for row in fastest_first}
    best = {row.case.name for row in sized if points[row.case.name] in charts.pareto(list(points.values()))}
    of_model = {(row.case.model, tables.is_ours(row.case)): row.case.name for row in reversed(fastest_first)}
    named = best | set(of_model.values())
    agreed = [
        f"{points[row.case.name].name} {100 * row.case.agreement:.3g} %"
        for row in fastest_first
        if row.case.name in best and row.case.agreement is not None
    ]
    words = "Left and low is better: on the dashed line are the files that no other beats in both."
    words += f" Agrees with the reference: {', '.join(agreed)}." if agreed else ""
    shown = [point if name in named else replace(point, name="") for name, point in points.items()]
    return Figure("size", "Size and latency", words, charts.plane(shown, _MB, _MS))


def _point(row: Row) -> Point:
    case, size = row.case, (row.case.file_bytes or 0) / 1e6
    name = f"{case.model} {case.precision}"
    title = f"{case.model} {_name(row)}: {tables.number(size)} MB, {tables.number(row.infer.p50)} ms"
    if case.agreement is not None:
        title += f", agrees with the reference: {100 * case.agreement:.3g} %"
    return Point(size, row.infer.p50, f"{'(!) ' if row.faults else ''}{name}", title, tables.is_ours(case))


def _lengths(result: Result, found: Sequence[Row]) -> Figure:
    def points(group: Sequence[Row]) -> dict[float, float]:
        return {n: ms for row in group for n, ms in tables.by_tokens(result.by_case[row.case.name]).items()}

    tokens = tuple(sorted({float(s.tokens) for row in found for s in result.by_case[row.case.name]}))
    drawing = charts.curves(_curves(found, points), Axis("tokens", log=True, values=tokens), _MS)
    words = "Median latency against the number of tokens; both axes are logarithmic."
    return Figure("length", "Latency against length", words, drawing)


def _threads(found: Sequence[Row]) -> Figure:
    def points(group: Sequence[Row]) -> dict[float, float]:
        return {row.case.protocol.threads: row.infer.p50 for row in group}

    counts = tuple(sorted({float(row.case.protocol.threads) for row in found}))
    axis = Axis("median ms", from_zero=True)
    drawing = charts.curves(_curves(found, points), Axis("threads", values=counts), axis)
    return Figure("threads", "Latency against threads", "Median latency for each number of threads.", drawing)


def _over_time(result: Result, sustained: Sequence[Row]) -> Figure:
    def points(group: Sequence[Row]) -> dict[float, float]:
        taken = result.by_case[group[0].case.name]
        seconds = np.array([(sample.at_ns - taken[0].at_ns) / 1e9 for sample in taken])
        values = np.array([sample.infer_ns / 1e6 for sample in taken])
        edges = np.linspace(0, seconds[-1] + 1e-9, _PARTS + 1)
        place = np.digitize(seconds, edges[1:-1])
        return {float(edges[k]): float(np.median(values[place == k])) for k in sorted(set(place))}

    drawing = charts.curves(_curves(sustained, points), Axis("seconds"), Axis("median ms", from_zero=True))
    words = "Median latency of each thirtieth of a sustained run: a rise is the machine throttling."
    return Figure("sustained", "Latency over time", words, drawing)


def _curves(found: Sequence[Row], points: Callable[[Sequence[Row]], dict[float, float]]) -> list[Curve]:
    """One curve a candidate. What all have in common is left out of their names."""
    groups = _candidates(found)
    models = {row.case.model for row in found}
    return [
        Curve(
            _name(group[0]) if len(models) == 1 else name, tuple(points(group).items()), tables.is_ours(group[0].case)
        )
        for name, group in groups.items()
    ]


def _candidates(found: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of one candidate together."""
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(f"{row.case.model} {_name(row)}", []).append(row)
    return groups


def _name(row: Row) -> str:
    """What tells a row from the others of its model."""
    case = row.case
    form = "" if case.form == "bundle" else f", {case.form}"
    return f"{'(!) ' if row.faults else ''}{_RUNTIMES[case.runtime]} {case.precision}{form}"
