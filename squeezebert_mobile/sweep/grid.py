"""GRID.toml: what varies, the options that all cells share, and the cells that follow."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from squeezebert_mobile.benchmarks.benchmark import protocols
from squeezebert_mobile.benchmarks.options import BenchmarkCommandOptions
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.options import Options
from squeezebert_mobile.sweep.choice import Rule
from squeezebert_mobile.tasks import Precision
from squeezebert_mobile.training.options import FinetuneOptions

AS_IS = "as-is"
Command = Literal["finetune", "export", "benchmark"]
Text = Annotated[str, Field(min_length=1)]
Scalar = bool | int | float | Text
# An option's value: true for a flag, a list for what may be given several times, a table for ROLE=NAME.
Value = Scalar | tuple[Scalar, ...] | dict[str, Text]
Runtime = Literal["onnx", "executorch"]

# What the sweep itself says to each command.
_OURS: dict[Command, tuple[type[Options], frozenset[str]]] = {
    "finetune": (
        FinetuneOptions,
        frozenset({"model", "output-dir", "layers", "intermediate-size", "force", "resume", "quiet", "from-scratch"}),
    ),
    "export": (
        ExportOptions,
        frozenset(
            {
                "model",
                "output-dir",
                "runtime",
                "precision",
                "embeddings",
                "trim-vocab",
                "force",
                "archive",
                "sensitivity",
            }
        ),
    ),
    "benchmark": (
        BenchmarkCommandOptions,
        frozenset({"model", "runtime", "precision", "jsonl", "html", "markdown", "png", "require-valid", "peer"}),
    ),
}
# Where no drop of accuracy is refused, it is measured all the same.
_ANY_DROP = "1"


class _Table(BaseModel):
    """A frozen table that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Axes(_Table):
    """What varies; an empty axis says nothing to its command. ``layers`` and ``width`` are finetune's options."""

    checkpoint: Annotated[tuple[Text, ...], Field(min_length=1)]
    layers: tuple[int | Text, ...] = ()
    width: tuple[int | Literal["as-is"], ...] = ()
    seed: tuple[int, ...] = ()
    precision: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32", "int8")
    runtime: Annotated[tuple[Runtime, ...], Field(min_length=1)] = ("onnx", "executorch")
    embeddings: tuple[Literal["int8", "int4"], ...] = ()
    trimming: tuple[str, ...] = ()
    calibration: tuple[Text, ...] = ()


class Cycles(_Table):
    """Estimated cycles of a core in the place of a measurement."""

    cpu: Text
    tokens: Annotated[int, Field(ge=1, le=512)] = 128


class Grid(_Table):
    """A whole file; options have the names that the help of their commands has, without the dashes."""

    grid: Axes
    finetune: dict[str, Value] | None = None
    export: dict[str, Value]
    benchmark: dict[str, Value] | None = None
    cycles: Cycles | None = None
    rules: tuple[str, ...] = ("smallest", "fastest within 1 point")


@dataclass(frozen=True)
class Cell:
    """One model: how it is trained, unless it is taken as it is, and exported. None: what the command does alone."""

    checkpoint: str
    is_trained: bool
    layers: str | None
    width: str | None
    seed: str | None
    precision: Precision
    runtime: Runtime
    embeddings: str | None
    trimming: str | None
    calibration: str | None

    def training(self) -> list[str]:
        """What it adds to finetune's options; the last one takes the checkpoint, which a smaller student is made of."""
        start = "--model" if self.layers is None and self.width is None else "--teacher"
        return [*_given({"--layers": self.layers, "--intermediate-size": self.width, "--seed": self.seed}), start]

    def exporting(self) -> list[str]:
        """What it adds to export's options; the last one takes the checkpoint."""
        varied = {"--embeddings": self.embeddings, "--trim-vocab": self.trimming, "--calibration": self.calibration}
        return ["--runtime", self.runtime, "--precision", self.precision, *_given(varied), "--model"]


