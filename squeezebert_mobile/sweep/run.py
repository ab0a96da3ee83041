"""`sweep`: every cell made once, all of them timed in one place, and what follows."""

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from squeezebert_mobile import atomic
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.manifest import Accuracy, Artifact
from squeezebert_mobile.errors import GateError, UsageError
from squeezebert_mobile.sweep import choice
from squeezebert_mobile.sweep.choice import Choice, Measured, Rule, Unit
from squeezebert_mobile.sweep.grid import Cell, Grid, cells, export_words, names, read, words
from squeezebert_mobile.sweep.options import SweepOptions
from squeezebert_mobile.sweep.stages import Digest, Place, Stage, digests, run_here, run_on_ray
from squeezebert_mobile.training.metrics import PERPLEXITY

PAGE_NAME = "sweep.html"
# Called with what ended.
Report = Callable[[str], None]


@dataclass(frozen=True)
class Planned:
    """A cell by its name with the stages that make it."""

    name: str
    stages: tuple[Stage, ...]

    @property
    def export(self) -> Stage:
        """The last of them."""
        return self.stages[-1]


@dataclass(frozen=True)
class PlannedCell:
    """A cell, the folder of its bundle, and the commands that would be run for it; none where all is there."""

    name: str
    bundle: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep would make."""

    grid: str
    output_dir: str
    cells: tuple[PlannedCell, ...]


@dataclass(frozen=True)
class Failed:
    """A cell that could not be made or timed, and the error of the command that failed."""

    name: str
    error: str


@dataclass(frozen=True)
class SweepResult:
    """All cells, their front by name, the choice of each rule, and what failed.

    ``rises`` says that more of ``metric`` is better; times are in ``unit`` and were all made by ``machine``.
    """

    grid: str
    output_dir: str
    metric: str
    rises: bool
    rows: int
    data: str
    data_sha256: str
    chance: float | None
    unit: Unit
    machine: str
    cells: tuple[Measured, ...]
    front: tuple[str, ...]
    choices: tuple[Choice, ...]
    failed: tuple[Failed, ...]
    page: str


def plan(options: SweepOptions) -> SweepPlan:
    """What would be made. Raises as `grid.read`."""
    place = _place(options)
    found = tuple(
        PlannedCell(
            each.name,
            str(each.export.target(place)),
            tuple(stage.command for stage in each.stages if stage.result(place) is None),
        )
        for each in _planned(read(options.grid), digests(place.grid))
    )
    return SweepPlan(str(options.grid), str(options.output_dir), found)


def sweep(options: SweepOptions, report: Report = lambda _: None) -> SweepResult:
    """Make what is missing, time all, and choose. Cells that fail are told and keep no other from being made.

    Raises as `grid.read`; GateError where no cell could be made; what `run_on_ray` raises; and where `pick` could not
    write its target.
    """
    grid, place = read(options.grid), _place(options)
    if options.to is not None:
        atomic.require_replaceable(options.to, may_replace=bundles.is_bundle, force=options.force)
    digest = digests(place.grid)
    planned = _planned(grid, digest)
    stages = tuple(dict.fromkeys(stage for each in planned for stage in each.stages))
    if options.ray is None:
        _follow(run_here(stages, place, options.jobs), planned, report)
    else:
        _follow(run_on_ray(stages, place, options.ray), planned, report)
    made = [each for each in planned if each.export.result(place) is not None]
    missing = [each for each in planned if each not in made]
    failed = [Failed(each.name, each.export.failure(place) or "it was not made") for each in missing]
    if not made:
        what, fix = f"none of {len(planned)} cells could be made: {failed[0].error}", "look at the first error"
        raise GateError(options.grid, what, fix=fix)
    times = _times(grid, [each.export for each in made], place, digest, options.jobs, report)
    failed += [Failed(each.name, times.errors[each.export.key]) for each in made if each.export.key in times.errors]
    return _result(options, grid, _measured(made, place, times), times, failed)


def _place(options: SweepOptions) -> Place:
    return Place(options.grid.absolute().parent, options.output_dir.absolute())


def _planned(grid: Grid, digest: Digest) -> tuple[Planned, ...]:
    """The cells with their stages; cells that share a stage have the same one."""
    found = cells(grid)
    return tuple(Planned(name, _stages(grid, cell, digest)) for name, cell in zip(names(found), found, strict=True))


def _stages(grid: Grid, cell: Cell, digest: Digest) -> tuple[Stage, ...]:
    exported = [*export_words(grid), *cell.exporting()]
    if not cell.is_trained:
        return (Stage.of("export", exported, [cell.checkpoint], digest),)
    trained = Stage.of("finetune", [*words(grid.finetune), *cell.training()], [cell.checkpoint], digest)
    return trained, Stage.of("export", exported, [trained], digest)


def _follow(ended: Iterable[Stage], planned: Sequence[Planned], report: Report) -> None:
    """Tell of each stage as it ends. Raises KeyboardInterrupt with what to do next."""
    try:
        for stage in ended:
            served = [each.name for each in planned if stage in each.stages]
            more = f" and {len(served) - 1} more" if len(served) > 1 else ""
            report(f"{stage.command} of {served[0]}{more}" if served else stage.command)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what was made stays; to go on, give the same command") from None


@dataclass(frozen=True)
class _Times:
    """The time of each export by its key with its faults, the errors of those without, and who took them."""

    unit: Unit
    machine: str
    by_key: dict[str, tuple[float, tuple[str, ...]]]
    errors: dict[str, str]


def _times(
    grid: Grid, exports: Sequence[Stage], place: Place, digest: Digest, jobs: int | None, report: Report
) -> _Times:
    """The time of every export, on one machine, whatever made them.

    On this one all take turns in one run; a phone measures one bundle at a time; cycles are estimated a file at a time.
    """
    if grid.cycles is not None:
        cycles = ("--cpu", grid.cycles.cpu, "--tokens", str(grid.cycles.tokens))
        stages = [Stage.of("cycles", cycles, [each], digest) for each in exports]
        _follow(run_here(stages, place, jobs), (), report)
        groups = [[each] for each in exports]
    else:
        options = grid.benchmark or {}
        groups = [[each] for each in exports] if "device" in options else [list(exports)]
        host = "" if "device" in options else platform.node()
        stages = [Stage.of("benchmark", words(options), group, digest, host) for group in groups]
        _follow(run_here(stages, place, jobs=1), (), report)
    found: list[_Timed] = []
    errors: dict[str, str] = {}
    for stage, group in zip(stages, groups, strict=True):
        result = stage.result(place)
        if result is None:
            errors |= {each.key: stage.failure(place) or "it was not timed" for each in group}
        elif grid.cycles is not None:
            found += _estimated(result, group[0])
        else:
            found += _benchmarked(result, group)
            left = {skipped["candidate"]: skipped["reason"] for summary in result for skipped in summary["skipped"]}
            errors |= {each.key: why for each in group for candidate, why in left.items() if each.key in candidate}
    machines = dict.fromkeys(each.machine for each in found)
    by_key = {each.key: (each.time, each.faults) for each in found}
    return _Times("ms" if grid.cycles is None else "Mcycles", ", ".join(machines) or platform.node(), by_key, errors)


class _Timed(NamedTuple):
    """The time of an export by its key."""

    key: str
    time: float
    faults: tuple[str, ...]
    machine: str


def _benchmarked(summaries: Any, group: Sequence[Stage]) -> Iterator[_Timed]:
    """Of what `benchmark` printed: each bundle's median. Of several it tells the folder's name, which is the key."""
    for summary in summaries:
        environment = summary["run"]["environment"]
        machine = environment.get("device") or f"{platform.node()} ({environment['cpu']})"
        for row in summary["rows"]:
            key = row["case"]["model"].rpartition(" ")[2] if len(group) > 1 else group[0].key
            yield _Timed(key, row["infer"]["p50"], tuple(row["faults"]), machine)


def _estimated(run: Any, export: Stage) -> Iterator[_Timed]:
    """Of what `cycles` printed: millions of them."""
    for estimate in run["estimates"]:
        yield _Timed(export.key, estimate["cycles"] / 1e6, (), f"{estimate['cpu']}, estimated")


def _measured(made: Sequence[Planned], place: Place, times: _Times) -> dict[Measured, Accuracy]:
    """The cells with all that their bundles say of their accuracy."""
    artifacts = [_artifact(each.export.target(place)) for each in made]
    accuracies = [artifact.accuracy for artifact in artifacts if artifact.accuracy is not None]
    sign = -1 if accuracies[0].metric == PERPLEXITY else 1
    best = max(sign * accuracy.value for accuracy in accuracies)
    found = {}
    for each, artifact, accuracy in zip(made, artifacts, accuracies, strict=True):
        time, faults = times.by_key.get(each.export.key, (None, ()))
        cell = Measured(
            name=each.name,
            bundle=str(each.export.target(place)),
            artifact=artifact.path,
            accuracy=accuracy.value,
            low=accuracy.interval.low,
            high=accuracy.interval.high,
            below=best - sign * accuracy.value,
            drop=accuracy.drop,
            megabytes=artifact.bytes / 1e6,
            time=time,
            faults=faults,
        )
        found[cell] = accuracy
    return found


def _artifact(folder: Path) -> Artifact:
    """The one file of a cell's bundle, whose accuracy every export of a sweep measures."""
    (artifact,) = bundles.read(folder).manifest.artifacts
    return artifact


