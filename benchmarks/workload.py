"""What candidates are run on: texts of an exact length, texts as they come, or plain ids."""

import random
from collections.abc import Sequence

import numpy as np

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.benchmarks.candidates import Candidate
from squeezebert_mobile.benchmarks.children import Item
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.run.predict import Sample
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

_WORDS = 500
_CHOICES = 2
# Room for a pair's specials and a word in each text.
_SHORTEST_TEXT = 8


def ids(candidate: Candidate, protocol: Protocol, tokens: int) -> Batch:
    """Random ids, every token real but for the protocol's padding: [N, W], or [N, choices, W]; the same for all."""
    rng = np.random.default_rng(protocol.seed)
    choices = (_CHOICES,) if candidate.task is Task.MULTIPLE_CHOICE else ()
    shape = (protocol.batch, *choices, tokens)
    values = rng.integers(0, candidate.vocab_size, shape, dtype=np.int64)
    batch = Batch.of_ids(values)
    return batch if protocol.pad_to is None else batch.padded(protocol.pad_to)


def of_length(candidate: Candidate, protocol: Protocol, tokens: int) -> Item:
    """A text of exactly ``tokens`` tokens where the candidate reads texts, else ids."""
    if candidate.tokenizer is None or protocol.batch > 1 or protocol.pad_to or tokens < _SHORTEST_TEXT:
        return ids(candidate, protocol, tokens)
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(candidate.tokenizer)
    words = _single_token_words(tokenizer, protocol.seed)
    if not words:
        return ids(candidate, protocol, tokens)
    draw = random.Random(protocol.seed)

    def text(count: int) -> str:
        return " ".join(draw.choice(words) for _ in range(count))

    rows = tokenizer.settings.rows
    single, pair = (tokens - sum(slot.sequence < 0 for slot in row) for row in (rows.single, rows.pair))
    match candidate.task:
        case Task.QUESTION_ANSWERING:
            return Sample(text(2), text(pair - 2))
        case Task.MULTIPLE_CHOICE:
            first = text(pair - 1)
            return Sample(first, options=tuple(text(1) for _ in range(_CHOICES)))
        case Task.FILL_MASK:
            return Sample(f"{text(single - 1)} {tokenizer.settings.mask_token}")
        case _:
            return Sample(text(single))


def natural(candidate: Candidate, texts: Sequence[str]) -> tuple[Item, ...]:
    """The texts as samples of the candidate's task: a question for each, a mask or two options where it needs them."""
    match candidate.task:
        case Task.QUESTION_ANSWERING:
            return tuple(Sample("What is it about?", text) for text in texts)
        case Task.MULTIPLE_CHOICE:
            return tuple(Sample(text, options=("good", "bad")) for text in texts)
        case Task.FILL_MASK if candidate.tokenizer is not None:
            mask = SqueezeBertTokenizerFast.from_pretrained(candidate.tokenizer).settings.mask_token
            return tuple(Sample(f"{text} {mask}") for text in texts)
        case _:
            return tuple(map(Sample, texts))


def _single_token_words(tokenizer: SqueezeBertTokenizerFast, seed: int) -> list[str]:
    """Words that are one token wherever they stand."""
    words = [piece for piece in tokenizer.pieces if piece.isascii() and piece.isalpha() and len(piece) > 1]
    random.Random(seed).shuffle(words)
    return [word for word in words[:_WORDS] if len(tokenizer.encode_uncut([word])[0].ids) == 1]
