"""`compare`: two result files of one machine, case by case, with a noise band and a gate.

A shared machine is faster in one minute than in the next, for all that runs on it. So every latency is taken in units
of a reference kernel's time, as read before its turn (`ReferenceKernel`), and those numbers are compared.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from squeezebert_mobile import console
from squeezebert_mobile.benchmarks import results, statistics, tables
from squeezebert_mobile.benchmarks.options import CompareOptions
from squeezebert_mobile.benchmarks.results import Case, Environment, Result
from squeezebert_mobile.benchmarks.statistics import Ratio
from squeezebert_mobile.errors import GateError, UndecidedError, UsageError

# Other programs and tenants of the machine only ever add time, so the low end of the latencies is what repeats, and
# that of the reference kernel goes with it. Fifteen runs of the same thing: the medians had a standard deviation of
# 1.9 %, this quantile in units of the kernel's one of 0.6 %, lower ones up to 0.8.
QUANTILE = 0.25
# Half the interval. Of less certain a ratio neither a slowdown nor its absence is known.
MAX_DOUBT = 0.03
# Beyond it the machine was another one, for which the reference kernel may not answer.
MAX_KERNEL_CHANGE = 0.1

Verdict = Literal["same", "slower", "faster", "invalid"]
Decision = Literal["passed", "regression", "cannot tell"]


@dataclass(frozen=True)
class Change:
    """A case in both files: the `QUANTILE` quantile of its latencies in milliseconds; the slowdown, in units of the
    reference kernel's time where both runs have it; and what that means.
    """

    case: str
    before_ms: float
    after_ms: float
    slowdown: Ratio
    verdict: Verdict
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """All cases that both files have, and those that only one has.

    ``decision`` is what follows for ``max_slowdown``, None without one; ``reasons`` are the cases that it rests on.
    """

    changes: tuple[Change, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    max_slowdown: float | None = None
    decision: Decision | None = None
    reasons: tuple[str, ...] = ()


def compare(options: CompareOptions) -> Comparison:
    """Compare, and with ``max_slowdown`` decide; `require` makes an error of what did not pass.

    Raises UsageError for files of two machines or without a case in common, InputFileError for a missing file and
    IntegrityError for a damaged one.
    """
    before, after = results.read(options.before), results.read(options.after)
    _require_same_machine(before.run.environment, after.run.environment, options.after)
    old, new = {_key(case): case for case in before.cases}, {_key(case): case for case in after.cases}
    shared = [key for key in old if key in new]
    if not shared:
        fix = "measure the same models under the same protocol"
        raise UsageError(options.after, "has no case in common with the other file", found=options.before, fix=fix)
    pair = _Pair(before, after)
    found = Comparison(
        changes=tuple(_change(pair, old[key], new[key], options.noise) for key in shared),
        only_before=tuple(old[key].name for key in old if key not in new),
        only_after=tuple(new[key].name for key in new if key not in old),
    )
    return found if options.max_slowdown is None else decide(found, options.max_slowdown)


def _key(case: Case) -> tuple[str, ...]:
    protocol = case.protocol
    shape = (protocol.scenario, protocol.threads, protocol.batch, protocol.tokens, protocol.pad_to)
    return (case.model, case.form, case.runtime, case.precision, *map(str, shape))


def _require_same_machine(one: Environment, other: Environment, file: Path) -> None:
    def identity(e: Environment) -> tuple[object, ...]:
        return e.cpu, e.architecture, e.cores, e.features, e.device

    if identity(one) != identity(other):
        fix = "measure both on one machine"
        raise UsageError(file, "was measured on another machine", found=other.cpu, expected=one.cpu, fix=fix)


@dataclass(frozen=True)
class _Pair:
    """The two runs, and what holds for all of their cases."""

    before: Result
    after: Result

    @cached_property
    def share_a_kernel(self) -> bool:
        """Whether both timed the reference kernel, and the same one: it is numpy's."""

        def product(run: Result) -> str | None:
            return next((v.version for v in run.run.environment.versions if v.name == "numpy"), None)

        return bool(self.before.paces and self.after.paces) and product(self.before) == product(self.after)

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """Why the runs cannot be compared: the reference kernel's time was too different throughout."""
        if not self.share_a_kernel:
            return ()
        old, new = (np.quantile([pace.product_ns for pace in run.paces], QUANTILE) for run in (self.before, self.after))
        change = float(new / old) - 1
        if abs(change) <= MAX_KERNEL_CHANGE:
            return ()
        return (f"the reference kernel took {change:+.0%} throughout the second run: the machine was another one",)


