"""From examples to what a model takes: token ids with the targets that the task's loss and metrics need."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.batch import Batch, Float32, Int64
from squeezebert_mobile.run.stream import SMALL_BLOCK, blocks
from squeezebert_mobile.tokenizer.many import Rows, Texts, encode_each
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training.data import (
    ChoiceExample,
    Example,
    PairExample,
    QuestionExample,
    TaggedExample,
    TextExample,
)

Labels = NDArray[np.int64] | Float32
Number = TypeVar("Number", bound=np.generic)

# What a loss leaves out; PyTorch's cross entropy and transformers use the same number.
IGNORED = -100


@dataclass(frozen=True)
class Feature:
    """One row for the model, unpadded; an example has several where its context is longer than a row.

    ``labels`` is a class id [], values [labels], one id per token [W] (IGNORED where none), start and end [2], or the
    score of a pair [], a whole number where it has none.
    """

    example: int
    input_ids: Int64  # [W], [choices, W], or [2 + negatives, W] for texts that are compared
    token_type_ids: Int64  # the same
    attention_mask: Int64  # the same; 0 only where one choice is shorter than another
    labels: Labels
    soft: Float32 | None = None  # a teacher's logits [labels]
    words: Int64 | None = None  # [W], the index of the word whose first piece a token is, else -1
    offsets: Int64 | None = None  # [W, 2] into the context
    is_context: NDArray[np.bool_] | None = None  # [W]

    @property
    def length(self) -> int:
        """Tokens of the row."""
        return int(self.input_ids.shape[-1])


@dataclass(frozen=True)
class Collated:
    """A padded batch with the targets of its rows."""

    inputs: Batch
    labels: Labels
    soft: Float32 | None


def encode(
    examples: Iterable[Example], tokenizer: SqueezeBertTokenizerFast, *, max_length: int, stride: int = 0
) -> list[Feature]:
    """All of `encoded`."""
    return list(encoded(examples, tokenizer, max_length=max_length, stride=stride))


def encoded(
    examples: Iterable[Example], tokenizer: SqueezeBertTokenizerFast, *, max_length: int, stride: int = 0
) -> Iterator[Feature]:
    """Features of all examples, in their order; ``stride`` tokens are shared by the windows of a long context."""
    for start, block, fault in blocks(examples, SMALL_BLOCK, lambda example: sum(map(len, example.texts))):
        asks = any(isinstance(example, QuestionExample) for example in block)
        rows = encode_each(
            tokenizer,
            [_texts(example) for example in block],
            max_length=max_length,
            truncation="only_second" if asks else True,
            stride=stride if asks else 0,
        )
        for number, (example, own) in enumerate(zip(block, rows, strict=True), start):
            yield from _features(number, example, own)
        if fault is not None:
            raise fault


def _texts(example: Example) -> Texts:
    """The first and the second texts of an example's rows."""
    match example:
        case TextExample(text, text_pair):
            return [text], [] if text_pair is None else [text_pair]
        case TaggedExample(tokens):
            # Joined by spaces, so that training sees what prediction on plain text sees.
            return [" ".join(tokens)], []
        case QuestionExample(question, context):
            return [question], [context]
        case PairExample():
            return example.texts, []
        case ChoiceExample(text, choices):
            return [text] * len(choices), choices


def _features(index: int, example: Example, rows: Rows) -> Iterator[Feature]:
    match example:
        case TextExample():
            yield _text(index, example, rows)
        case TaggedExample():
            yield _tagged(index, example, rows)
        case QuestionExample():
            yield from _question(index, example, rows)
        case PairExample(score=score):
            yield _together(index, rows, np.array(0) if score is None else np.array(score, np.float32))
        case ChoiceExample(target=target):
            yield _together(index, rows, np.array(target, np.int64))


def _text(index: int, example: TextExample, rows: Rows) -> Feature:
    match example.target:
        case None:
            # Fill-mask: every token of the text may be hidden (see `masking`), no special one.
            own = rows.alone()
            labels: Labels = np.where(own.special_tokens_mask[0], IGNORED, own.input_ids[0])
        case int():
            labels = np.array(example.target, np.int64)
        case _:
            labels = np.array(example.target, np.float32)
    soft = None if example.soft is None else np.array(example.soft, np.float32)
    return replace(_row(index, rows, 0, labels), soft=soft)


def _tagged(index: int, example: TaggedExample, rows: Rows) -> Feature:
    """First pieces carry the tag."""
    own = rows.alone()
    starts = np.cumsum([0, *(len(token) + 1 for token in example.tokens[:-1])])
    offsets, special = own.offsets[0], own.special_tokens_mask[0]
    word = np.searchsorted(starts, offsets[:, 0], side="right") - 1  # [W]
    previous = np.concatenate([[-1], np.where(special[:-1], -1, word[:-1])])
    first = (special == 0) & (word != previous)
    labels = np.where(first, np.array(example.tags, np.int64)[word], IGNORED)
    return replace(_row(index, rows, 0, labels), words=np.where(first, word, -1))


def _question(index: int, example: QuestionExample, rows: Rows) -> Iterator[Feature]:
    own = rows.alone()
    for row, width in enumerate(rows.lengths):
        offsets, context = own.offsets[row, :width], own.sequence_ids[row, :width] == 1
        feature = _row(index, rows, row, _span(example, offsets, context))
        yield replace(feature, offsets=offsets.copy(), is_context=context)


