"""`compare`: two result files of one machine, case by case, with a noise band and a gate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from squeezebert_mobile.benchmarks import samples, table
from squeezebert_mobile.benchmarks.samples import Case, Environment, Result
from squeezebert_mobile.benchmarks.statistics import Ratio, ratio
from squeezebert_mobile.errors import GateError, UsageError

# Other programs and tenants of the machine only ever add time, so the low end of the latencies is what repeats: between
# five pairs of runs of the same thing medians moved by up to 25 %, the 5th percentile by 5, this one by 3
# (`compare_check`). The pace below takes out most of that, not all: what must be told apart to a percent is measured in
# one run, in turns.
UNDISTURBED = 0.01
NOISE = 0.02
# Of the machine's copy, at its low end too. Beyond it the machine was another one.
MAX_PACE_CHANGE, _CALM = 0.05, 0.1
_SHOWN = f"p{100 * UNDISTURBED:g}"
HEADS = ("case", f"before {_SHOWN} ms", f"after {_SHOWN} ms", "after / before", "verdict")

Verdict = Literal["same", "slower", "faster", "invalid"]


@dataclass(frozen=True)
class CompareOptions:
    """Two result files, the older one first; with ``max_slowdown`` (0.05 is 5 %) the comparison is a gate.

    ``noise`` is the change that two runs of the same thing may show. Cases are paired by everything but versions and
    digests: a new checkpoint, export or runtime is what a comparison is for.
    """

    before: Path
    after: Path
    max_slowdown: float | None = None
    noise: float = NOISE


@dataclass(frozen=True)
class Change:
    """A case in both files: the new latency over the old one, with its interval, and what that means.

    Both are the `UNDISTURBED` quantile, in milliseconds.
    """

    case: str
    before_ms: float
    after_ms: float
    slowdown: Ratio
    verdict: Verdict
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """All cases that both files have, and those that only one has."""

    changes: tuple[Change, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]


def compare(options: CompareOptions) -> Comparison:
    """Compare, and with ``max_slowdown`` pass or fail.

    Raises GateError where a case became slower by more than ``max_slowdown`` beyond doubt (the whole interval lies
    above it), or where a case of the gate is invalid or gone; UsageError for files of two machines or without a case in
    common; IntegrityError for a damaged file.
    """
    before, after = samples.read(options.before), samples.read(options.after)
    _require_same_machine(before.run.environment, after.run.environment, options.after)
    old, new = {_key(case): case for case in before.cases}, {_key(case): case for case in after.cases}
    shared = [key for key in old if key in new]
    if not shared:
        fix = "measure the same models under the same protocol"
        raise UsageError(options.after, "has no case in common with the other file", found=options.before, fix=fix)
    found = Comparison(
        changes=tuple(_change(before, after, old[key], new[key], options.noise) for key in shared),
        only_before=tuple(old[key].name for key in old if key not in new),
        only_after=tuple(new[key].name for key in new if key not in old),
    )
    if options.max_slowdown is not None:
        gate(found, options.max_slowdown, options.after)
    return found


def _key(case: Case) -> tuple[str, ...]:
    protocol = case.protocol
    shape = (protocol.scenario, protocol.threads, protocol.batch, protocol.tokens, protocol.pad_to)
    return (case.model, case.form, case.runtime, case.precision, *map(str, shape))


def _require_same_machine(one: Environment, other: Environment, file: Path) -> None:
    def identity(e: Environment) -> tuple[object, ...]:
        return e.cpu, e.architecture, e.cores, e.features, e.device, e.emulator

    if identity(one) != identity(other):
        fix = "measure both on one machine"
        raise UsageError(file, "was measured on another machine", found=other.cpu, expected=one.cpu, fix=fix)


def _change(before: Result, after: Result, old: Case, new: Case, noise: float) -> Change:
    taken, taken_new = before.by_case[old.name], after.by_case[new.name]
    faults = tuple(f"before: {fault}" for fault in before.faults(old.name))
    faults += tuple(f"after: {fault}" for fault in after.faults(new.name))
    faults += _pace_faults(before, after)
    slowdown = ratio(taken_new, taken, paired=False, quantile=UNDISTURBED)
    verdict: Verdict = "same"
    if faults:
        verdict = "invalid"
    elif slowdown.low > 1 + noise:
        verdict = "slower"
    elif slowdown.high < 1 / (1 + noise):
        verdict = "faster"
    name = f"{table.name_of(new)}, {table.conditions_of(new)}"
    before_ms, after_ms = (
        float(np.quantile(latencies, UNDISTURBED)) / 1e6
        for latencies in (before.latencies(old.name), after.latencies(new.name))
    )
    return Change(name, before_ms, after_ms, slowdown, verdict, faults)


def _pace_faults(before: Result, after: Result) -> tuple[str, ...]:
    """Why two runs cannot be compared, where both noted the machine's pace and it differs throughout."""
    if not before.paces or not after.paces:
        return ()
    calm, calm_after = (np.quantile([pace.copy_ns for pace in run.paces], _CALM) for run in (before, after))
    change = float(calm_after / calm) - 1
    if abs(change) <= MAX_PACE_CHANGE:
        return ()
    return (f"the machine itself took {change:+.0%} for a copy of memory throughout the second run",)


def gate(found: Comparison, max_slowdown: float, file: Path) -> None:
    """Pass, or raise GateError about the newer ``file`` as `compare` says."""
    for change in found.changes:
        if change.verdict == "invalid":
            fix = "measure again on a quiet machine"
            raise GateError(file, f"{change.case} is not valid: {'; '.join(change.faults)}", fix=fix)
        if change.slowdown.low > 1 + max_slowdown:
            found_text = (
                f"{change.slowdown.value - 1:+.1%} ({change.slowdown.low - 1:+.1%} to {change.slowdown.high - 1:+.1%})"
            )
            what = f"{change.case} became slower"
            fix = "find what made it slower, or raise --max-slowdown"
            raise GateError(file, what, found=found_text, expected=f"at most {max_slowdown:+.1%}", fix=fix)
    if found.only_before:
        fix = "measure every case that the gate holds"
        raise GateError(file, f"lacks {found.only_before[0]}", fix=fix)


def markdown(found: Comparison) -> str:
    """The comparison as a Markdown table."""
    lines = [table.line(HEADS), table.line(("---",) * len(HEADS))]
    for change in found.changes:
        figures = (
            f"{table.number(change.before_ms)} | {table.number(change.after_ms)} | {table.interval(change.slowdown)}"
        )
        verdict = "; ".join([change.verdict, *change.faults])
        lines.append(f"| {change.case} | {figures} | {verdict} |")
    lines += [f"- only before: {name}" for name in found.only_before]
    lines += [f"- only after: {name}" for name in found.only_after]
    return "\n".join(lines) + "\n"
