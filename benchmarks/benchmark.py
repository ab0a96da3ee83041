"""`benchmark`: bundles, checkpoints and peers under one scenario, in one run, to one result file."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from squeezebert_mobile.benchmarks import candidates, measure, peers, results, workload
from squeezebert_mobile.benchmarks.candidates import Candidate
from squeezebert_mobile.benchmarks.children import Item
from squeezebert_mobile.benchmarks.measure import Job, Report
from squeezebert_mobile.benchmarks.options import BenchmarkOptions
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.checkpoint.source import DEMO_SENTENCES
from squeezebert_mobile.config import CONFIG_NAME
from squeezebert_mobile.errors import InputFileError, UsageError, counted
from squeezebert_mobile.files import MAX_BYTES, require_plain
from squeezebert_mobile.steps import Steps

SWEEP_TOKENS = (1, 8, 16, 32, 64, 128, 256, 384, 512)
# MLPerf Inference's single stream: at least 1,024 queries and 60 seconds.
SINGLE_STREAM_RUNS, SINGLE_STREAM_SECONDS = 1024, 60.0
SUSTAINED_SECONDS = 180.0
_QUICK_RUNS, _QUICK_SECONDS = 12, 0.1


@dataclass(frozen=True)
class Skipped:
    """A combination that was left out, and why."""

    candidate: str
    reason: str


@dataclass(frozen=True)
class BenchmarkResult:
    """The run, where it was written, and what was left out of it."""

    result: Result
    output: Path | None
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Plan:
    """The jobs of a run in their order, and what was left out."""

    jobs: tuple[Job, ...]
    skipped: tuple[Skipped, ...]


def benchmark(options: BenchmarkOptions, steps: Steps | None = None) -> BenchmarkResult:
    """Measure and, with ``output``, keep the samples; ``steps`` are planned and followed.

    Raises UsageError where nothing is left to measure, as `archive.opened` for a bundle, EnvironmentFault where a
    measuring process dies or the file cannot be written.
    """
    steps = steps or Steps()
    with ExitStack() as stack:
        folders = tuple(
            stack.enter_context(archive.opened(path)).folder if path.is_file() else path for path in options.bundles
        )
        return execute(plan(replace(options, bundles=folders), steps.begin), options.output, steps)


def execute(chosen: Plan, output: Path | None, steps: Steps | None = None) -> BenchmarkResult:
    """Measure a plan."""
    steps = steps or Steps()
    result = measure.run(chosen.jobs, steps)
    steps.end()
    if output is not None:
        results.write(output, result)
    return BenchmarkResult(result, output, chosen.skipped)


def plan(options: BenchmarkOptions, report: Report = lambda _: None) -> Plan:
    """The jobs of a run; peers whose files are not in the cache are exported here, which takes minutes."""
    require_consistent(options)
    found = _candidates(options, report)
    jobs: list[Job] = []
    skipped: list[Skipped] = []
    for protocol, candidate in product(protocols(options), found):
        reason = _obstacle(candidate, protocol)
        if reason is None:
            jobs.append(Job(candidate, protocol, _items(candidate, protocol, options)))
        else:
            skipped.append(Skipped(candidate.label, reason))
    if not jobs:
        reason = skipped[0].reason if skipped else "no bundle, checkpoint or peer"
        fix = "choose what one of them takes" if skipped else "give a bundle, --model CHECKPOINT or --peer all"
        raise UsageError("benchmark", f"has nothing to measure: {reason}", fix=fix)
    return Plan(tuple(jobs), tuple(skipped))


def require_consistent(options: BenchmarkOptions) -> None:
    """Raise UsageError for a checkpoint in a bundle's place, and for an option that would be without effect."""
    for path in options.bundles:
        if (path / CONFIG_NAME).is_file() and not archive.is_bundle(path):
            fix = f"give it as --model {path}, or export it first"
            raise UsageError(path, "is a checkpoint, not a bundle", fix=fix)
    if options.checkpoints and options.runtimes and "torch" not in options.runtimes:
        found = ", ".join(options.runtimes)
        fix = "add --runtime torch, or leave --runtime out"
        raise UsageError("--model", "is measured in PyTorch", found=found, fix=fix)
    if not options.checkpoints and (given := options.given()):
        raise UsageError(given[0], "is for checkpoints", fix=f"add --model, or drop {given[0]}")
    if options.tokenizer is not None and options.scenario != "natural-length":
        fix = "add --scenario natural-length"
        raise UsageError("--tokenizer", "is read by one scenario only", found=options.scenario, fix=fix)
    if options.best_peers and not options.peers:
        raise UsageError("--best-peers", "needs a peer", fix="add --peer all")
    if options.pad_to is not None and options.scenario == "natural-length":
        fix = "leave it out, or give --tokens"
        raise UsageError("--pad-to", "is for a number of tokens", found=options.scenario, fix=fix)
    if options.pad_to is not None and options.pad_to < max(options.tokens or (128,)):
        fix = "pad to the longest of --tokens or more"
        raise UsageError("--pad-to", "is shorter than the tokens", found=options.pad_to, fix=fix)
    if options.texts is not None and options.scenario != "natural-length":
        fix = "add --scenario natural-length"
        raise UsageError("--file", "is read by one scenario only", found=options.scenario, fix=fix)


