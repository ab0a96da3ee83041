"""Which tokens of a text, or of a pair, go into which row: truncation and overlapping windows, as in `tokenizers`."""

from dataclasses import dataclass
from typing import Literal

from squeezebert_mobile.errors import UsageError, counted
from squeezebert_mobile.tokenizer.settings import Side

Strategy = Literal["longest_first", "only_first", "only_second"]


@dataclass(frozen=True)
class Window:
    """One row's share of its texts: token ranges [start, stop) of the first and of the second."""

    first: slice
    second: slice
    truncated: bool


def split(
    first: int, second: int, room: int, strategy: Strategy, stride: int | None, side: Side = "right"
) -> list[Window]:
    """The rows for texts of ``first`` and ``second`` tokens, of which ``room`` fit into a row; ``side`` is cut off.

    Without ``stride`` there is one row; with it the text that is cut gives as many as it needs, and neighbours share
    ``stride`` tokens, or half a part where a text that stays whole leaves no more. Raises UsageError where the text to
    be cut is too short for that.
    """
    if first + second <= room:
        return [Window(slice(0, first), slice(0, second), truncated=False)]
    keep_first, keep_second = _kept(first, second, room, strategy)
    if stride is None:
        return [Window(_kept_part(first, keep_first, side), _kept_part(second, keep_second, side), truncated=True)]
    if keep_first < first and keep_second < second:
        raise UsageError("stride", "cannot be used where both texts are cut", fix="pass truncation='only_second'")
    if keep_first < first:
        return [Window(part, slice(0, second), truncated=True) for part in _parts(first, keep_first, stride, side)]
    return [Window(slice(0, first), part, truncated=True) for part in _parts(second, keep_second, stride, side)]


def _kept(first: int, second: int, room: int, strategy: Strategy) -> tuple[int, int]:
    if strategy == "longest_first":
        short, long = sorted((first, second))
        # The shorter text stays whole if the longer one can stay at least as long, else both get half.
        long = max(short, room - short)
        if short + long > room:
            short, long = room // 2, room - room // 2
        return (short, long) if first <= second else (long, short)
    kept = room - (second if strategy == "only_first" else first)
    if kept < 1:
        what = f"{strategy} leaves no token of that text"
        found, fix = (
            f"{first} and {counted(second, 'token')}, room for {room}",
            "shorten the other text, or raise max_length",
        )
        raise UsageError("truncation", what, found=found, fix=fix)
    return (kept, second) if strategy == "only_first" else (first, kept)


def _kept_part(length: int, size: int, side: Side) -> slice:
    return slice(0, size) if side == "right" else slice(length - size, length)


def _parts(length: int, size: int, stride: int, side: Side) -> list[slice]:
    """The parts of a text, from its beginning or, where the left is cut off, from its end."""
    if stride < 0:
        raise UsageError("stride", "is negative", found=stride, expected="0 or more", fix="pass 0 or more")
    stride = stride if stride < size else size // 2
    starts = range(0, length - stride, size - stride)
    parts = [slice(start, min(start + size, length)) for start in starts]
    return parts if side == "right" else [slice(length - part.stop, length - part.start) for part in parts]
