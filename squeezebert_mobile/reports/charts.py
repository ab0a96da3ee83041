"""Charts as drawings: bars in groups, curves with a name at the end of each, and a plane with named points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from squeezebert_mobile.reports.drawing import (
    LETTERS,
    WIDTH,
    Dot,
    Drawing,
    Line,
    Mark,
    Rect,
    Role,
    Text,
    cut,
    width_of,
    wrap,
)

_BAR, _LINE, _GAP = 9.0, 16.0, 8.0
_TOP = 22.0
_PLOT = 210.0
_FOOT = 40.0
# Of the drawing's width, for the names beside curves.
_NAMES = 0.44
_TICKS = 5
_SUBDIVISIONS = ((1, 2, 5), (1, 3), (1,))


@dataclass(frozen=True)
class Bar:
    """A named value with its text, and its interval where it has one."""

    name: str
    value: float
    text: str
    ours: bool
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Group:
    """Bars under one head."""

    name: str
    bars: tuple[Bar, ...]


def bars(groups: Sequence[Group], reference: float | None = None) -> Drawing:
    """Horizontal bars, each below its name and value, from 0; ``reference`` is marked on every bar.

    The values set the scale: an interval may leave it.
    """
    most = max(bar.value for group in groups for bar in group.bars) or 1.0
    marks: list[Mark] = []
    y = 0.0
    for group in groups:
        if group.name:
            y += _TOP
            marks.append(Text(0, y - 6, group.name, bold=True))
        for bar in group.bars:
            marks += _bar(bar, y, WIDTH / most, reference)
            y += _LINE + _BAR + _GAP
    return Drawing(y, tuple(marks))


def _bar(bar: Bar, y: float, scale: float, reference: float | None) -> list[Mark]:
    role: Role = "ours" if bar.ours else "peer"
    top = y + _LINE
    name = cut(bar.name, WIDTH - width_of(bar.text, bold=True) - LETTERS)
    marks: list[Mark] = [
        Text(0, top - 4, name, "ink" if bar.ours else "muted"),
        Text(WIDTH, top - 4, bar.text, anchor="end", bold=True),
        Rect(0, top, max(1.0, bar.value * scale), _BAR, role, f"{bar.name}: {bar.text}"),
    ]
    if reference is not None:
        marks.append(Line(((reference * scale, top - 1), (reference * scale, top + _BAR + 1)), "ink", 1.0, (2, 2)))
    if bar.low is not None and bar.high is not None:
        middle, right = top + _BAR / 2, min(WIDTH, bar.high * scale)
        marks.append(Line(((bar.low * scale, middle), (right, middle)), "ink", 1.5))
    return marks


@dataclass(frozen=True)
class Axis:
    """What an axis shows. ``values`` are where ticks go; none means round numbers."""

    name: str
    log: bool = False
    from_zero: bool = False
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Scale:
    """From values to units."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high, at = (math.log(n) if self.log else n for n in (self.low, self.high, value))
        return self.start + (at - low) / ((high - low) or 1.0) * (self.end - self.start)


def _scale(axis: Axis, values: Sequence[float], start: float, end: float) -> _Scale:
    """A scale on which the outermost points stay whole, for it goes a little beyond them."""
    low, high = min(values), max(values)
    if axis.log:
        room = (high / low) ** 0.1 if high > low else 1.5
        return _Scale(low / room, high * room, start, end, log=True)
    room = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    return _Scale(0.0 if axis.from_zero else low - room, high + room, start, end, log=False)


def _ticks(axis: Axis, scale: _Scale) -> list[float]:
    if axis.values:
        return _apart(axis.values, scale)
    if scale.log:
        decades = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
        choices = [[m * 10.0**n for n in decades for m in steps] for steps in _SUBDIVISIONS]
        inside = [[tick for tick in ticks if scale.low <= tick <= scale.high] for ticks in choices]
        return next((ticks for ticks in inside if len(ticks) <= _TICKS + 1), inside[-1])
    span = scale.high - scale.low
    step = 10.0 ** math.floor(math.log10(span / _TICKS))
    step *= next(m for m in (1, 2, 5, 10) if span / (step * m) <= _TICKS)
    return [step * n for n in range(math.ceil(scale.low / step), math.floor(scale.high / step) + 1)]


