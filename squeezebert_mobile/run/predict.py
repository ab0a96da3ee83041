"""Answers for texts from a bundle alone: tokenize, run, post-process."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, count, islice
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile import batch as batches
from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact, Manifest
from squeezebert_mobile.errors import UnsupportedModelError, UsageError, counted
from squeezebert_mobile.parts import Shard
from squeezebert_mobile.run import postprocess
from squeezebert_mobile.run.options import PredictOptions
from squeezebert_mobile.run.postprocess import Result, SpanLogits
from squeezebert_mobile.run.session import Sessions
from squeezebert_mobile.run.stream import BLOCK, CALL, MASKED, SMALL_BLOCK, Window, alike, answered, blocks, packed
from squeezebert_mobile.tasks import POOLER_OUTPUT, SENTENCE_EMBEDDING, Task, window_stride
from squeezebert_mobile.tokenizer.many import Rows, Texts, encode_each
from squeezebert_mobile.tokenizer.tokenizer import Encoded

# Outputs by name for a batch.
Outputs = Mapping[str, Float32]
Run = Callable[[Batch], Outputs]
# What is made of one item's outputs, by name.
_Values = Mapping[str, NDArray[Any]]

_ALL = Shard()


@dataclass(frozen=True)
class Sample:
    """A text, its second text where the task has one, and the options of a multiple choice."""

    text: str
    text_pair: str | None = None
    options: tuple[str, ...] = ()


# What reads samples, which depends on the bundle's task and labels.
Samples = Callable[[Manifest], Iterable[Sample]]


@dataclass(frozen=True)
class Prediction:
    """What the model says of one sample, and what a user should know of how it was read.

    ``artifact`` is the path of the file that answered, in ``milliseconds`` from text to result, None where others were
    answered beside it and for Core AI, whose runtime here says nothing of a device.
    """

    sample: Sample
    result: Result
    tokens: int
    unknown: int
    truncated: bool
    artifact: str
    milliseconds: float | None = field(compare=False)


@dataclass(frozen=True)
class _Item:
    """What gets one answer: a row of ``encoded``, or those of a choice's options, ``width`` tokens wide."""

    encoded: Encoded
    is_pair: bool
    rows: tuple[int, ...]
    width: int

    @property
    def kind(self) -> tuple[tuple[int, ...], bool]:
        """Its shape, and of what it is: the same for what may go into one call."""
        return (len(self.rows), self.width), self.is_pair


@dataclass(frozen=True)
class _Encoded:
    """Samples that are answered together, the rows of each, and, of each, the call and the place of every answer.

    ``start`` is the number of the first among all.
    """

    start: int
    samples: Sequence[Sample]
    rows: Sequence[Rows]
    places: Sequence[Sequence[tuple[int, int]]]


# Batches that are sent together.
_Call = list[Batch]
_Window = Window[_Encoded, _Call]


def depends_on_neighbours(artifact: Artifact) -> bool:
    """True where rows of one call change each other's answers: dynamic int8 has one range for all of them."""
    return artifact.runtime == "onnx" and artifact.precision == "int8"


