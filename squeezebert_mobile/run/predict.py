"""Answers for texts from a bundle alone: tokenize, run, post-process."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Self

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
from squeezebert_mobile.run.stream import BATCH, BLOCK, SMALL_BLOCK, Window, alike, answered, blocks
from squeezebert_mobile.tasks import POOLER_OUTPUT, SENTENCE_EMBEDDING, Task, window_stride
from squeezebert_mobile.tokenizer.tokenizer import Encoded

# Outputs by name for a batch.
Outputs = Mapping[str, Float32]
Run = Callable[[Batch], Outputs]

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
class _Encoded:
    """Samples that are answered together, the rows of each, and, of each, the call and the place of every answer.

    ``start`` is the number of the first among all.
    """

    start: int
    samples: Sequence[Sample]
    rows: Sequence[Encoded]
    places: Sequence[Sequence[tuple[int, int]]]


_Window = Window[_Encoded, Batch]


def depends_on_neighbours(artifact: Artifact) -> bool:
    """True where rows of one call change each other's answers: dynamic int8 has one range for all of them."""
    return artifact.runtime == "onnx" and artifact.precision == "int8"


class Predictor:
    """A bundle's artifact and tokenizer, ready for texts; use it as a context manager.

    ``artifact`` is the one that the bundle recommends, of ``runtime`` and ``precision`` where they are given.
    ``null_threshold`` replaces the manifest's; ``run`` replaces the ``workers`` processes that run the artifact
    otherwise. A ``batch_size`` counts rows of a call; None means as many as change no answer. Raises UsageError where
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
        self._size = 1 if run else batch_size or BATCH
        self._workers = 1 if run else workers
        self._closing = ExitStack()
        if run is None:
            at_once = 1 if batch_size is None and depends_on_neighbours(self.artifact) else None
            sessions = Sessions(bundle.folder, self.artifact, workers, threads=threads, at_once=at_once)
            run = self._closing.enter_context(sessions).answer
        self._run = run

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
        items = [(number, item) for number, own in enumerate(rows) for item in self._items(own)]
        groups = list(alike((item.input_ids.shape for _, item in items), self._size))
        calls = [self._checked(Batch.joined([items[number][1] for number in numbers])) for numbers in groups]
        at = {number: (call, place) for call, numbers in enumerate(groups) for place, number in enumerate(numbers)}
        places: list[list[tuple[int, int]]] = [[] for _ in samples]
        for number, (owner, _) in enumerate(items):
            places[owner].append(at[number])
        return Window(_Encoded(start, samples, rows, places), calls, None)

    def _encode(self, samples: Sequence[Sample]) -> list[Encoded]:
        """Each sample's rows of tokens: one for each option, and for each window of a context that is too long."""
        windows = self._manifest.task is Task.QUESTION_ANSWERING
        length = self.artifact.max_length
        encoded: dict[int, Encoded] = {}
        for paired in (False, True):
            numbers, texts, pairs = [], [], []
            for number, sample in enumerate(samples):
                first, second = self._texts(sample)
                if bool(second) is paired:
                    numbers += [number] * len(first)
                    texts += first
                    pairs += second
            if not numbers:
                continue
            rows = self._tokenizer.rows(
                texts,
                pairs or None,
                max_length=length,
                padding="longest",
                padding_side="right",
                truncation="only_second" if windows else True,
                stride=window_stride(length) if windows else 0,
                return_overflowing_tokens=windows,
            )
            owners = np.array(numbers)[rows.sample]
            own, starts = np.unique(owners, return_index=True)
            for number, first_row, end in zip(own, starts, [*starts[1:], len(owners)], strict=True):
                encoded[int(number)] = rows.part(int(first_row), int(end))
        return [encoded[number] for number in range(len(samples))]

    def _texts(self, sample: Sample) -> tuple[list[str], list[str]]:
        """The first and the second texts of a sample's rows."""
        if sample.options:
            return [sample.text] * len(sample.options), list(sample.options)
        if sample.text_pair is None:
            return [sample.text], []
        # Two texts to compare are not one pair.
        pooled = self._manifest.postprocessing.pooling is not None
        return ([sample.text, sample.text_pair], []) if pooled else ([sample.text], [sample.text_pair])

    def _items(self, rows: Encoded) -> list[Batch]:
        """What gets one answer each: the options of a choice together, every other row by itself and unpadded."""
        batch = rows.batch()
        if self._manifest.task is Task.MULTIPLE_CHOICE:
            return [batch.of_choices()]
        return [batch] if len(rows) == 1 else [batch.row(n) for n in range(len(rows))]

    def _checked(self, batch: Batch) -> Batch:
        batches.check(
            batch,
            rank=self._manifest.task.rank,
            vocab_size=self._config.vocab_size,
            type_vocab_size=self._config.type_vocab_size,
            max_length=self.artifact.max_length,
        )
        return batch

    def _ask(self, batch: Batch) -> list[Outputs]:
        """What is needed of the outputs of each item of a batch, without the batch's axis."""
        outputs = self._run(batch)
        match self._manifest.task:
            case Task.FILL_MASK:
                masks = batch.input_ids == self._tokenizer.mask_token_id
                return [{"logits": logits[own]} for logits, own in zip(outputs["logits"], masks, strict=True)]
            case Task.FEATURE_EXTRACTION:
                name = self._vector(outputs)
                return [{name: vector} for vector in outputs[name]]
        return [{name: values[n] for name, values in outputs.items()} for n in range(len(batch.input_ids))]

    def _finished(self, own: _Encoded, answers: Sequence[Sequence[Outputs]]) -> Iterator[Prediction]:
        for sample, rows, places in zip(own.samples, own.rows, own.places, strict=True):
            yield self._prediction(sample, rows, [answers[call][place] for call, place in places])

    def _prediction(self, sample: Sample, rows: Encoded, outputs: Sequence[Outputs]) -> Prediction:
        truncated = bool(rows.truncated.any()) and self._manifest.task is not Task.QUESTION_ANSWERING
        return Prediction(
            sample=sample,
            result=self._result(sample, rows, outputs),
            tokens=int(rows.attention_mask.sum()),
            unknown=int(rows.unknown.sum()),
            truncated=truncated,
            artifact=self.artifact.path,
            milliseconds=None,
        )

    def _result(self, sample: Sample, rows: Encoded, outputs: Sequence[Outputs]) -> Result:
        labels, values = self._manifest.labels, outputs[0]
        match self._manifest.postprocessing.kind:
            case "softmax":
                return postprocess.classify(values["logits"], labels)
            case "sigmoid":
                return postprocess.classify_multi(values["logits"], labels)
            case "regression":
                return postprocess.regress(values["logits"], labels)
            case "entity-spans":
                special = (rows.sequence_ids[0] != 0).astype(np.int64)
                continues = self._continues(rows, sample.text)
                return postprocess.entities(values["logits"], labels, rows.offsets[0], special, continues, sample.text)
            case "answer-span":
                windows = [
                    SpanLogits(each["start_logits"], each["end_logits"], offsets, texts == 1)
                    for each, offsets, texts in zip(outputs, rows.offsets, rows.sequence_ids, strict=True)
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

    def _require_tokens(self, sample: Sample, rows: Encoded) -> None:
        """Raise UsageError for a row without any token, and for a text without the mask that is to be filled."""
        if not rows.attention_mask.any(axis=1).all():
            raise UsageError("TEXT", "has no tokens, and this tokenizer adds none", fix="give a text with words")
        if self._manifest.task is not Task.FILL_MASK or self._tokenizer.mask_token_id in rows.input_ids[0]:
            return
        mask, text = self._tokenizer.settings.special_tokens["mask_token"], f"{sample.text} {sample.text_pair or ''}"
        if mask in text:
            limit, fix = f"within {counted(self.artifact.max_length, 'token')}", "shorten the text"
            raise UsageError("TEXT", f"has its {mask} where the text is cut off", expected=limit, fix=fix)
        # The names that other models have for it.
        found = next((name for name in ("[MASK]", "<mask>") if name in text), None)
        fix = f"write {mask} where the word is missing"
        raise UsageError("TEXT", f"has no {mask} to fill", found=found, expected=mask if found else None, fix=fix)

    def _vector(self, outputs: Outputs) -> str:
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
