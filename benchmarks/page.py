"""The reports of a run: Markdown, one self-contained HTML page, and a PNG for each plot.

Plots are drawn at the width of a phone's screen, with every label beside its mark and a shape or hatch for each colour,
so that they can be read small and without colour.
"""

import html
import io
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.benchmarks import tables
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.benchmarks.tables import Row
from squeezebert_mobile.errors import EnvironmentFault

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_WIDTH = 3.9  # inches: 374 CSS pixels, a phone
_ROW = 0.44
_PLOT = 2.6
_WHISKER_ROOM = 1.25
_LEGEND_LINE = 0.16
# So many letters fit beside a figure at that width.
_NAME_LETTERS = 52
# Okabe and Ito's colours, which the colour-blind tell apart; both stand out from white and from near black.
_COLOURS = {"torch": "#CC79A7", "onnx": "#0072B2", "executorch": "#D55E00"}
_HATCHES = {"fp32": "", "fp16": "...", "int8": "///", "int8-static": "xxx"}
_MARKS = "osD^vP*X<>hdp8"
_TINTS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#7F7F7F")


@dataclass(frozen=True)
class Chart:
    """A plot: a short name for files, a title, a sentence that says the same in words, and the drawing."""

    name: str
    title: str
    words: str
    png: bytes


def charts(result: Result) -> tuple[Chart, ...]:
    """Every plot that the run has data for; ``(!)`` marks a case that is not valid.

    Raises EnvironmentFault where matplotlib is not installed.
    """
    baseline = tables.find_baseline(result)
    found = tables.rows(result, baseline)
    main = _main(found)
    compared = [row for row in main if row.speedup is not None]
    sized = [row for row in main if row.case.file_bytes]
    drawn = [_distribution(result, main)] if main else []
    if compared:
        drawn.append(_ratios(compared, str(baseline)))
    if lengths := _of_several_lengths(found):
        drawn.append(_lengths(result, lengths))
    if len({row.case.protocol.threads for row in found}) > 1:
        drawn.append(_threads(found))
    if sized:
        drawn.append(_sizes(sized))
    if any(row.case.protocol.scenario == "sustained" for row in found):
        drawn.append(_over_time(result, found))
    return tuple(drawn)


def _main(found: Sequence[Row]) -> list[Row]:
    """The rows under the conditions that most have, as only those can be compared; none where no conditions lead."""
    counted = Counter(row.case.protocol.conditions for row in found).most_common(2)
    if len(counted) == 2 and counted[0][1] == counted[1][1]:
        return []
    return [row for row in found if row.case.protocol.conditions == counted[0][0]]


def _of_several_lengths(found: Sequence[Row]) -> list[Row]:
    """The rows without padding of those candidates that were measured at several lengths, or at natural ones."""
    unpadded = _groups([row for row in found if row.case.protocol.pad_to is None])
    lengths = {name: {row.case.protocol.tokens for row in group} for name, group in unpadded.items()}
    chosen = [name for name, values in lengths.items() if len(values) > 1 or None in values]
    return [row for name in chosen for row in unpadded[name]]


def _distribution(result: Result, found: Sequence[Row]) -> Chart:
    def draw(axes: "Axes") -> None:
        for y, row in enumerate(found):
            values = np.asarray(result.latencies(row.case.name)) / 1e6
            low, q1, q3, high = np.percentile(values, [5, 25, 75, 95])
            axes.barh(y, row.infer.p50, height=0.28, **_style(row))
            axes.plot([low, high], [y, y], color="black", linewidth=0.9)
            axes.plot([q1, q3], [y, y], color="black", linewidth=3.2, solid_capstyle="butt")
            _label(axes, y, f"{tables.number(row.infer.p50)} ms  {_short(row)}")
        _rows_axis(axes, len(found))
        # A whisker that the machine's worst moments made must not shrink the bars; the table has the percentiles.
        widest = max(np.percentile(result.latencies(row.case.name), 75) / 1e6 for row in found)
        axes.set_xlim(0, _WHISKER_ROOM * widest)
        axes.set_xlabel("ms: bar to the median, thick quartiles, thin 5 to 95 %")

    best = min(found, key=lambda row: row.infer.p50)
    conditions = best.case.protocol.conditions
    words = f"{conditions}. Fastest by median: {_short(best)}, {tables.number(best.infer.p50)} ms."
    return _chart("latency", "Latency", words, draw, rows=len(found))


def _ratios(compared: Sequence[Row], baseline: str) -> Chart:
    def draw(axes: "Axes") -> None:
        for y, row in enumerate(compared):
            speedup = row.speedup
            assert speedup is not None
            axes.barh(y, speedup.value, height=0.28, **_style(row))
            axes.plot([speedup.low, speedup.high], [y, y], color="black", linewidth=1.4, marker="|", markersize=6)
            _label(axes, y, f"{speedup.value:.2f}x  {_short(row)}")
        _rows_axis(axes, len(compared))
        axes.axvline(1, color="#888888", linewidth=0.8, linestyle=":", zorder=0)
        axes.set_xlim(left=0)
        axes.set_xlabel("times as fast, with 95 % interval")

    best = max(compared, key=lambda row: row.speedup.value if row.speedup else 0)
    words = f"Against {baseline}. Largest: {_short(best)}, {tables.interval(best.speedup)}."
    return _chart("speed-up", "Speed-up", words, draw, rows=len(compared))