class Predictor:
    """A bundle's artifact and tokenizer, ready for texts; use it as a context manager.

    ``artifact`` is the one that the bundle recommends, of ``runtime`` and ``precision`` where they are given.
    ``null_threshold`` replaces the manifest's; ``run`` replaces the ``workers`` processes that run the artifact
    otherwise. A ``batch_size`` counts rows of a call; None means those that change no answer. Raises UsageError where
    the bundle lacks the artifact, or a sample does not fit the task.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        runtime: str | None = None,
        precision: str | None = None,
        threads: int = PredictOptions.threads,
        top_k: int = PredictOptions.top_k,
        null_threshold: float | None = PredictOptions.null_threshold,
        batch_size: int | None = PredictOptions.batch_size,
        workers: int = PredictOptions.workers,
        run: Run | None = None,
    ) -> None:
        _require_bundle(bundle)
        self._manifest = bundle.manifest
        require_question_answering(bundle.manifest.task, null_threshold)
        declared = bundle.manifest.postprocessing.null_threshold
        self._null_threshold = declared if null_threshold is None else null_threshold
        self.artifact = bundle.recommended(runtime, precision)
        self._config = bundle.config()
        self._tokenizer = bundle.tokenizer()
        self._top_k = top_k
        # A function that is given answers one row a call, as the bundle recommends.
        self._size = 1 if run else batch_size or (MASKED if self._manifest.task is Task.FILL_MASK else None)
        self._workers = 1 if run else workers
        self._closing = ExitStack()
        self._run = run
        if run is None:
            at_once = 1 if batch_size is None and depends_on_neighbours(self.artifact) else None
            sessions = Sessions(bundle.folder, self.artifact, workers, threads=threads, at_once=at_once)
            self._sessions = self._closing.enter_context(sessions)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def __call__(self, sample: Sample) -> Prediction:
        """The answer for one sample, and how long it took."""
        started = perf_counter()
        _require_fitting(self._manifest.task, sample)
        window = self._window([sample])
        if window.fault is not None:
            raise window.fault
        (found,) = self._finished(window.own, [self._ask(call) for call in window.calls])
        # Core AI's runtime here answers right, and as slowly as no device does.
        timed = self.artifact.runtime != "coreai"
        return replace(found, milliseconds=1000 * (perf_counter() - started) if timed else None)

    def stream(
        self, samples: Iterable[Sample], row_of: Callable[[int], int] = _ALL.row, done: int = 0
    ) -> Iterator[Prediction]:
        """The answers for samples in their order, while later ones are still read; the memory does not grow with them.

        The first ``done`` are left out, and the others are answered in the company that they would have had. Raises
        UsageError, with what ``row_of`` makes of the sample's index, for one that does not fit the task, after the
        answers before it.
        """
        largest = SMALL_BLOCK if self._manifest.task is Task.FILL_MASK else BLOCK
        with closing(answered(self._windows(samples, row_of, largest, done), self._ask, self._workers)) as found:
            for own, outputs in found:
                yield from islice(self._finished(own, outputs), max(0, done - own.start), None)

    def _windows(
        self, samples: Iterable[Sample], row_of: Callable[[int], int], largest: int, done: int
    ) -> Iterator[_Window]:
        """Samples in windows; none after one with a fault."""
        for start, found, fault in blocks(map(self._fitting, samples), largest, _characters, done):
            window = self._window(found, start)
            wrong = window.fault or fault
            row = row_of(start + len(window.own.samples))
            yield replace(window, fault=None if wrong is None else _counted(wrong, row))
            if wrong is not None:
                return

    def _fitting(self, sample: Sample) -> Sample:
        _require_fitting(self._manifest.task, sample)
        return sample

    def _window(self, samples: Sequence[Sample], start: int = 0) -> _Window:
        """The samples up to the first that has nothing to ask the model, with their calls."""
        rows = self._encode(samples)
        for number, (sample, own) in enumerate(zip(samples, rows, strict=True)):
            try:
                self._require_tokens(sample, own)
            except UsageError as error:
                return replace(self._window(samples[:number], start), fault=error)
        items = [self._items(own) for own in rows]
        every = list(chain.from_iterable(items))
        groups = alike((item.kind for item in every), self._size)
        packs = list(packed(groups, MASKED if self._manifest.task is Task.FILL_MASK else CALL))
        calls = [[self._batch([every[number] for number in numbers]) for numbers in pack] for pack in packs]
        at = {n: (call, place) for call, pack in enumerate(packs) for place, n in enumerate(chain.from_iterable(pack))}
        counter = count()
        places = [[at[next(counter)] for _ in own] for own in items]
        return Window(_Encoded(start, samples, rows, places), calls, None)

    def _encode(self, samples: Sequence[Sample]) -> list[Rows]:
        """Each sample's rows of tokens: one for each option, and for each window of a context that is too long."""
        windows = self._manifest.task is Task.QUESTION_ANSWERING
        length = self.artifact.max_length
        return encode_each(
            self._tokenizer,
            [self._texts(sample) for sample in samples],
            max_length=length,
            truncation="only_second" if windows else True,
            stride=window_stride(length) if windows else 0,
        )

    def _texts(self, sample: Sample) -> Texts:
        """The first and the second texts of a sample's rows."""
        if sample.options:
            return [sample.text] * len(sample.options), list(sample.options)
        if sample.text_pair is None:
            return [sample.text], []
        # Two texts to compare are not one pair.
        pooled = self._manifest.postprocessing.pooling is not None
        return ([sample.text, sample.text_pair], []) if pooled else ([sample.text], [sample.text_pair])

    def _items(self, rows: Rows) -> list[_Item]:
        """The options of a choice together, every other row by itself and unpadded."""
        places = range(rows.first, rows.first + len(rows.lengths))
        if self._manifest.task is Task.MULTIPLE_CHOICE:
            return [_Item(rows.encoded, rows.is_pair, tuple(places), max(rows.lengths))]
        lengths = zip(places, rows.lengths, strict=True)
        return [_Item(rows.encoded, rows.is_pair, (place,), length) for place, length in lengths]

    def _batch(self, items: Sequence[_Item]) -> Batch:
        """Items of one shape."""
        rows = np.array([item.rows for item in items])
        chosen = rows if self._manifest.task.rank > 2 else rows[:, 0]
        arrays = items[0].encoded.batch().arrays().values()
        batch = Batch(*(array[chosen, ..., : items[0].width] for array in arrays))
        batches.check(
            batch,
            rank=self._manifest.task.rank,
            vocab_size=self._config.vocab_size,
            type_vocab_size=self._config.type_vocab_size,
            max_length=self.artifact.max_length,
        )
        return batch

    def _ask(self, call: _Call) -> list[_Values]:
        """What is needed of the outputs of each item of a call's batches, without the batch's axis."""
        run = self._run
        every = [ran.outputs for ran in self._sessions.answer(call)] if run is None else list(map(run, call))
        return [own for batch, outputs in zip(call, every, strict=True) for own in self._needed(batch, outputs)]

    def _needed(self, batch: Batch, outputs: _Values) -> list[_Values]:
        match self._manifest.postprocessing.kind:
            case "softmax":
                outputs = {"scores": postprocess.softmax(outputs["logits"])}
            case "sigmoid":
                outputs = {"scores": postprocess.sigmoid(outputs["logits"])}
            case "mask-fillings":
                masks = batch.input_ids == self._tokenizer.mask_token_id
                return [{"logits": logits[own]} for logits, own in zip(outputs["logits"], masks, strict=True)]
            case "none":
                name = self._vector(outputs)
                outputs = {name: outputs[name]}
        return [{name: values[n] for name, values in outputs.items()} for n in range(len(batch.input_ids))]

    def _finished(self, own: _Encoded, answers: Sequence[Sequence[_Values]]) -> Iterator[Prediction]:
        for sample, rows, places in zip(own.samples, own.rows, own.places, strict=True):
            yield self._prediction(sample, rows, [answers[call][place] for call, place in places])

    def _prediction(self, sample: Sample, rows: Rows, outputs: Sequence[_Values]) -> Prediction:
        return Prediction(
            sample=sample,
            result=self._result(sample, rows, outputs),
            tokens=sum(rows.lengths),
            unknown=rows.unknown,
            truncated=rows.truncated and self._manifest.task is not Task.QUESTION_ANSWERING,
            artifact=self.artifact.path,
            milliseconds=None,
        )

    def _result(self, sample: Sample, rows: Rows, outputs: Sequence[_Values]) -> Result:
        labels, values = self._manifest.labels, outputs[0]
        match self._manifest.postprocessing.kind:
            case "softmax" | "sigmoid":
                return postprocess.rank_labels(values["scores"], labels)
            case "regression":
                return postprocess.regress(values["logits"], labels)
            case "entity-spans":
                own = rows.alone()
                special = (own.sequence_ids[0] != 0).astype(np.int64)
                continues = self._continues(own, sample.text)
                return postprocess.entities(values["logits"], labels, own.offsets[0], special, continues, sample.text)
            case "answer-span":
                own = rows.alone()
                windows = [
                    SpanLogits(each["start_logits"], each["end_logits"], offsets, texts == 1)
                    for each, offsets, texts in zip(outputs, own.offsets, own.sequence_ids, strict=True)
                ]
                return postprocess.answer(windows, sample.text_pair or "", self._null_threshold)
            case "mask-fillings":
                return tuple(postprocess.fill_mask(each, self._tokens, self._top_k) for each in values["logits"])
            case "choice":
                return postprocess.choose(values["logits"])
            case "none":
                vectors = [vector for each in outputs for vector in each.values()]
                return postprocess.embed(*vectors) if len(vectors) == 1 else postprocess.compare(*vectors)

    @cached_property
    def _tokens(self) -> list[str]:
        """Every token by its id."""
        return self._tokenizer.convert_ids_to_tokens(range(len(self._tokenizer)))

    def _continues(self, rows: Encoded, text: str) -> NDArray[np.bool_]:
        """Which tokens of the first row go on with a word; an added token never does, whatever it begins with."""
        tokens = self._tokenizer.convert_ids_to_tokens(rows.input_ids[0])
        pairs = zip(tokens, rows.offsets[0], strict=True)
        return np.array([token.startswith("##") and "##" not in text[start:end] for token, (start, end) in pairs])

    def _require_tokens(self, sample: Sample, rows: Rows) -> None:
        """Raise UsageError for a row without any token, and for a text without the mask that is to be filled."""
        if not all(rows.lengths):
            raise UsageError("TEXT", "has no tokens, and this tokenizer adds none", fix="give a text with words")
        if self._manifest.task is not Task.FILL_MASK:
            return
        if self._tokenizer.mask_token_id in rows.encoded.input_ids[rows.first]:
            return
        mask, text = self._tokenizer.settings.special_tokens["mask_token"], f"{sample.text} {sample.text_pair or ''}"
        if mask in text:
            limit, fix = f"within {counted(self.artifact.max_length, 'token')}", "shorten the text"
            raise UsageError("TEXT", f"has its {mask} where the text is cut off", expected=limit, fix=fix)
        # The names that other models have for it.
        found = next((name for name in ("[MASK]", "<mask>") if name in text), None)
        fix = f"write {mask} where the word is missing"
        raise UsageError("TEXT", f"has no {mask} to fill", found=found, expected=mask if found else None, fix=fix)

    def _vector(self, outputs: _Values) -> str:
        """The name of a text's vector: the pooler's where no pooling is declared."""
        name = POOLER_OUTPUT if self._manifest.postprocessing.pooling is None else SENTENCE_EMBEDDING
        if name not in outputs:
            what = "has no pooler and no pooling: no output is the vector of a text"
            fix = "export again with --pooling mean"
            raise UnsupportedModelError(self.artifact.path, what, found=", ".join(outputs), fix=fix)
        return name


