"""`reproduce`: the paper's comparison rebuilt, with what of it came out and what did not.

SqueezeBERT (Iandola et al. 2020, arXiv 2006.11316) was timed on a Pixel 3: BERT-base 1.7 s, SqueezeBERT 4.3 times as
fast, MobileBERT about 0.6 s. The paper gives no full protocol.
"""

from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.benchmarks import benchmark as library
from squeezebert_mobile.benchmarks import device_model, table
from squeezebert_mobile.benchmarks.benchmark import BenchmarkOptions
from squeezebert_mobile.benchmarks.costs import Cost, count
from squeezebert_mobile.benchmarks.device_model import Estimate
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.peers import Peer, PeerModel
from squeezebert_mobile.benchmarks.samples import Case, Result
from squeezebert_mobile.benchmarks.stages import Stage, bert_stages
from squeezebert_mobile.benchmarks.statistics import Ratio, ratio, summarize

PUBLISHED_SPEEDUP = 4.3
PUBLISHED_SECONDS = {Peer.BERT_BASE: 1.7, Peer.MOBILEBERT: 0.6, Peer.SQUEEZEBERT: 1.7 / PUBLISHED_SPEEDUP}
INDEPENDENT = (1.5, 2.8)
_SETTINGS = {
    "fp32, as in the paper": (("plain", "fp32"),),
    "int8, as users get it": (("quantize_dynamic", "int8"), ("quantize_dynamic, unsigned", "int8")),
    "best of each": (
        ("best", "fp32"),
        ("best int8", "int8"),
        ("bundle", "fp32"),
        ("bundle", "int8"),
        ("bundle", "int8-static"),
    ),
}


@dataclass(frozen=True)
class ReproduceOptions:
    """``bundle`` is our SqueezeBERT; without it the best of each lacks it. ``shrink`` makes peers small for tests."""

    bundle: Path | None = None
    tokens: int = 128
    threads: int = 1
    quick: bool = False
    output: Path | None = None
    shrink: PeerModel | None = None


@dataclass(frozen=True)
class Line:
    """A model in a setting: its fastest case in ONNX Runtime, and BERT-base's median in that setting over its own."""

    setting: str
    model: str
    case: str
    p50_ms: float
    speedup: Ratio | None
    published_seconds: float
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Reproduction:
    """Counted costs, measured lines, BERT's stages, estimates for phones, and a paragraph that says what they mean."""

    costs: tuple[tuple[str, Cost], ...]
    lines: tuple[Line, ...]
    stages: tuple[Stage, ...]
    estimates: tuple[tuple[str, Estimate], ...]
    paragraph: str
    result: Result


def reproduce(options: ReproduceOptions, report: Report = lambda _: None) -> Reproduction:
    """Count, measure in one interleaved run, and say what came out.

    Raises EnvironmentFault without the benchmark extra, IntegrityError for a changed bundle.
    """
    report("count operations")
    base = options.shrink or PeerModel(Peer.BERT_BASE)
    models = {peer: PeerModel(peer, layers=base.layers, hidden=base.hidden) for peer in Peer}
    costs = {peer: count(model, options.tokens) for peer, model in models.items()}
    report("stages of BERT")
    stages = bert_stages(options.tokens, runs=3 if options.quick else 10, model=models[Peer.BERT_BASE])
    measured = library.benchmark(
        BenchmarkOptions(
            bundles=() if options.bundle is None else (options.bundle,),
            best_peers=True,
            shrink=options.shrink,
            runtimes=("onnx",),
            threads=(options.threads,),
            tokens=(options.tokens,),
            quick=options.quick,
            output=options.output,
        ),
        report,
    ).result
    lines = paper_lines(measured)
    report("device model")
    return Reproduction(
        costs=tuple((str(peer), cost) for peer, cost in costs.items()),
        lines=lines,
        stages=stages,
        estimates=_estimates(costs, lines),
        paragraph=paragraph(costs, lines),
        result=measured,
    )


def paper_lines(result: Result) -> tuple[Line, ...]:
    """Each model's fastest case in each setting, beside the published time."""
    lines = []
    for setting, forms in _SETTINGS.items():
        chosen = {peer: _fastest(result, peer, forms) for peer in Peer}
        bert = chosen[Peer.BERT_BASE]
        lines += [_line(result, setting, peer, case, bert) for peer, case in chosen.items() if case is not None]
    return tuple(lines)


