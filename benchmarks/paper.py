"""`reproduce`: the paper's comparison rebuilt, here or on a phone, with what of it came out and what did not.

The paper's figures are in `published`: it gives no full protocol of how a Pixel 3 was timed.

What a phone should give before one is at hand is estimated: for each operation the larger of compute time and memory
time (a roofline), over the share of that ideal which the same model reached on the measured machine. It knows nothing
of caches, heat or the schedulers of phones.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter

from squeezebert_mobile import atomic, console
from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.benchmarks import benchmark as library
from squeezebert_mobile.benchmarks import cycles, page, phone_paper, published, tables
from squeezebert_mobile.benchmarks.cycles import CoreLine
from squeezebert_mobile.benchmarks.options import BenchmarkOptions, ReproduceCommandOptions, ReproduceOptions
from squeezebert_mobile.benchmarks.peers import PAPER, Peer, PeerModel, logits_of
from squeezebert_mobile.benchmarks.published import BEST, FP32, INDEPENDENT, PUBLISHED_SECONDS, PUBLISHED_SPEEDUP, Line
from squeezebert_mobile.benchmarks.results import Result, Run
from squeezebert_mobile.bundle.manifest import Record
from squeezebert_mobile.reports import document
from squeezebert_mobile.reports.document import NONE, Headline, Table
from squeezebert_mobile.steps import Step, Steps

if TYPE_CHECKING:
    from torch import nn

ESTIMATES = "Estimates, not measurements: one big core at the share of its ideal speed that was reached here"
CORE = "Estimated cycles on a core like the paper's (Cortex-A75, {ghz:g} GHz), {tokens} tokens, one thread"
STAGES = ("embedding", "attention products", "fully-connected layers", "classifier", "normalization and activation")
_TIMES = ("setting", "model", "fastest file", "p50 ms", "speed-up", "published s", "published speed-up")
_FLOAT_BYTES = 4
_MATRIX = 1024
_COPIED_BYTES = 256 * 2**20
_RUNS = 7
_COUNT, _STAGES, _RUN = "count operations", "stages of BERT", "measure all files in turn"
# The peers' files in the forms that are tried, and what each takes beside its measured seconds.
_CASES, _CASE_SECONDS = 3 * len(PAPER), 6.0
CHIPS = Path(__file__).with_name("chips.json")
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Operation:
    """One layer of an inference: FLOPs (two for each multiply-add), and fp32 bytes of its weights and activations."""

    name: str
    flops: int
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class Cost:
    """A whole inference of batch 1; the last operation is the attention products."""

    parameters: int
    flops: int
    operations: tuple[Operation, ...]


def count(model: PeerModel, tokens: int) -> Cost:
    """Count a model by running it once; its mask code reads values, so shapes alone would not do."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    module = model.build_for_counting()
    ids = torch.ones((1, tokens), dtype=torch.long)
    operations: list[Operation] = []
    handles = [layer.register_forward_hook(_recorder(name, operations)) for name, layer in _layers(module)]
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        logits_of(module)(ids, torch.ones_like(ids), torch.zeros_like(ids))
    for handle in handles:
        handle.remove()
    total = counter.get_total_flops()
    attention = total - sum(operation.flops for operation in operations)
    products = Operation("attention products", attention, 0, 0)
    return Cost(sum(p.numel() for p in module.parameters()), total, (*operations, products))


def _layers(module: "nn.Module") -> "list[tuple[str, nn.Module]]":
    from torch import nn

    return [(name, layer) for name, layer in module.named_modules() if isinstance(layer, (nn.Linear, nn.Conv1d))]


def _recorder(name: str, operations: list[Operation]) -> Callable[[Any, Any, Any], None]:
    def record(layer: Any, inputs: Any, output: Any) -> None:
        weights = layer.weight.numel()
        channels = layer.weight.shape[0]
        positions = output.numel() // channels
        moved = inputs[0].numel() + output.numel()
        operations.append(Operation(name, 2 * positions * weights, _FLOAT_BYTES * weights, _FLOAT_BYTES * moved))

    return record


@dataclass(frozen=True)
class Stage:
    """A stage's share of the time of one inference, 0 to 1."""

    name: str
    share: float


