"""Estimated cycles against measured time: what a run on real ARM hardware says of the model.

`python -m squeezebert_mobile.benchmarks.lab.against RUN.jsonl --cpu NAME [--ghz N] [--cycles FILE]`

RUN.jsonl is what `squeezebert-mobile reproduce --jsonl RUN.jsonl` or `benchmark` kept on such a core: one thread, batch
1, no padding. The clock is the one that the run saw, unless ``--ghz`` gives it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from squeezebert_mobile import console
from squeezebert_mobile.benchmarks import cycles, results, tables
from squeezebert_mobile.benchmarks.cycles import CyclesRun, Estimate
from squeezebert_mobile.benchmarks.lab import arm_machine
from squeezebert_mobile.benchmarks.lab.arm_machine import CPUS, Cpu
from squeezebert_mobile.benchmarks.results import Case, Result
from squeezebert_mobile.benchmarks.statistics import summarize
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.reports.document import NONE

# Clocks further apart than this in one run leave open how many cycles a millisecond is.
_STEADY = 0.02


@dataclass(frozen=True)
class Comparison:
    """A file: its median latency, that in cycles at the run's clock, and the estimate."""

    name: str
    tokens: int
    p50_ms: float
    measured: int
    estimated: int
    bounded: int | None

    @property
    def error(self) -> float:
        """By how much the estimate is too high, as a share of what was measured."""
        return self.estimated / self.measured - 1


def compare(result: Result, run: CyclesRun, cpu: Cpu, ghz: float | None = None) -> tuple[Comparison, ...]:
    """The files of a run that have an estimate for the core, in the run's order; invalid cases are left out.

    Raises UsageError where no file has one, or where the run saw no steady clock and ``ghz`` is not given.
    """
    ghz = ghz or _clock(result)
    known = {(each.name, each.tokens): each for each in run.estimates if each.cpu == cpu.name}
    pairs = [(case, known.get(_key(case))) for case in result.cases if _is_alike(case) and not result.faults(case.name)]
    found = tuple(_comparison(result, case, estimate, ghz) for case, estimate in pairs if estimate is not None)
    if not found:
        what = "has no valid case with an estimate: one thread, batch 1, no padding"
        names = ", ".join(sorted({f"{name}, {tokens} tokens" for name, tokens in known}))
        raise UsageError(
            "RUN.jsonl", what, expected=names, fix="measure with squeezebert-mobile reproduce --jsonl RUN.jsonl"
        )
    return found


def _clock(result: Result) -> float:
    slowest, fastest = result.conditions.slowest_mhz, result.conditions.fastest_mhz
    if slowest is None or fastest is None or fastest > slowest * (1 + _STEADY):
        found = "none" if slowest is None or fastest is None else f"{slowest:.0f} to {fastest:.0f} MHz"
        raise UsageError("RUN.jsonl", "saw no steady clock", found=found, fix="pass --ghz, the clock of that core")
    return fastest / 1000


def _key(case: Case) -> tuple[str, int]:
    return case.label, case.protocol.tokens or 0


def _is_alike(case: Case) -> bool:
    protocol = case.protocol
    return (protocol.threads, protocol.batch, protocol.pad_to) == (1, 1, None)


def _comparison(result: Result, case: Case, estimate: Estimate, ghz: float) -> Comparison:
    p50 = summarize(result.latencies(case.name)).p50
    measured = round(p50 * ghz * 1e6)
    return Comparison(estimate.name, estimate.tokens, p50, measured, estimate.cycles, estimate.bounded)


_HEADS = ("file", "tokens", "p50 ms", "million cycles measured", "estimated", "bound by memory", "error")


def text(found: Sequence[Comparison]) -> str:
    """A row for each file."""
    rows = [
        (
            each.name,
            str(each.tokens),
            tables.number(each.p50_ms),
            f"{each.measured / 1e6:.1f}",
            f"{each.estimated / 1e6:.1f}",
            NONE if each.bounded is None else f"{each.bounded / 1e6:.1f}",
            f"{each.error:+.0%}",
        )
        for each in found
    ]
    return console.table(_HEADS, rows)


def main() -> None:
    """Compare and print."""
    import typer

    def command(
        run: Annotated[Path, typer.Argument(metavar="RUN.jsonl")],
        cpu: Annotated[str, typer.Option(help=f"the core's like: {', '.join(c.name for c in CPUS)}")],
        ghz: Annotated[float | None, typer.Option(min=0.1, help="clock; default: what the run saw")] = None,
        estimates: Annotated[Path, typer.Option("--cycles", help="kept estimates")] = cycles.KEPT,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        found = compare(results.read(run), cycles.read(estimates), arm_machine.cpu_named(cpu), ghz)
        console.Screen(as_json=as_json).show(found, text)

    console.run(command)


if __name__ == "__main__":
    main()