def _lengths(result: Result, found: Sequence[Row]) -> Chart:
    def draw(axes: "Axes") -> None:
        for n, (name, group) in enumerate(_groups(found).items()):
            points: dict[int, float] = {}
            for row in group:
                points |= tables.by_tokens(result.by_case[row.case.name])
            axes.plot(list(points), list(points.values()), **_line_style(n), label=name)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel("tokens")
        axes.set_ylabel("median ms")
        _plain_ticks(axes, sorted({s.tokens for row in found for s in result.by_case[row.case.name]}))
        _legend(axes)

    words = "Median latency against the number of tokens; both axes are logarithmic."
    return _chart("length", "Latency against length", words, draw, legend=len(_groups(found)))


def _threads(found: Sequence[Row]) -> Chart:
    def draw(axes: "Axes") -> None:
        for n, (name, group) in enumerate(_groups(found).items()):
            points = {row.case.protocol.threads: row.infer.p50 for row in group}
            axes.plot(list(points), list(points.values()), **_line_style(n), label=name)
        axes.set_xlabel("threads")
        axes.set_ylabel("median ms")
        axes.set_ylim(bottom=0)
        axes.set_xticks(sorted({row.case.protocol.threads for row in found}))
        _legend(axes)

    words = "Median latency for each number of threads."
    return _chart("threads", "Latency against threads", words, draw, legend=len(_groups(found)))


