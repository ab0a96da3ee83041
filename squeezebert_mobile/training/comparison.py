"""Artifacts side by side: what an evaluation keeps of each example, and the figures that are made of it.

A run that prints and shards that are merged keep the same lines and reduce them here, so that both say the same.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, Self

import numpy as np

from squeezebert_mobile.bootstrap import Interval, interval
from squeezebert_mobile.errors import GateError, InputFileError, UsageError
from squeezebert_mobile.parts import Merged
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.metrics import Float64, Measure, Metric, Numbers, drop, metrics, replicates

# Lines whose columns are made at once.
_BLOCK = 4096


@dataclass(frozen=True)
class Named:
    """Something that answers batches, by its file and what that is."""

    name: str
    runtime: str
    precision: str


@dataclass(frozen=True)
class Line:
    """One example: its tokens and, of each candidate, milliseconds and `metrics.statistics`, None for infinity.

    Of several rows it has the tokens of the longest and the mean milliseconds.
    """

    tokens: int
    milliseconds: tuple[float, ...]
    statistics: tuple[tuple[float | None, ...], ...]

    def numbers(self) -> list[float]:
        """All of them in a row."""
        values = (math.inf if value is None else value for own in self.statistics for value in own)
        return [self.tokens, *self.milliseconds, *values]


@dataclass(frozen=True)
class Evaluated:
    """One artifact, or the checkpoint in PyTorch, on the data.

    ``interval`` and ``drop`` are of the leading metric; ``drop`` is against ``baseline``, positive where this one is
    worse, and its interval is of the paired bootstrap.
    """

    name: str
    runtime: str
    precision: str
    metrics: dict[str, float]
    interval: Interval
    milliseconds: float | None  # median per example; None where no time of the runtime here says anything
    baseline: str | None = None
    drop: float | None = None
    drop_interval: Interval | None = None


@dataclass(frozen=True)
class NullRule:
    """By how many logits "no answer" had to lead to be the answer, and who said so.

    With the source "data" unanswerable questions alone did: the model declares no threshold, and `predict` answers all.
    """

    threshold: float
    source: Literal["option", "model", "data"]


@dataclass(frozen=True)
class EvaluateResult:
    """All artifacts side by side; ``metric`` is the leading one.

    ``milliseconds`` of a row hold for its runtime with ``threads``, calls of ``batch_size`` rows of one length (None:
    `stream.BATCH`, but one where neighbours change an answer) and texts of ``tokens`` (median). ``data_sha256`` is the
    `data.digest` of the examples, whatever file they stood in. ``null_rule`` is None where every question was answered.
    """

    source: str
    data: str
    data_sha256: str
    task: Task
    examples: int
    metric: str
    tokens: int
    batch_size: int | None
    threads: int
    rows: tuple[Evaluated, ...]
    null_rule: NullRule | None


@dataclass(frozen=True)
class Scored:
    """The metrics of one candidate, and the seconds of each example."""

    metrics: tuple[Metric, ...]
    seconds: Numbers


@dataclass(frozen=True)
class About:
    """What is measured on what, and how lines become figures; ``is_asked`` says that an option gave the threshold."""

    source: str
    data: str
    measure: Measure
    is_asked: bool
    candidates: tuple[Named, ...]
    batch_size: int | None
    threads: int
    resamples: int
    seed: int

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of what JSON makes of it."""
        measure, candidates = Measure.parse(values["measure"]), tuple(Named(**each) for each in values["candidates"])
        return cls(**{**values, "measure": measure, "candidates": candidates})

    def result(self, lines: Iterable[Line], data_sha256: Callable[[], str]) -> EvaluateResult:
        """The figures of all examples in their order, of which a few numbers each are held.

        ``data_sha256`` is called once they have been read. Raises InputFileError for texts without a token to hide.
        """
        tokens, *columns = _columns(line.numbers() for line in lines)
        many = len(self.candidates)
        times, values = columns[:many], columns[many:]
        each = len(values) // many
        statistics = [np.stack(values[first : first + each], axis=1) for first in range(0, len(values), each)]
        scored = []
        for candidate, own, milliseconds in zip(self.candidates, statistics, times, strict=True):
            if self.measure.task is Task.FILL_MASK and not own[:, 3].any():
                raise InputFileError(self.data, "holds no token to hide", fix="give texts that are not empty")
            scored.append((candidate, Scored(metrics(self.measure, own), milliseconds / 1000)))
        return EvaluateResult(
            source=self.source,
            data=self.data,
            data_sha256=data_sha256(),
            task=self.measure.task,
            examples=len(tokens),
            metric=scored[0][1].metrics[0].name,
            tokens=int(np.median(tokens)),
            batch_size=self.batch_size,
            threads=self.threads,
            rows=compare(scored, resamples=self.resamples, seed=self.seed),
            null_rule=self._null_rule(statistics[0]),
        )

    def _null_rule(self, statistics: Numbers) -> NullRule | None:
        threshold = self.measure.threshold(statistics)
        if threshold is None:
            return None
        if self.is_asked:
            return NullRule(threshold, "option")
        return NullRule(threshold, "data" if self.measure.null_threshold is None else "model")


