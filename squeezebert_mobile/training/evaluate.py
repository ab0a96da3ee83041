"""Every artifact of a bundle on labelled data: the task's metrics, how far they fall below fp32, and the time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np
import torch

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bootstrap import Interval, interval
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle import folder as bundle
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.console import Advance, progress_bar
from squeezebert_mobile.errors import GateError, InputFileError, UsageError
from squeezebert_mobile.model import PreTrained, run_module
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.tables.columns import find_columns, require_scores
from squeezebert_mobile.tables.files import read_table
from squeezebert_mobile.tasks import SENTENCE_EMBEDDING, PoolingMode, Task, window_stride
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training import chosen
from squeezebert_mobile.training import data as dataset
from squeezebert_mobile.training.data import Example
from squeezebert_mobile.training.features import Feature, collate, encode, hide_each
from squeezebert_mobile.training.metrics import Float64, Metric, drop, metrics, null_threshold, observe, replicates
from squeezebert_mobile.training.options import EvaluateOptions

# A model's call: a batch to its outputs by name, such as logits [N, labels].
Predict = Callable[[Batch], Mapping[str, Float32]]


def observations(
    task: Task, predict: Predict, features: Sequence[Feature], *, batch_size: int, pad_token_id: int
) -> Iterator[tuple[int, Float64, float]]:
    """For every feature its number, its observation and its share of the call's seconds, in order of length."""
    order = np.argsort([feature.length for feature in features], kind="stable")
    for first in range(0, len(order), batch_size):
        numbers = order[first : first + batch_size]
        batch = collate([features[n] for n in numbers], pad_token_id)
        started = perf_counter()
        outputs = _of_pairs(predict, batch.inputs) if task is Task.FEATURE_EXTRACTION else predict(batch.inputs)
        seconds = (perf_counter() - started) / len(numbers)
        for row, n in enumerate(numbers):
            feature = features[n]
            own = {name: _unpadded(value[row], task, feature.length) for name, value in outputs.items()}
            yield int(n), observe(task, feature, own), seconds


def _of_pairs(predict: Predict, pairs: Batch) -> dict[str, Float32]:
    """The vectors [N, texts, C] of texts [N, texts, W]."""
    vectors = predict(pairs.of_rows())[SENTENCE_EMBEDDING]
    return {SENTENCE_EMBEDDING: vectors.reshape(*pairs.input_ids.shape[:2], -1)}


def _unpadded(value: Float32, task: Task, length: int) -> Float32:
    """Outputs per token without those of the padding."""
    return value if task.reads_first_token_only or task is Task.FEATURE_EXTRACTION else value[:length]


def torch_predict(model: PreTrained) -> Predict:
    """The call that runtimes have, for a model in eval mode on its own device."""
    model.eval()
    return lambda batch: run_module(model, batch, model.output_names)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """PyTorch on ``count`` threads, so that its time stands beside that of a runtime with as many."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
    milliseconds: float  # median per snippet
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

    ``milliseconds`` of a row hold for its runtime with ``threads``, batches of ``batch_size`` and texts of ``tokens``
    (median). ``null_rule`` is None where every question was answered.
    """

    source: str
    data: str
    task: Task
    examples: int
    metric: str
    tokens: int
    batch_size: int
    threads: int
    rows: tuple[Evaluated, ...]
    null_rule: NullRule | None


@dataclass(frozen=True)
class Candidate:
    """Something that answers batches."""

    name: str
    runtime: str
    precision: str
    predict: Predict


@dataclass(frozen=True)
class Scored:
    """The metrics of one candidate, and the seconds of each feature's call."""

    metrics: tuple[Metric, ...]
    seconds: Float64


@dataclass(frozen=True)
class _Subject:
    """What is evaluated: candidates with what they have in common."""

    task: Task
    config: SqueezeBertConfig
    tokenizer: SqueezeBertTokenizerFast
    max_length: int
    candidates: tuple[Candidate, ...]


def evaluate(options: EvaluateOptions) -> EvaluateResult:
    """Run every chosen artifact on the data and compare each with fp32.

    The baseline is the checkpoint in PyTorch where it takes part, else the fp32 artifact of the same runtime. Raises
    what reading bundle, checkpoint and data raises, and UsageError where nothing is left to run, or nothing to hold
    ``max_accuracy_drop`` against; `require_drop` is that gate.
    """
    with _open(options) as opened, torch_threads(options.threads):
        chosen.require_task(options, opened.task)
        subject = _with_null_threshold(opened, options.null_threshold)
        _require_baseline(options, subject.candidates)
        table = read_table(options.data, subject.task, limit=options.max_samples)
        columns = find_columns(table, subject.task, options.columns, labels=subject.config.labels)
        require_scores(table, columns)
        examples = dataset.examples(table, columns, subject.config)
        rule = _null_rule(options, subject.config, examples)
        features = _features(options, subject, table.name, examples)
        total = len(features) * len(subject.candidates)
        with progress_bar("evaluating", total, quiet=options.quiet) as advance:
            scored = [
                (each, _score(subject, each, examples, features, options, advance)) for each in subject.candidates
            ]
    return EvaluateResult(
        source=str(options.source),
        data=options.data,
        task=subject.task,
        examples=len(examples),
        metric=scored[0][1].metrics[0].name,
        tokens=int(np.median([feature.length for feature in features])),
        batch_size=options.batch_size,
        threads=options.threads,
        rows=compare(scored, resamples=options.resamples, seed=options.seed),
        null_rule=rule,
    )


