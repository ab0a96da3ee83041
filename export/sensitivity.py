"""How much each unit costs in accuracy when it alone is int8: its effect on the outputs over real text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from squeezebert_mobile import extras
from squeezebert_mobile.atomic import replace_file, staged_file
from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.export.emulation import Emulation, emulate
from squeezebert_mobile.export.quantization import Dynamic, Static
from squeezebert_mobile.files import dump_json
from squeezebert_mobile.model import PreTrained

# So that the precisions can be told apart without colour.
_HATCHES = ("", "//")


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
    """The effect of every unit that ``scheme`` quantizes, the largest first, by emulation."""
    plain = emulate(model)
    expected = [_outputs(plain, batch) for batch in batches]
    names = plain.form.units()
    effects = []
    for unit in _quantized_units(model, scheme):
        report(f"Measuring {unit} in int8")
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


def write(rankings: Mapping[str, Sequence[Effect]], path: Path) -> None:
    """The rankings by precision as JSON at ``path``, and as a plot in a PNG beside it. Raises EnvironmentFault."""
    plot(rankings, path.with_suffix(".png"))
    replace_file(path, dump_json({name: [asdict(effect) for effect in found] for name, found in rankings.items()}))


def plot(rankings: Mapping[str, Sequence[Effect]], path: Path) -> None:
    """Horizontal bars, the most sensitive unit of the first ranking on top. Raises EnvironmentFault."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise EnvironmentFault("matplotlib", "is not installed", fix=extras.install("matplotlib")) from None
    order = [effect.unit for effect in reversed(next(iter(rankings.values())))]
    figure = Figure(figsize=(8, 1.4 + 0.3 * len(order) * len(rankings)), layout="constrained")
    axes = figure.add_subplot()
    height = 0.8 / len(rankings)
    for index, (precision, effects) in enumerate(rankings.items()):
        by_unit = {effect.unit: effect.rms for effect in effects}
        places = [place - height * index for place in range(len(order))]
        axes.barh(places, [by_unit[unit] for unit in order], height, label=precision, hatch=_HATCHES[index])
    axes.set_yticks([place - height * (len(rankings) - 1) / 2 for place in range(len(order))], order)
    axes.set_xlabel("RMS change of the outputs with this unit alone in int8")
    axes.margins(y=0.02)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    with staged_file(path) as partial:
        figure.savefig(partial, format="png", dpi=120, metadata={"Software": None})