def _apart(values: Sequence[float], scale: _Scale) -> list[float]:
    """Those of the values whose labels do not touch the one before."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or abs(scale(value) - scale(kept[-1])) >= width_of("0000"):
            kept.append(value)
    return kept


def _frame(x_axis: Axis, y_axis: Axis, x: _Scale, y: _Scale) -> list[Mark]:
    """Grid, tick labels and the axes' names: that of y on top, where it needs no turning."""
    marks: list[Mark] = [Text(0, LETTERS, y_axis.name, "muted")]
    for tick in _ticks(y_axis, y):
        marks.append(Line(((x.start, y(tick)), (x.end, y(tick))), "guide", 1.0))
        marks.append(Text(x.start - 5, y(tick) + 4, f"{tick:g}", "muted", "end"))
    marks.append(Line(((x.start, y.start), (x.end, y.start)), "muted", 1.0))
    for tick in _ticks(x_axis, x):
        marks.append(Line(((x(tick), y.start), (x(tick), y.start + 4)), "muted", 1.0))
        marks.append(Text(x(tick), y.start + 17, f"{tick:g}", "muted", "middle"))
    marks.append(Text(x.end, y.start + 34, x_axis.name, "muted", "end"))
    return marks


def _left(axis: Axis, values: Sequence[float]) -> float:
    """Room for the labels of the y axis."""
    return 9 + max(width_of(f"{tick:g}") for tick in _ticks(axis, _scale(axis, values, _PLOT, 0)) or [max(values)])


@dataclass(frozen=True)
class Curve:
    """A named line through points, which are marked unless there are many."""

    name: str
    points: tuple[tuple[float, float], ...]
    ours: bool


_MANY = 40
# Ours and its peers are told apart by colour, one from another by dashes.
_DASHES: tuple[tuple[float, ...], ...] = ((), (6, 3), (2, 3), (8, 3, 2, 3))


def curves(found: Sequence[Curve], x_axis: Axis, y_axis: Axis, level: float | None = None) -> Drawing:
    """Curves, with the name of each at its right end; a dashed line at ``level``."""
    xs, ys = ([point[n] for curve in found for point in curve.points] for n in (0, 1))
    labels = [wrap(curve.name, _NAMES * WIDTH - 12) for curve in found]
    beside = max(width_of(line) for lines in labels for line in lines) + 12
    needed = sum(len(lines) * _LINE for lines in labels)
    top, height = _TOP, max(_PLOT, needed)
    left = _left(y_axis, ys)
    x = _scale(x_axis, xs, left, WIDTH - beside)
    y = _scale(y_axis, ys, top + height, top)
    marks = _frame(x_axis, y_axis, x, y)
    if level is not None:
        marks.append(Line(((x.start, y(level)), (x.end, y(level))), "ink", 1.0, (4, 3)))
    ends = [y(max(curve.points)[1]) for curve in found]
    places = _spread(ends, [len(lines) * _LINE for lines in labels], top, top + height)
    of_kind = {True: 0, False: 0}
    for curve, lines, place in zip(found, labels, places, strict=True):
        role: Role = "ours" if curve.ours else "peer"
        points = tuple((x(a), y(b)) for a, b in sorted(curve.points))
        dashes = _DASHES[of_kind[curve.ours] % len(_DASHES)]
        of_kind[curve.ours] += 1
        few = len(points) <= _MANY
        marks.append(Line(points, role, 2.0 if few or curve.ours else 0.75, dashes))
        if few:
            marks += [Dot(a, b, 3, role) for a, b in points]
        marks.append(Line((points[-1], (WIDTH - beside + 9, place + _LINE / 2)), role, 0.75))
        marks += [
            Text(WIDTH - beside + 12, place + 12 + _LINE * n, line, "ink" if curve.ours else "muted")
            for n, line in enumerate(lines)
        ]
    return Drawing(top + height + _FOOT, tuple(marks))


