"""`reproduce`: the paper's comparison rebuilt, with what of it came out and what did not.

SqueezeBERT (Iandola et al. 2020, arXiv 2006.11316) was timed on a Pixel 3: BERT-base 1.7 s, SqueezeBERT 4.3 times as
fast, MobileBERT about 0.6 s. The paper gives no full protocol.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.benchmarks import benchmark as library
from squeezebert_mobile.benchmarks import device_model, report, table
from squeezebert_mobile.benchmarks.costs import Cost, count
from squeezebert_mobile.benchmarks.device_model import Chip, Estimate
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.options import BenchmarkOptions, ReproduceOptions
from squeezebert_mobile.benchmarks.peers import Peer, PeerModel
from squeezebert_mobile.benchmarks.samples import Case, Result
from squeezebert_mobile.benchmarks.stages import Stage, bert_stages
from squeezebert_mobile.benchmarks.statistics import Ratio, ratio, summarize

PUBLISHED_SPEEDUP = 4.3
PUBLISHED_SECONDS = {Peer.BERT_BASE: 1.7, Peer.MOBILEBERT: 0.6, Peer.SQUEEZEBERT: 1.7 / PUBLISHED_SPEEDUP}
INDEPENDENT = (1.5, 2.8)
FP32 = "fp32, as in the paper"
ESTIMATES = "Estimates, not measurements: one big core at the share of its ideal speed that was reached here"
_SETTINGS = {
    FP32: (("plain", "fp32"),),
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
class Line:
    """A model in a setting: its fastest case in ONNX Runtime, and BERT-base's median in that setting over its own."""

    setting: str
    model: str
    form: str
    case: str
    p50_ms: float
    speedup: Ratio | None
    published_seconds: float
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Reproduction:
    """Counted costs, measured lines, BERT's stages, estimates for phones, and what they mean.

    ``check`` says how well the estimates' model foretells this machine.
    """

    costs: tuple[tuple[str, Cost], ...]
    lines: tuple[Line, ...]
    stages: tuple[Stage, ...]
    estimates: tuple[tuple[str, Estimate], ...]
    check: str
    paragraph: str
    result: Result


