"""Which cell to ship: rules in words, and the front of those that no other beats in accuracy, size and time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Self, get_args

from squeezebert_mobile.errors import UsageError

Goal = Literal["smallest", "fastest", "most accurate"]
Unit = Literal["ms", "Mcycles"]
_LIMIT = re.compile(r" within (?P<points>\d+(?:\.\d+)?) points?| under (?P<most>\d+(?:\.\d+)?) (?P<unit>MB|ms|Mcycles)")
_POINT, _ROUNDING = 0.01, 1e-12


@dataclass(frozen=True)
class Measured:
    """What a cell comes to: its metric with a 95 % interval, its file, and the median time of a text.

    ``below`` is by how much the metric is worse than the best cell's, ``drop`` than the checkpoint's. ``time`` is in
    the sweep's unit and None where nothing timed it; ``faults`` say why it does not count.
    """

    name: str
    bundle: str
    artifact: str
    accuracy: float
    low: float
    high: float
    below: float
    drop: float
    megabytes: float
    time: float | None
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """A goal, and what a cell has to keep to: points below the best accuracy, MB, and time in a unit."""

    text: str
    goal: Goal
    points: float | None
    megabytes: float | None
    time: float | None
    unit: Unit | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """GOAL [within N points] [under N MB] [under N ms]. Raises UsageError for anything else."""
        text = " ".join(text.split())
        goal = next((goal for goal in get_args(Goal) if text.startswith(goal)), None)
        rest = text.removeprefix(goal or "")
        if goal is None or _LIMIT.sub("", rest):
            expected = f"{', '.join(get_args(Goal))}, then within N points, under N MB, under N ms or N Mcycles"
            fix = "write it as 'fastest within 1 point' or 'most accurate under 8 MB'"
            raise UsageError("rule", "is none", found=text, expected=expected, fix=fix)
        limits = list(_LIMIT.finditer(rest))
        points = [float(limit["points"]) for limit in limits if limit["points"]]
        most = {limit["unit"]: float(limit["most"]) for limit in limits if limit["most"]}
        unit: Unit | None = "ms" if "ms" in most else "Mcycles" if "Mcycles" in most else None
        return cls(text, goal, min(points, default=None), most.get("MB"), most.get(unit or ""), unit)


@dataclass(frozen=True)
class Choice:
    """What a rule chooses, None where no cell keeps to it, and a sentence that says so."""

    rule: str
    name: str | None
    bundle: str | None
    sentence: str


def choose(rule: Rule, cells: Sequence[Measured], unit: Unit) -> Measured | None:
    """The best by the rule's goal of the cells that keep to it; of equals the most accurate, fastest, smallest."""
    kept = [
        cell
        for cell in cells
        if rule.unit in (None, unit)
        and (rule.points is None or cell.below <= rule.points * _POINT + _ROUNDING)
        and (rule.megabytes is None or cell.megabytes <= rule.megabytes)
        and (rule.goal != "fastest" or cell.time is not None)
        and (rule.time is None or (cell.time is not None and cell.time <= rule.time))
    ]

    def rank(cell: Measured) -> tuple[float, ...]:
        time = inf if cell.time is None else cell.time
        first = {"smallest": cell.megabytes, "fastest": time, "most accurate": cell.below}[rule.goal]
        return first, cell.below, time, cell.megabytes

    return min(kept, key=rank, default=None)


def front(cells: Sequence[Measured]) -> list[Measured]:
    """The cells that no other beats: as good in accuracy, size and time, and better in one of them.

    Where a cell was not timed, time does not count for any.
    """
    is_timed = all(cell.time is not None for cell in cells)
    losses = [(cell.below, cell.megabytes, cell.time if is_timed else None) for cell in cells]
    values = [[value or 0.0 for value in each] for each in losses]

    def is_beaten(own: Sequence[float]) -> bool:
        return any(other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in values)

    return [cell for cell, own in zip(cells, values, strict=True) if not is_beaten(own)]


def told(cell: Measured, metric: str, unit: Unit) -> str:
    """The figures of a cell in words."""
    time = (
        "not timed"
        if cell.time is None
        else f"{cell.time:.3g} {unit}{' (not valid as a claim)' if cell.faults else ''}"
    )
    return f"{metric} {cell.accuracy:.4f} ({cell.low:.4f} to {cell.high:.4f}), {cell.megabytes:.3g} MB, {time}"


def decide(rule: Rule, cells: Sequence[Measured], metric: str, unit: Unit) -> Choice:
    """A rule's choice, in a sentence."""
    found = choose(rule, cells, unit)
    if found is None:
        reason = f"times are in {unit}" if rule.unit not in (None, unit) else "no cell keeps to it"
        return Choice(rule.text, None, None, f"{rule.text}: none, {reason}")
    return Choice(rule.text, found.name, found.bundle, f"{rule.text}: {found.name}; {told(found, metric, unit)}")
