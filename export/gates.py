"""What refuses a bundle that is not good enough: accuracy, speed and size. Other answers are refused by `parity`."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.bootstrap import interval
from squeezebert_mobile.bundle.manifest import Accuracy, Artifact, Range
from squeezebert_mobile.errors import GateError, InputFileError, UsageError, counted
from squeezebert_mobile.export.emulation import emulate
from squeezebert_mobile.export.inventory import TOKENS
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.quantization import Dynamic, Static
from squeezebert_mobile.export.sensitivity import Effect
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.run.engines import load_engine
from squeezebert_mobile.run.timing import interleaved
from squeezebert_mobile.tables.columns import find_columns, require_scores
from squeezebert_mobile.tables.files import read_table
from squeezebert_mobile.tasks import SENTENCE_EMBEDDING, Task, window_stride
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training import data as dataset
from squeezebert_mobile.training.data import Example
from squeezebert_mobile.training.evaluate import Predict, score, torch_predict
from squeezebert_mobile.training.features import Feature, encode, hide_each
from squeezebert_mobile.training.metrics import Float64, Measure, Metric, drop, replicates

# Draws of the bootstrap, as `evaluate` has them; digits that no machine's order of sums changes.
_RESAMPLES, _DIGITS = 1000, 6


class AccuracyGate:
    """Labelled data, encoded once, and what the checkpoint itself reaches on it."""

    def __init__(
        self, options: ExportOptions, model: PreTrained, tokenizer: SqueezeBertTokenizerFast, max_length: int
    ) -> None:
        if model.task is Task.FEATURE_EXTRACTION and SENTENCE_EMBEDDING not in model.output_names:
            raise UsageError(
                "--max-accuracy-drop", "needs a task with labels, or pooling", fix="add --pooling, or leave it out"
            )
        assert options.data is not None and options.max_accuracy_drop is not None, "the options see to that"
        table = read_table(options.data, model.task, limit=options.max_samples)
        columns = find_columns(table, model.task, options.columns, labels=model.config.labels)
        require_scores(table, columns)
        self._max_drop = options.max_accuracy_drop
        self._model, self._pad = model, tokenizer.pad_token_id
        self._examples: Sequence[Example] = dataset.examples(table, columns, model.config)
        self._features = _features(self._examples, tokenizer, model.task, max_length)
        self.reached = self._metric(torch_predict(model))
        # A folder's name is this machine's own, and no part of the data.
        self._data = Path(table.name).name if Path(table.name).exists() else table.name

    @cached_property
    def _drawn(self) -> Float64:
        return replicates(self.reached, _RESAMPLES, seed=0)

    def drop(self, predict: Predict) -> float:
        """How far ``predict`` falls below the checkpoint, negative where it is better."""
        return self._fall(self._metric(predict))

    def _fall(self, metric: Metric) -> float:
        fall = self.reached.value - metric.value
        return fall if metric.higher_is_better else -fall

    def require(self, predict: Predict, file: str, float_units: Collection[str] = ()) -> Accuracy:
        """What ``predict`` reaches, for which ``float_units`` went to float. Raises GateError for too large a drop."""
        metric = self._metric(predict)
        fall = self._fall(metric)
        if fall > self._max_drop:
            what = f"{self.reached.name} falls too far below the checkpoint's {self.reached.value:.4f}"
            fix = "allow more with --max-accuracy-drop, calibrate with --precision int8-static, or ship fp32"
            raise GateError(file, what, found=f"-{fall:.4f}", expected=f"at most -{self._max_drop:g}", fix=fix)
        drawn = replicates(metric, _RESAMPLES, seed=0)
        chance = _most_common(self._examples)
        return Accuracy(
            metric=metric.name,
            value=round(metric.value, _DIGITS),
            interval=_range(drawn),
            checkpoint=round(self.reached.value, _DIGITS),
            checkpoint_interval=_range(self._drawn),
            drop=round(fall, _DIGITS),
            drop_interval=_range(drop(self._drawn, drawn, higher_is_better=metric.higher_is_better)),
            allowed_drop=self._max_drop,
            chance=None if chance is None else round(chance, _DIGITS),
            rows=len(self._examples),
            data=self._data,
            data_sha256=dataset.digest(self._examples),
            float_units=tuple(sorted(float_units)),
        )

    def choose_keep_float(
        self, scheme: Dynamic | Static, rank: Callable[[], Sequence[Effect]], report: Callable[[int], None]
    ) -> frozenset[str]:
        """The units to keep float so that the drop is allowed: of ``rank``'s, those that do the most damage a byte.

        Found by bisection over how many, judged by emulation with one activation scale a tensor; ExecuTorch's scale a
        token is finer. The largest set is returned where none is enough, and the artifact then misses the gate.
        ``report`` gets the number of each try.
        """
        tries = count(1)

        def holds(kept: frozenset[str]) -> bool:
            report(next(tries))
            int8 = emulate(self._model, replace(scheme, keep_float=kept))
            return self.drop(int8.run) <= self._max_drop

        if holds(scheme.keep_float):
            return scheme.keep_float
        order = [effect.unit for effect in sorted(rank(), key=lambda effect: -effect.rms_per_parameter)]
        low, high = 0, len(order) - 1  # one unit at least stays int8
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(scheme.keep_float | frozenset(order[:middle])) else (middle, high)
        return scheme.keep_float | frozenset(order[:high])

    def _metric(self, predict: Predict) -> Metric:
        measure = Measure.of(self._model.task, self._model.config, self._model.activation)
        return score(measure, predict, self._examples, self._features, pad_token_id=self._pad).metrics[0]


def _range(drawn: Float64) -> Range:
    ends = interval(drawn)
    return Range(low=round(ends.low, _DIGITS), high=round(ends.high, _DIGITS))


def _most_common(examples: Sequence[Example]) -> float | None:
    """The share of the commonest label, None where examples have no single one."""
    kinds = (dataset.TextExample, dataset.ChoiceExample)
    labels = [e.target for e in examples if isinstance(e, kinds) and isinstance(e.target, int)]
    return max(Counter(labels).values()) / len(labels) if labels else None


def _features(
    examples: Sequence[Example], tokenizer: SqueezeBertTokenizerFast, task: Task, max_length: int
) -> list[Feature]:
    features = encode(examples, tokenizer, max_length=max_length, stride=window_stride(max_length))
    if task is not Task.FILL_MASK:
        return list(features)
    hidden = [row for feature in features for row in hide_each(feature, tokenizer.mask_token_id)]
    if not hidden:
        raise InputFileError("--data", "holds no token to hide", fix="give texts that are not empty")
    return hidden


_WARM_UP, _ROUNDS, _SECONDS = 3, 21, 2.0


def slowdown(base: bytes, other: bytes, artifact: Artifact, batch: Batch) -> float:
    """The median time of ``other`` over that of ``base``, one thread; both have ``artifact``'s runtime and outputs.

    At least 21 rounds and 2 seconds.
    """
    engines = [load_engine(artifact.runtime, data, 1, artifact.outputs) for data in (base, other)]
    calls = [partial(engine.run, batch) for engine in engines]
    seconds = interleaved(calls, rounds=_ROUNDS, seconds=_SECONDS, warmup=_WARM_UP, clock=perf_counter)
    return median(seconds[1]) / median(seconds[0])


def snippet(task: Task, vocab_size: int, max_length: int) -> Batch:
    """One input of 128 tokens, or of the longest length that is shorter; times do not depend on the ids."""
    shape = (*(1, 2)[: task.rank - 1], min(TOKENS, max_length))
    ids = np.random.default_rng(0).integers(0, vocab_size, shape)
    return Batch.of_ids(ids)


def require_agreement(artifact: Artifact, least: float) -> None:
    """Raise GateError for an artifact whose largest logit is another than the reference's too often."""
    if artifact.agreement is not None and artifact.agreement < least:
        what = "agrees with the reference on too few of the golden answers"
        fix = "take a finer precision, keep units float with --keep-float, or allow less with --min-agreement"
        found, expected = f"{artifact.agreement:.2%}", f"at least {least:.2%}"
        raise GateError(artifact.path, what, found=found, expected=expected, fix=fix)


