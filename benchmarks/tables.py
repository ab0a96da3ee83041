"""The figures of a run as rows, and the rows as Markdown for files and as columns for people."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from squeezebert_mobile import console
from squeezebert_mobile.benchmarks.benchmark import BenchmarkResult, Skipped
from squeezebert_mobile.benchmarks.results import RUNTIMES, Case, Phone, Result, Run, Sample
from squeezebert_mobile.benchmarks.statistics import Ratio, Summary, ratio, summarize
from squeezebert_mobile.errors import UndecidedError, counted

# Files that this project made; every other form is a peer's.
_OURS = ("bundle", "checkpoint")
# What most of the field measures with, and the paper too.
_USUAL_TOKENS = 128


@dataclass(frozen=True)
class Row:
    """One case: its figures in milliseconds and why they do not count, if they do not.

    ``speedup`` is the baseline's median over this one's; None where either has faults, where this is the baseline, and
    where the baseline did other work: another batch, or other tokens.
    """

    case: Case
    infer: Summary
    tokenize_ms: float | None
    postprocess_ms: float | None
    total_ms: float
    faults: tuple[str, ...]
    speedup: Ratio | None


def rows(result: Result, baseline: str | None = None) -> tuple[Row, ...]:
    """A row for each case with samples, in the order of the file. ``baseline`` names the case that ratios refer to."""
    return tuple(_row(result, case, baseline) for case in result.cases if result.by_case[case.name])


def _row(result: Result, case: Case, baseline: str | None) -> Row:
    taken = result.by_case[case.name]
    faults = result.faults(case.name)
    comparable = baseline not in (None, case.name) and not faults and _compares(result, case, str(baseline))
    return Row(
        case=case,
        infer=summarize([sample.infer_ns for sample in taken]),
        tokenize_ms=_median([sample.tokenize_ns for sample in taken]),
        postprocess_ms=_median([sample.postprocess_ns for sample in taken]),
        total_ms=float(np.median([sample.total_ns for sample in taken])) / 1e6,
        faults=faults,
        speedup=ratio(result.by_case[str(baseline)], taken) if comparable else None,
    )


def _compares(result: Result, case: Case, baseline: str) -> bool:
    """Whether a baseline counts, and did the same work as a case, in turns with it."""
    one, other = case.protocol, result.case(baseline).protocol
    took_turns = {s.turn for s in result.by_case[case.name]} & {s.turn for s in result.by_case[baseline]}
    same = (one.length, one.batch) == (other.length, other.batch)
    return same and bool(took_turns) and not result.faults(baseline)


def _median(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) / 1e6 if known else None


def main_cases(result: Result) -> list[Case]:
    """The cases under the conditions that most cases share, as only those can be compared.

    Of conditions that as many share, those nearest to the usual length on the fewest threads.
    """
    shared = Counter(case.protocol.conditions for case in result.cases)

    def rank(case: Case) -> tuple[int, int, int]:
        protocol = case.protocol
        away = abs((protocol.tokens or _USUAL_TOKENS) - _USUAL_TOKENS)
        return -shared[protocol.conditions], away, protocol.threads

    chosen = min(result.cases, key=rank, default=None)
    return [case for case in result.cases if chosen and case.protocol.conditions == chosen.protocol.conditions]


def find_baseline(result: Result) -> str | None:
    """The case that ratios refer to unless another is named: of the main ones BERT-base fp32 in ONNX Runtime, else the
    nearest.
    """

    def distance(case: Case) -> tuple[bool, bool, bool]:
        return case.model != "BERT-base", case.precision != "fp32", case.runtime != "onnx"

    return min(main_cases(result), key=distance).name if result.cases else None


def is_ours(case: Case) -> bool:
    """True for what this project exports or trains, false for a peer."""
    return case.form in _OURS


def leader(result: Result, found: Sequence[Row]) -> Row | None:
    """The fastest of our main rows by median, of all main rows where none is ours; one that counts, if there is."""
    names = {case.name for case in main_cases(result)}
    main = [row for row in found if row.case.name in names]
    return min(main, key=lambda row: (not is_ours(row.case), bool(row.faults), row.infer.p50), default=None)


def closing(result: Result, found: Sequence[Row], baseline: str | None) -> str:
    """What the run says, in one sentence."""
    best = leader(result, found)
    if best is None:
        return "nothing was measured"
    case, speedup = best.case, best.speedup
    name = f"{case.model} {case.precision} in {RUNTIMES[case.runtime]}"
    if best.faults:
        return f"{name}: {number(best.infer.p50)} ms, but not valid as a claim; measure again on a quiet machine"
    said = f"{name}: {number(best.infer.p50)} ms (p50)"
    if speedup is not None and baseline is not None:
        said = f"{name} {times(speedup.value)} as fast as {over(result.case(baseline))}, 95 %: {between(speedup)}"
    if not is_ours(case):
        said += "; SqueezeBERT from a bundle: give a full-size bundle for this line"
    return said


def over(baseline: Case) -> str:
    """What a speed-up is over, in two words."""
    return f"{baseline.precision} {baseline.model}"


def times(value: float) -> str:
    """A ratio as it is told: ``8.3x``, below two ``1.07x``."""
    return f"{value:.1f}x" if value >= 2 else f"{value:.2f}x"


def between(found: Ratio) -> str:
    """The interval of a ratio that `times` tells."""
    return f"{times(found.low)[:-1]} to {times(found.high)[:-1]}"


def name_of(case: Case) -> str:
    """Model, runtime with version, precision and form: never a latency without them."""
    return f"{case.model}, {RUNTIMES[case.runtime]} {case.runtime_version}, {case.precision}, {case.form}"


def number(value: float | None) -> str:
    """A figure with three significant digits and no exponent; a dash for none."""
    if value is None:
        return "–"
    decimals = max(0, 2 - int(np.floor(np.log10(abs(value))))) if value else 0
    return f"{value:.{min(decimals, 6)}f}"


def interval(found: Ratio | None) -> str:
    """A ratio with its interval, ``2.31x (2.28 to 2.35)``."""
    return "–" if found is None else f"{found.value:.2f}x ({found.low:.2f} to {found.high:.2f})"


HEADS = (
    *("case", "threads, batch, tokens", "p50 ms", "speed-up", "p90 ms", "p99 ms"),
    *("tokenise ms", "post-process ms", "end to end ms", "load ms", "first ms", "peak MB", "file MB"),
    *("agrees with the reference", "runs"),
)


def facts(row: Row) -> dict[str, str]:
    """All that a table may say of a row, by the head of its column."""
    case, cold = row.case, row.case.cold
    load = None if cold is None or cold.load_ns is None else cold.load_ns / 1e6
    memory = None if cold is None or cold.peak_bytes is None else (cold.peak_bytes - (cold.base_bytes or 0)) / 1e6
    mark = " (invalid)" if row.faults else ""
    numbers = {
        "p50 ms": row.infer.p50,
        "p90 ms": row.infer.p90,
        "p99 ms": row.infer.p99,
        "tokenise ms": row.tokenize_ms,
        "post-process ms": row.postprocess_ms,
        "end to end ms": row.total_ms,
        "load ms": load,
        "first ms": None if cold is None else cold.first_ns / 1e6,
        "peak MB": memory,
        "file MB": None if case.file_bytes is None else case.file_bytes / 1e6,
    }
    return {
        "case": name_of(case) + mark,
        "model": case.model + mark,
        "runtime": f"{RUNTIMES[case.runtime]} {case.runtime_version}",
        "precision": case.precision,
        "form": case.form,
        "threads, batch, tokens": case.protocol.conditions,
        **{head: number(value) for head, value in numbers.items()},
        "speed-up": interval(row.speedup),
        "agrees with the reference": "–" if case.agreement is None else f"{100 * case.agreement:.3g} %",
        "runs": str(row.infer.count),
    }


def cells(row: Row) -> tuple[str, ...]:
    """The texts of a row, one for each of the table's heads."""
    said = facts(row)
    return tuple(said[head] for head in HEADS)