def _sizes(found: Sequence[Row]) -> Chart:
    def draw(axes: "Axes") -> None:
        for n, row in enumerate(found):
            size = (row.case.file_bytes or 0) / 1e6
            axes.plot(
                [size], [row.infer.p50], **_line_style(n) | {"linestyle": "none"}, label=_short(row) + _quality(row)
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            _plain_numbers(axis)
        axes.set_xlabel("file, MB")
        axes.set_ylabel("median ms")
        _legend(axes)

    words = (
        "File size against median latency, both logarithmic: left and low is better. Beside a name how often its "
        "answer is the reference's."
    )
    return _chart("size", "Size, latency and agreement", words, draw, legend=len(found))


def _over_time(result: Result, found: Sequence[Row]) -> Chart:
    sustained = [row for row in found if row.case.protocol.scenario == "sustained"]

    def draw(axes: "Axes") -> None:
        for n, row in enumerate(sustained):
            taken = result.by_case[row.case.name]
            start = taken[0].at_ns
            seconds = np.array([(sample.at_ns - start) / 1e9 for sample in taken])
            values = np.array([sample.infer_ns / 1e6 for sample in taken])
            edges = np.linspace(0, seconds[-1] + 1e-9, 31)
            place = np.digitize(seconds, edges[1:-1])
            points = {float(edges[k]): float(np.median(values[place == k])) for k in sorted(set(place))}
            axes.plot(list(points), list(points.values()), **_line_style(n), label=_short(row))
        axes.set_xlabel("seconds")
        axes.set_ylabel("median ms")
        axes.set_ylim(bottom=0)
        _legend(axes)

    words = "Median latency of each thirtieth of a sustained run: a rise is the machine throttling."
    return _chart("sustained", "Latency over time", words, draw, legend=len(sustained))


def _groups(found: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of one candidate together."""
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(_short(row), []).append(row)
    return groups


def _short(row: Row) -> str:
    case = row.case
    runtime = {"torch": "PyTorch", "onnx": "ORT", "executorch": "ExecuTorch"}[case.runtime]
    form = "" if case.form in ("bundle", "plain") else f", {case.form}"
    mark = " (plain)" if case.form == "plain" and case.model == "SqueezeBERT" else ""
    name = f"{'(!) ' if row.faults else ''}{case.model}{mark} {runtime} {case.precision}{form}"
    return name if len(name) <= _NAME_LETTERS else f"{name[: _NAME_LETTERS - 1]}…"


def _quality(row: Row) -> str:
    return f" {row.case.agreement:.0%}" if row.case.agreement is not None else ""


def _style(row: Row) -> dict[str, Any]:
    colour = _COLOURS[row.case.runtime]
    return {"facecolor": colour, "edgecolor": "black", "linewidth": 0.5, "hatch": _HATCHES.get(row.case.precision, "")}


def _line_style(n: int) -> dict[str, Any]:
    dashes = ("-", "--", ":", "-.")[n // len(_TINTS) % 4]
    return {
        "color": _TINTS[n % len(_TINTS)],
        "marker": _MARKS[n % len(_MARKS)],
        "markersize": 5,
        "linestyle": dashes,
        "linewidth": 1.2,
    }


def _label(axes: "Axes", y: int, text: str) -> None:
    """A row's name above its bar, where it needs no margin beside the plot."""
    axes.text(0.0, y - 0.26, text, transform=axes.get_yaxis_transform(), fontsize=7.5, va="bottom", ha="left")


def _rows_axis(axes: "Axes", count: int) -> None:
    axes.set_ylim(count - 0.5, -0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _plain_ticks(axes: "Axes", lengths: Sequence[int]) -> None:
    shown = (
        lengths
        if len(lengths) <= 10
        else [n for n in (1, 8, 16, 32, 64, 128, 256, 512) if lengths[0] <= n <= lengths[-1]]
    )
    axes.set_xticks(shown, [str(n) for n in shown], fontsize=7)
    axes.minorticks_off()
    _plain_numbers(axes.yaxis)


def _plain_numbers(axis: "Axis") -> None:
    """The ticks of a logarithmic axis at 1, 2, 5, 10 ..., written out."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_formatter(NullFormatter())


def _legend(axes: "Axes") -> None:
    """Below the plot, one name a line: names are long and phones narrow."""
    below = -0.42 / (axes.get_position().height * axes.figure.get_figheight())  # type: ignore[union-attr]
    axes.legend(loc="upper left", bbox_to_anchor=(-0.12, below), fontsize=7, frameon=False, ncols=1, borderaxespad=0)


def _chart(
    name: str, title: str, words: str, draw: "Callable[[Axes], None]", *, rows: int = 0, legend: int = 0
) -> Chart:
    """A chart of so many labelled rows, or of a plot with so many names below it."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        fix = "pip install 'squeezebert-mobile[benchmark]'"
        raise EnvironmentFault("matplotlib", "is not installed", fix=fix) from None
    settings: dict[Any, Any] = {"hatch.linewidth": 0.5, "font.size": 8}
    plot, below, left = (_ROW * rows, 0.45, 0.03) if rows else (_PLOT, 0.5 + _LEGEND_LINE * legend, 0.14)
    height = plot + below + 0.1
    with mpl.rc_context(settings):
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((left, below / height, 0.97 - left, plot / height))
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7.5)
        draw(axes)
        return Chart(name, title, words, _png(figure))


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


# Charts flow beside each other where there is room. Tables scroll inside themselves, never the page.
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; max-width: 40rem; }
img { width: 100%; }
.scroll { overflow-x: auto; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid GrayText; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
"""


@dataclass(frozen=True)
class Outputs:
    """Where reports go; None for those that are not wanted. ``plots`` is a folder."""

    markdown: Path | None = None
    page: Path | None = None
    plots: Path | None = None


def write(results: Sequence[Result], outputs: Outputs) -> None:
    """Write the reports of runs on one or several machines.

    Raises EnvironmentFault where matplotlib is missing or a path cannot be written.
    """
    if outputs.markdown is not None:
        replace_file(outputs.markdown, "\n".join(map(tables.markdown, results)).encode())
    if outputs.page is not None:
        replace_file(outputs.page, page("Latency per snippet", results).encode())
    if outputs.plots is not None:
        for number, result in enumerate(results):
            for chart in charts(result):
                replace_file(outputs.plots / f"{_id(chart, number)}.png", chart.png)


def page(title: str, results: Sequence[Result], before: str = "") -> str:
    """A page that fetches nothing, with a section for each run. ``before`` is HTML that comes ahead of them."""
    sections = "\n".join(_section(result, number) for number, result in enumerate(results))
    beside = ""
    if len(results) > 1:
        header, *rows = tables.side_by_side(results)
        beside = html_table("All machines", header, rows)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
{before}
{beside}
{sections}
</body>
</html>
"""


def html_table(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls inside itself where the page is narrow."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"""<details open><summary>{html.escape(name)}</summary><div class="scroll" tabindex="0"><table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table></div></details>"""


def _section(result: Result, number: int) -> str:
    baseline = tables.find_baseline(result)
    found = tables.rows(result, baseline)
    figures = "\n".join(
        f'<figure id="{_id(chart, number)}"><h2>{html.escape(chart.title)}</h2>'
        f'<img alt="{html.escape(chart.title)}" src="data:image/png;base64,{b64encode(chart.png).decode()}">'
        f"<figcaption>{html.escape(chart.words)}</figcaption></figure>"
        for chart in charts(result)
    )
    reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in tables.faults(found))
    notice = f'<div role="note"><p>(!) Not valid as a claim:</p><ul>{reasons}</ul></div>' if reasons else ""
    notes = "".join(f"<p>Note: {html.escape(note)}</p>" for note in result.notes)
    return f"""<section>
<p>{html.escape(tables.where(result))}</p>
{notice}{notes}
<div class="charts">
{figures}
</div>
{html_table("All figures", tables.HEADS, [tables.cells(row) for row in found])}
<p>Speed-up over {html.escape(baseline or "nothing")}, 95 % bootstrap interval; none for invalid runs.</p>
</section>"""


def _id(chart: Chart, number: int) -> str:
    return chart.name if number == 0 else f"{chart.name}-{number + 1}"
