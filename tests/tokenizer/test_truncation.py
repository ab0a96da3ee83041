"""Which tokens go into which row, worked out by hand and compared with what `tokenizers` does."""

from itertools import product
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.tokenizer.truncation import Window, split


def window(first: range, second: range = range(0), *, truncated: bool = True) -> Window:
    return Window(slice(first.start, first.stop), slice(second.start, second.stop), truncated=truncated)


def test_texts_that_just_fit_stay_whole() -> None:
    assert split(3, 2, 5, "longest_first", None) == [window(range(3), range(2), truncated=False)]
    assert split(5, 0, 5, "only_first", 2) == [window(range(5), truncated=False)]


def theirs(first: int, second: int, room: int, strategy: str) -> Window:
    backend = Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a"))
    backend.pre_tokenizer = WhitespaceSplit()
    backend.enable_truncation(room, strategy=strategy)
    kept = backend.encode("a " * first, "b " * second).sequence_ids
    return window(range(kept.count(0)), range(kept.count(1)))


@pytest.mark.parametrize("room", range(1, 8))
def test_the_longer_text_is_cut_as_tokenizers_does(room: int) -> None:
    for first, second in product(range(10), repeat=2):
        if first + second > room:
            assert split(first, second, room, "longest_first", None) == [theirs(first, second, room, "longest_first")]


def test_the_text_that_is_named_is_cut_down_to_one_token_and_no_further() -> None:
    assert split(9, 4, 5, "only_first", None) == [window(range(1), range(4))]
    assert split(4, 9, 5, "only_second", None) == [window(range(4), range(1))]
    for lengths, strategy in (((9, 5), "only_first"), ((5, 9), "only_second")):
        with pytest.raises(UsageError, match="leaves no token"):
            split(*lengths, 5, strategy, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lengths", "strategy", "expected"),
    [
        ((6, 0), "longest_first", [range(3), range(2, 5), range(4, 6)]),
        ((5, 0), "longest_first", [range(3), range(2, 5)]),
        ((6, 1), "only_first", [range(2), range(1, 3), range(2, 4), range(3, 5), range(4, 6)]),
        ((1, 4), "only_second", [range(2), range(1, 3), range(2, 4)]),
    ],
)
def test_rows_share_a_stride_and_end_with_the_text(lengths: tuple[int, int], strategy: Any, expected: Any) -> None:
    first, second = lengths
    found = split(first, second, 3, strategy, 1)
    if strategy == "only_second":
        assert found == [window(range(first), part) for part in expected]
    else:
        assert found == [window(part, range(second)) for part in expected]


def test_a_stride_of_nothing_cuts_a_text_into_rows_that_share_nothing() -> None:
    assert split(7, 0, 3, "longest_first", 0) == [window(range(3)), window(range(3, 6)), window(range(6, 7))]


def test_a_negative_stride_is_refused() -> None:
    with pytest.raises(UsageError, match="is negative"):
        split(9, 0, 3, "longest_first", -1)


@pytest.mark.parametrize(("size", "shared"), [(1, 0), (3, 1), (4, 2)])
def test_a_stride_of_a_whole_part_is_half_of_it(size: int, shared: int) -> None:
    """A question that nearly fills the window leaves less than the default stride."""
    parts = [window.second for window in split(5, 9, 5 + size, "only_second", 4)]
    assert (parts[0].stop - parts[0].start, parts[0].stop - parts[1].start) == (size, shared)
    assert (parts[0].start, parts[-1].stop) == (0, 9)


def test_a_stride_is_refused_where_both_texts_are_cut() -> None:
    with pytest.raises(UsageError, match="both texts"):
        split(9, 9, 4, "longest_first", 1)


@pytest.mark.parametrize(("room", "stride"), [(4, None), (5, 0), (5, 2), (7, 1)])
def test_the_left_is_cut_as_tokenizers_does(room: int, stride: int | None) -> None:
    words = {str(number): number for number in range(40)}
    backend = Tokenizer(WordLevel(words, unk_token="0"))
    backend.pre_tokenizer = WhitespaceSplit()
    for first, second in product(range(1, 20), (0, 2)):
        strategy: Any = "longest_first" if stride is None else "only_first"
        if first + second <= room:
            continue
        backend.enable_truncation(room, strategy=strategy, stride=stride or 0, direction="left")
        texts = [" ".join(map(str, range(start, start + count))) for start, count in ((0, first), (20, second))]
        encoded = backend.encode(*texts)
        rows = [encoded, *(encoded.overflowing if stride is not None else [])]
        found = split(first, second, room, strategy, stride, "left")
        assert [[*range(first)[w.first], *range(20, 20 + second)[w.second]] for w in found] == [row.ids for row in rows]
        assert all(w.truncated for w in found)