def reproduce(options: ReproduceOptions, progress: Report = lambda _: None) -> Reproduction:
    """Count, measure in one interleaved run, and say what came out.

    Raises EnvironmentFault without the benchmark extra, IntegrityError for a changed bundle.
    """
    progress("count operations")
    models = {peer: PeerModel(peer) for peer in Peer}
    costs = {peer: count(model, options.tokens) for peer, model in models.items()}
    progress("stages of BERT")
    stages = bert_stages(options.tokens, runs=3 if options.quick else 10, model=models[Peer.BERT_BASE])
    measured = library.benchmark(
        BenchmarkOptions(
            bundles=() if options.bundle is None else (options.bundle,),
            peers=("all",),
            best_peers=True,
            runtimes=("onnx",),
            threads=(options.threads,),
            tokens=(options.tokens,),
            quick=options.quick,
            output=options.output,
        ),
        progress,
    ).result
    lines = paper_lines(measured)
    progress("device model")
    machine = device_model.this_machine()
    return Reproduction(
        costs=tuple((str(peer), cost) for peer, cost in costs.items()),
        lines=lines,
        stages=stages,
        estimates=_estimates(costs, lines, machine),
        check=_check(costs, lines, machine),
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
    faults = result.faults(case.name)
    speedup = None
    if bert is not None and bert is not case and not faults and not result.faults(bert.name):
        speedup = ratio(result.by_case[bert.name], result.by_case[case.name])
    p50 = summarize(result.latencies(case.name)).p50
    form = f"{case.precision}, {case.form}"
    return Line(setting, str(peer), form, case.name, p50, speedup, PUBLISHED_SECONDS[peer], faults)


def _plain(lines: Sequence[Line]) -> dict[Peer, Line]:
    """The lines of the plain fp32 exports."""
    return {Peer(line.model): line for line in lines if line.setting == FP32}


def _estimates(costs: dict[Peer, Cost], lines: Sequence[Line], machine: Chip) -> tuple[tuple[str, Estimate], ...]:
    """The chips' times, at the share of this machine's ideal speed that each model's fp32 run reached on it."""
    found = []
    for peer, line in _plain(lines).items():
        share = min(1.0, device_model.share_of_ideal(costs[peer], machine, line.p50_ms))
        found += [(line.model, device_model.estimate(costs[peer], chip, share)) for chip in device_model.chips()]
    return tuple(found)


def _check(costs: dict[Peer, Cost], lines: Sequence[Line], machine: Chip) -> str:
    """What the device model says of this machine, from BERT-base's run alone, beside what was measured."""
    plain = _plain(lines)
    share = device_model.share_of_ideal(costs[Peer.BERT_BASE], machine, plain[Peer.BERT_BASE].p50_ms)
    others = (Peer.MOBILEBERT, Peer.SQUEEZEBERT)
    told = {peer: device_model.ideal_ms(costs[peer], machine, int8=False) / share for peer in others}
    parts = [
        f"{peer} {table.number(told[peer])} ms, measured {table.number(plain[peer].p50_ms)} ms "
        f"({told[peer] / plain[peer].p50_ms - 1:+.0%})"
        for peer in others
    ]
    return (
        f"The same model checked on this machine ({machine.fp32_ops_per_cycle:.0f} GFLOP/s and "
        f"{machine.memory_gb_per_s:.0f} GB/s measured, {share:.0%} of that ideal reached by BERT-base): "
        f"it predicts {'; '.join(parts)}."
    )


def paragraph(costs: dict[Peer, Cost], lines: tuple[Line, ...]) -> str:
    """What reproduced, what did not and why, from the data alone; no speed-up is named for an invalid run."""
    arithmetic = costs[Peer.BERT_BASE].flops / costs[Peer.SQUEEZEBERT].flops
    head = f"SqueezeBERT needs {arithmetic:.2f} times less arithmetic than BERT-base. "
    shared = [fault for fault in lines[0].faults if all(fault in line.faults for line in lines)] if lines else []
    faults = [*shared, *(f"{line.case}: {fault}" for line in lines for fault in line.faults if fault not in shared)]
    if faults:
        reasons = "; ".join(dict.fromkeys(faults))
        return head + f"The run is not valid, so it neither confirms nor refutes the paper: {reasons}."
    found = {
        line.setting: line.speedup for line in lines if line.model == Peer.SQUEEZEBERT and line.speedup is not None
    }
    sentences = [f"{setting}: {table.interval(speedup)}" for setting, speedup in found.items()]
    plain = found.get(FP32)
    verdict = ""
    if plain is not None:
        reached = plain.high >= PUBLISHED_SPEEDUP
        verdict = f"The paper's {PUBLISHED_SPEEDUP}x {'reproduced' if reached else 'did not reproduce'} in fp32. "
    reason = (
        f"A speed-up above {arithmetic:.2f}x owes the rest to kernels, which differ by year, machine and threads; "
        f"independent CPU repeats found {INDEPENDENT[0]}x to {INDEPENDENT[1]}x."
    )
    return f"{head}Measured speed-up over BERT-base in the same setting: {'; '.join(sentences)}. {verdict}{reason}"


@dataclass(frozen=True)
class Table:
    """Named columns of text."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_TIMES = ("setting", "model", "fastest file", "p50 ms", "speed-up", "published s", "published speed-up")


def _published(line: Line) -> tuple[str, str]:
    """The paper's seconds and speed-up, which it gives for fp32; what follows from its figures says how."""
    if line.setting != FP32:
        return "–", "–"
    bert, mobile = PUBLISHED_SECONDS[Peer.BERT_BASE], PUBLISHED_SECONDS[Peer.MOBILEBERT]
    match Peer(line.model):
        case Peer.BERT_BASE:
            return f"{bert}", "–"
        case Peer.MOBILEBERT:
            return f"{mobile}", f"{bert / mobile:.1f}x (from {bert} / {mobile})"
        case Peer.SQUEEZEBERT:
            return f"{line.published_seconds:.2f} (from {bert} / {PUBLISHED_SPEEDUP})", f"{PUBLISHED_SPEEDUP}x"


def tables(found: Reproduction) -> tuple[Table, Table, Table, Table]:
    """Costs, times, stages and estimates."""
    costs = [(name, f"{cost.parameters / 1e6:.1f}M", f"{cost.flops / 1e9:.2f}") for name, cost in found.costs]
    lines = [
        (
            line.setting,
            line.model + (" (invalid)" if line.faults else ""),
            line.form,
            table.number(line.p50_ms),
            table.interval(line.speedup),
            *_published(line),
        )
        for line in found.lines
    ]
    stages = [(stage.name, f"{stage.share:.1%}") for stage in found.stages]
    chips = [(model, e.chip, f"{e.fp32_ms:.0f}", f"{e.int8_ms:.0f}", f"{e.share:.0%}") for model, e in found.estimates]
    return (
        Table("What an inference takes", ("model", "parameters", "GFLOPs"), tuple(costs)),
        Table("Times, and the paper's on a Pixel 3", _TIMES, tuple(lines)),
        Table("Where BERT-base's time goes (PyTorch eager, 1 thread)", ("stage", "share"), tuple(stages)),
        Table(ESTIMATES, ("model", "chip", "fp32 ms", "int8 ms", "share of ideal"), tuple(chips)),
    )


def write(found: Reproduction, *, markdown: Path | None = None, html: Path | None = None) -> None:
    """Write the reports that have a path. Raises EnvironmentFault where a path cannot be written."""
    if markdown is not None:
        replace_file(markdown, to_markdown(found).encode())
    if html is not None:
        replace_file(html, to_page(found).encode())


def to_markdown(found: Reproduction) -> str:
    """The reproduction as Markdown."""
    out = [table.where(found.result), "", found.paragraph, ""]
    for part in tables(found):
        out += [f"## {part.name}", "", table.line(part.header), table.line(["---"] * len(part.header))]
        out += [*map(table.line, part.rows), ""]
    return "\n".join([*out, found.check]) + "\n"


def to_page(found: Reproduction) -> str:
    """The reproduction as a page, with the plots of its run."""
    parts = [f"<p>{html.escape(found.paragraph)}</p>"]
    for part in tables(found):
        parts += [f"<h2>{html.escape(part.name)}</h2>", report.html_table(part.name, part.header, part.rows)]
    parts.append(f"<p>{html.escape(found.check)}</p>")
    return report.page("SqueezeBERT's published speed-up, measured again", [found.result], "\n".join(parts))