def _result(
    options: SweepOptions, grid: Grid, measured: dict[Measured, Accuracy], times: _Times, failed: Sequence[Failed]
) -> SweepResult:
    accuracy = next(iter(measured.values()))
    rules = dict.fromkeys(map(Rule.parse, [*grid.rules, *([options.pick] if options.pick else [])]))
    return SweepResult(
        grid=str(options.grid),
        output_dir=str(options.output_dir),
        metric=accuracy.metric,
        rises=accuracy.metric != PERPLEXITY,
        rows=accuracy.rows,
        data=accuracy.data,
        data_sha256=accuracy.data_sha256,
        chance=accuracy.chance,
        unit=times.unit,
        machine=times.machine,
        cells=tuple(measured),
        front=tuple(cell.name for cell in choice.front(list(measured))),
        choices=tuple(choice.decide(rule, list(measured), accuracy.metric, times.unit) for rule in rules),
        failed=tuple(failed),
        page=str(options.output_dir / PAGE_NAME),
    )


def pick(result: SweepResult, options: SweepOptions) -> Choice:
    """Copy the bundle that the asked rule chooses to the target, verified on the way.

    Raises UsageError where no cell keeps to the rule, and what writing a bundle raises.
    """
    assert options.pick is not None and options.to is not None, "the options see to that"
    chosen = next(each for each in result.choices if each.rule == Rule.parse(options.pick).text)
    if chosen.bundle is None:
        raise UsageError("--pick", chosen.sentence, fix="give a rule that a cell keeps to")
    with bundles.staged(options.to, force=options.force) as stage:
        shutil.copytree(chosen.bundle, stage, dirs_exist_ok=True)
    return chosen
