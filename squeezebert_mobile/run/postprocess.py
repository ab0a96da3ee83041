"""From a model's outputs to results: numpy only, one function per task, the same arithmetic as the Java core."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.batch import Float32, Int64

Float64 = NDArray[np.float64]

# transformers' question-answering pipeline allows answers of at most 15 tokens; SQuAD's own script 30.
MAX_ANSWER_TOKENS = 30


@dataclass(frozen=True)
class LabelScore:
    """A label with its probability (or its value, for regression)."""

    label: str
    score: float


@dataclass(frozen=True)
class Entity:
    """A labelled span of the text; ``start`` and ``end`` count code points."""

    label: str
    score: float
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class AnswerSpan:
    """A span of the context with its probability; ``start`` and ``end`` count code points.

    ``has_answer`` is False, and the text empty, where the context does not answer: it is empty itself, or "no answer"
    leads the best span by more than the threshold; ``score`` is then that of "no answer". The lead in logits is
    ``null_margin`` (None without a span), its probability ``null_probability``; both are None of a model that always
    answers.
    """

    text: str
    score: float
    start: int
    end: int
    has_answer: bool = True
    null_margin: float | None = None
    null_probability: float | None = None


@dataclass(frozen=True)
class MaskFilling:
    """A token of the vocabulary or an added one for a mask, its id and its probability."""

    token: str
    token_id: int
    score: float


@dataclass(frozen=True)
class Choice:
    """The chosen option by its index, with the probability of each."""

    index: int
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Embedding:
    """The pooled vector of a text, [C]."""

    vector: tuple[float, ...]


@dataclass(frozen=True)
class Similarity:
    """The cosine of the vectors of two texts, -1 to 1, with the vectors, [C] each."""

    score: float
    vectors: tuple[tuple[float, ...], tuple[float, ...]]


Result = (
    tuple[LabelScore, ...]
    | tuple[Entity, ...]
    | AnswerSpan
    | tuple[tuple[MaskFilling, ...], ...]
    | Choice
    | Embedding
    | Similarity
)


@dataclass(frozen=True)
class SpanLogits:
    """One window of a long context: [W] logits, and of as many tokens or more, the rest padding, offsets [W, 2] and
    which of them are context.
    """

    start_logits: Float32
    end_logits: Float32
    offsets: Int64
    is_context: NDArray[np.bool_]


def softmax(logits: NDArray[np.floating]) -> Float64:
    """Softmax over the last axis, in fp64."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    exponents: Float64 = np.exp(shifted)
    probabilities: Float64 = exponents / exponents.sum(-1, keepdims=True)
    return probabilities


def sigmoid(logits: NDArray[np.floating]) -> Float64:
    """Logistic function, in fp64, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))


def rank_labels(values: Float64, labels: Sequence[str]) -> tuple[LabelScore, ...]:
    """Labels by falling value; equal values keep the labels' order. ``values`` is [labels]."""
    order = np.argsort(-values, kind="stable")
    return tuple(LabelScore(labels[i], float(values[i])) for i in order)


def regress(logits: Float32, labels: Sequence[str]) -> tuple[LabelScore, ...]:
    """The values as they are, in the labels' order."""
    return tuple(LabelScore(label, float(value)) for label, value in zip(labels, logits, strict=True))


def entities(
    logits: Float32, labels: Sequence[str], offsets: Int64, special: Int64, continues: NDArray[np.bool_], text: str
) -> tuple[Entity, ...]:
    """Spans from [W, labels] logits with BIO or plain labels; "O" is outside.

    A word takes the label of its first piece (``continues`` marks the others), as BERT's authors evaluate. A span's
    score is the mean of its words' probabilities.
    """
    probabilities = softmax(logits)
    spans: list[tuple[str, list[float], int, int]] = []
    open_kind = ""
    for token in np.flatnonzero(special == 0):
        start, end = map(int, offsets[token])
        if continues[token] and open_kind:
            kind, scores, first, _ = spans[-1]
            spans[-1] = (kind, scores, first, end)
        if continues[token]:
            continue
        best = int(probabilities[token].argmax())
        kind, begins = _parse_tag(labels[best])
        score = float(probabilities[token, best])
        if kind and kind == open_kind and not begins:
            _, scores, first, _ = spans[-1]
            spans[-1] = (kind, [*scores, score], first, end)
        elif kind:
            spans.append((kind, [score], start, end))
        open_kind = kind
    return tuple(
        Entity(kind, float(np.mean(scores)), start, end, text[start:end]) for kind, scores, start, end in spans
    )


