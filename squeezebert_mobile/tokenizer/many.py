"""The rows of many samples, encoded together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from squeezebert_mobile.tokenizer.tokenizer import Encoded, SqueezeBertTokenizerFast
from squeezebert_mobile.tokenizer.truncation import Strategy

# The first and the second texts of a sample's rows; none of the second where its rows are of single texts.
Texts = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True)
class Rows:
    """One sample's rows: as many as ``lengths``, their tokens, from ``first`` on of those ``encoded`` with it.

    ``unknown`` tokens are of all rows; ``truncated`` says that one lacks tokens of its texts.
    """

    encoded: Encoded
    is_pair: bool
    first: int
    lengths: tuple[int, ...]
    unknown: int
    truncated: bool

    def alone(self) -> Encoded:
        """The rows without the others."""
        return self.encoded.part(self.first, self.first + len(self.lengths))


def encode_each(
    tokenizer: SqueezeBertTokenizerFast,
    texts: Sequence[Texts],
    *,
    max_length: int,
    truncation: bool | Strategy = True,
    stride: int = 0,
) -> list[Rows]:
    """The rows of each sample, padded on the right to those around them. Options and errors as in `rows`."""
    found: dict[int, Rows] = {}
    for is_pair in (False, True):
        numbers = [number for number, (_, seconds) in enumerate(texts) if bool(seconds) is is_pair]
        if not numbers:
            continue
        firsts, seconds = zip(*(texts[number] for number in numbers), strict=True)
        encoded = tokenizer.rows(
            list(chain(*firsts)),
            list(chain(*seconds)) if is_pair else None,
            max_length=max_length,
            padding="longest",
            padding_side="right",
            truncation=truncation,
            stride=stride,
        )
        lengths, unknown = encoded.attention_mask.sum(1).tolist(), encoded.unknown.tolist()
        truncated = encoded.truncated.tolist()
        owners = np.repeat(numbers, list(map(len, firsts)))[encoded.sample]
        bounds = [*np.searchsorted(owners, numbers).tolist(), len(owners)]
        for number, first, end in zip(numbers, bounds[:-1], bounds[1:], strict=True):
            own = slice(first, end)
            found[number] = Rows(encoded, is_pair, first, tuple(lengths[own]), sum(unknown[own]), any(truncated[own]))
    return [found[number] for number in range(len(texts))]