def _with_null_threshold(subject: _Subject, asked: float | None) -> _Subject:
    return subject if asked is None else replace(subject, config=replace(subject.config, null_threshold=asked))


def _null_rule(options: EvaluateOptions, config: SqueezeBertConfig, examples: Sequence[Example]) -> NullRule | None:
    threshold = null_threshold(config, examples)
    if threshold is None:
        return None
    if options.null_threshold is not None:
        return NullRule(threshold, "option")
    return NullRule(threshold, "data" if config.null_threshold is None else "model")


def _features(options: EvaluateOptions, subject: _Subject, name: str, examples: Sequence[Example]) -> Sequence[Feature]:
    stride = window_stride(subject.max_length) if options.stride is None else options.stride
    features = encode(examples, subject.tokenizer, max_length=subject.max_length, stride=stride)
    if subject.task is not Task.FILL_MASK:
        return features
    hidden = [row for feature in features for row in hide_each(feature, subject.tokenizer.mask_token_id)]
    if not hidden:
        raise InputFileError(name, "holds no token to hide", fix="give texts that are not empty")
    return hidden


def _score(
    subject: _Subject,
    candidate: Candidate,
    examples: Sequence[Example],
    features: Sequence[Feature],
    options: EvaluateOptions,
    advance: Advance,
) -> Scored:
    return score(
        subject.task,
        subject.config,
        candidate.predict,
        examples,
        features,
        batch_size=options.batch_size,
        pad_token_id=subject.tokenizer.pad_token_id,
        advance=advance,
    )


def score(
    task: Task,
    config: SqueezeBertConfig,
    predict: Predict,
    examples: Sequence[Example],
    features: Sequence[Feature],
    *,
    batch_size: int = 1,
    pad_token_id: int = 0,
    advance: Advance = lambda _steps, _status: None,
) -> Scored:
    """The metrics of ``predict`` on encoded examples; a pure function of both but for the seconds."""
    observed: list[Float64] = [np.empty(0)] * len(features)
    seconds = np.zeros(len(features))
    found = observations(task, predict, features, batch_size=batch_size, pad_token_id=pad_token_id)
    for number, observation, duration in found:
        observed[number], seconds[number] = observation, duration
        advance(1, "")
    return Scored(metrics(task, config, examples, features, observed), seconds)


def compare(scored: Sequence[tuple[Candidate, Scored]], *, resamples: int, seed: int) -> tuple[Evaluated, ...]:
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
            milliseconds=float(np.median(own.seconds)) * 1000,
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


def _baseline(candidates: Sequence[Candidate], own: Candidate) -> int | None:
    """PyTorch for all others, else the fp32 artifact of the same runtime for its lower precisions."""
    for number, other in enumerate(candidates):
        same = other.runtime == own.runtime and other.precision == "fp32"
        if other is not own and (other.runtime == "torch" or (same and candidates[0].runtime != "torch")):
            return number
    return None


def _require_baseline(options: EvaluateOptions, candidates: Sequence[Candidate]) -> None:
    if options.max_accuracy_drop is None or any(_baseline(candidates, each) is not None for each in candidates):
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


@contextmanager
def _open(options: EvaluateOptions) -> Iterator[_Subject]:
    source = Path(options.source)
    if archive.is_bundle(source):
        with archive.opened(source) as opened, ExitStack() as sessions:
            yield _bundle_subject(opened, options, sessions)
    else:
        chosen.require_torch_alone(options)
        yield _checkpoint_subject(str(source), checkpoint.read(source, options), options.task, options.pooling)


def _bundle_subject(opened: bundle.Bundle, options: EvaluateOptions, sessions: ExitStack) -> _Subject:
    manifest = opened.manifest
    files = chosen.artifacts(options, opened)
    candidates: list[Candidate] = []
    if options.model is not None:
        loaded = checkpoint.read(options.model, options)
        chosen.require_same_model(loaded, opened, options.model)
        pooled = manifest.postprocessing.pooling
        mode = None if pooled is None else pooled.mode
        candidates += _checkpoint_subject(options.model, loaded, manifest.task, mode).candidates
    for artifact in files:
        session = sessions.enter_context(Session(opened.folder, artifact, threads=options.threads))
        candidates.append(Candidate(artifact.path, artifact.runtime, artifact.precision, session.answer))
    length = min(artifact.max_length for artifact in manifest.artifacts)
    config = replace(opened.config(), null_threshold=manifest.postprocessing.null_threshold)
    return _Subject(manifest.task, config, opened.tokenizer(), length, tuple(candidates))


def _checkpoint_subject(
    source: str, loaded: checkpoint.Checkpoint, asked: Task | None, mode: PoolingMode | None
) -> _Subject:
    task, pooling = chosen.task_of(source, loaded, asked, mode)
    model, tokenizer = checkpoint.load_model(loaded, task, pooling=pooling).model, loaded.tokenizer()
    length = min(loaded.config.max_position_embeddings, tokenizer.model_max_length)
    candidate = Candidate(source, "torch", "fp32", torch_predict(model))
    return _Subject(task, loaded.config, tokenizer, length, (candidate,))
