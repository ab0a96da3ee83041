"""A training run as a page and a picture: the loss, the validation curve, and what they advise."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from squeezebert_mobile.errors import counted
from squeezebert_mobile.reports import charts, document
from squeezebert_mobile.reports.charts import Axis, Curve
from squeezebert_mobile.reports.document import Figure, Headline, Table
from squeezebert_mobile.training.trainer import Evaluation

PLOT_NAME = "training_report.png"
PAGE_NAME = "training_report.html"
# Steps that a curve is made of; of more it would be a smear.
_MOST_POINTS = 200
# Of all steps, for the mean that smooths.
_WINDOW = 20


@dataclass(frozen=True)
class History:
    """What training wrote down. ``title`` names the task and data, ``best_step`` the weights that were kept."""

    title: str
    epochs: int
    losses: Sequence[float]
    evaluations: Sequence[Evaluation]
    best_step: int
    seconds: float


def write(found: History, folder: Path) -> None:
    """Write the page and the picture. Raises EnvironmentFault where matplotlib is not installed."""
    drawn = figures(found)
    (folder / PAGE_NAME).write_text(to_page(found, drawn), encoding="utf-8")
    (folder / PLOT_NAME).write_bytes(document.to_png(drawn))


def figures(found: History) -> list[Figure]:
    """The loss, and with two evaluations or more the leading metric: one axis each."""
    drawn = [_loss(found)]
    if len(found.evaluations) > 1:
        drawn.append(_metric(found))
    return drawn


def _loss(found: History) -> Figure:
    steps, window = len(found.losses), max(1, len(found.losses) // _WINDOW)
    places = np.arange(1, steps + 1) * (found.epochs / steps)
    smooth = np.convolve(found.losses, np.full(window, 1 / window), mode="valid")
    curves = [Curve(f"mean of {counted(window, 'step')}", _points(places[window - 1 :], smooth), ours=True)]
    if window > 1 and steps <= _MOST_POINTS:
        curves.insert(0, Curve("each step", _points(places, np.asarray(found.losses)), ours=False))
    words = f"{found.title}: {_length(found)}, ending at {smooth[-1]:.4f}."
    drawing = charts.curves(curves, Axis("epochs"), Axis("loss", from_zero=True))
    return Figure("loss", "Training loss", words, drawing)


def _length(found: History) -> str:
    return f"{counted(len(found.losses), 'step')} in {counted(found.epochs, 'epoch')}"


def _points(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, float], ...]:
    """At most so many of the points as a curve shows, with the last."""
    every = -(-len(x) // _MOST_POINTS)
    return tuple((float(a), float(b)) for a, b in zip(x[::-every][::-1], y[::-every][::-1], strict=True))


def _metric(found: History) -> Figure:
    name = _leading(found)
    curve = Curve(name, tuple((float(e.epoch), e.metrics[name]) for e in found.evaluations), ours=True)
    best = _best(found)
    words = f"On the held-out data, after each epoch. Kept: epoch {best.epoch}, {best.metrics[name]:.4f}."
    epochs = Axis("epochs", values=tuple(float(e.epoch) for e in found.evaluations))
    return Figure("validation", f"Validation {name}", words, charts.curves([curve], epochs, Axis(name)))


def _leading(found: History) -> str:
    """The metric that decides which weights are kept."""
    return next(iter(found.evaluations[0].metrics))


def _best(found: History) -> Evaluation:
    return next(e for e in found.evaluations if e.step == found.best_step)


def advise(found: History) -> str:
    """What to do next, from the curves alone."""
    if not found.evaluations:
        return "Nothing was held out, so nobody knows how well it does on other texts: give --eval-data."
    best, last = _best(found), found.evaluations[-1]
    if best.step < last.step:
        return (
            f"Epoch {best.epoch} was the best of {last.epoch}, and its weights were kept; later ones did no better on "
            "the held-out data. Fewer epochs (or --patience) do; more data may do better."
        )
    if len(found.evaluations) == 1:
        return "One epoch shows no trend: try more."
    return f"The last of {last.epoch} epochs was the best: more may do better."


def to_page(found: History, drawn: Sequence[Figure]) -> str:
    """The page of a run."""
    minutes, seconds = divmod(round(found.seconds), 60)
    told = [Headline(f"{minutes}:{seconds:02d} min", f"for {_length(found)}")]
    if found.evaluations:
        name, best = _leading(found), _best(found)
        told.insert(0, Headline(f"{best.metrics[name]:.4f}", f"{name} on the held-out data", f"epoch {best.epoch}"))
    body = [document.headlines(told), document.notice("What next", [advise(found)]), document.figures(drawn)]
    if found.evaluations:
        names = tuple(found.evaluations[0].metrics)
        rows = tuple(
            (str(e.epoch), *(f"{e.metrics[name]:.4f}" for name in names), f"{e.loss:.4f}", str(e.step))
            for e in found.evaluations
        )
        kept = frozenset(n for n, e in enumerate(found.evaluations) if e.step == found.best_step)
        body.append(document.table(Table("Each epoch", ("epoch", *names, "training loss", "step"), rows, kept)))
    return document.page("How training went", body, below=found.title)
