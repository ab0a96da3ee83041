"""Every artifact of a bundle on labelled data: the task's metrics, how far they fall below fp32, and the time."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from squeezebert_mobile import __version__
from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle import folder as bundle
from squeezebert_mobile.checkpoint.described import describe
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.console import progress_bar, to_json
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.parts import Shard
from squeezebert_mobile.run.output import Written, digest_of, fill
from squeezebert_mobile.run.predict import depends_on_neighbours
from squeezebert_mobile.run.session import Ran, Sessions
from squeezebert_mobile.run.stream import BLOCK, CALL, SMALL_BLOCK, Window, alike, answered, blocks, packed
from squeezebert_mobile.tables.columns import find_columns, require_scores
from squeezebert_mobile.tables.files import open_table
from squeezebert_mobile.tasks import SENTENCE_EMBEDDING, PoolingMode, Task, window_stride
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training import chosen
from squeezebert_mobile.training import data as dataset
from squeezebert_mobile.training.comparison import About, EvaluateResult, Line, Named, Scored, require_baseline
from squeezebert_mobile.training.data import Digested, Example
from squeezebert_mobile.training.features import Feature, collate, encode, hide_each
from squeezebert_mobile.training.metrics import Float64, Measure, metrics, observe, of_examples, statistics
from squeezebert_mobile.training.options import EvaluateOptions

# PyTorch takes seconds to import, and bundles are evaluated without it.
if TYPE_CHECKING:
    from squeezebert_mobile.model import PreTrained

# A model's call: a batch to its outputs by name, such as logits [N, labels].
Predict = Callable[[Batch], Mapping[str, Float32]]


def observations(
    task: Task, predict: Predict, features: Sequence[Feature], *, batch_size: int, pad_token_id: int
) -> Iterator[tuple[int, Float64, float]]:
    """For every feature its number, its observation and its share of the call's seconds, in order of length."""
    order = np.argsort([feature.length for feature in features], kind="stable")
    for first in range(0, len(order), batch_size):
        numbers = order[first : first + batch_size].tolist()
        own = [features[n] for n in numbers]
        batch = _inputs(task, own, pad_token_id)
        started = perf_counter()
        outputs = predict(batch)
        seconds = (perf_counter() - started) / len(numbers)
        yield from zip(numbers, _observed(task, own, outputs), repeat(seconds))


def _inputs(task: Task, features: Sequence[Feature], pad_token_id: int) -> Batch:
    """What a model is given for features; the texts that are compared are rows of their own."""
    inputs = collate(features, pad_token_id).inputs
    return inputs.of_rows() if task is Task.FEATURE_EXTRACTION else inputs


def _observed(task: Task, features: Sequence[Feature], outputs: Mapping[str, Float32]) -> Iterator[Float64]:
    """The observation of each feature."""
    if task is Task.FEATURE_EXTRACTION:
        vectors = outputs[SENTENCE_EMBEDDING]
        outputs = {SENTENCE_EMBEDDING: vectors.reshape(len(features), -1, vectors.shape[-1])}
    for row, feature in enumerate(features):
        own = {name: _unpadded(value[row], task, feature) for name, value in outputs.items()}
        yield observe(task, feature, own)


def _unpadded(value: Float32, task: Task, feature: Feature) -> Float32:
    """Outputs of tokens and of choices without those of the padding."""
    if task is Task.MULTIPLE_CHOICE:
        return value[: len(feature.input_ids)]
    return value if task.reads_first_token_only or task is Task.FEATURE_EXTRACTION else value[: feature.length]