def _spread(ends: Sequence[float], heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Upper edges of labels, each as near to its end as the others let it."""
    order = sorted(range(len(ends)), key=lambda n: ends[n])
    places = [0.0] * len(ends)
    free = top
    for n in order:
        places[n] = max(free, ends[n] - _LINE / 2)
        free = places[n] + heights[n]
    free = bottom + _LINE / 2
    for n in reversed(order):
        places[n] = min(places[n], free - heights[n])
        free = places[n]
    return places


@dataclass(frozen=True)
class Point:
    """A point; a ``name`` is written beside it where there is room, ``title`` is what a pointer over it shows.

    ``low`` and ``high`` are the ends of its interval in y, where it has one.
    """

    x: float
    y: float
    name: str
    title: str
    ours: bool
    low: float | None = None
    high: float | None = None


def plane(points: Sequence[Point], x_axis: Axis, y_axis: Axis, *, rises: bool = False) -> Drawing:
    """Points, of which the first is named first, and the line of those that no other beats in both.

    Low is better in x, and in y unless it ``rises``: whatever lies to the right of the line, on its worse side, is
    beaten.
    """
    height = 1.4 * _PLOT
    ys = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    left = _left(y_axis, ys)
    x = _scale(x_axis, [point.x for point in points], left, WIDTH)
    y = _scale(y_axis, ys, _TOP + height, _TOP)
    marks = _frame(x_axis, y_axis, x, y)
    best = pareto(points, rises=rises)
    stairs = [corner for one, next_ in pairwise(best) for corner in ((x(one.x), y(one.y)), (x(next_.x), y(one.y)))]
    marks.append(Line((*stairs, (x(best[-1].x), y(best[-1].y))), "ink", 1.2, (4, 3)))
    for point in sorted(points, key=lambda point: point.ours):
        role: Role = "ours" if point.ours else "peer"
        if point.low is not None and point.high is not None:
            marks.append(Line(((x(point.x), y(point.low)), (x(point.x), y(point.high))), "guide", 2.0))
        marks.append(Dot(x(point.x), y(point.y), 5, role, hollow=not point.ours, title=point.title))
    taken = [_Box(x(point.x) - 6, y(point.y) - 6, 12, 12) for point in points]
    for point in filter(lambda point: point.name, points):
        at, role = (x(point.x), y(point.y)), ("ink" if point.ours else "muted")
        box = _place(point.name, at, taken, _Box(left, 0, WIDTH - left, _TOP + height))
        if box is None:
            continue
        taken.append(box)
        marks.append(Text(box.x, box.y + 12, point.name, role))
        if (away := box.y - at[1]) > _LINE or away + _LINE < -_LINE:
            nearest = min(max(at[0], box.x), box.x + box.width), box.y + (1 if away > 0 else _LINE)
            marks.append(Line((at, nearest), role, 0.75))
    return Drawing(_TOP + height + _FOOT, tuple(marks))


def pareto(points: Sequence[Point], *, rises: bool = False) -> list[Point]:
    """The points that no other beats in both directions, from the left to the right; see `plane`."""
    best: list[Point] = []
    sign = -1 if rises else 1
    for point in sorted(points, key=lambda point: (point.x, sign * point.y)):
        if not best or sign * point.y < sign * best[-1].y:
            best.append(point)
    return best


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    height: float

    def touches(self, other: "_Box") -> bool:
        beside = self.x >= other.x + other.width or other.x >= self.x + self.width
        return not (beside or self.y >= other.y + other.height or other.y >= self.y + self.height)

    def holds(self, other: "_Box") -> bool:
        across = self.x <= other.x and other.x + other.width <= self.x + self.width
        return across and self.y <= other.y and other.y + other.height <= self.y + self.height


def _place(name: str, point: tuple[float, float], taken: Sequence[_Box], inside: _Box) -> _Box | None:
    """The nearest free place for a name about a point; None where each touches another name or point."""
    width, (x, y) = width_of(name), point
    places = [(x + 8, y - _LINE / 2), (x - 8 - width, y - _LINE / 2)]
    for away in (6.0, 20.0, 34.0):
        for left in (x - width / 2, x + 2, x - 2 - width):
            places += [(left, y - away - _LINE), (left, y + away)]
    boxes = (_Box(*place, width, _LINE) for place in places)
    return next((box for box in boxes if inside.holds(box) and not any(map(box.touches, taken))), None)
