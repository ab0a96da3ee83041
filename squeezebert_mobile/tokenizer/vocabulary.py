"""Vocabulary trimming: drop the pieces that a user's texts never need, and with them their rows of the embedding."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

_BATCH = 1024
# WordPiece's own limit, in characters: a longer word is [UNK] before any piece is tried.
_LONGEST_WORD = 100


class Trimmed(NamedTuple):
    """A smaller tokenizer; ``kept_ids`` [V] are the old ids of its tokens, so its embedding is ``table[kept_ids]``."""

    tokenizer: SqueezeBertTokenizerFast
    kept_ids: NDArray[np.int64]
    unknown_share: float


def trim(tokenizer: SqueezeBertTokenizerFast, texts: Iterable[str]) -> Trimmed:
    """The tokenizer with only the pieces that ``texts`` use, the added tokens, and every letter that occurs.

    ``texts`` keep their tokens. A letter stays both as the start of a word and as its continuation, so that a new word
    of known letters is split further rather than unknown. ``unknown_share`` is [UNK] among the tokens of ``texts``.
    """
    pieces = {piece: id_ for id_, piece in enumerate(tokenizer.pieces)}
    used: set[str] = set()
    unknown = total = 0
    for tokens, unknown_words in _tokenized(tokenizer, texts):
        used.update(tokens)
        total += len(tokens)
        unknown += len(unknown_words)
        # Without the pieces that it gets stuck after, an unknown word could find another way through fewer pieces.
        for word in unknown_words:
            used.update(_greedy_path(word, pieces))
    added = [piece.content for piece in tokenizer.settings.added]
    letters = {letter for piece in used.difference(added) for letter in piece.removeprefix("##")}
    wanted = used.union(added, letters, (f"##{letter}" for letter in letters))
    kept = sorted(pieces[piece] for piece in wanted if piece in pieces)
    beyond = [token for token in added if token not in pieces]  # they follow the pieces, in the same order as before
    smaller = SqueezeBertTokenizerFast.of(
        [tokenizer.pieces[id_] for id_ in kept], tokenizer.settings, source=tokenizer.source
    )
    kept_ids = np.array([*kept, *tokenizer.convert_tokens_to_ids(beyond)], np.int64)
    return Trimmed(smaller, kept_ids, unknown / max(total, 1))


def _tokenized(tokenizer: SqueezeBertTokenizerFast, texts: Iterable[str]) -> Iterator[tuple[list[str], list[str]]]:
    """The tokens of each text, and its unknown words as WordPiece sees them."""
    remaining = iter(texts)
    while batch := list(islice(remaining, _BATCH)):
        for text, pieces in zip(batch, tokenizer.encode_uncut(batch), strict=True):
            spans = pieces.offsets[pieces.ids == tokenizer.unk_token_id]
            words = [tokenizer.normalize(text[start:end]).strip() for start, end in spans]
            yield tokenizer.convert_ids_to_tokens(pieces.ids), words


def _greedy_path(word: str, pieces: Collection[str]) -> Iterator[str]:
    """The pieces that WordPiece takes, longest first, before it meets a letter that no piece covers."""
    start = 0
    while start < len(word) <= _LONGEST_WORD:
        prefix = "##" if start else ""
        ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in pieces)
        end = next(ends, None)
        if end is None:
            return
        yield prefix + word[start:end]
        start = end