def markdown(result: Result) -> str:
    """The whole run as Markdown: where, what, the table, and the faults."""
    baseline = find_baseline(result)
    found = rows(result, baseline)
    out = [where(result), ""]
    if baseline is not None:
        out += [f"Speed-up over: {baseline}, with a 95 % interval; none where a run is invalid.", ""]
    out += [f"{closing(result, found, baseline)}.", ""]
    out += lines(HEADS, [cells(row) for row in found])
    out += ["", *(f"- invalid: {reason}" for reason in faults(found)), *(f"- note: {note}" for note in result.notes)]
    return "\n".join(out).rstrip() + "\n"


def where(result: Result) -> str:
    """One sentence on the machine, the software and the time of a run."""
    e = result.run.environment
    facts = [e.cpu, e.architecture, f"{e.cores} cores", *e.features, e.system]
    facts += [
        f"{name} {value or 'unknown'}" for name, value in (("governor", e.governor), ("huge pages", e.huge_pages))
    ]
    facts += [e.device] if e.device else []
    software = ", ".join(f"{version.name} {version.version}" for version in e.versions)
    commit = f", commit {e.commit[:12]}{'+'[: e.commit.endswith('+')]}" if e.commit else ""
    told = _phone(e.phone, charging=result.conditions.charging is True) if e.phone else ""
    of_phone = f"; {told}" if told else ""
    return f"Measured on {', '.join(facts)}; {software}{commit}{of_phone}; started {result.run.started}."


