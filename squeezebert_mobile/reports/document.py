"""A report as one HTML page that fetches nothing: headline, figures, tables, in light and dark, down to a phone."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from squeezebert_mobile.reports import drawing
from squeezebert_mobile.reports.drawing import (
    DARK,
    LETTERS,
    LIGHT,
    WIDTH,
    Drawing,
    Mark,
    Role,
    Text,
    move,
    to_svg,
    wrap,
)

NONE = "–"
# So many columns fit beside each other on a phone.
_NARROW = 3
_SHEET_LINE = 17.0


@dataclass(frozen=True)
class Figure:
    """A drawing with its title and a sentence that says the same; ``name`` is its anchor and its file's stem."""

    name: str
    title: str
    words: str
    drawing: Drawing


@dataclass(frozen=True)
class Headline:
    """A figure in large letters, what it is, and under which reserve."""

    value: str
    words: str
    reserve: str = ""


@dataclass(frozen=True)
class Table:
    """Named columns of text. Rows whose numbers are in ``ours`` are set apart."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    ours: frozenset[int] = frozenset()


def _theme(colours: dict[Role, str], background: str, raised: str) -> str:
    named = "".join(f"--{role}:{colour};" for role, colour in colours.items())
    return f"{named}--paper:{background};--raised:{raised};"


# On a narrow screen each row of a table becomes a card that names its cells.
STYLE = f"""
:root {{ color-scheme: light dark; {_theme(LIGHT, "#ffffff", "#f4f5f7")} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_theme(DARK, "#14161a", "#1e2126")} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 80rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }}
h1 {{ font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; text-wrap: balance; }}
h2 {{ font-size: 1.25rem; margin: 2.5rem 0 .25rem; }}
h3 {{ font-size: 1.05rem; margin: 0; }}
p {{ margin: .25rem 0 .75rem; max-width: 48rem; }}
p.muted, span.muted, figcaption {{ color: var(--muted); font-size: .875rem; }}
.headlines {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr));
  margin: 1.5rem 0; padding: 0; list-style: none; }}
.headlines li {{ background: var(--raised); border-radius: .75rem; padding: 1rem 1.25rem; }}
.headlines strong {{ display: block; font-size: 2.75rem; line-height: 1.1; letter-spacing: -.02em; color: var(--ours);
  font-variant-numeric: tabular-nums; }}
.headlines span {{ display: block; }}
.note {{ border-left: .25rem solid var(--ours); background: var(--raised); padding: .5rem 1rem; margin: 1rem 0; }}
.note ul {{ margin: 0; padding-left: 1.2rem; }}
.figures {{ display: grid; gap: 2rem 2.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr));
  margin: 1.5rem 0; align-items: start; }}
figure {{ margin: 0; max-width: 30rem; }}
figcaption {{ margin: 0 0 .75rem; }}
svg {{ display: block; width: 100%; height: auto; overflow: visible; font: {LETTERS}px system-ui, sans-serif; }}
text {{ paint-order: stroke; stroke: var(--paper); stroke-width: 3; }}
.fill {{ fill: var(--colour); }}
.line {{ fill: none; stroke: var(--colour); stroke-linejoin: round; }}
.ring {{ fill: var(--paper); stroke: var(--colour); stroke-width: 2; }}
{"".join(f".{role} {{ --colour: var(--{role}); }} " for role in LIGHT)}
table {{ border-collapse: collapse; min-width: min(100%, 24rem); font-size: .8125rem; line-height: 1.35;
  font-variant-numeric: tabular-nums; }}
th, td {{ padding: .35rem .5rem .35rem 0; border-bottom: 1px solid var(--guide); text-align: left;
  vertical-align: top; }}
thead th {{ color: var(--muted); font-weight: 600; vertical-align: bottom; }}
tbody th {{ font-weight: 600; }}
.number {{ text-align: right; }}
td.number {{ white-space: nowrap; }}
td.number:nth-child(2) {{ font-weight: 700; }}
tr.ours th {{ color: var(--ours); }}
@media (max-width: 60rem) {{
  .wide thead {{ display: block; position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }}
  .wide, .wide tbody {{ display: block; }}
  .wide tbody tr {{ display: flex; flex-wrap: wrap; gap: .35rem 1.25rem;
    background: var(--raised); border-radius: .75rem; padding: .75rem 1rem; margin: 0 0 .75rem; }}
  .wide :is(th, td) {{ border: 0; padding: 0; text-align: left; font-size: .875rem; white-space: normal; }}
  .wide tbody th {{ flex-basis: 100%; font-size: 1rem; }}
  .wide td {{ min-width: 4rem; }}
  .wide td::before {{ content: attr(data-head); display: block; color: var(--muted); font-size: .75rem;
    font-weight: 400; }}
  .wide td.number:nth-child(2), .wide td.number:nth-child(3) {{ font-size: 1.125rem; font-weight: 700; }}
  .wide td.none {{ display: none; }}
}}
"""


def page(title: str, body: Iterable[str], *, below: str = "") -> str:
    """A whole page of HTML blocks; ``below`` is a line under the title."""
    blocks = "\n".join(body)
    name = html.escape(title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{name}</title>
<style>{STYLE}</style>
</head>
<body>
<header><h1>{name}</h1>{paragraph(below, "muted")}</header>
<main>
{blocks}
</main>
</body>
</html>
"""