def _columns(rows: Iterator[list[float]]) -> list[Numbers]:
    """The columns of rows of numbers, each in the smallest type that holds them: so a million rows take little."""
    blocks = []
    while block := list(islice(rows, _BLOCK)):
        blocks.append([_smallest(np.array(column)) for column in zip(*block, strict=True)])
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


def _smallest(values: Float64) -> Numbers:
    """The same numbers as integers of few bits where they are whole."""
    if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        return values
    return values.astype(np.result_type(*map(np.min_scalar_type, (values.min().astype(int), values.max().astype(int)))))


def merged(shards: Merged, largest: float | None = None) -> EvaluateResult:
    """What one run would have said of the rows of all shards.

    Raises InputFileError for a line that is none, UsageError where no drop can be held against ``largest``.
    """
    about = About.parse(shards.about["about"])
    require_baseline(largest, about.candidates)
    return about.result(_read(shards), lambda: shards.about["data_sha256"])


def _read(shards: Merged) -> Iterator[Line]:
    for number, text in enumerate(shards.lines(), 1):
        try:
            yield Line(**json.loads(text))
        except (ValueError, TypeError):
            fix = "make that part anew with --force"
            raise InputFileError(shards.parts[0], f"row {number} is no line of evaluate", fix=fix) from None


def compare(scored: Sequence[tuple[Named, Scored]], *, resamples: int, seed: int) -> tuple[Evaluated, ...]:
    """Rows with intervals, and with the drop against the baseline of each candidate that has one."""
    drawn = [replicates(own.metrics[0], resamples, seed) for _, own in scored]
    rows = []
    for number, (candidate, own) in enumerate(scored):
        row = Evaluated(
            name=candidate.name,
            runtime=candidate.runtime,
            precision=candidate.precision,
            metrics={metric.name: metric.value for metric in own.metrics},
            interval=interval(drawn[number]),
            milliseconds=None if candidate.runtime == "coreai" else float(np.median(own.seconds)) * 1000,
        )
        base = _baseline([other for other, _ in scored], candidate)
        if base is not None:
            first, better = own.metrics[0], own.metrics[0].higher_is_better
            fall = scored[base][1].metrics[0].value - first.value
            paired = drop(drawn[base], drawn[number], higher_is_better=better)
            row = replace(
                row,
                baseline=scored[base][0].name,
                drop=fall if better else -fall,
                drop_interval=interval(paired),
            )
        rows.append(row)
    return tuple(rows)


def _baseline(candidates: Sequence[Named], own: Named) -> int | None:
    """PyTorch for all others, else the fp32 artifact of the same runtime for its lower precisions."""
    for number, other in enumerate(candidates):
        same = other.runtime == own.runtime and other.precision == "fp32"
        if other is not own and (other.runtime == "torch" or (same and candidates[0].runtime != "torch")):
            return number
    return None


def require_baseline(largest: float | None, candidates: Sequence[Named]) -> None:
    """Raise UsageError where nothing can fall below anything by more than ``largest``."""
    if largest is None or any(_baseline(candidates, each) is not None for each in candidates):
        return
    fix = "evaluate an fp32 artifact too, or give the checkpoint with --model"
    raise UsageError("--max-accuracy-drop", "has no baseline to compare with", fix=fix)


def require_drop(result: EvaluateResult, largest: float | None) -> None:
    """Raise GateError for the artifact that falls furthest below its baseline, where that is more than ``largest``."""
    drops = [(row.drop, row) for row in result.rows if row.drop is not None]
    if largest is None or not drops:
        return
    worst, row = max(drops, key=lambda pair: pair[0])
    if worst > largest:
        what = f"{result.metric} is too far below that of {row.baseline}"
        fix = "ship the fp32 artifact, or export int8-static, or fine-tune longer"
        raise GateError(row.name, what, found=f"a drop of {worst:.4f}", expected=f"at most {largest:g}", fix=fix)
