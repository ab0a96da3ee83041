"""Whether `compare` tells a slowdown from noise on this machine: real runs of the same thing, and of a slower one.

`python -m squeezebert_mobile.benchmarks.lab.compare_check BUNDLE -o FOLDER [--pairs N] [--slowdown X]
[--max-slowdown X]`

For each pair the bundle's ONNX files are measured twice as they are, and once with the fp32 file made slower by extra
matrix products; the second run is also read with its latencies multiplied. How much slower the file really is comes
from a run of both in turns. The runs are kept in FOLDER.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from squeezebert_mobile import console
from squeezebert_mobile.benchmarks import benchmark as library
from squeezebert_mobile.benchmarks import measure, results, tables
from squeezebert_mobile.benchmarks.benchmark import Plan
from squeezebert_mobile.benchmarks.candidates import BundleFile, PlainFile
from squeezebert_mobile.benchmarks.compare import Change, Comparison, compare, decide
from squeezebert_mobile.benchmarks.measure import Job, Report
from squeezebert_mobile.benchmarks.options import BenchmarkOptions, CompareOptions
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.benchmarks.statistics import Ratio, ratio
from squeezebert_mobile.steps import Steps

_PRECISION = "fp32"
_SIDE = 64
_TRIAL_PRODUCTS = 512
_ATTEMPTS = 4
_GATE = {True: "stopped", False: "passed"}


@dataclass(frozen=True)
class Verdict:
    """What `compare` said of one case of a pair: its change, and whether the gate stops this case."""

    pair: str
    change: Change
    stopped: bool


@dataclass(frozen=True)
class Check:
    """The slowdown that was planted, as measured in turns, every verdict, and how often a pair was measured again.

    A pair is measured again where a run of it was not valid, as `compare` asks its user to.
    """

    planted: Ratio
    verdicts: tuple[Verdict, ...]
    repeated: int


def check(
    bundle: Path, folder: Path, *, pairs: int, slowdown: float, max_slowdown: float, report: Report = lambda _: None
) -> Check:
    """Measure and compare. Raises what `benchmark` and `compare` raise, but for the gate's own verdict."""
    plain = library.plan(BenchmarkOptions(bundles=(bundle,), runtimes=("onnx",)))
    (job,) = (job for job in plain.jobs if job.candidate.precision == _PRECISION)
    report("make the slower file")
    slower_file = folder / "slower.onnx"
    slower = _slower(job, slower_file, _TRIAL_PRODUCTS)
    trial = _in_turns(job, slower)
    slower = _slower(job, slower_file, round(_TRIAL_PRODUCTS * slowdown / (trial.value - 1)))
    planted = _in_turns(job, slower)
    planned = Plan(tuple(slower if other is job else other for other in plain.jobs), ())
    verdicts: list[Verdict] = []
    repeated = 0
    for number in range(1, pairs + 1):
        for attempt in range(_ATTEMPTS):
            report(f"pair {number} of {pairs}")
            found = _pair(folder, number, plain, planned, slowdown, max_slowdown)
            if all(verdict.change.verdict != "invalid" for verdict in found):
                break
            repeated += attempt + 1 < _ATTEMPTS
        verdicts += found
    return Check(planted, tuple(verdicts), repeated)


def _pair(folder: Path, number: int, plain: Plan, planned: Plan, slowdown: float, max_slowdown: float) -> list[Verdict]:
    """The verdicts on one pair's runs: the same twice, the slower file, and the second run multiplied."""
    paths = {name: folder / f"{name}-{number}.jsonl" for name in ("first", "second", "slower", "multiplied")}
    for name, chosen in (("first", plain), ("second", plain), ("slower", planned)):
        library.execute(chosen, paths[name])
    results.write(paths["multiplied"], _multiplied(results.read(paths["second"]), 1 + slowdown))
    verdicts = []
    for name in ("second", "slower", "multiplied"):
        verdicts += _verdicts(f"first and {name} {number}", paths["first"], paths[name], max_slowdown)
    return verdicts


