"""The reports of a run: Markdown, one self-contained HTML page, and a PNG for each plot."""

import html
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
p, figcaption { overflow-wrap: anywhere; }
.where, figcaption { color: var(--soft); font-size: .875rem; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
svg { display: block; width: 100%; height: auto; color: var(--ink); }
svg text { fill: currentColor; }
.scroll { overflow-x: auto; margin: 1rem 0; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 14rem; }
@media (min-width: 40rem) { th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); } }
.invalid { border-left: .3rem solid currentColor; padding: .1rem .8rem; }
"""


def write(result: Result, *, markdown: Path | None = None, page: Path | None = None, plots: Path | None = None) -> None:
    """Write the reports that have a path; ``plots`` is a folder.

    Raises EnvironmentFault where matplotlib is missing or a path cannot be written.
    """
    if markdown is not None:
        replace_file(markdown, table.markdown(result).encode())
    drawn = charts(result) if page is not None or plots is not None else ()
    if page is not None:
        replace_file(page, render_page(result, drawn).encode())
    for chart in drawn if plots is not None else ():
        replace_file(Path(plots or "") / f"{chart.name}.png", chart.png)


def render_page(
    result: Result, drawn: tuple[Chart, ...], *, title: str = "Latency per snippet", before: str = ""
) -> str:
    """The page: nothing in it is fetched. ``before`` is HTML that comes ahead of the plots."""
    baseline = table.find_baseline(result)
    found = table.rows(result, baseline)
    figures = "\n".join(
        f'<figure id="{chart.name}"><h2>{html.escape(chart.title)}</h2>{chart.svg}'
        f"<figcaption>{html.escape(chart.words)}</figcaption></figure>"
        for chart in drawn
    )
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.heads())
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in table.cells(row)) + "</tr>" for row in found
    )
    reasons = dict.fromkeys(fault for row in found for fault in row.faults)
    warning = "".join(f"<li>{html.escape(reason)}</li>" for reason in reasons)
    notice = f'<div class="invalid" role="note"><p>Not valid as a claim:</p><ul>{warning}</ul></div>' if warning else ""
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
<p class="where">{html.escape(table.where(result))}</p>
{notice}
{before}
<main class="charts">
{figures}
</main>
<div class="scroll" role="region" aria-label="All figures" tabindex="0"><table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table></div>
<p class="where">Speed-up over {html.escape(baseline or "nothing")}, 95 % bootstrap interval; none for invalid runs.</p>
</body>
</html>
"""