def _require_bundle(bundle: object) -> None:
    """Raise UsageError for a path, which `load` takes."""
    if not isinstance(bundle, Bundle):
        fix = "call squeezebert_mobile.load with the path"
        raise UsageError("Predictor", "takes a Bundle that was read", found=repr(bundle)[:60], fix=fix)


def require_question_answering(task: Task, null_threshold: float | None) -> None:
    """Raise UsageError for a threshold of "no answer" where nothing is asked."""
    if null_threshold is not None and task is not Task.QUESTION_ANSWERING:
        raise UsageError("--null-threshold", "is for question answering", found=str(task), fix="leave it out")


def _require_fitting(task: Task, sample: Sample) -> None:
    if task is Task.QUESTION_ANSWERING and sample.text_pair is None:
        raise UsageError("TEXT_PAIR", "is missing", fix="give the question, then the context")
    if task is Task.MULTIPLE_CHOICE and len(sample.options) < 2:
        raise UsageError("--option", "needs two or more", found=len(sample.options), fix="repeat --option")
    if task is not Task.MULTIPLE_CHOICE and sample.options:
        raise UsageError("--option", "is for multiple choice", found=str(task), fix="leave it out")
    if task is Task.MULTIPLE_CHOICE and sample.text_pair is not None:
        raise UsageError("TEXT_PAIR", "has no place beside options", fix="give the text and its --option values")


