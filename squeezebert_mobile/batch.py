"""The three model inputs as arrays, checked before any runtime sees them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.errors import UsageError, counted

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """Token ids, mask (1 for real tokens) and segment ids: int64, [N, W] or, for multiple choice, [N, choices, W]."""

    input_ids: Int64
    attention_mask: Int64
    token_type_ids: Int64

    def arrays(self) -> dict[str, Int64]:
        """The inputs by the names that the exported models give them."""
        return {
            "input_ids": self.input_ids,
            "attention_mask": self.attention_mask,
            "token_type_ids": self.token_type_ids,
        }

    @classmethod
    def of_ids(cls, input_ids: Int64) -> Self:
        """These ids with every token real and of the first text."""
        return cls(input_ids, np.ones_like(input_ids), np.zeros_like(input_ids))

    def of_choices(self) -> "Batch":
        """The rows as the choices of one item: [choices, W] becomes [1, choices, W]."""
        return Batch(*(array[None] for array in self.arrays().values()))

    def of_rows(self) -> "Batch":
        """The choices, or the texts, of all items as rows of their own: [N, choices, W] becomes [N * choices, W]."""
        return Batch(*(array.reshape(-1, array.shape[-1]) for array in self.arrays().values()))

    def padded(self, width: int) -> "Batch":
        """Masked zeros on the right, up to ``width`` tokens."""
        spare = width - self.input_ids.shape[-1]
        spread = [(0, 0)] * (self.input_ids.ndim - 1) + [(0, spare)]
        return Batch(*(np.pad(array, spread) for array in self.arrays().values()))

    def parts(self, size: int) -> "list[Batch]":
        """The same rows, ``size`` at a time."""
        places = range(0, len(self.input_ids), size)
        return [Batch(*(array[first : first + size] for array in self.arrays().values())) for first in places]

    def row(self, index: int) -> "Batch":
        """Item ``index`` as a batch of one, its right padding dropped where all of its rows have it."""
        mask = self.attention_mask[index]
        used = int(np.flatnonzero(mask.reshape(-1, mask.shape[-1]).any(0))[-1]) + 1
        return Batch(*(np.ascontiguousarray(a[index : index + 1, ..., :used]) for a in self.arrays().values()))


def check(batch: Batch, *, rank: int, vocab_size: int, type_vocab_size: int, max_length: int) -> None:
    """Raise UsageError unless the arrays are what the models take: each runtime answers bad ids in a way of its own."""
    for name, array in batch.arrays().items():
        signature = f"int64 {['[N, W]', '[N, choices, W]'][rank - 2]}"
        if array.dtype != np.int64 or array.ndim != rank:
            _refuse(name, "has the wrong type", f"{array.dtype} of rank {array.ndim}", signature)
        if array.shape != batch.input_ids.shape or 0 in array.shape:
            _refuse(name, "has the wrong shape", str(array.shape), f"{batch.input_ids.shape}, nothing empty")
    if batch.input_ids.shape[-1] > max_length:
        _refuse("input_ids", "is too long", counted(batch.input_ids.shape[-1], "token"), f"at most {max_length}")
    _check_range("input_ids", batch.input_ids, vocab_size)
    _check_range("token_type_ids", batch.token_type_ids, type_vocab_size)
    _check_range("attention_mask", batch.attention_mask, 2)
    if not batch.attention_mask.any(-1).all():
        _refuse("attention_mask", "hides every token of a row", "all 0", "at least one 1")


def _check_range(name: str, array: Int64, size: int) -> None:
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= size:
        _refuse(name, "has a value out of range", low if low < 0 else high, f"0 to {size - 1}")


def _refuse(name: str, what: str, found: object, expected: str) -> None:
    raise UsageError(name, what, found=found, expected=expected, fix="encode the text with the bundle's tokenizer")
