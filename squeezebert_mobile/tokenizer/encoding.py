"""What a tokenizer's call returns: a mapping that a model takes as it is, and the way back from tokens to the text."""

from collections import UserDict
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
from tokenizers import Encoding

from squeezebert_mobile.errors import UsageError

Tensors = Literal["pt", "np"]


class CharSpan(NamedTuple):
    """Characters [start, end) of a text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens [start, end) of a row."""

    start: int
    end: int


class BatchEncoding(UserDict[str, Any]):
    """Ids, types and masks by name, by attribute, or of one row by its number, as transformers' class of this name.

    The methods lead from tokens to words and characters of the texts and back; the number of a row may be left out
    where there is one.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        encodings: Sequence[Encoding] | None = None,
        tensor_type: Tensors | None = None,
    ) -> None:
        super().__init__(data)
        self.encodings = None if encodings is None else list(encodings)
        self.convert_to_tensors(tensor_type)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, str):
            return self.data[item]
        if self.encodings is None:
            return {key: value[item] for key, value in self.data.items()}
        return self.encodings[item]

    def __getattr__(self, item: str) -> Any:
        # Not self.data, which is missing while a copy is made.
        if item in vars(self).get("data", ()):
            return self.data[item]
        raise AttributeError(f"{type(self).__name__!r} has no attribute {item!r}")

    @property
    def is_fast(self) -> bool:
        """Whether the way back to the text is known."""
        return self.encodings is not None

    @property
    def n_sequences(self) -> int | None:
        """Texts a row, None where that is not known."""
        return self.encodings[0].n_sequences if self.encodings else None

    def convert_to_tensors(self, tensor_type: Tensors | None = None, prepend_batch_axis: bool = False) -> Self:
        """Make torch tensors ("pt") or numpy arrays ("np") of the lists.

        Raises UsageError where rows differ in length.
        """
        if tensor_type is None:
            return self
        if tensor_type not in get_args(Tensors):
            expected = "pt or np"
            raise UsageError("return_tensors", "is not known", found=tensor_type, expected=expected, fix="pass 'pt'")
        for key, value in self.data.items():
            self.data[key] = _tensor(key, [value] if prepend_batch_axis else value, tensor_type)
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> Self:
        """Move the tensors to a device, in place."""
        for key, value in self.data.items():
            self.data[key] = value.to(device, non_blocking=non_blocking) if hasattr(value, "to") else value
        return self

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of a row."""
        return list(self._row(batch_index).tokens)

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """The text that each token of a row is of, None for tokens around the texts."""
        return list(self._row(batch_index).sequence_ids)

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """The word of its text that each token of a row is of, None for tokens around the texts."""
        return list(self._row(batch_index).word_ids)

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The text of a token."""
        row, index = self._place(batch_or_token_index, token_index)
        return row.token_to_sequence(index % len(row))

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The word of a token."""
        row, index = self._place(batch_or_token_index, token_index)
        return row.token_to_word(index % len(row))

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters of a token."""
        row, index = self._place(batch_or_token_index, token_index)
        span = row.token_to_chars(index)
        return None if span is None else CharSpan(*span)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token that holds a character, None for white space."""
        row, index = self._place(batch_or_char_index, char_index)
        return row.char_to_token(index, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The word that holds a character."""
        row, index = self._place(batch_or_char_index, char_index)
        return row.char_to_word(index, sequence_index)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a word."""
        row, index = self._place(batch_or_word_index, word_index)
        span = row.word_to_tokens(index, sequence_index)
        return None if span is None else TokenSpan(*span)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word."""
        row, index = self._place(batch_or_word_index, word_index)
        span = row.word_to_chars(index, sequence_index)
        return None if span is None else CharSpan(*span)

    def _place(self, row_or_index: int, index: int | None) -> tuple[Encoding, int]:
        return (self._row(0), row_or_index) if index is None else (self._row(row_or_index), index)

    def _row(self, index: int) -> Encoding:
        if not self.encodings:
            raise UsageError("encoding", "has no way back to a text", fix="make it by calling a tokenizer on the text")
        return self.encodings[index]


def _tensor(key: str, value: Any, kind: Tensors) -> Any:
    if hasattr(value, "shape"):
        return value
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype == object:
        what = f"{key} has rows of different lengths, which no tensor holds"
        raise UsageError("return_tensors", what, fix="pass padding=True, and truncation=True for long texts")
    array = array if array.size else array.astype(np.int64)
    if kind == "np":
        return array
    import torch

    return torch.from_numpy(array)