def _phone(phone: Phone, *, charging: bool) -> str:
    """What a phone's figure needs to be published, as far as it was told."""
    clocks = [
        f"cores {_listed(c.cores)} from {(c.min_khz or 0) // 1000 or '?'} to {(c.max_khz or 0) // 1000 or '?'} MHz"
        f" ({c.governor or 'governor unknown'})"
        for c in phone.clocks
    ]
    build = "debuggable" if phone.debuggable else "release"
    degrees = [f"{value:.1f}" for value in phone.battery_celsius if value is not None]
    told = (
        (phone.fingerprint, f"build {phone.fingerprint}"),
        (phone.security_patch, f"patches of {phone.security_patch}"),
        (phone.kernel, f"kernel {phone.kernel}"),
        (phone.api_level, f"API {phone.api_level}"),
        (phone.emulator, "an emulator"),
        (phone.page_bytes, f"pages of {(phone.page_bytes or 0) / 1024:g} KiB"),
        (phone.app_version, f"app {phone.app_version} ({build})"),
        (clocks, "; ".join(clocks)),
        (phone.cores_used, f"ran on cores {_listed(phone.cores_used)}"),
        (any(phone.cpusets), f"of cpuset {' then '.join(dict.fromkeys(str(name) for name in phone.cpusets))}"),
        (phone.priority is not None, f"nice {phone.priority}"),
        (phone.sustained_performance, "sustained performance mode"),
        (phone.cool_down_seconds, f"cooled down for {phone.cool_down_seconds:g} s"),
        (degrees, f"battery {' to '.join(degrees)} °C"),
        (charging, "charging"),
    )
    return ", ".join(words for is_told, words in told if is_told).replace(", of cpuset", " of cpuset")


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def faults(found: Sequence[Row]) -> tuple[str, ...]:
    """Every reason for which a row does not count: once, and with the cases that it concerns unless it is all."""
    reasons: dict[str, list[str]] = {}
    for row in found:
        for fault in row.faults:
            reasons.setdefault(fault, []).append(f"{name_of(row.case)}, {row.case.protocol.conditions}")
    return tuple(
        reason if len(concerned) == len(found) else f"{'; '.join(concerned)}: {reason}"
        for reason, concerned in reasons.items()
    )