def heading(text: str) -> str:
    """The head of a section."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph, of a class if one is named; nothing for no text."""
    look = f' class="{kind}"' if kind else ""
    return f"<p{look}>{html.escape(text)}</p>" if text else ""


def headlines(found: Sequence[Headline]) -> str:
    """Large figures beside each other."""
    items = "\n".join(
        f"<li><strong>{html.escape(item.value)}</strong><span>{html.escape(item.words)}</span>"
        f'<span class="muted">{html.escape(item.reserve)}</span></li>'
        for item in found
    )
    return f'<ul class="headlines">\n{items}\n</ul>' if found else ""


def notice(title: str, reasons: Sequence[str]) -> str:
    """A box with what a reader has to know first; nothing for no reasons."""
    items = "".join(f"<li>{html.escape(reason)}</li>" for reason in reasons)
    return f'<div class="note" role="note"><strong>{html.escape(title)}</strong><ul>{items}</ul></div>' if items else ""


def figures(found: Sequence[Figure]) -> str:
    """Figures, as many beside each other as there is room for."""
    blocks = "\n".join(
        f'<figure id="{html.escape(figure.name)}"><h3>{html.escape(figure.title)}</h3>'
        f"<figcaption>{html.escape(figure.words)}</figcaption>\n{to_svg(figure.drawing, figure.title)}</figure>"
        for figure in found
    )
    return f'<div class="figures">\n{blocks}\n</div>' if found else ""


def to_png(found: Sequence[Figure]) -> bytes:
    """Figures below each other with their titles and words, as one picture.

    Raises EnvironmentFault where matplotlib is not installed.
    """
    marks: list[Mark] = []
    y = 0.0
    for figure in found:
        lines = wrap(figure.words, WIDTH)
        marks.append(Text(0, y + _SHEET_LINE, figure.title, bold=True))
        marks += [Text(0, y + _SHEET_LINE * (2 + n), line, "muted") for n, line in enumerate(lines)]
        y += _SHEET_LINE * (len(lines) + 1.75)
        marks += [move(mark, y) for mark in figure.drawing.marks]
        y += figure.drawing.height + _SHEET_LINE
    return drawing.to_png(Drawing(y, tuple(marks)))


def table(found: Table) -> str:
    """A table. Rows of many columns become cards on a narrow page, where roles keep it a table for screen readers."""
    numeric = [_is_numeric([row[n] for row in found.rows]) for n in range(len(found.header))]
    head = "".join(
        f'<th role="columnheader" scope="col"{_kinds(number=number)}>{html.escape(cell)}</th>'
        for cell, number in zip(found.header, numeric, strict=True)
    )
    body = "\n".join(
        f'<tr role="row"{_kinds(ours=place in found.ours)}>'
        f'<th role="rowheader" scope="row">{html.escape(row[0])}</th>{_cells(found.header, row, numeric)}</tr>'
        for place, row in enumerate(found.rows)
    )
    return f"""{heading(found.name)}
<table role="table"{_kinds(wide=len(found.header) > _NARROW)} aria-label="{html.escape(found.name)}">
<thead role="rowgroup"><tr role="row">{head}</tr></thead>
<tbody role="rowgroup">
{body}
</tbody>
</table>"""


def _cells(header: Sequence[str], row: Sequence[str], numeric: Sequence[bool]) -> str:
    return "".join(
        f'<td role="cell" data-head="{html.escape(head)}"{_kinds(number=number, none=cell == NONE)}>'
        f"{html.escape(cell)}</td>"
        for head, cell, number in zip(header[1:], row[1:], numeric[1:], strict=True)
    )


def _is_numeric(column: Sequence[str]) -> bool:
    """Whether every cell is a number, with whatever unit or interval behind it, or nothing."""
    return all(cell == NONE or cell[:1].isdigit() for cell in column)


def _kinds(**given: bool) -> str:
    """The class attribute with the names of those that hold."""
    named = " ".join(name for name, holds in given.items() if holds)
    return f' class="{named}"' if named else ""
