"""A sweep as a table for people and as one page: accuracy against time and size, the front, and the choices."""

from pathlib import Path

from squeezebert_mobile import console
from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.reports import charts, document
from squeezebert_mobile.reports.charts import Axis, Point
from squeezebert_mobile.reports.document import NONE, Figure, Headline, Table
from squeezebert_mobile.sweep.choice import Choice, Measured, told
from squeezebert_mobile.sweep.options import SweepOptions
from squeezebert_mobile.sweep.run import SweepPlan, SweepResult

_FRONT = "no other cell is as good in accuracy, size and time and better in one of them"


def planned(found: SweepPlan) -> str:
    """The cells that would be made, for people."""
    rows = [(cell.name, ", ".join(cell.missing) or NONE, cell.bundle) for cell in found.cells]
    return console.table(("cell", "to do", "bundle"), rows)


def plan_verdict(found: SweepPlan) -> console.Verdict:
    """How much is missing."""
    missing = sum(bool(cell.missing) for cell in found.cells)
    return console.Verdict(None, f"{missing} of {len(found.cells)} cells would be made")


def text(found: SweepResult) -> str:
    """All cells, the most accurate first, and what failed."""
    lines = [f"{_data(found)}; {_timed(found)}", "", console.table(_heads(found), _rows(found))]
    lines.append(f"front: {_FRONT}")
    return "\n".join([*lines, *(f"failed: {each.name}: {each.error}" for each in found.failed)])


def verdict(found: SweepResult) -> console.Verdict:
    """The choices, a sentence each."""
    told_ = [choice.sentence for choice in found.choices]
    return console.Verdict(not found.failed or None, "\n".join([*told_, f"page: {found.page}"]))


def picked(choice: Choice, options: SweepOptions) -> console.Verdict:
    """Where the chosen bundle went."""
    return console.Verdict(True, f"{options.to}: the bundle of {choice.name}")


def write(found: SweepResult) -> None:
    """Write the page. Raises EnvironmentFault where that is not possible."""
    replace_file(Path(found.page), page(found).encode())


def page(found: SweepResult) -> str:
    """The page, which fetches nothing."""
    rows = _rows(found)
    ours = frozenset(place for place, row in enumerate(rows) if row[0] in found.front)
    faults = dict.fromkeys(f"{cell.name}: {fault}" for cell in found.cells for fault in cell.faults)
    body = [
        document.headlines(_headlines(found)),
        document.notice("Failed", [f"{each.name}: {each.error}" for each in found.failed]),
        document.notice("(!) Times that are not valid as a claim", list(faults)),
        document.notice("Note", _doubts(found)),
        document.figures(_figures(found)),
        document.table(Table(f"{len(rows)} cells", _heads(found), tuple(rows), ours)),
        document.paragraph(f"In colour, the front: {_FRONT}.", "muted"),
        document.paragraph(f"{_data(found)} (SHA-256 of the rows: {found.data_sha256}); {_timed(found)}.", "muted"),
    ]
    return document.page("What to ship", body, below=f"{found.metric} on {found.rows} rows; {found.machine}")


def _data(found: SweepResult) -> str:
    return f"{found.metric} on {found.rows} rows of {found.data}, with a 95 % interval"


def _timed(found: SweepResult) -> str:
    return f"median {found.unit} of a text on {found.machine}"


def _doubts(found: SweepResult) -> list[str]:
    """That no cell surely beats the commonest label."""
    if found.chance is None or any(cell.low > found.chance for cell in found.cells):
        return []
    return [f"The commonest label alone reaches {found.chance:.4f}, and no cell is surely better."]


def _heads(found: SweepResult) -> tuple[str, ...]:
    return ("cell", found.metric, "95 %", "MB", found.unit, "drop", "front")


def _rows(found: SweepResult) -> list[tuple[str, ...]]:
    """A row a cell, the most accurate first."""
    ordered = sorted(found.cells, key=lambda cell: cell.accuracy, reverse=found.rises)
    return [_row(cell, is_front=cell.name in found.front) for cell in ordered]


def _row(cell: Measured, *, is_front: bool) -> tuple[str, ...]:
    time = NONE if cell.time is None else f"{cell.time:.3g}{' (!)' if cell.faults else ''}"
    return (
        cell.name,
        f"{cell.accuracy:.4f}",
        f"{cell.low:.4f} to {cell.high:.4f}",
        f"{cell.megabytes:.3g}",
        time,
        f"{cell.drop:.4f}",
        "yes" if is_front else NONE,
    )


def _headlines(found: SweepResult) -> list[Headline]:
    """The figure that each rule is about, and the cell that it chooses."""
    by_name = {cell.name: cell for cell in found.cells}
    made = []
    for choice in found.choices:
        if choice.name is None:
            made.append(Headline(NONE, choice.sentence))
            continue
        cell = by_name[choice.name]
        figures = {"smallest": f"{cell.megabytes:.3g} MB", "fastest": f"{cell.time or 0:.3g} {found.unit}"}
        value = next(
            (figure for goal, figure in figures.items() if choice.rule.startswith(goal)), f"{cell.accuracy:.4f}"
        )
        made.append(Headline(value, f"{choice.rule}: {cell.name}", told(cell, found.metric, found.unit)))
    return made


def _figures(found: SweepResult) -> list[Figure]:
    """Accuracy against each of time and size, as far as they are known; named are the cells that a rule chooses."""
    side = "high" if found.rises else "low"
    words = f"Left and {side} is better: on the dashed line are the cells that no other beats in both. In colour: the"
    words += " front. Grey lines are 95 % intervals."
    planes: list[tuple[str, str, list[tuple[float, Measured]]]] = [
        ("time", f"median {found.unit}", [(cell.time, cell) for cell in found.cells if cell.time is not None]),
        ("size", "file, MB", [(cell.megabytes, cell) for cell in found.cells]),
    ]
    return [
        Figure(
            name,
            f"{found.metric.capitalize()} and {name}",
            words,
            charts.plane(
                [_point(found, x, cell) for x, cell in shown],
                Axis(axis, log=True),
                Axis(found.metric),
                rises=found.rises,
            ),
        )
        for name, axis, shown in planes
        if shown
    ]


def _point(found: SweepResult, x: float, cell: Measured) -> Point:
    name = cell.name if cell.name in {choice.name for choice in found.choices} else ""
    title = f"{cell.name}: {told(cell, found.metric, found.unit)}"
    return Point(x, cell.accuracy, name, title, cell.name in found.front, cell.low, cell.high)