def torch_predict(model: "PreTrained") -> Predict:
    """The call that runtimes have, for a model in eval mode on its own device."""
    from squeezebert_mobile.model import run_module

    model.eval()
    return lambda batch: run_module(model, batch, model.output_names)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """PyTorch on ``count`` threads, so that its time stands beside that of a runtime with as many."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Candidate(Named):
    """Something that answers batches, and says how long it took for each."""

    answer: Callable[[Sequence[Batch]], Sequence[Ran]]


def score(
    measure: Measure,
    predict: Predict,
    examples: Sequence[Example],
    features: Sequence[Feature],
    *,
    batch_size: int = 1,
    pad_token_id: int = 0,
) -> Scored:
    """The metrics of ``predict`` on encoded examples; a pure function of both but for the seconds of each feature."""
    observed: list[Float64] = [np.empty(0)] * len(features)
    seconds = np.zeros(len(features))
    found = observations(measure.task, predict, features, batch_size=batch_size, pad_token_id=pad_token_id)
    for number, observation, duration in found:
        observed[number], seconds[number] = observation, duration
    return Scored(metrics(measure, of_examples(measure, examples, features, observed)), seconds)


@dataclass(frozen=True)
class _Call:
    """Groups of features of one shape for one of the candidates."""

    candidate: int
    groups: Sequence[Sequence[Feature]]


@dataclass(frozen=True)
class _Encoded:
    """Examples that are answered together, their features, and the order in which a candidate's calls have these.

    ``start`` is the number of the first among all.
    """

    start: int
    examples: Sequence[Example]
    features: Sequence[Feature]
    order: Sequence[int]


@dataclass(frozen=True)
class _Subject:
    """What is evaluated: candidates with what they have in common; ``digests`` are of the files behind them."""

    measure: Measure
    config: SqueezeBertConfig
    tokenizer: SqueezeBertTokenizerFast
    max_length: int
    candidates: tuple[Candidate, ...]
    digests: tuple[str, ...]

    @property
    def task(self) -> Task:
        """The task of them all."""
        return self.measure.task

    def examples(self, options: EvaluateOptions) -> Digested:
        """The rows of the data, read as they are taken."""
        table = open_table(options.data, self.task, limit=options.max_samples)
        columns = find_columns(table, self.task, options.columns, labels=self.config.labels)
        require_scores(table, columns)
        return Digested(dataset.stream(table, columns, self.config))

    def about(self, options: EvaluateOptions) -> About:
        """What the lines are of."""
        return About(
            source=str(options.source),
            data=options.data,
            measure=self.measure,
            is_asked=options.null_threshold is not None,
            candidates=tuple(Named(each.name, each.runtime, each.precision) for each in self.candidates),
            batch_size=options.batch_size,
            threads=options.threads,
            resamples=options.resamples,
            seed=options.seed,
        )

    def lines(self, options: EvaluateOptions, examples: Iterator[Example], done: int = 0) -> Iterator[Line]:
        """What is kept of each example, in order, but of the first ``done``."""
        largest = SMALL_BLOCK if self.task in (Task.FILL_MASK, Task.QUESTION_ANSWERING) else BLOCK
        found = blocks(examples, largest, lambda example: sum(map(len, example.texts)), done)
        windows = (self._window(options, *block) for block in found)
        with closing(answered(windows, self._ask, options.workers)) as answers:
            for own, observed in answers:
                yield from islice(self._lines(own, observed), max(0, done - own.start), None)

    def _window(
        self, options: EvaluateOptions, start: int, examples: Sequence[Example], fault: Exception | None
    ) -> Window[_Encoded, _Call]:
        stride = window_stride(self.max_length) if options.stride is None else options.stride
        features = encode(examples, self.tokenizer, max_length=self.max_length, stride=stride)
        if self.task is Task.FILL_MASK:
            features = [row for feature in features for row in hide_each(feature, self.tokenizer.mask_token_id)]
        # What a masked language model says of a row is as large as a whole vocabulary for each of its tokens.
        size = options.batch_size or (1 if self.task is Task.FILL_MASK else None)
        groups = alike(((feature.input_ids.shape, False) for feature in features), size)
        packs = list(packed(groups, 1 if self.task is Task.FILL_MASK else CALL))
        calls = [
            _Call(number, [[features[n] for n in group] for group in pack])
            for number in range(len(self.candidates))
            for pack in packs
        ]
        order = [number for pack in packs for group in pack for number in group]
        return Window(_Encoded(start, examples, features, order), calls, fault)

    def _ask(self, call: _Call) -> list[tuple[Float64, float]]:
        """The observation of each feature, and its share of the seconds."""
        batches = [_inputs(self.task, group, self.tokenizer.pad_token_id) for group in call.groups]
        return [
            (observation, ran.seconds / len(group))
            for group, ran in zip(call.groups, self.candidates[call.candidate].answer(batches), strict=True)
            for observation in _observed(self.task, group, ran.outputs)
        ]

    def _lines(self, own: _Encoded, answers: Sequence[list[tuple[Float64, float]]]) -> Iterator[Line]:
        features: list[list[int]] = [[] for _ in own.examples]
        for number, feature in enumerate(own.features):
            features[feature.example].append(number)
        every = chain.from_iterable(answers)
        observed = [dict(zip(own.order, islice(every, len(own.order)), strict=True)) for _ in self.candidates]
        for example, numbers in zip(own.examples, features, strict=True):
            rows = [own.features[n] for n in numbers]
            yield Line(
                tokens=max((row.length for row in rows), default=0),
                milliseconds=tuple(1000 * sum(each[n][1] for n in numbers) / max(1, len(rows)) for each in observed),
                statistics=tuple(
                    self._statistics(candidate, example, rows, [each[n][0] for n in numbers])
                    for candidate, each in zip(self.candidates, observed, strict=True)
                ),
            )

    def _statistics(
        self, candidate: Named, example: Example, rows: Sequence[Feature], observed: Sequence[Float64]
    ) -> tuple[float | None, ...]:
        values = statistics(self.measure, example, rows, observed).tolist()
        if any(map(math.isnan, values)):
            raise InputFileError(candidate.name, "answers with what is no number", fix="export or train it again")
        return tuple(None if math.isinf(value) else value for value in values)


def evaluate(options: EvaluateOptions) -> EvaluateResult:
    """Run every chosen artifact on the data and compare each with fp32.

    The baseline is the checkpoint in PyTorch where it takes part, else the fp32 artifact of the same runtime. Raises
    what reading bundle, checkpoint and data raises, and UsageError where nothing is left to run, or nothing to hold
    ``max_accuracy_drop`` against; `comparison.require_drop` is that gate.
    """
    with _open(options) as subject, progress_bar("evaluating", None, quiet=options.quiet) as advance:
        require_baseline(options.max_accuracy_drop, subject.candidates)
        examples = subject.examples(options)

        def lines() -> Iterator[Line]:
            for line in subject.lines(options, iter(examples)):
                yield line
                advance(1, "")

        return subject.about(options).result(lines(), examples.hexdigest)


def write(options: EvaluateOptions, shard: Shard) -> Written:
    """Keep the lines of a share of the rows in a file. Raises as `evaluate`, and as `parts.opened`."""
    assert options.output is not None
    with _open(options) as subject:
        examples = subject.examples(options)
        about = {
            "command": "evaluate",
            "squeezebert_mobile": __version__,
            "models": subject.digests,
            "file": digest_of(options.data),
            "columns": options.columns,
            "max_samples": options.max_samples,
            "stride": options.stride,
            "about": subject.about(options),
        }
        return fill(
            options.output,
            shard,
            json.loads(to_json(about)),
            examples,
            lambda done: map(to_json, subject.lines(options, shard.of(examples), done)),
            resume=options.resume,
            force=options.force,
        )


@contextmanager
def _open(options: EvaluateOptions) -> Iterator[_Subject]:
    source = Path(options.source)
    with ExitStack() as opening:
        if archive.is_bundle(source):
            subject = _bundle_subject(opening.enter_context(archive.opened(source)), options, opening)
        else:
            chosen.require_torch_alone(options)
            subject = _checkpoint_subject(str(source), options, options.task, options.pooling, opening)
        chosen.require_task(options, subject.task)
        if options.null_threshold is not None:
            subject = replace(subject, measure=replace(subject.measure, null_threshold=options.null_threshold))
        yield subject


def _bundle_subject(opened: bundle.Bundle, options: EvaluateOptions, opening: ExitStack) -> _Subject:
    manifest = opened.manifest
    files = chosen.artifacts(options, opened)
    candidates: list[Candidate] = []
    digests = [opened.digest]
    if options.model is not None:
        chosen.require_same_model(describe(options.model, options), opened, options.model)
        pooled = manifest.postprocessing.pooling
        mode = None if pooled is None else pooled.mode
        beside = _checkpoint_subject(options.model, options, manifest.task, mode, opening)
        candidates += beside.candidates
        digests += beside.digests
    for artifact in files:
        at_once = 1 if options.batch_size is None and depends_on_neighbours(artifact) else None
        sessions = Sessions(opened.folder, artifact, options.workers, threads=options.threads, at_once=at_once)
        answer = opening.enter_context(sessions).answer
        candidates.append(Candidate(artifact.path, artifact.runtime, artifact.precision, answer))
    length = min(artifact.max_length for artifact in manifest.artifacts)
    config = replace(opened.config(), null_threshold=manifest.postprocessing.null_threshold)
    measure = Measure.of(manifest.task, config, "sigmoid" if manifest.postprocessing.kind == "sigmoid" else None)
    return _Subject(measure, config, opened.tokenizer(), length, tuple(candidates), tuple(digests))


def _checkpoint_subject(
    source: str, options: EvaluateOptions, asked: Task | None, mode: PoolingMode | None, opening: ExitStack
) -> _Subject:
    from squeezebert_mobile.checkpoint import load as checkpoint

    opening.enter_context(torch_threads(options.threads))
    loaded = checkpoint.read(source, options)
    task, pooling = chosen.task_of(source, loaded, asked, mode)
    model, tokenizer = checkpoint.load_model(loaded, task, pooling=pooling).model, loaded.tokenizer()
    length = min(loaded.config.max_position_embeddings, tokenizer.model_max_length)
    predict = torch_predict(model)
    candidate = Candidate(source, "torch", "fp32", partial(_answer, predict, options.batch_size))
    scores = task is Task.TEXT_CLASSIFICATION and loaded.config.num_labels == 1
    measure = Measure.of(task, loaded.config, loaded.declared.activation() if scores else None)
    return _Subject(measure, loaded.config, tokenizer, length, (candidate,), (loaded.source.digest,))


def _answer(predict: Predict, size: int | None, batches: Sequence[Batch]) -> list[Ran]:
    """Row by row without a ``size``: in PyTorch the number of rows decides how sums are rounded."""
    found = []
    for batch in batches:
        started = perf_counter()
        rows = [predict(part) for part in batch.parts(size or 1)]
        outputs = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        found.append(Ran(outputs, perf_counter() - started))
    return found