def bert_stages(tokens: int, *, runs: int = 10, model: PeerModel | None = None) -> tuple[Stage, ...]:
    """Where BERT's time goes in PyTorch eager, in the stages of the paper's first table: the shares over ``runs``
    inferences on one thread, after one that is not counted.
    """
    import torch
    from torch import nn

    module = (model or PeerModel(Peer.BERT_BASE)).build()
    spent: dict[str, float] = {}
    starts: dict[str, float] = {}

    def follow(name: str, layer: nn.Module) -> None:
        def before(_layer: Any, _inputs: Any) -> None:
            starts[name] = time.perf_counter()

        def after(_layer: Any, _inputs: Any, _output: Any) -> None:
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - starts[name]

        layer.register_forward_pre_hook(before)
        layer.register_forward_hook(after)

    follow("embedding", module.get_submodule("bert.embeddings"))
    for number, layer in enumerate(module.get_submodule("bert.encoder.layer").children()):
        follow(f"self {number}", layer.get_submodule("attention.self"))
        for name in ("query", "key", "value"):
            follow(f"projection {number} {name}", layer.get_submodule(f"attention.self.{name}"))
        for name in ("attention.output.dense", "intermediate.dense", "output.dense"):
            follow(f"dense {number} {name}", layer.get_submodule(name))
    for name in ("bert.pooler", "classifier"):
        follow(f"head {name}", module.get_submodule(name))
    ids = torch.arange(1, tokens + 1)[None] % 900
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            whole = logits_of(module)
            whole(ids, torch.ones_like(ids), torch.zeros_like(ids))
            spent.clear()
            start = time.perf_counter()
            for _ in range(runs):
                whole(ids, torch.ones_like(ids), torch.zeros_like(ids))
            total = time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)

    def part(prefix: str) -> float:
        return sum(value for name, value in spent.items() if name.startswith(prefix))

    projections = part("projection")
    named = [part("embedding"), part("self") - projections, projections + part("dense"), part("head")]
    shares = [*named, total - sum(named)]
    return tuple(Stage(name, value / total) for name, value in zip(STAGES, shares, strict=True))


class Chip(Record):
    """Published figures of one core of a chip with their sources.

    ``ghz`` is the core's highest clock. Operations per cycle are the core's peak, a multiply-add counted as two.
    ``memory_gb_per_s`` is 10^9 bytes a second and belongs to the whole chip.
    """

    name: str
    core: str
    ghz: Positive
    fp32_ops_per_cycle: Positive
    int8_ops_per_cycle: Positive
    memory_gb_per_s: Positive
    sources: Annotated[tuple[str, ...], Field(min_length=1)]


class Chips(Record):
    """The file chips.json."""

    note: str
    chips: tuple[Chip, ...]


@dataclass(frozen=True)
class Estimate:
    """Milliseconds of one inference on one core of a chip, and the share of the ideal speed that was assumed.

    ``is_valid`` is false where that share comes from an invalid run.
    """

    chip: str
    fp32_ms: float
    int8_ms: float
    share: float
    is_valid: bool


def chips() -> tuple[Chip, ...]:
    """The chips of the package's file."""
    return TypeAdapter(Chips).validate_json(CHIPS.read_bytes()).chips


def ideal_ms(cost: Cost, chip: Chip, *, int8: bool) -> float:
    """The time at the chip's peaks. In int8 the attention products stay fp32, and weights take a byte each."""
    fp32_peak = chip.ghz * 1e9 * chip.fp32_ops_per_cycle
    int8_peak = chip.ghz * 1e9 * chip.int8_ops_per_cycle
    seconds = 0.0
    for operation in cost.operations:
        quantized = int8 and operation.weight_bytes > 0
        moved = operation.weight_bytes / (4 if quantized else 1) + operation.activation_bytes
        compute = operation.flops / (int8_peak if quantized else fp32_peak)
        seconds += max(compute, moved / (chip.memory_gb_per_s * 1e9))
    return 1000 * seconds


def share_of_ideal(cost: Cost, machine: Chip, measured_ms: float) -> float:
    """The share of a machine's ideal fp32 speed that a measured inference reached on it."""
    return ideal_ms(cost, machine, int8=False) / measured_ms