def _fastest(result: Result, peer: Peer, forms: tuple[tuple[str, str], ...]) -> Case | None:
    cases = [case for case in result.cases if case.model == peer and (case.form, case.precision) in forms]
    return min(cases, key=lambda case: summarize(result.latencies(case.name)).p50, default=None)


def _line(result: Result, setting: str, peer: Peer, case: Case, bert: Case | None) -> Line:
    faults = result.faults(case.name) + (result.faults(bert.name) if bert is not None else ())
    comparable = bert is not None and bert is not case and not faults
    speedup = ratio(result.by_case[bert.name], result.by_case[case.name]) if comparable and bert is not None else None
    p50 = summarize(result.latencies(case.name)).p50
    return Line(setting, str(peer), case.name, p50, speedup, PUBLISHED_SECONDS[peer], tuple(dict.fromkeys(faults)))


def _estimates(costs: dict[Peer, Cost], lines: tuple[Line, ...]) -> tuple[tuple[str, Estimate], ...]:
    """The chips' times, at the share of this machine's own peak that each model's fp32 run reached."""
    peak = device_model.measured_peak()
    found = []
    for line in lines[: len(Peer)]:
        cost = costs[Peer(line.model)]
        share = min(1.0, device_model.efficiency(cost, line.p50_ms, peak))
        found += [(line.model, device_model.estimate(cost, chip, share)) for chip in device_model.chips()]
    return tuple(found)


def paragraph(costs: dict[Peer, Cost], lines: tuple[Line, ...]) -> str:
    """What reproduced, what did not and why, from the data alone; no speed-up is named for an invalid run."""
    arithmetic = costs[Peer.BERT_BASE].flops / costs[Peer.SQUEEZEBERT].flops
    head = f"SqueezeBERT needs {arithmetic:.2f} times less arithmetic than BERT-base. "
    faults = dict.fromkeys(fault for line in lines for fault in line.faults)
    if faults:
        return head + f"The run is not valid, so it neither confirms nor refutes the paper: {'; '.join(faults)}."
    found = {
        line.setting: line.speedup for line in lines if line.model == Peer.SQUEEZEBERT and line.speedup is not None
    }
    sentences = [f"{setting}: {table.interval(speedup)}" for setting, speedup in found.items()]
    plain = found.get("fp32, as in the paper")
    verdict = ""
    if plain is not None:
        reached = plain.high >= PUBLISHED_SPEEDUP
        verdict = f"The paper's {PUBLISHED_SPEEDUP}x {'reproduced' if reached else 'did not reproduce'} in fp32. "
    reason = (
        f"A speed-up above {arithmetic:.2f}x owes the rest to kernels, which differ by year, machine and threads; "
        f"independent CPU repeats found {INDEPENDENT[0]}x to {INDEPENDENT[1]}x."
    )
    return f"{head}Measured speed-up over BERT-base in the same setting: {'; '.join(sentences)}. {verdict}{reason}"


def markdown(found: Reproduction) -> str:
    """The reproduction as Markdown."""
    out = ["| model | parameters | GFLOPs |", "| --- | --- | --- |"]
    out += [f"| {name} | {cost.parameters / 1e6:.1f}M | {cost.flops / 1e9:.2f} |" for name, cost in found.costs]
    out += ["", "| setting | model | p50 ms | speed-up | published s, Pixel 3 |", "| --- | --- | --- | --- | --- |"]
    out += [
        f"| {line.setting} | {line.model}{' (invalid)' if line.faults else ''} | {table.number(line.p50_ms)} "
        f"| {table.interval(line.speedup)} | {line.published_seconds:.2f} |"
        for line in found.lines
    ]
    out += ["", found.paragraph, "", "| stage of BERT-base, PyTorch eager, 1 thread | share |", "| --- | --- |"]
    out += [f"| {stage.name} | {stage.share:.1%} |" for stage in found.stages]
    out += ["", "Estimates, not measurements: one big core, its peak times the share of peak reached here.", ""]
    out += ["| model | chip | fp32 ms | int8 ms | share of peak |", "| --- | --- | --- | --- | --- |"]
    out += [f"| {m} | {e.chip} | {e.fp32_ms:.0f} | {e.int8_ms:.0f} | {e.efficiency:.0%} |" for m, e in found.estimates]
    return "\n".join(out) + "\n"