def _characters(sample: Sample) -> int:
    return len(sample.text) + len(sample.text_pair or "") + sum(map(len, sample.options))


def _counted(error: Exception, number: int) -> Exception:
    """The same error of one sample among many."""
    if not isinstance(error, UsageError):
        return error
    where = f"{error.file} {number}"
    return UsageError(where, error.what, found=error.found, expected=error.expected, fix=error.fix)


def predict(
    source: Path,
    samples: Iterable[Sample] | Samples,
    *,
    runtime: str | None = None,
    precision: str | None = None,
    threads: int = PredictOptions.threads,
    top_k: int = PredictOptions.top_k,
    null_threshold: float | None = PredictOptions.null_threshold,
    batch_size: int | None = PredictOptions.batch_size,
    workers: int = PredictOptions.workers,
    shard: Shard | None = None,
) -> Iterator[Prediction]:
    """Predictions for samples, in order, from a bundle's folder or archive, which is verified first.

    Without ``runtime`` and ``precision`` the bundle's recommended artifact answers. A sequence is answered text by
    text, with the time of each; anything else, and a ``shard`` of the samples, by `Predictor.stream`.
    """
    with (
        archive.opened(source) as bundle,
        Predictor(
            bundle,
            runtime=runtime,
            precision=precision,
            threads=threads,
            top_k=top_k,
            null_threshold=null_threshold,
            batch_size=batch_size,
            workers=workers,
        ) as predictor,
    ):
        many = samples(bundle.manifest) if callable(samples) else samples
        if isinstance(many, Sequence) and shard is None:
            yield from map(predictor, many)
        else:
            share = shard or _ALL
            yield from predictor.stream(share.of(many), share.row)