def estimate(cost: Cost, chip: Chip, share: float, *, is_valid: bool) -> Estimate:
    """The chip's times at a ``share`` of its ideal speed, 0 to 1."""
    fp32, int8 = (ideal_ms(cost, chip, int8=int8) / share for int8 in (False, True))
    return Estimate(chip.name, fp32, int8, share, is_valid)


def this_machine() -> Chip:
    """One thread of this machine, measured: the best of several large matrix products and of several large copies.

    Its int8 peak is not measured; the fp32 one stands for it.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a = torch.ones(_MATRIX, _MATRIX)
        source, target = torch.ones(2, _COPIED_BYTES // 4)
        product_seconds = _shortest_seconds(lambda: a @ a)
        copy_seconds = _shortest_seconds(lambda: target.copy_(source))
    finally:
        torch.set_num_threads(threads)
    peak = 2 * float(_MATRIX) ** 3 / product_seconds / 1e9
    # Each byte of a copy is read and written.
    bandwidth = 2 * _COPIED_BYTES / copy_seconds / 1e9
    return Chip(
        name="this machine",
        core="one thread",
        ghz=1.0,
        fp32_ops_per_cycle=peak,
        int8_ops_per_cycle=peak,
        memory_gb_per_s=bandwidth,
        sources=("measured",),
    )


def _shortest_seconds(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@dataclass(frozen=True)
class Reproduction:
    """Counted costs, measured lines, BERT's stages, estimates for phones, and what they mean.

    ``core`` is the comparison in cycles of the paper's core, which do not come from this machine; ``check`` says how
    well the estimates' model foretells this machine. A phone's run has no stages and no estimates.
    """

    costs: tuple[tuple[str, Cost], ...]
    lines: tuple[Line, ...]
    core: tuple[CoreLine, ...]
    stages: tuple[Stage, ...]
    estimates: tuple[tuple[str, Estimate], ...]
    check: str
    paragraph: str
    result: Result


def _seconds(options: ReproduceOptions) -> float:
    """What the interleaved run takes, before it is known what there is to measure."""
    (protocol,) = library.protocols(BenchmarkOptions(tokens=(options.tokens,), quick=options.quick))
    return _CASES * (_CASE_SECONDS + protocol.min_seconds)


def reproduce(options: ReproduceOptions, steps: Steps | None = None) -> Reproduction:
    """Count, measure in turns, here or on a phone, and say what came out; ``steps`` are planned and followed.

    Raises EnvironmentFault without the benchmark extra, IntegrityError for a changed bundle; as `phone_paper.measure`.
    """
    steps = steps or Steps()
    phone = None if options.device is None else phone_paper.connect(options.device)
    models = {peer: PeerModel(peer) for peer in PAPER}
    stages, here = Step(_STAGES, 10.0 if options.quick else 30.0), Step(_RUN, _seconds(options))
    steps.plan((Step(_COUNT, 10.0), *(() if phone else (stages, here))))
    steps.begin(_COUNT)
    costs = {peer: count(model, options.tokens) for peer, model in models.items()}
    if phone is not None:
        parameters = {peer: cost.parameters for peer, cost in costs.items()}
        steps.plan((Step(_COUNT, 10.0), *phone_paper.planned(options, parameters)))
        return _reproduction(costs, phone_paper.measure(phone, options, steps))
    steps.begin(_STAGES)
    shares = bert_stages(options.tokens, runs=3 if options.quick else 10, model=models[Peer.BERT_BASE])
    found = _reproduction(costs, _measured(options, steps))
    machine = this_machine()
    estimates, check = _estimates(costs, found.lines, machine), _check(costs, found.lines, machine)
    return replace(found, stages=shares, estimates=estimates, check=check)


def _measured(options: ReproduceOptions, steps: Steps) -> Result:
    bundles = () if options.bundle is None else (options.bundle,)
    return library.benchmark(
        replace(phone_paper.paper_options(options), bundles=bundles, output=options.output), steps
    ).result


def _reproduction(costs: dict[Peer, Cost], measured: Result) -> Reproduction:
    lines = published.paper_lines(measured)
    return Reproduction(
        costs=tuple((str(peer), cost) for peer, cost in costs.items()),
        lines=lines,
        core=cycles.paper_lines(cycles.read()),
        stages=(),
        estimates=(),
        check="",
        paragraph=paragraph(costs, lines),
        result=measured,
    )


def _plain(lines: Sequence[Line]) -> dict[Peer, Line]:
    """The lines of the plain fp32 exports."""
    return {Peer(line.model): line for line in lines if line.setting == FP32}


def _estimates(costs: dict[Peer, Cost], lines: Sequence[Line], machine: Chip) -> tuple[tuple[str, Estimate], ...]:
    """The chips' times, at the share of this machine's ideal speed that each model's fp32 run reached on it."""
    found = []
    for peer, line in _plain(lines).items():
        share = min(1.0, share_of_ideal(costs[peer], machine, line.p50_ms))
        found += [(line.model, estimate(costs[peer], chip, share, is_valid=not line.faults)) for chip in chips()]
    return tuple(found)


