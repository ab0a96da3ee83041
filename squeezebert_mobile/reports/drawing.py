"""A drawing is a list of marks, and becomes SVG for a page or PNG for everything else.

It is as wide as a phone's column of text, so that its letters keep their size there and grow elsewhere. A mark has a
role instead of a colour, which the page's theme gives it: what is ours, what it is compared with, text, and lines that
only guide the eye.
"""

import html
import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from squeezebert_mobile import extras
from squeezebert_mobile.errors import EnvironmentFault

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Role = Literal["ours", "peer", "ink", "muted", "guide"]
Anchor = Literal["start", "middle", "end"]

# A screen of 390 pixels, less the page's margins, shows a drawing larger than this: no letter is below 12 pixels there.
WIDTH = 340.0
LETTERS = 12.5
# Contrasts with the background (light #ffffff, dark #14161a) are 5.9 and 8.0 for ours, 4.4 and 5.5 for peers.
LIGHT: dict[Role, str] = {
    "ours": "#0a5fd1", "peer": "#757783", "ink": "#17181c", "muted": "#55575f", "guide": "#d4d6dc",
}  # fmt: skip
DARK: dict[Role, str] = {
    "ours": "#74aeff", "peer": "#8b8e99", "ink": "#eceef2", "muted": "#a9acb6", "guide": "#383b43",
}  # fmt: skip
# Of a letter's height; the mean of the widest common fonts, DejaVu Sans and Verdana.
_LETTER_WIDTH, _BOLD_WIDTH = 0.59, 0.65
_UNITS_PER_INCH = 100
_MARGIN = 10.0
_DPI = 200


@dataclass(frozen=True)
class Rect:
    """A filled box; ``title`` is what a pointer over it shows."""

    x: float
    y: float
    width: float
    height: float
    role: Role
    title: str = ""


@dataclass(frozen=True)
class Line:
    """A line through points; ``dashes`` are lengths of ink and gap."""

    points: tuple[tuple[float, float], ...]
    role: Role
    width: float = 1.5
    dashes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Dot:
    """A disc, or a ring; ``title`` as of a `Rect`."""

    x: float
    y: float
    radius: float
    role: Role
    hollow: bool = False
    title: str = ""


@dataclass(frozen=True)
class Text:
    """One line of text on its baseline."""

    x: float
    y: float
    text: str
    role: Role = "ink"
    anchor: Anchor = "start"
    bold: bool = False


Mark = Rect | Line | Dot | Text


@dataclass(frozen=True)
class Drawing:
    """Marks in units from the upper left corner, later ones on top."""

    height: float
    marks: tuple[Mark, ...]


def move(mark: Mark, down: float) -> Mark:
    """The mark, so much lower."""
    if isinstance(mark, Line):
        return replace(mark, points=tuple((x, y + down) for x, y in mark.points))
    return replace(mark, y=mark.y + down)


def width_of(text: str, *, bold: bool = False) -> float:
    """About how wide a text is drawn, in units; fonts differ."""
    return len(text) * LETTERS * (_BOLD_WIDTH if bold else _LETTER_WIDTH)


def cut(text: str, width: float) -> str:
    """The text, or as much of its start as fits."""
    most = max(1, int(width / (LETTERS * _LETTER_WIDTH)))
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def wrap(text: str, width: float) -> list[str]:
    """Lines of whole words that fit; a word that is too long for a line is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(cut(word, width))
    return lines


def to_svg(drawing: Drawing, label: str) -> str:
    """An SVG element whose colours are the classes of `document.STYLE`; ``label`` is read instead of it."""
    body = "\n".join(_svg(mark) for mark in drawing.marks)
    size = f"0 0 {WIDTH:g} {drawing.height:.0f}"
    return f'<svg viewBox="{size}" role="img" aria-label="{html.escape(label)}">\n{body}\n</svg>'


def _svg(mark: Mark) -> str:
    match mark:
        case Rect():
            box = f'x="{mark.x:.1f}" y="{mark.y:.1f}" width="{mark.width:.1f}" height="{mark.height:.1f}" rx="1.5"'
            return f'<rect class="fill {mark.role}" {box}>{_title(mark.title)}</rect>'
        case Line():
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
            dashes = f' stroke-dasharray="{" ".join(f"{n:g}" for n in mark.dashes)}"' if mark.dashes else ""
            return f'<polyline class="line {mark.role}" points="{points}" stroke-width="{mark.width:g}"{dashes}/>'
        case Dot():
            place = f'cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="{mark.radius:g}"'
            kind = "ring" if mark.hollow else "fill"
            return f'<circle class="{kind} {mark.role}" {place}>{_title(mark.title)}</circle>'
        case Text():
            look = f'text-anchor="{mark.anchor}"' + (' font-weight="700"' if mark.bold else "")
            place = f'x="{mark.x:.1f}" y="{mark.y:.1f}"'
            return f'<text class="fill {mark.role}" {place} {look}>{html.escape(mark.text)}</text>'


def _title(text: str) -> str:
    return f"<title>{html.escape(text)}</title>" if text else ""


def require_matplotlib() -> None:
    """Raise EnvironmentFault where matplotlib, which draws the PNG, is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise EnvironmentFault("matplotlib", "is not installed", fix=extras.install("matplotlib"))


def to_png(drawing: Drawing) -> bytes:
    """The same in the light colours and with a margin, 720 pixels wide.

    Raises EnvironmentFault where matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    width, height = WIDTH + 2 * _MARGIN, drawing.height + 2 * _MARGIN
    figure = Figure(figsize=(width / _UNITS_PER_INCH, height / _UNITS_PER_INCH), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-_MARGIN, WIDTH + _MARGIN), ylim=(drawing.height + _MARGIN, -_MARGIN))
    axes.axis("off")
    _paint(axes, drawing.marks)
    buffer = io.BytesIO()
    # Without the version that matplotlib writes by itself, the same drawing gives the same bytes.
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _paint(axes: "Axes", marks: Sequence[Mark]) -> None:
    from matplotlib.patches import Circle, Rectangle
    from matplotlib.patheffects import withStroke

    points = 72 / _UNITS_PER_INCH
    halo = [withStroke(linewidth=3 * points, foreground="white")]
    for order, mark in enumerate(marks):
        colour = LIGHT[mark.role]
        look: dict[str, Any] = {"zorder": order, "clip_on": False}
        match mark:
            case Rect():
                axes.add_patch(Rectangle((mark.x, mark.y), mark.width, mark.height, facecolor=colour, **look))
            case Line():
                look["linestyle"] = (0, [n / mark.width for n in mark.dashes]) if mark.dashes else "-"
                axes.plot(*zip(*mark.points, strict=True), color=colour, linewidth=mark.width * points, **look)
            case Dot():
                face = "white" if mark.hollow else colour
                axes.add_patch(
                    Circle((mark.x, mark.y), mark.radius, facecolor=face, edgecolor=colour, linewidth=points, **look)
                )
            case Text():
                side = {"start": "left", "middle": "center", "end": "right"}[mark.anchor]
                weight = "bold" if mark.bold else "normal"
                look |= {"ha": side, "va": "baseline", "fontweight": weight, "fontsize": LETTERS * points}
                axes.text(mark.x, mark.y, mark.text, color=colour, path_effects=halo, **look)