def _candidates(options: BenchmarkOptions, report: Report) -> list[Candidate]:
    found = candidates.from_bundles(options.bundles, runtimes=options.runtimes, precisions=options.precisions)
    found += [candidates.from_checkpoint(folder, options.reading()) for folder in options.checkpoints]
    found += candidates.from_peers(
        peers.parse(options.peers),
        options.runtimes,
        options.precisions,
        tokens=(options.tokens or (128,))[0],
        tokenizer=options.bundles[0] if options.bundles else None,
        best=options.best_peers,
        report=report,
    )
    return found


def protocols(options: BenchmarkOptions) -> list[Protocol]:
    """The scenario's protocols: one, or one for each length, number of threads and batch."""
    scenario = options.scenario
    runs, seconds = {
        "single-stream": (SINGLE_STREAM_RUNS, SINGLE_STREAM_SECONDS),
        "sustained": (1, SUSTAINED_SECONDS),
        "length-sweep": (40, 0.5),
    }.get(scenario, (100, 10.0))
    if options.quick:
        runs, seconds = min(runs, _QUICK_RUNS), min(seconds, _QUICK_SECONDS if scenario != "sustained" else 10.0)
    runs = options.min_runs or runs
    seconds = seconds if options.min_seconds is None else options.min_seconds
    lengths: Sequence[int | None] = options.tokens or (SWEEP_TOKENS if scenario == "length-sweep" else (128,))
    if scenario == "natural-length":
        lengths = (None,)
    threads = options.threads or (_thread_counts() if scenario == "thread-sweep" else (1,))
    return [
        Protocol(
            scenario=scenario,
            threads=count,
            batch=batch,
            tokens=length,
            pad_to=options.pad_to,
            warmup=options.warmup,
            turn_runs=min(runs, 4) if scenario != "single-stream" else min(runs, 64),
            min_runs=runs,
            min_seconds=seconds,
            seed=options.seed,
        )
        for count, batch, length in product(threads, options.batches, lengths)
    ]


def _thread_counts() -> tuple[int, ...]:
    """1, 2, 4 ... up to the cores of this machine, which come last."""
    cores = os.cpu_count() or 1
    return tuple(dict.fromkeys([*(2**n for n in range(cores.bit_length()) if 2**n <= cores), cores]))


def _obstacle(candidate: Candidate, protocol: Protocol) -> str | None:
    """Why a candidate cannot be measured under a protocol."""
    longest = max(protocol.tokens or 0, protocol.pad_to or 0)
    rules: list[tuple[bool, str]] = [
        (protocol.batch > 1 and not candidate.any_batch, "ExecuTorch programs take one row"),
        (longest > candidate.max_tokens, f"{counted(longest, 'token')}: takes at most {candidate.max_tokens}"),
        (protocol.pad_to is not None and not candidate.any_batch, "ExecuTorch programs take no padding"),
        (protocol.tokens is None and candidate.tokenizer is None, "has no tokenizer for texts"),
        (protocol.tokens is None and protocol.batch > 1, "texts of natural length are measured one by one"),
    ]
    fixed = candidate.fixed_tokens
    if fixed is not None and protocol.tokens is not None:
        rules.append((protocol.tokens != fixed, f"its file takes {counted(fixed, 'token')}, no others"))
    return next((reason for broken, reason in rules if broken), None)


def _items(candidate: Candidate, protocol: Protocol, options: BenchmarkOptions) -> tuple[Item, ...]:
    if protocol.tokens is None:
        return workload.natural(candidate, _texts(options.texts or DEMO_SENTENCES))
    maker: Callable[..., Item] = workload.ids if options.scenario == "length-sweep" else workload.of_length
    return (maker(candidate, protocol, protocol.tokens),)


def _texts(path: Path) -> list[str]:
    try:
        require_plain(path, max_bytes=MAX_BYTES)
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(
            path, f"cannot be read as text: {error}", fix="give a UTF-8 file, one text a line"
        ) from None
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise InputFileError(path, "has no text", fix="give a file with one text a line")
    return texts