def _parse_tag(label: str) -> tuple[str, bool]:
    """The kind of entity ("" for outside) and whether a new one begins here."""
    if label == "O":
        return "", False
    if label[:2] in ("B-", "I-"):
        return label[2:], label[0] == "B"
    return label, False


def answer(windows: Sequence[SpanLogits], context: str, null_threshold: float | None = None) -> AnswerSpan:
    """The best span over all windows, or that the context does not answer.

    Starts and ends are normalised over the context tokens of all windows together, so that windows compare; a span's
    score is the product of its two probabilities. With ``null_threshold``, for a model that was trained on
    unanswerable questions, the first token of a window, [CLS], stands for "no answer". That of the window where it
    scores least is normalised with the others, and wins where it leads the best span by more than the threshold, as
    in transformers' run_qa.
    """
    tokens = [np.flatnonzero(window.is_context) for window in windows]
    starts = [window.start_logits[own].astype(np.float64) for window, own in zip(windows, tokens, strict=True)]
    ends = [window.end_logits[own].astype(np.float64) for window, own in zip(windows, tokens, strict=True)]
    null = np.empty(0) if null_threshold is None else _null_logits(windows)
    total = _log_total([*starts, null[:1]]) + _log_total([*ends, null[1:]])
    best, begin, stop = -np.inf, 0, 0
    for window, own, start, end in zip(windows, tokens, starts, ends, strict=True):
        if not own.size:
            continue
        first, last = _best_span(start, end)
        if start[first] + end[last] > best:
            best = float(start[first] + end[last])
            begin, stop = int(window.offsets[own[first], 0]), int(window.offsets[own[last], 1])
    margin = float(null.sum() - best) if null.size and best > -np.inf else None
    probability = float(np.exp(null.sum() - total)) if null.size else None
    if best == -np.inf or (margin is not None and null_threshold is not None and margin > null_threshold):
        return AnswerSpan("", probability or 0.0, 0, 0, False, margin, probability)
    return AnswerSpan(context[begin:stop], float(np.exp(best - total)), begin, stop, True, margin, probability)


def _null_logits(windows: Sequence[SpanLogits]) -> Float64:
    """Start and end [2] of the first token, in the window where their sum is the least."""
    pairs = np.array([(window.start_logits[0], window.end_logits[0]) for window in windows], np.float64)
    null: Float64 = pairs[pairs.sum(1).argmin()]
    return null


def _log_total(parts: Sequence[Float64]) -> float:
    values = np.concatenate(parts)
    if not values.size:
        return 0.0
    peak = values.max()
    return float(peak + np.log(np.exp(values - peak).sum()))


def _best_span(start: Float64, end: Float64) -> tuple[int, int]:
    """First and last token of the span with the largest sum of logits, at most MAX_ANSWER_TOKENS long."""
    scores = start[:, None] + end[None, :]
    length = np.arange(len(end))[None, :] - np.arange(len(start))[:, None]
    scores[(length < 0) | (length >= MAX_ANSWER_TOKENS)] = -np.inf
    first, last = np.unravel_index(int(scores.argmax()), scores.shape)
    return int(first), int(last)


def fill_mask(logits: Float32, tokens: Sequence[str], count: int) -> tuple[MaskFilling, ...]:
    """The ``count`` likeliest tokens for one mask from [V] logits.

    Spare rows of the vocabulary behind the tokens fill no mask, but have their share of the probability.
    """
    probabilities = softmax(logits)[: len(tokens)]
    order = np.argsort(-probabilities, kind="stable")[:count]
    return tuple(MaskFilling(tokens[i], int(i), float(probabilities[i])) for i in order)


def choose(logits: Float32) -> Choice:
    """The likeliest option from [choices] logits."""
    probabilities = softmax(logits)
    return Choice(int(probabilities.argmax()), tuple(map(float, probabilities)))


def embed(vector: Float32) -> Embedding:
    """The vector of a text as it is, from [C]."""
    return Embedding(tuple(map(float, vector)))


def compare(first: Float32, second: Float32) -> Similarity:
    """The cosine of two vectors [C], in fp64."""
    return Similarity(float(cosine(first, second)), (embed(first).vector, embed(second).vector))


def cosine(first: Float32, second: Float32) -> Float64:
    """The cosines of vectors [.., C], in fp64; 0 where one is all zeros."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    lengths = np.sqrt(np.square(a).sum(-1) * np.square(b).sum(-1))
    products: Float64 = (a * b).sum(-1)
    cosines: Float64 = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return cosines
