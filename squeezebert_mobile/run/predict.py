"""Answers for texts from a bundle alone: tokenize, run, post-process."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from squeezebert_mobile import batch as batches
from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.run import postprocess
from squeezebert_mobile.run.options import PredictOptions
from squeezebert_mobile.run.postprocess import Answer, Choice, Entity, LabelScore, Window
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.tasks import Task, window_stride
from squeezebert_mobile.tokenizer.tokenizer import Encoded


@dataclass(frozen=True)
class Sample:
    """A text, its second text where the task has one, and the options of a multiple choice."""

    text: str
    text_pair: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class MaskFilling:
    """A piece for one mask: its text, its id and its probability."""

    token: str
    token_id: int
    score: float


@dataclass(frozen=True)
class Embedding:
    """The pooled vector of a text, [C]."""

    vector: tuple[float, ...]


Result = tuple[LabelScore, ...] | tuple[Entity, ...] | Answer | tuple[tuple[MaskFilling, ...], ...] | Choice | Embedding


@dataclass(frozen=True)
class Prediction:
    """What the model says of one sample, and what a user should know of how it was read."""

    sample: Sample
    result: Result
    tokens: int
    unknown: int
    truncated: bool


class Runner(Protocol):
    """Where the model runs: a `Session`, or an engine in this process for those who measure it."""

    def run(self, batch: Batch) -> dict[str, Float32]:
        """Outputs by name."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