def _span(example: QuestionExample, offsets: Int64, context: NDArray[np.bool_]) -> Int64:
    """Token positions of the first answer, [CLS] twice where this window does not hold all of it (as in BERT)."""
    tokens = np.flatnonzero(context)
    if not example.answers or not tokens.size:
        return np.zeros(2, np.int64)
    start, end = example.starts[0], example.starts[0] + len(example.answers[0])
    if offsets[tokens[0], 0] > start or offsets[tokens[-1], 1] < end:
        return np.zeros(2, np.int64)
    first = tokens[np.searchsorted(offsets[tokens, 1], start, side="right")]
    last = tokens[np.searchsorted(offsets[tokens, 0], end, side="left") - 1]
    return np.array([first, max(first, last)], np.int64)


def _row(index: int, rows: Rows, row: int, labels: Labels) -> Feature:
    """One of the rows, without its padding."""
    place, width = rows.first + row, rows.lengths[row]
    ids, mask, types = (array[place, :width].copy() for array in rows.encoded.batch().arrays().values())
    return Feature(index, ids, types, mask, labels)


def _together(index: int, rows: Rows, labels: Labels) -> Feature:
    """All rows, padded to the longest."""
    ids, mask, types = (array.copy() for array in rows.alone().batch().arrays().values())
    return Feature(index, ids, types, mask, labels)


def collate(features: Sequence[Feature], pad_token_id: int) -> Collated:
    """One batch, padded on the right to its longest row, and with choices without a token to the most of a row."""
    inputs = Batch(
        _stack([feature.input_ids for feature in features], pad_token_id),
        _stack([feature.attention_mask for feature in features], 0),
        _stack([feature.token_type_ids for feature in features], 0),
    )
    soft = [feature.soft for feature in features if feature.soft is not None]
    labels = cast("Labels", _stack([feature.labels for feature in features], IGNORED))
    return Collated(inputs, labels, np.stack(soft) if soft else None)


def _stack(arrays: Sequence[NDArray[Number]], fill: int) -> NDArray[Number]:
    shape = tuple(map(max, zip(*(array.shape for array in arrays), strict=True)))
    stacked = np.full((len(arrays), *shape), fill, arrays[0].dtype)
    for n, array in enumerate(arrays):
        used: tuple[int | slice, ...] = (n, *(slice(0, size) for size in array.shape))
        stacked[used] = array
    return stacked


# Of the hidden tokens BERT shows 80 % as [MASK], 10 % as a random piece and 10 % as they are (Devlin et al. 2018).
_SHOWN_AS_MASK = 0.8
_SHOWN_AS_RANDOM = 0.9


def hide_tokens(
    batch: Collated, tokenizer: SqueezeBertTokenizerFast, probability: float, random: np.random.Generator
) -> Collated:
    """Each token of the texts hidden with ``probability``, which alone stay targets; at least one in the batch."""
    labels = batch.labels.astype(np.int64)
    candidates = labels != IGNORED
    chosen = candidates & (random.random(labels.shape) < probability)
    if candidates.any() and not chosen.any():
        chosen.flat[random.choice(np.flatnonzero(candidates))] = True
    shown = random.random(labels.shape)
    pieces = random.integers(len(tokenizer), size=labels.shape)
    ids = np.where(chosen & (shown < _SHOWN_AS_RANDOM), pieces, batch.inputs.input_ids)
    ids = np.where(chosen & (shown < _SHOWN_AS_MASK), tokenizer.mask_token_id, ids)
    return replace(batch, inputs=_with_ids(batch.inputs, ids), labels=np.where(chosen, labels, IGNORED))


def drop_words(
    batch: Collated, tokenizer: SqueezeBertTokenizerFast, probability: float, random: np.random.Generator
) -> Collated:
    """Each token replaced by [MASK] with ``probability``, special tokens and padding spared; targets stay."""
    ids = batch.inputs.input_ids
    around = [id_ for key in ("cls_token", "sep_token") if (id_ := tokenizer.id_of(key)) is not None]
    dropped = (random.random(ids.shape) < probability) & ~np.isin(ids, [tokenizer.pad_token_id, *around])
    return replace(batch, inputs=_with_ids(batch.inputs, np.where(dropped, tokenizer.mask_token_id, ids)))


def hide_each(feature: Feature, mask_token_id: int) -> list[Feature]:
    """One feature per token of the text, that token alone hidden: what pseudo-perplexity sums over."""
    rows = []
    for position in np.flatnonzero(feature.labels != IGNORED):
        ids, labels = feature.input_ids.copy(), np.full_like(feature.labels, IGNORED)
        ids[position], labels[position] = mask_token_id, feature.labels[position]
        rows.append(replace(feature, input_ids=ids, labels=labels))
    return rows


def hide_some(features: list[Feature], mask_token_id: int, probability: float, seed: int) -> list[Feature]:
    """Every feature with tokens hidden once and for all, for a quick look at a model while it trains."""
    random = np.random.default_rng(seed)
    result = []
    for feature in features:
        candidates = np.flatnonzero(feature.labels != IGNORED)
        count = min(len(candidates), max(1, round(probability * len(candidates))))
        chosen = random.choice(candidates, count, replace=False)
        ids, labels = feature.input_ids.copy(), np.full_like(feature.labels, IGNORED)
        ids[chosen], labels[chosen] = mask_token_id, feature.labels[chosen]
        result.append(replace(feature, input_ids=ids, labels=labels))
    return result


def _with_ids(inputs: Batch, ids: Int64) -> Batch:
    return replace(inputs, input_ids=ids.astype(np.int64, copy=False))