def side_by_side(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """The median milliseconds of the cases that several runs share: a head, then a row for each; empty for none."""
    found: dict[str, dict[int, str]] = {}
    for place, result in enumerate(results):
        for row in rows(result):
            case = row.case
            name = _in_words(case)
            mark = " (invalid)" if row.faults else ""
            found.setdefault(name, {})[place] = number(row.infer.p50) + mark
    places = range(len(results))
    shared = [(name, *(cells.get(n, "–") for n in places)) for name, cells in found.items() if len(cells) > 1]
    return [("p50 ms", *_heads(results)), *shared] if shared else []


def _heads(results: Sequence[Result]) -> list[str]:
    """The runs' machines, with the time where one machine made several of them."""
    machines = Counter(map(machine, results))
    return [machine(r) if machines[machine(r)] == 1 else f"{machine(r)}, {r.run.started[:16]}" for r in results]


def machine(result: Result) -> str:
    """What a run was made on: a phone's name, else the processor's."""
    return result.run.environment.device or result.run.environment.cpu


def lines(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, line by line."""
    every = (header, ["---"] * len(header), *body)
    return ["| " + " | ".join(value.replace("|", "\\|") for value in row) + " |" for row in every]


def by_tokens(samples: Sequence[Sample]) -> dict[int, float]:
    """The median milliseconds of each length."""
    lengths = sorted({sample.tokens for sample in samples})
    return {n: float(np.median([s.infer_ns for s in samples if s.tokens == n])) / 1e6 for n in lengths}


@dataclass(frozen=True)
class RunSummary:
    """A run without its samples, which are in ``output`` where one was named; speed-ups are over ``baseline``.

    ``closing`` says what came out in one sentence.
    """

    run: Run
    baseline: str | None
    closing: str
    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    output: Path | None


def summarize_run(found: BenchmarkResult) -> RunSummary:
    """The figures of a run."""
    result, baseline = found.result, find_baseline(found.result)
    figures = rows(result, baseline)
    said = closing(result, figures, baseline)
    return RunSummary(result.run, baseline, said, figures, found.skipped, found.output)


def require_valid(found: Sequence[RunSummary]) -> None:
    """Raise UndecidedError for a case that is not valid as a claim."""
    for summary in found:
        if reasons := faults(summary.rows):
            invalid = sum(bool(row.faults) for row in summary.rows)
            what = f"{invalid} of {counted(len(summary.rows), 'case')} not valid: {reasons[0]}"
            raise UndecidedError("benchmark", what, fix="measure again on a quiet machine")


def text(runs: Sequence[BenchmarkResult], summaries: Sequence[RunSummary]) -> str:
    """The runs one after the other, as many as there were machines; then the machines beside each other. For people."""
    blocks = [_text(found, summary) for found, summary in zip(runs, summaries, strict=True)]
    if compared := side_by_side([found.result for found in runs]):
        blocks.append(console.table(compared[0], compared[1:]))
    return "\n\n".join(blocks)


def _text(found: BenchmarkResult, summary: RunSummary) -> str:
    shared, names = told_apart([_in_words(row.case) for row in summary.rows])
    header = ("case", "p50 ms", "speed-up", "p90 ms", "p99 ms", "runs")
    out = [where(found.result), *([f"all: {shared}"] if shared else []), ""]
    out.append(console.table(header, [_short_cells(*pair) for pair in zip(names, summary.rows, strict=True)]))
    if any(row.speedup for row in summary.rows):
        out.append(f"speed-up over {summary.baseline}, with a 95 % interval")
    out += [f"invalid: {reason}" for reason in faults(summary.rows)]
    out += [f"note: {note}" for note in found.result.notes]
    out += [f"left out: {left.candidate}: {left.reason}" for left in summary.skipped]
    out += [f"samples: {found.output}"] if found.output else []
    return "\n".join(out)


def verdicts(found: Sequence[RunSummary]) -> console.Verdict:
    """What the runs say, in one sentence each."""
    doubtful = any(row.faults for summary in found for row in summary.rows)
    return console.Verdict(None if doubtful else True, "\n".join(summary.closing for summary in found))


def told_apart(cases: Sequence[str]) -> tuple[str, list[str]]:
    """What the names of all cases share, said once, and what is left of each; a single one keeps its beginning."""
    names = [_parts(case) for case in cases]
    common = [len(set(column)) == 1 for column in zip(*names, strict=True)]
    if all(common):
        common = [place >= _TOLD for place in range(len(common))]
    shared = [part for part, is_common in zip(names[0], common, strict=True) if is_common] if names else []
    own = [[part for part, is_common in zip(name, common, strict=True) if not is_common] for name in names]
    return ", ".join(shared), [", ".join(parts).replace("ONNX Runtime", "ONNX") for parts in own]


def _in_words(case: Case) -> str:
    return f"{case.label}, {case.protocol.conditions}"


# Of a single name: model, runtime and precision.
_TOLD = 3


def _parts(case: str) -> list[str]:
    """Model, runtime, precision, form, which may have commas, threads, batch and tokens."""
    name, *conditions = case.rsplit(", ", 3)
    return [*name.split(", ", 3), *conditions]


def _short_cells(name: str, row: Row) -> tuple[str, ...]:
    p50, *figures = map(number, (row.infer.p50, row.infer.p90, row.infer.p99))
    invalid = " (invalid)" if row.faults else ""
    return (name + invalid, p50, interval(row.speedup), *figures, str(row.infer.count))