def require_small(artifacts: Sequence[Artifact], megabytes: float) -> None:
    """Raise GateError for a runtime whose smallest artifact is larger than that."""
    smallest: dict[str, Artifact] = {}
    for artifact in sorted(artifacts, key=lambda artifact: artifact.bytes):
        smallest.setdefault(artifact.runtime, artifact)
    for artifact in smallest.values():
        if artifact.bytes > megabytes * 1e6:
            fix = "try --precision int8, --embeddings int4 or --trim-vocab"
            found, expected = f"{artifact.bytes / 1e6:.1f} MB", f"at most {megabytes:g} MB"
            raise GateError(artifact.path, "is over the size budget", found=found, expected=expected, fix=fix)


def require_faster(artifacts: Sequence[Artifact], folder: Path, batch: Batch) -> None:
    """Raise GateError for an artifact in ``folder`` that is not faster than the fp32 one of its runtime."""
    base = {
        artifact.runtime: (folder / artifact.path).read_bytes()
        for artifact in artifacts
        if artifact.precision == "fp32"
    }
    for artifact in artifacts:
        if artifact.precision == "fp32":
            continue
        ratio = slowdown(base[artifact.runtime], (folder / artifact.path).read_bytes(), artifact, batch)
        if ratio >= 1:
            fix = "ship fp32 on this kind of machine, or leave --require-faster out"
            raise GateError(artifact.path, "is not faster than fp32", found=f"{ratio:.2f}x its time", fix=fix)


def cost_report(throughout: bytes, settled: bytes, artifact: Artifact, units: int, batch: Batch) -> str:
    """What it costs in size and time that ``units`` units of ``artifact`` went back to float for its accuracy."""
    megabytes = (len(settled) - len(throughout)) / 1e6
    times = slowdown(throughout, settled, artifact, batch)
    kept = f"{counted(units, 'unit')} in float for its accuracy"
    return f"{artifact.path}: {kept}, {megabytes:+.1f} MB and {times:.2f}x the time"