def _given(options: Mapping[str, str | None]) -> list[str]:
    return [word for option, value in options.items() if value is not None for word in (option, value)]


def read(path: Path) -> Grid:
    """The grid in a file, whose every cell is a legal call of its commands, short of what is in the files it names.

    Raises InputFileError for a file that cannot be read or is no TOML, for an unknown key and for a value that is none
    of its option.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputFileError(path, f"cannot be read: {error.strerror}", fix="check the path") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise InputFileError(path, f"is not TOML: {error}", fix="correct that line") from None
    try:
        # As JSON, whose lists pydantic takes for tuples where it is strict.
        grid = Grid.model_validate_json(json.dumps(found, default=str))
    except ValidationError as error:
        raise _misfit(path, error) from None
    _require_sections(path, grid)
    for rule in grid.rules:
        _parsed(path, "rules", partial(Rule.parse, rule))
    for cell in cells(grid):
        if cell.is_trained:
            _require_options(path, "finetune", ["-o", "x", *words(grid.finetune), *cell.training(), "x"])
        _require_options(path, "export", ["-o", "x", *export_words(grid), *cell.exporting(), "x"])
    _require_options(path, "benchmark", words(grid.benchmark))
    timing = BenchmarkCommandOptions.read(words(grid.benchmark))
    if timing.bundles:
        given = " ".join(map(str, timing.bundles))
        raise InputFileError(path, "[benchmark] gives a flag a value", found=given, expected="true", fix="write true")
    if len(protocols(timing)) > 1 or timing.device == "adb:all":
        fix = "give one length, batch and number of threads, and one phone"
        raise InputFileError(path, "[benchmark] gives a cell more than one time", fix=fix)
    return grid


def _misfit(path: Path, error: ValidationError) -> InputFileError:
    first = error.errors(include_url=False)[0]
    # Of a value that may have several types, pydantic names the type that it tried.
    place = ".".join(
        str(part) for part in first["loc"] if not str(part).startswith(("literal[", "constrained", "tuple"))
    )
    if first["type"] == "extra_forbidden":
        table = Axes if first["loc"][0] == "grid" else Cycles if first["loc"][0] == "cycles" else Grid
        expected = ", ".join(table.model_fields)
        return InputFileError(path, f"has an unknown key {place}", expected=expected, fix="remove or rename that key")
    found = None if first["type"] == "missing" else str(first["input"])[:60]
    return InputFileError(path, f"{place}: {first['msg']}", found=found, fix="correct that key; docs/sweep.md has all")


def _require_sections(path: Path, grid: Grid) -> None:
    """Raise InputFileError for tables that do not go together, and for options that the sweep itself gives."""
    axes = grid.grid
    if grid.finetune is None and (axes.layers or axes.width or axes.seed):
        raise InputFileError(path, "varies what is trained, and says nothing of training", fix="add a table [finetune]")
    if grid.benchmark is not None and grid.cycles is not None:
        raise InputFileError(path, "has [benchmark] and [cycles]", fix="keep one of them: a sweep has one unit of time")
    if "data" not in grid.export:
        fix = "name the labelled file that accuracy is measured on"
        raise InputFileError(path, "export.data: is missing", fix=fix)
    for command, (_, ours) in _OURS.items():
        own = set(ours)
        own |= {name for name in ("seed",) if command == "finetune" and axes.seed}
        own |= {name for name in ("teacher",) if command == "finetune" and (axes.layers or axes.width)}
        own |= {name for name in ("calibration",) if command == "export" and axes.calibration}
        if taken := sorted(own & (getattr(grid, command) or {}).keys()):
            fix = "remove it: what varies stands in [grid], and the rest the sweep says itself"
            raise InputFileError(path, f"{command}.{taken[0]}: is not for this table", fix=fix)


def _require_options(path: Path, command: Command, line: Sequence[str]) -> None:
    kind, _ = _OURS[command]
    _parsed(path, command, lambda: kind.read(line))


def _parsed(path: Path, place: str, parse: Callable[[], object]) -> None:
    try:
        parse()
    except typer.TyperException as error:
        message = " ".join(error.format_message().split()).removesuffix(".")
        raise InputFileError(
            path, f"[{place}] {message}", fix="correct that option as the help of its command says"
        ) from None
    except SqueezeBertMobileError as error:
        what = f"[{place}] {error.file} {error.what}"
        raise InputFileError(path, what, found=error.found, expected=error.expected, fix=error.fix) from None


def words(options: Mapping[str, Value] | None) -> list[str]:
    """Options as they stand on a command line."""
    return [word for name, value in (options or {}).items() for word in _words(name, value)]


def _words(name: str, value: Value) -> Iterator[str]:
    match value:
        case bool():
            yield f"--{name}" if value else f"--no-{name}"
        case dict():
            for role, column in value.items():
                yield from (f"--{name}", f"{role}={column}")
        case tuple():
            for each in value:
                yield from (f"--{name}", str(each))
        case _:
            yield from (f"--{name}", str(value))


def export_words(grid: Grid) -> list[str]:
    """The options of all exports: each measures its accuracy, which goes into the bundle."""
    gate = {} if "max-accuracy-drop" in grid.export else {"max-accuracy-drop": _ANY_DROP}
    return words({**grid.export, **gate})


def cells(grid: Grid) -> tuple[Cell, ...]:
    """Every combination once: what has no meaning for a precision, or without training, is left out."""
    axes = grid.grid
    varied = product(
        axes.checkpoint,
        _or_none(axes.layers),
        _or_none(axes.width),
        _or_none(axes.seed),
        axes.precision,
        axes.runtime,
        _or_none(axes.embeddings),
        _or_none(axes.trimming),
        _or_none(axes.calibration),
    )
    return tuple(dict.fromkeys(_sensible(grid, Cell(values[0], True, *values[1:])) for values in varied))


def _or_none(axis: Sequence[int | str]) -> list[str | None]:
    return [str(value) for value in axis] or [None]


def _sensible(grid: Grid, cell: Cell) -> Cell:
    """The cell without what has no meaning for it."""
    axes = [value for value in (cell.layers, cell.width) if value is not None]
    is_trained = grid.finetune is not None and (not axes or any(value != AS_IS for value in axes))
    return replace(
        cell,
        is_trained=is_trained,
        layers=None if cell.layers == AS_IS else cell.layers,
        width=None if cell.width == AS_IS else cell.width,
        seed=cell.seed if is_trained else None,
        embeddings=cell.embeddings if cell.precision.startswith("int8") else None,
        trimming=cell.trimming or None,
        calibration=cell.calibration if cell.precision == "int8-static" else None,
    )


def names(found: Sequence[Cell]) -> list[str]:
    """What tells each cell from the others, in words."""
    varied = [f.name for f in fields(Cell) if len({getattr(cell, f.name) for cell in found}) > 1]
    return [", ".join(_told(cell, varied)) or f"{cell.runtime} {cell.precision}" for cell in found]


def _told(cell: Cell, varied: Sequence[str]) -> Iterator[str]:
    said = {
        "checkpoint": cell.checkpoint,
        "layers": cell.layers and f"layers {cell.layers}",
        "width": cell.width and f"width {cell.width}",
        "is_trained": "" if cell.is_trained else "as it is",
        "seed": cell.seed and f"seed {cell.seed}",
        "embeddings": cell.embeddings and f"{cell.embeddings} words",
        "trimming": cell.trimming and f"trimmed to {cell.trimming}",
        "calibration": cell.calibration and f"calibrated on {cell.calibration}",
    }
    for name in varied:
        if text := said.get(name, getattr(cell, name)):
            yield text