def _change(pair: _Pair, old: Case, new: Case, noise: float) -> Change:
    before, after = pair.before, pair.after
    faults = tuple(f"before: {fault}" for fault in before.faults(old.name))
    faults += tuple(f"after: {fault}" for fault in after.faults(new.name))
    faults += pair.faults
    pace_after, pace_before = (after.pace(new.name), before.pace(old.name)) if pair.share_a_kernel else ((), ())
    slowdown = statistics.slowdown(
        after.by_case[new.name],
        before.by_case[old.name],
        pace_after=pace_after,
        pace_before=pace_before,
        quantile=QUANTILE,
    )
    doubt = (slowdown.high - slowdown.low) / 2
    if doubt > MAX_DOUBT:
        faults += (f"the ratio is known to ±{doubt:.0%} only, at most ±{MAX_DOUBT:.0%}",)
    verdict: Verdict = "same"
    if faults:
        verdict = "invalid"
    elif slowdown.low > 1 + noise:
        verdict = "slower"
    elif slowdown.high < 1 / (1 + noise):
        verdict = "faster"
    before_ms, after_ms = (
        float(np.quantile(latencies, QUANTILE)) / 1e6
        for latencies in (before.latencies(old.name), after.latencies(new.name))
    )
    name = f"{tables.name_of(new)}, {new.protocol.conditions}"
    return Change(name, before_ms, after_ms, slowdown, verdict, faults)


def decide(found: Comparison, max_slowdown: float) -> Comparison:
    """The comparison with its decision.

    A regression is a case that became slower by more than ``max_slowdown`` beyond doubt: the whole interval lies above
    it. Without one, nothing can be told where a case is invalid or gone.
    """
    slower = tuple(
        f"{change.case} became slower by {_percent(change.slowdown.value)} "
        f"({_percent(change.slowdown.low)} to {_percent(change.slowdown.high)})"
        for change in found.changes
        if change.verdict != "invalid" and change.slowdown.low > 1 + max_slowdown
    )
    doubtful = tuple(
        f"{change.case} is not valid: {'; '.join(change.faults)}"
        for change in found.changes
        if change.verdict == "invalid"
    )
    doubtful += tuple(f"{name} is gone" for name in found.only_before)
    decision: Decision = "regression" if slower else "cannot tell" if doubtful else "passed"
    return replace(found, max_slowdown=max_slowdown, decision=decision, reasons=slower or doubtful)


def require(found: Comparison, file: Path) -> None:
    """Raise GateError about the newer ``file`` for a regression, UndecidedError where nothing can be told."""
    more = f", and {len(found.reasons) - 1} more" if len(found.reasons) > 1 else ""
    if found.decision == "regression" and found.max_slowdown is not None:
        fix = "find what made it slower, or raise --max-slowdown"
        expected = f"at most {found.max_slowdown:+.1%}"
        raise GateError(file, found.reasons[0] + more, expected=expected, fix=fix)
    if found.decision == "cannot tell":
        raise UndecidedError(file, found.reasons[0] + more, fix="measure all cases again on a quiet machine")


def _percent(ratio: float) -> str:
    return f"{ratio - 1:+.1%}"


def text(found: Comparison) -> str:
    """Two runs, case by case, for people."""
    shared, names = tables.told_apart([change.case for change in found.changes])
    rows = [
        (
            name,
            tables.number(change.before_ms),
            tables.number(change.after_ms),
            tables.interval(change.slowdown),
            change.verdict,
        )
        for name, change in zip(names, found.changes, strict=True)
    ]
    shown = f"p{100 * QUANTILE:g}, the fast end of the latencies"
    lines = [f"all: {shared}"] if shared else []
    lines += ["", console.table(("case", "before ms", "after ms", "after / before", "verdict"), rows)]
    lines += [f"ms: {shown}; after / before: in units of a reference kernel's time, with a 95 % interval"]
    lines += [
        f"invalid: {name}: {'; '.join(change.faults)}"
        for name, change in zip(names, found.changes, strict=True)
        if change.faults
    ]
    lines += [f"only before: {name}" for name in found.only_before]
    lines += [f"only after: {name}" for name in found.only_after]
    return "\n".join(lines).lstrip("\n")


def verdict(found: Comparison) -> console.Verdict:
    """What follows for the gate."""
    holds = {"passed": True, "regression": False, "cannot tell": None}[found.decision or "cannot tell"]
    return console.Verdict(holds, f"{found.decision}: {'; '.join(found.reasons) or 'no case became slower'}")
