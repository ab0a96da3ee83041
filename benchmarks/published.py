"""The paper's figures (Iandola et al. 2020, arXiv 2006.11316), and what a run says to each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from squeezebert_mobile.benchmarks import tables
from squeezebert_mobile.benchmarks.peers import PAPER, Peer
from squeezebert_mobile.benchmarks.results import RUNTIMES, Case, Result, label
from squeezebert_mobile.benchmarks.statistics import Ratio, ratio, summarize
from squeezebert_mobile.reports.charts import Bar, Group, bars
from squeezebert_mobile.reports.document import Figure

PUBLISHED_SPEEDUP = 4.3
PUBLISHED_SECONDS = {Peer.BERT_BASE: 1.7, Peer.MOBILEBERT: 0.6, Peer.SQUEEZEBERT: 1.7 / PUBLISHED_SPEEDUP}
INDEPENDENT = (1.5, 2.8)
FP32, BEST = "fp32, as in the paper", "best of each"
# The forms and precisions that are compared in each.
SETTINGS = {
    FP32: (("plain", "fp32"),),
    "int8, as users get it": (("quantize_dynamic", "int8"), ("quantize_dynamic, unsigned", "int8")),
    BEST: (
        ("best", "fp32"),
        ("best int8", "int8"),
        ("bundle", "fp32"),
        ("bundle", "int8"),
        ("bundle", "int8-static"),
    ),
}

_File = TypeVar("_File")


@dataclass(frozen=True)
class Line:
    """A model in a setting: its fastest case, and BERT-base's median in that setting over its own."""

    setting: str
    model: str
    form: str
    case: str
    p50_ms: float
    speedup: Ratio | None
    published_seconds: float
    faults: tuple[str, ...]


def paper_lines(result: Result) -> tuple[Line, ...]:
    """Each model's fastest main case in each setting, beside the published time."""

    def p50(case: Case) -> float:
        return summarize(result.latencies(case.name)).p50

    lines, cases = [], tables.main_cases(result)
    for setting, forms in SETTINGS.items():
        chosen = {peer: fastest(cases, peer, forms, lambda case: case.label, p50) for peer in PAPER}
        bert = chosen[Peer.BERT_BASE]
        lines += [_line(result, setting, peer, case, bert) for peer, case in chosen.items() if case is not None]
    return tuple(lines)


def fastest(
    files: Iterable[_File],
    peer: Peer,
    forms: Iterable[tuple[str, str]],
    label_of: Callable[[_File], str],
    time_of: Callable[[_File], float],
) -> _File | None:
    """The file of a model that takes least, of those in some forms and precisions in any runtime."""
    allowed = {label(str(peer), runtime, precision, form) for runtime in RUNTIMES for form, precision in forms}
    return min((file for file in files if label_of(file) in allowed), key=time_of, default=None)


def _line(result: Result, setting: str, peer: Peer, case: Case, bert: Case | None) -> Line:
    faults = result.faults(case.name)
    speedup = None
    if bert is not None and bert is not case and not faults and not result.faults(bert.name):
        speedup = ratio(result.by_case[bert.name], result.by_case[case.name])
    p50 = summarize(result.latencies(case.name)).p50
    form = f"{case.precision}, {case.form}"
    return Line(setting, str(peer), form, case.name, p50, speedup, PUBLISHED_SECONDS[peer], faults)


def figure(lines: Sequence[Line]) -> Figure | None:
    """The published speed-ups beside those of a run; None where the run has none of them in fp32."""
    published = {
        Peer.SQUEEZEBERT: PUBLISHED_SPEEDUP,
        Peer.MOBILEBERT: PUBLISHED_SECONDS[Peer.BERT_BASE] / PUBLISHED_SECONDS[Peer.MOBILEBERT],
    }
    groups = []
    for peer, value in published.items():
        measured = [line for line in lines if line.model == peer and line.speedup is not None]
        if any(line.setting == FP32 for line in measured):
            paper = Bar("paper, Pixel 3, fp32", value, f"{value:.1f}x", ours=False)
            groups.append(Group(str(peer), (paper, *map(_here, measured))))
    if not groups:
        return None
    words = (
        "Speed-up over BERT-base in the same setting: grey as published, in colour as measured in this run, with its "
        "95 % interval."
    )
    return Figure("paper", "The paper, and here", words, bars(groups, reference=1.0))


def _here(line: Line) -> Bar:
    speedup = line.speedup
    assert speedup is not None
    value, low, high = speedup.value, speedup.low, speedup.high
    return Bar(f"here, {line.setting}", value, f"{value:.2f}x", ours=True, low=low, high=high)