class Predictor:
    """A bundle's artifact and tokenizer, ready for texts; use it as a context manager.

    ``runner`` replaces the child process that runs the artifact otherwise.
    Raises UsageError where the bundle lacks the artifact, or a sample does not fit the task.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        runtime: str | None = None,
        precision: str | None = None,
        threads: int = PredictOptions.threads,
        top_k: int = PredictOptions.top_k,
        runner: Runner | None = None,
    ) -> None:
        self._manifest = bundle.manifest
        self._artifact = bundle.artifact(runtime, precision)
        self._config = bundle.config()
        self._tokenizer = bundle.tokenizer()
        self._top_k = top_k
        self._pieces = self._tokenizer.convert_ids_to_tokens(range(self._tokenizer.vocab_size))
        self._continues = np.array([piece.startswith("##") for piece in self._pieces])
        self._session: Runner = runner or Session(bundle.folder, self._artifact, threads=threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def __call__(self, sample: Sample) -> Prediction:
        """The answer for one sample, computed as the bundle recommends: alone and without padding."""
        self._require_fitting(sample)
        rows = self._encode(sample)
        result = self._result(sample, rows, [self.run(batch) for batch in self._calls(rows)])
        tokens = int(rows.attention_mask.sum())
        truncated = bool(rows.truncated.any()) and not self._windowed
        return Prediction(sample, result, tokens, int(rows.unknown.sum()), truncated)

    def run(self, batch: Batch) -> dict[str, Float32]:
        """Raw outputs by name. Raises UsageError for arrays that the model does not take."""
        batches.check(
            batch,
            rank=self._manifest.task.rank,
            vocab_size=self._config.vocab_size,
            type_vocab_size=self._config.type_vocab_size,
            max_length=self._artifact.max_length,
        )
        return self._session.run(batch)

    def _calls(self, rows: Encoded) -> list[Batch]:
        """Every window alone and unpadded; the options of a choice in one call, which is the model's input."""
        batch = rows.batch()
        if self._manifest.task is Task.MULTIPLE_CHOICE:
            return [batch.of_choices()]
        return [batch.row(n) for n in range(len(rows))]

    @property
    def _windowed(self) -> bool:
        return self._manifest.task is Task.QUESTION_ANSWERING

    def _require_fitting(self, sample: Sample) -> None:
        task = self._manifest.task
        if task is Task.QUESTION_ANSWERING and sample.text_pair is None:
            raise UsageError("TEXT_PAIR", "is missing", fix="give the question, then the context")
        if task is Task.MULTIPLE_CHOICE and len(sample.options) < 2:
            raise UsageError("--option", "needs two or more", found=len(sample.options), fix="repeat --option")
        if task is not Task.MULTIPLE_CHOICE and sample.options:
            raise UsageError("--option", "is for multiple choice", found=str(task), fix="leave it out")
        if task is Task.MULTIPLE_CHOICE and sample.text_pair is not None:
            raise UsageError("TEXT_PAIR", "has no place beside options", fix="give the text and its --option values")
        if task is Task.FILL_MASK and "[MASK]" not in sample.text + (sample.text_pair or ""):
            raise UsageError("TEXT", "has no [MASK] to fill", fix="write [MASK] where the word is missing")

    def _encode(self, sample: Sample) -> Encoded:
        length = self._artifact.max_length
        if self._manifest.task is Task.MULTIPLE_CHOICE:
            texts = [sample.text] * len(sample.options)
            return self._tokenizer(texts, list(sample.options), max_length=length, padding="longest")
        if self._windowed:
            return self._tokenizer(
                sample.text,
                sample.text_pair,
                max_length=length,
                truncation="only_second",
                stride=window_stride(length),
                return_overflowing_tokens=True,
                padding="longest",
            )
        return self._tokenizer(sample.text, sample.text_pair, max_length=length)

    def _result(self, sample: Sample, rows: Encoded, calls: list[dict[str, Float32]]) -> Result:
        labels, outputs = self._manifest.labels, calls[0]
        match self._manifest.postprocessing:
            case "softmax":
                return postprocess.classify(outputs["logits"][0], labels)
            case "sigmoid":
                return postprocess.classify_multi(outputs["logits"][0], labels)
            case "regression":
                return postprocess.regress(outputs["logits"][0], labels)
            case "entity-spans":
                return self._entities(sample, rows, outputs["logits"][0])
            case "answer-span":
                return self._answer(sample, rows, calls)
            case "mask-fillings":
                return self._fillings(rows, outputs["logits"][0])
            case "choice":
                return postprocess.choose(outputs["logits"][0])
            case "none":
                return Embedding(tuple(map(float, outputs["pooler_output"][0])))

    def _entities(self, sample: Sample, rows: Encoded, logits: Float32) -> tuple[Entity, ...]:
        first = (rows.sequence_ids[0] != 0).astype(np.int64)
        continues = self._continues[np.minimum(rows.input_ids[0], len(self._continues) - 1)]
        return postprocess.entities(logits, self._manifest.labels, rows.offsets[0], first, continues, sample.text)

    def _answer(self, sample: Sample, rows: Encoded, calls: list[dict[str, Float32]]) -> Answer:
        windows = []
        for n, outputs in enumerate(calls):
            start, end = outputs["start_logits"][0], outputs["end_logits"][0]
            windows.append(Window(start, end, rows.offsets[n, : len(start)], rows.sequence_ids[n, : len(start)] == 1))
        return postprocess.answer(windows, sample.text_pair or "")

    def _fillings(self, rows: Encoded, logits: Float32) -> tuple[tuple[MaskFilling, ...], ...]:
        masks = np.flatnonzero(rows.input_ids[0] == self._manifest.tokenizer.mask_token_id)
        vocabulary = logits[:, : len(self._pieces)]
        return tuple(
            tuple(
                MaskFilling(self._pieces[filling.token_id], filling.token_id, filling.score)
                for filling in postprocess.fill_mask(vocabulary[position], self._top_k)
            )
            for position in masks
        )


def predict(
    source: Path,
    samples: Iterable[Sample],
    *,
    runtime: str | None = None,
    precision: str | None = None,
    threads: int = PredictOptions.threads,
    top_k: int = PredictOptions.top_k,
) -> Iterator[Prediction]:
    """Predictions for samples, in order, from a bundle's folder or archive, which is verified first."""
    with (
        archive.opened(source) as bundle,
        Predictor(bundle, runtime=runtime, precision=precision, threads=threads, top_k=top_k) as predictor,
    ):
        for sample in samples:
            yield predictor(sample)


def gather(
    text: str | None, text_pair: str | None, options: tuple[str, ...], lines: Sequence[str] | None
) -> list[Sample]:
    """The samples of one call: one text, or one a line, where a tab stands before the second text.

    Raises UsageError for neither and for both.
    """
    if lines is None and text is None:
        raise UsageError("TEXT", "is missing", fix="give a text, or --file with one text a line")
    if lines is not None and (text is not None or options):
        raise UsageError("--file", "goes without TEXT and --option", fix="give one or the other")
    if text is not None:
        return [Sample(text, text_pair, options)]
    parts = [line.rstrip("\r").partition("\t") for line in lines or ()]
    return [Sample(first, second if tab else None) for first, tab, second in parts]