def _slower(job: Job, path: Path, products: int) -> Job:
    """The job with its ONNX file computing so many small matrix products more, for nothing."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    assert isinstance(job.candidate.source, BundleFile)
    model = onnx.load(job.candidate.source.folder / job.candidate.source.artifact)
    graph = model.graph
    square = numpy_helper.from_array(np.eye(_SIDE, dtype=np.float32), "extra_square")
    graph.initializer.append(square)
    # Nothing that is known beforehand may be folded away, so the chain begins with an input and ends in the output.
    nodes = [
        helper.make_node("Shape", [graph.input[0].name], ["extra_size"]),
        helper.make_node("ReduceMin", ["extra_size"], ["extra_least"], keepdims=0),
        helper.make_node("Cast", ["extra_least"], ["extra_scalar"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["extra_square", "extra_scalar"], ["extra_0"]),
        *(helper.make_node("MatMul", [f"extra_{n}", "extra_square"], [f"extra_{n + 1}"]) for n in range(products)),
        helper.make_node("ReduceSum", [f"extra_{products}"], ["extra_sum"], keepdims=0),
        helper.make_node("Sub", ["extra_sum", "extra_sum"], ["extra_zero"]),
    ]
    output = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["extra_output" if name == output else name for name in node.output]
    graph.node.extend([*nodes, helper.make_node("Add", ["extra_output", "extra_zero"], [output])])
    onnx.save(model, path)
    return replace(job, candidate=replace(job.candidate, source=PlainFile(path)))


def _in_turns(job: Job, slower: Job) -> Ratio:
    """How many times as long the slower job takes, from one run of both."""
    named = replace(slower, candidate=replace(slower.candidate, form="slower"))
    found = measure.run([job, named], Steps(), cold=False)
    return ratio(found.by_case[named.case().name], found.by_case[job.case().name])


def _multiplied(result: Result, factor: float) -> Result:
    """The run as if every inference of the case had taken ``factor`` times as long."""
    scaled = {case.name for case in result.cases if case.precision == _PRECISION}
    taken = tuple(
        sample.model_copy(update={"infer_ns": round(sample.infer_ns * factor)}) if sample.case in scaled else sample
        for sample in result.samples
    )
    return replace(result, samples=taken)


def _verdicts(pair: str, before: Path, after: Path, max_slowdown: float) -> list[Verdict]:
    """A verdict for each case that both files have."""
    return [
        Verdict(pair, change, _is_stopped(change, max_slowdown))
        for change in compare(CompareOptions(before, after)).changes
    ]


def _is_stopped(change: Change, max_slowdown: float) -> bool:
    return decide(Comparison((change,), (), ()), max_slowdown).decision != "passed"


def markdown(found: Check) -> str:
    """The verdicts as a Markdown table."""
    rows = [
        (v.pair, v.change.case, tables.interval(v.change.slowdown), v.change.verdict, _GATE[v.stopped])
        for v in found.verdicts
    ]
    lines = [
        f"The slower file takes {tables.interval(found.planted)} as long, measured in turns with the other.",
        f"Pairs that were measured again because a run was not valid: {found.repeated}.",
        "",
        *tables.lines(("pair", "case", "after / before", "verdict", "gate on this case"), rows),
    ]
    return "\n".join(lines) + "\n"


def as_expected(verdicts: Sequence[Verdict]) -> bool:
    """Whether the gate let every pair of the same thing pass and stopped every other."""
    stopped = {verdict.pair: False for verdict in verdicts}
    for verdict in verdicts:
        stopped[verdict.pair] |= verdict.stopped
    return all(found != pair.startswith("first and second") for pair, found in stopped.items())


def main() -> None:
    """Check this machine; exit 6 where a verdict was wrong."""
    import typer

    def command(
        bundle: Path,
        folder: Annotated[Path, typer.Option("-o", "--output-dir", help="where the runs are kept")],
        pairs: Annotated[int, typer.Option(min=1)] = 5,
        slowdown: Annotated[float, typer.Option(min=0.001, help="what is planted: 0.05 is 5 %")] = 0.05,
        max_slowdown: Annotated[float, typer.Option(min=0, help="as of compare")] = 0.015,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        report: Report = lambda line: typer.echo(line, err=True)  # noqa: E731
        found = check(bundle, folder, pairs=pairs, slowdown=slowdown, max_slowdown=max_slowdown, report=report)
        typer.echo(markdown(found))
        raise typer.Exit(0 if as_expected(found.verdicts) else 6)

    console.run(command)


if __name__ == "__main__":
    main()
