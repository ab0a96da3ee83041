"""Answers for texts from a bundle alone: tokenize, run, post-process."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Self

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile import batch as batches
from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Manifest
from squeezebert_mobile.errors import UnsupportedModelError, UsageError
from squeezebert_mobile.run import postprocess
from squeezebert_mobile.run.options import PredictOptions
from squeezebert_mobile.run.postprocess import Result, SpanLogits
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.tasks import POOLER_OUTPUT, SENTENCE_EMBEDDING, Task, window_stride
from squeezebert_mobile.tokenizer.tokenizer import Encoded

# Outputs by name for a batch.
Run = Callable[[Batch], Mapping[str, Float32]]


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

    ``artifact`` is the path of the file that answered, in ``milliseconds`` from text to result.
    """

    sample: Sample
    result: Result
    tokens: int
    unknown: int
    truncated: bool
    artifact: str
    milliseconds: float = field(compare=False)


class Predictor:
    """A bundle's artifact and tokenizer, ready for texts; use it as a context manager.

    ``null_threshold`` replaces the manifest's; ``run`` replaces the child process that runs the artifact otherwise.
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
        null_threshold: float | None = PredictOptions.null_threshold,
        run: Run | None = None,
    ) -> None:
        _require_bundle(bundle)
        self._manifest = bundle.manifest
        require_question_answering(bundle.manifest.task, null_threshold)
        declared = bundle.manifest.postprocessing.null_threshold
        self._null_threshold = declared if null_threshold is None else null_threshold
        self._artifact = bundle.artifact(runtime, precision)
        self._config = bundle.config()
        self._tokenizer = bundle.tokenizer()
        self._top_k = top_k
        self._sessions = ExitStack()
        self._run = run or self._sessions.enter_context(Session(bundle.folder, self._artifact, threads=threads)).answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sessions.close()

    def __call__(self, sample: Sample) -> Prediction:
        """The answer for one sample, computed as the bundle recommends: alone and without padding."""
        _require_fitting(self._manifest.task, sample)
        started = perf_counter()
        rows = self._encode(sample)
        self._require_tokens(sample, rows)
        outputs = [self._answers(batch) for batch in self._calls(rows)]
        result = self._result(sample, rows, outputs)
        truncated = bool(rows.truncated.any()) and self._manifest.task is not Task.QUESTION_ANSWERING
        return Prediction(
            sample=sample,
            result=result,
            tokens=int(rows.attention_mask.sum()),
            unknown=int(rows.unknown.sum()),
            truncated=truncated,
            artifact=self._artifact.path,
            milliseconds=1000 * (perf_counter() - started),
        )

    def _encode(self, sample: Sample) -> Encoded:
        """Rows of tokens: one for each option, and for each window of a context that is too long."""
        windows = self._manifest.task is Task.QUESTION_ANSWERING
        length = self._artifact.max_length
        if self._manifest.postprocessing.pooling is not None and sample.text_pair is not None:
            # Two texts to compare, not one pair.
            return self._tokenizer.rows(
                [sample.text, sample.text_pair], max_length=length, padding="longest", padding_side="right"
            )
        return self._tokenizer.rows(
            [sample.text] * len(sample.options) or sample.text,
            list(sample.options) or sample.text_pair,
            max_length=length,
            padding="longest",
            padding_side="right",
            truncation="only_second" if windows else True,
            stride=window_stride(length) if windows else 0,
            return_overflowing_tokens=windows,
        )

    def _calls(self, rows: Encoded) -> list[Batch]:
        """Every window alone and unpadded; the options of a choice in one call, which is the model's input."""
        batch = rows.batch()
        if self._manifest.task is Task.MULTIPLE_CHOICE:
            return [batch.of_choices()]
        return [batch.row(n) for n in range(len(rows))]

    def _answers(self, batch: Batch) -> Mapping[str, Float32]:
        """The outputs for what was checked to be an input."""
        batches.check(
            batch,
            rank=self._manifest.task.rank,
            vocab_size=self._config.vocab_size,
            type_vocab_size=self._config.type_vocab_size,
            max_length=self._artifact.max_length,
        )
        return self._run(batch)

    def _result(self, sample: Sample, rows: Encoded, outputs: Sequence[Mapping[str, Float32]]) -> Result:
        labels = self._manifest.labels
        values = {name: array[0] for name, array in outputs[0].items()}
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
                    SpanLogits(each["start_logits"][0], each["end_logits"][0], offsets, texts == 1)
                    for each, offsets, texts in zip(outputs, rows.offsets, rows.sequence_ids, strict=True)
                ]
                return postprocess.answer(windows, sample.text_pair or "", self._null_threshold)
            case "mask-fillings":
                masks = np.flatnonzero(rows.input_ids[0] == self._tokenizer.mask_token_id)
                logits, tokens = values["logits"], self._tokens
                return tuple(postprocess.fill_mask(logits[mask], tokens, self._top_k) for mask in masks)
            case "choice":
                return postprocess.choose(values["logits"])
            case "none":
                return self._embedding(outputs)

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
            limit, fix = f"within {self._artifact.max_length} tokens", "shorten the text"
            raise UsageError("TEXT", f"has its {mask} where the text is cut off", expected=limit, fix=fix)
        # The names that other models have for it.
        found = next((name for name in ("[MASK]", "<mask>") if name in text), None)
        fix = f"write {mask} where the word is missing"
        raise UsageError("TEXT", f"has no {mask} to fill", found=found, expected=mask if found else None, fix=fix)

    def _embedding(self, outputs: Sequence[Mapping[str, Float32]]) -> Result:
        """The vector of one text, the similarity of two; the pooler's where no pooling is declared."""
        if self._manifest.postprocessing.pooling is not None:
            vectors = [each[SENTENCE_EMBEDDING][0] for each in outputs]
            return postprocess.embed(*vectors) if len(vectors) == 1 else postprocess.compare(*vectors)
        if POOLER_OUTPUT not in outputs[0]:
            what, fix = (
                "has no pooler and no pooling: no output is the vector of a text",
                "export again with --pooling mean",
            )
            raise UnsupportedModelError(self._artifact.path, what, found=", ".join(outputs[0]), fix=fix)
        return postprocess.embed(outputs[0][POOLER_OUTPUT][0])


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


def predict(
    source: Path,
    samples: Iterable[Sample] | Samples,
    *,
    runtime: str | None = None,
    precision: str | None = None,
    threads: int = PredictOptions.threads,
    top_k: int = PredictOptions.top_k,
    null_threshold: float | None = PredictOptions.null_threshold,
) -> Iterator[Prediction]:
    """Predictions for samples, in order, from a bundle's folder or archive, which is verified first.

    Without ``runtime`` and ``precision`` the bundle's recommended artifact answers.
    """
    with archive.opened(source) as bundle:
        chosen = bundle.recommended(runtime, precision)
        with Predictor(
            bundle,
            runtime=chosen.runtime,
            precision=chosen.precision,
            threads=threads,
            top_k=top_k,
            null_threshold=null_threshold,
        ) as predictor:
            for sample in samples(bundle.manifest) if callable(samples) else samples:
                yield predictor(sample)