def _check(costs: dict[Peer, Cost], lines: Sequence[Line], machine: Chip) -> str:
    """What the device model says of this machine, from BERT-base's run alone, beside what was measured."""
    plain = _plain(lines)
    share = share_of_ideal(costs[Peer.BERT_BASE], machine, plain[Peer.BERT_BASE].p50_ms)
    others = (Peer.MOBILEBERT, Peer.SQUEEZEBERT)
    told = {peer: ideal_ms(costs[peer], machine, int8=False) / share for peer in others}
    parts = [
        f"{peer} {tables.number(told[peer])} ms, measured {tables.number(plain[peer].p50_ms)} ms "
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
    sentences = [f"{setting}: {tables.interval(speedup)}" for setting, speedup in found.items()]
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


def _cells(line: Line) -> tuple[str, ...]:
    model = line.model + (" (invalid)" if line.faults else "")
    measured = (tables.number(line.p50_ms), tables.interval(line.speedup))
    return (line.setting, model, line.form, *measured, *_published(line))


def _core_tables(lines: Sequence[CoreLine]) -> tuple[Table, Table]:
    """The comparison on the paper's core, and where the cycles of each file go there."""
    ghz = next(chip.ghz for chip in chips() if "Pixel 3" in chip.name)
    rows = [
        (
            line.setting,
            line.model,
            line.estimate.name.partition(", ")[2],
            f"{line.estimate.cycles / 1e6:.0f}",
            f"{line.estimate.cycles / 1e9 / ghz:.2f}",
            NONE if line.model == Peer.BERT_BASE else tables.times(line.speedup),
            *_published(line),
        )
        for line in lines
    ]
    heads = ("setting", "model", "file", "million cycles", "s", "speed-up", "published s", "published speed-up")
    parts = dict.fromkeys((line.estimate.name, line.estimate.shares or NONE) for line in lines)
    return (
        Table(CORE.format(ghz=ghz, tokens=cycles.PAPER_TOKENS), heads, tuple(rows)),
        Table("Where those cycles go", ("file", "operators of 3 % and more"), tuple(parts)),
    )


def _published(line: Line | CoreLine) -> tuple[str, str]:
    """The paper's seconds and speed-up, which it gives for fp32; what follows from its figures says how."""
    if line.setting != FP32:
        return NONE, NONE
    bert, mobile = PUBLISHED_SECONDS[Peer.BERT_BASE], PUBLISHED_SECONDS[Peer.MOBILEBERT]
    match Peer(line.model):
        case Peer.BERT_BASE:
            return f"{bert}", NONE
        case Peer.MOBILEBERT:
            return f"{mobile}", f"{bert / mobile:.1f}x (from {bert} / {mobile})"
        case _:
            return f"{line.published_seconds:.2f} (from {bert} / {PUBLISHED_SPEEDUP})", f"{PUBLISHED_SPEEDUP}x"


def sections(found: Reproduction) -> tuple[Table, ...]:
    """Costs, times here and on the paper's core, stages and estimates; the last two where there are any."""
    costs = [(name, f"{cost.parameters / 1e6:.1f}M", f"{cost.flops / 1e9:.2f}") for name, cost in found.costs]
    lines = [_cells(line) for line in found.lines]
    if (BEST, Peer.SQUEEZEBERT) not in [(line.setting, line.model) for line in found.lines]:
        lines.append((BEST, Peer.SQUEEZEBERT, "give a full-size bundle for this line", NONE, NONE, NONE, NONE))
    stages = [(stage.name, f"{stage.share:.1%}") for stage in found.stages]
    chips = [
        (
            model + ("" if e.is_valid else " (from an invalid run)"),
            e.chip,
            f"{e.fp32_ms:.0f}",
            f"{e.int8_ms:.0f}",
            f"{e.share:.0%}",
        )
        for model, e in found.estimates
    ]
    every = (
        Table("What an inference takes", ("model", "parameters", "GFLOPs"), tuple(costs)),
        Table("Times, and the paper's on a Pixel 3", _TIMES, tuple(lines)),
        *_core_tables(found.core),
        Table("Where BERT-base's time goes (PyTorch eager, 1 thread)", ("stage", "share"), tuple(stages)),
        Table(ESTIMATES, ("model", "chip", "fp32 ms", "int8 ms", "share of ideal"), tuple(chips)),
    )
    return tuple(table for table in every if table.rows)


def require_writable(options: ReproduceCommandOptions) -> None:
    """Raise EnvironmentFault, before anything is measured, where `write` or keeping the run would."""
    for path in (options.markdown, options.html, options.output):
        if path is not None:
            atomic.require_writable(path)


def write(found: Reproduction, *, markdown: Path | None = None, html: Path | None = None) -> None:
    """Write the reports that have a path. Raises EnvironmentFault where a path cannot be written."""
    if markdown is not None:
        replace_file(markdown, to_markdown(found).encode())
    if html is not None:
        replace_file(html, to_page(found).encode())


def to_markdown(found: Reproduction) -> str:
    """The reproduction as Markdown."""
    out = [tables.where(found.result), "", found.paragraph, ""]
    for part in sections(found):
        out += [f"## {part.name}", "", *tables.lines(part.header, part.rows), ""]
    return "\n".join([*out, found.check]).rstrip() + "\n"


def to_page(found: Reproduction) -> str:
    """The reproduction as a page, with the section of its run."""
    body = [
        document.headlines(_headlines(found.lines)),
        document.paragraph(found.paragraph),
        page.section(found.result),
        *map(document.table, sections(found)),
        *([document.paragraph(found.check, "muted")] if found.check else []),
    ]
    return document.page("SqueezeBERT's published speed, measured again", body)


def _headlines(lines: Sequence[Line]) -> list[Headline]:
    """The claim, and what came out in the paper's setting and at best."""
    told = [Headline(f"{PUBLISHED_SPEEDUP}x", "as fast as BERT-base: the paper, on a Pixel 3")]
    for line in lines:
        if line.model == Peer.SQUEEZEBERT and line.speedup is not None and line.setting in (FP32, BEST):
            words = f"here, {line.setting}"
            told.append(Headline(tables.times(line.speedup.value), words, f"95 %: {tables.between(line.speedup)}"))
    return told


def text(found: Reproduction) -> str:
    """What of the paper came out, for people."""
    blocks = [tables.where(found.result), found.paragraph]
    blocks += [f"{part.name}\n{console.table(part.header, part.rows)}" for part in sections(found)]
    return "\n\n".join(filter(None, [*blocks, found.check]))


@dataclass(frozen=True)
class ModelCost:
    """What an inference of a model takes."""

    model: str
    parameters: int
    flops: int


@dataclass(frozen=True)
class ReproductionSummary:
    """A reproduction without the samples of its run."""

    costs: tuple[ModelCost, ...]
    lines: tuple[Line, ...]
    core: tuple[CoreLine, ...]
    stages: tuple[Stage, ...]
    estimates: tuple[tuple[str, Estimate], ...]
    check: str
    paragraph: str
    run: Run


def summarize_reproduction(found: Reproduction) -> ReproductionSummary:
    """The figures of a reproduction."""
    costs = tuple(ModelCost(name, cost.parameters, cost.flops) for name, cost in found.costs)
    figures = (found.lines, found.core, found.stages, found.estimates, found.check, found.paragraph)
    return ReproductionSummary(costs, *figures, found.result.run)
