"""The reports of a run: Markdown, one self-contained HTML page, and a PNG for each plot."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.benchmarks import table
from squeezebert_mobile.benchmarks.charts import Chart, charts
from squeezebert_mobile.benchmarks.samples import Result

# Cards flow beside each other where there is room. Tables scroll inside themselves, never the page.
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1b1f; --soft: #5b5b66; --line: #d7d7de; --card: #f6f6f9; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #121216; --ink: #ececf1; --soft: #a5a5b2; --line: #3a3a45; --card: #1c1c22; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--paper); color: var(--ink); }
body { font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.1rem; margin: 0 0 .5rem; }
p, li, figcaption { overflow-wrap: anywhere; }
.where, figcaption { color: var(--soft); font-size: .875rem; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; max-width: 40rem; padding: 1rem; background: var(--card); }
figure { border: 1px solid var(--line); border-radius: .5rem; }
svg { display: block; width: 100%; height: auto; color: var(--ink); }
svg text { fill: currentColor; }
.scroll { overflow-x: auto; margin: 1rem 0; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 14rem; }
@media (min-width: 40rem) { th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); } }
.invalid { margin: 1rem 0; border-left: .3rem solid currentColor; padding: .1rem .8rem; }
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
        replace_file(outputs.markdown, "\n".join(map(table.markdown, results)).encode())
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
        header, *rows = table.side_by_side(results)
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
    return f"""<div class="scroll" role="region" aria-label="{html.escape(name)}" tabindex="0"><table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table></div>"""


def _section(result: Result, number: int) -> str:
    baseline = table.find_baseline(result)
    found = table.rows(result, baseline)
    figures = "\n".join(
        f'<figure id="{_id(chart, number)}"><h2>{html.escape(chart.title)}</h2>{chart.svg}'
        f"<figcaption>{html.escape(chart.words)}</figcaption></figure>"
        for chart in charts(result)
    )
    reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in table.faults(found))
    notice = (
        f'<div class="invalid" role="note"><p>(!) Not valid as a claim:</p><ul>{reasons}</ul></div>' if reasons else ""
    )
    notes = "".join(f'<p class="where">Note: {html.escape(note)}</p>' for note in result.notes)
    return f"""<section>
<p class="where">{html.escape(table.where(result))}</p>
{notice}{notes}
<div class="charts">
{figures}
</div>
{html_table("All figures", table.heads(), [table.cells(row) for row in found])}
<p class="where">Speed-up over {html.escape(baseline or "nothing")}, 95 % bootstrap interval; none for invalid runs.</p>
</section>"""


def _id(chart: Chart, number: int) -> str:
    return chart.name if number == 0 else f"{chart.name}-{number + 1}"
