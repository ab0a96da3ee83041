"""A ranking as JSON, as a page and as a picture: what each layer and each width costs before any training."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.console import table
from squeezebert_mobile.files import dump_json
from squeezebert_mobile.reports import charts, document
from squeezebert_mobile.reports.charts import Axis, Bar, Curve, Group
from squeezebert_mobile.reports.document import Figure, Headline, Table
from squeezebert_mobile.training.ranking import Cost, Ranking


def write(found: Ranking, path: Path, kept: Collection[int] = ()) -> None:
    """The ranking as JSON at ``path``, and as a page and a picture beside it; ``kept`` are the student's layers.

    Raises EnvironmentFault where matplotlib is not installed or a path cannot be written.
    """
    drawn = figures(found, kept)
    replace_file(path.with_suffix(".png"), document.to_png(drawn))
    replace_file(path.with_suffix(".html"), to_page(found, drawn, kept).encode())
    replace_file(path, dump_json(asdict(found)))


def figures(found: Ranking, kept: Collection[int] = ()) -> list[Figure]:
    """The loss without each layer and, where any can be tried, at each width."""
    bars = (
        Bar("the whole model", found.whole.loss, f"{found.whole.loss:.3f}", ours=False),
        *(Bar(f"without layer {n}", cost.loss, f"{cost.loss:.3f}", n in kept) for n, cost in enumerate(found.layers)),
    )
    told = " In colour: the layers that the student keeps." if kept else ""
    mark = f"the mark is the whole model's, {found.whole.loss:.3f}"
    words = f"Loss on {found.rows} rows without this layer; {mark}.{told}"
    drawn = [Figure("layers", "Layers", words, charts.bars([Group("", bars)], reference=found.whole.loss))]
    if found.widths:
        points = tuple((float(width.size), width.cost.loss) for width in found.widths)
        words = "Loss when each layer keeps so many of its channels, the most important ones; dashed: all of them."
        axes = Axis("channels"), Axis("loss", from_zero=True)
        drawing = charts.curves([Curve("pruned", points, ours=True)], *axes, level=found.whole.loss)
        drawn.append(Figure("widths", "Feed-forward width", words, drawing))
    return drawn


def to_page(found: Ranking, drawn: list[Figure], kept: Collection[int] = ()) -> str:
    """The page of a ranking."""
    cheapest = min(range(len(found.layers)), key=lambda layer: found.layers[layer].loss)
    rise = found.layers[cheapest].loss - found.whole.loss
    told = [
        Headline(f"{found.whole.metric:.4f}", f"{found.metric} of the whole model", f"{found.rows} rows"),
        Headline(f"{rise:+.3f}", f"loss without layer {cheapest}, which costs least"),
    ]
    reasons = ["These are costs before any training, which wins much back: they say what to drop, not how much."]
    header = ("loss", "rise", found.metric)
    rows = tuple((f"without layer {layer}", *_cells(found, cost)) for layer, cost in enumerate(found.layers))
    whole = ("the whole model", *_cells(found, found.whole))
    body = [document.headlines(told), document.notice("How to read this", reasons), document.figures(drawn)]
    ours = frozenset(layer + 1 for layer in kept)
    body.append(document.table(Table("Layers", ("model", *header), (whole, *rows), ours)))
    if found.widths:
        widths = tuple((str(width.size), *_cells(found, width.cost)) for width in found.widths)
        body.append(document.table(Table("Widths", ("channels", *header), widths)))
    return document.page("What each layer and width costs", body, below=f"{found.task}, before training")


def text(found: Ranking) -> str:
    """The ranking as two tables, the costliest layer first."""
    order = sorted(range(len(found.layers)), key=lambda layer: -found.layers[layer].loss)
    rows = [("the whole model", *_cells(found, found.whole))]
    rows += [(f"without layer {layer}", *_cells(found, found.layers[layer])) for layer in order]
    rows += [(f"{width.size} channels", *_cells(found, width.cost)) for width in found.widths]
    return f"{found.task}, {found.rows} rows, before training\n\n" + table(
        ("model", "loss", "rise", found.metric), rows
    )


def _cells(found: Ranking, cost: Cost) -> tuple[str, str, str]:
    return f"{cost.loss:.4f}", f"{cost.loss - found.whole.loss:+.4f}", f"{cost.metric:.4f}"
