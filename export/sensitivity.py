"""How much each unit costs in accuracy when it alone is int8: its effect on the outputs over real text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.export.emulation import Emulation, emulate
from squeezebert_mobile.export.quantization import Dynamic, Static
from squeezebert_mobile.files import dump_json
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.reports import charts, document
from squeezebert_mobile.reports.charts import Axis, Bar, Curve, Group
from squeezebert_mobile.reports.document import Figure, Headline, Table

# Of the whole effect: what the units that are not advised to stay float may have together.
_KEPT_EFFECT = 0.5
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Effect:
    """A unit alone in int8, compared with fp32.

    ``rms`` and ``max_abs`` are the root mean square and the largest change over all outputs of all texts, in the
    outputs' own units (logits, for a classifier); ``parameters`` are those of the unit that became int8.
    """

    unit: str
    rms: float
    max_abs: float
    parameters: int

    @property
    def rms_per_parameter(self) -> float:
        """``rms`` for each parameter in int8."""
        return self.rms / max(self.parameters, 1)


def rank(
    model: PreTrained, scheme: Dynamic | Static, batches: Sequence[Batch], report: Callable[[str], None]
) -> tuple[Effect, ...]:
    """The effect of every unit that ``scheme`` quantizes, the largest first, by emulation; ``report`` gets each."""
    plain = emulate(model)
    expected = [_outputs(plain, batch) for batch in batches]
    names = plain.form.units()
    effects = []
    for unit in _quantized_units(model, scheme):
        report(unit)
        int8 = emulate(model, replace(scheme, keep_float=frozenset(names) - {unit}))
        errors = [_outputs(int8, batch) - whole for batch, whole in zip(batches, expected, strict=True)]
        values = np.concatenate(errors).astype(np.float64)
        quantized = sum(part.parameters for part in int8.parts if part.reason is None)
        effects.append(Effect(unit, float(np.sqrt(np.square(values).mean())), float(np.abs(values).max()), quantized))
    return tuple(sorted(effects, key=lambda effect: -effect.rms))


def _quantized_units(model: PreTrained, scheme: Dynamic | Static) -> list[str]:
    """The units of which ``scheme`` puts something into int8."""
    int8 = emulate(model, scheme)
    parts = [part.name for part in int8.parts if part.reason is None]
    return [unit for unit in int8.form.units() if any(f"{name}.".startswith(f"{unit}.") for name in parts)]


def _outputs(emulation: Emulation, batch: Batch) -> Float32:
    return np.concatenate([value.ravel() for value in emulation.run(batch).values()])


def advise(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """The units to keep float: those that cost most by byte, until the others together have half of the whole effect.

    Effects of several units add up as those of independent errors do: their squares.
    """
    order = _costliest_first(effects)
    whole = _joint(effects)
    return next(order[:n] for n in range(len(order) + 1) if _joint(order[n:]) <= _KEPT_EFFECT * whole)


def _costliest_first(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """By what a unit adds to the squared effect for each of its bytes."""
    return tuple(sorted(effects, key=lambda effect: -(effect.rms**2) / max(effect.parameters, 1)))


def write(rankings: Mapping[str, Sequence[Effect]], path: Path, model: str) -> None:
    """The rankings by precision as JSON at ``path``, and as a page and a picture beside it. ``model`` is its name.

    Raises EnvironmentFault where matplotlib is not installed or a path cannot be written.
    """
    by_kind = zip(*(figures(name, effects) for name, effects in rankings.items()), strict=True)
    drawn = [figure for kind in by_kind for figure in kind]
    replace_file(path.with_suffix(".png"), document.to_png(drawn))
    replace_file(path.with_suffix(".html"), _page(rankings, drawn, model).encode())
    replace_file(path, dump_json({name: [asdict(effect) for effect in found] for name, found in rankings.items()}))


def figures(precision: str, effects: Sequence[Effect]) -> tuple[Figure, Figure]:
    """The effect of each unit, and what the units cost in bytes together."""
    kept = advise(effects)
    units = [Bar(e.unit, e.rms, f"{e.rms:.2g}", ours=e in kept) for e in effects]
    words = "RMS change of the outputs when this unit alone is int8; in colour those to keep float."
    alone = Figure(f"units-{precision}", f"Units in {precision}", words, charts.bars([Group("", tuple(units))]))
    return alone, _together(precision, effects, kept)


def _together(precision: str, effects: Sequence[Effect], kept: Sequence[Effect]) -> Figure:
    """The joint effect against the bytes of all units as they become int8, those that cost least by byte first."""
    size = float(sum(e.parameters for e in effects) * _FLOAT_BYTES)
    points, square = [(size / 1e6, 0.0)], 0.0
    for effect in reversed(_costliest_first(effects)):
        size -= effect.parameters * (_FLOAT_BYTES - 1)
        square += effect.rms**2
        points.append((size / 1e6, square**0.5))
    advised = (points[-1][0] + _more_megabytes(kept), _joint([e for e in effects if e not in kept]))
    curves = [Curve("one unit after the other", tuple(points), ours=False)]
    if kept:
        curves.append(Curve("advised", (advised,), ours=True))
    words = (
        "Joint RMS change of the outputs against the units' bytes: from all in float, right, to all in int8, left. "
        "Dashed: half of the whole."
    )
    half = _KEPT_EFFECT * _joint(effects)
    drawing = charts.curves(curves, Axis("MB of these units"), Axis("joint effect", from_zero=True), level=half)
    return Figure(f"together-{precision}", f"Effect against size in {precision}", words, drawing)


def _joint(effects: Sequence[Effect]) -> float:
    return float(np.sqrt(sum(effect.rms**2 for effect in effects)))


def _more_megabytes(kept: Sequence[Effect]) -> float:
    """What it takes to keep units float."""
    return sum(effect.parameters for effect in kept) * (_FLOAT_BYTES - 1) / 1e6


def _page(rankings: Mapping[str, Sequence[Effect]], drawn: Sequence[Figure], model: str) -> str:
    told, body = [], []
    for precision, effects in rankings.items():
        kept, whole = advise(effects), _joint(effects)
        rest = _joint([effect for effect in effects if effect not in kept]) / whole if whole else 0.0
        words = f"{precision}: keep {len(kept)} of {len(effects)} units float for {rest:.0%} of the effect"
        told.append(Headline(f"+{_more_megabytes(kept):.1f} MB", words))
        options = " ".join(f"--keep-float {effect.unit}" for effect in kept)
        body.append(document.notice(f"Keep these float ({precision})", [options] if options else []))
        rows = tuple((e.unit, f"{e.rms:.3g}", f"{e.max_abs:.3g}", f"{e.parameters:,}") for e in effects)
        ours = frozenset(place for place, effect in enumerate(effects) if effect in kept)
        body.append(document.table(Table(precision, ("unit", "RMS", "largest change", "parameters"), rows, ours)))
    blocks = [document.headlines(told), document.figures(drawn), *body]
    return document.page("What int8 costs, unit by unit", blocks, below=model)
