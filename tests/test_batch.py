"""Arrays that the runtimes would each answer in a way of their own are refused before they see them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from squeezebert_mobile.batch import Batch, check
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.tasks import Task

ONES = np.ones((1, 4), np.int64)


def examine(ids: object = ONES, mask: object = ONES, types: object = ONES, rank: int = 2) -> None:
    check(Batch(ids, mask, types), rank=rank, vocab_size=10, type_vocab_size=2, max_length=8)  # type: ignore[arg-type]


def refused(name: str, word: str, *args: object, rank: int = 2) -> None:
    with pytest.raises(UsageError, match=rf"^{name}: .*{word}.*; fix: "):
        examine(*args, rank=rank)


def test_sound_arrays_pass() -> None:
    examine()
    examine(np.ones((2, 3, 4), np.int64), np.ones((2, 3, 4), np.int64), np.zeros((2, 3, 4), np.int64), rank=3)


@pytest.mark.parametrize("value", [-1, 10, 2**40])
def test_row_32_an_id_that_the_vocabulary_lacks(value: int) -> None:
    refused("input_ids", "out of range", np.full((1, 4), value))
    refused("token_type_ids", "out of range", ONES, ONES, np.full((1, 4), value))


def test_row_33_a_mask_of_zeros() -> None:
    refused("attention_mask", "hides every token", ONES, ONES * 0)
    refused(
        "attention_mask",
        "hides every token",
        np.ones((2, 2), np.int64),
        np.array([[1, 0], [0, 0]]),
        np.ones((2, 2), np.int64),
    )


@pytest.mark.parametrize(
    ("mask", "word"),
    [
        (np.ones((1, 4), np.float32), "wrong type"),
        (np.full((1, 4), 2), "out of range"),
        (np.ones((1, 3), np.int64), "wrong shape"),
        (np.ones((4,), np.int64), "wrong type"),
    ],
    ids=["float", "twos", "short", "rank 1"],
)
def test_row_33_a_mask_of_another_kind(mask: object, word: str) -> None:
    refused("attention_mask", word, ONES, mask)


def test_row_34_names_the_signature() -> None:
    refused("input_ids", r"found int32 of rank 2, expected int64 \[N, W\]", ONES.astype(np.int32))
    refused("input_ids", r"expected int64 \[N, choices, W\]", ONES, rank=3)
    refused("input_ids", "nothing empty", *[np.ones((0, 4), np.int64)] * 3)
    refused("input_ids", "nothing empty", *[np.ones((1, 0), np.int64)] * 3)


def test_row_31_more_tokens_than_positions() -> None:
    refused("input_ids", "found 9 tokens, expected at most 8", *[np.ones((1, 9), np.int64)] * 3)


def test_ids_alone_are_all_real_tokens_of_the_first_text() -> None:
    batch = Batch.of_ids(np.array([[5, 6, 7]]))
    assert batch.attention_mask.tolist() == [[1, 1, 1]]
    assert batch.token_type_ids.tolist() == [[0, 0, 0]]
    examine(*batch.arrays().values())


def test_rows_become_the_choices_of_one_item() -> None:
    rows = Batch(np.array([[1, 2], [3, 4]]), np.array([[1, 1], [1, 0]]), np.array([[0, 1], [0, 1]]))
    item = rows.of_choices()
    examine(*item.arrays().values(), rank=Task.MULTIPLE_CHOICE.rank)
    for name, array in item.arrays().items():
        assert array.shape == (1, 2, 2)
        assert np.array_equal(array[0], rows.arrays()[name])


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3)])
def test_padding_is_masked_and_a_row_drops_it(shape: tuple[int, ...]) -> None:
    batch = Batch.of_ids(np.full(shape, 9))
    padded = batch.padded(7)
    assert padded.input_ids.shape == (*shape[:-1], 7)
    assert not any(array[..., 3:].any() for array in padded.arrays().values())
    assert padded.row(0).input_ids.tolist() == batch.row(0).input_ids.tolist()


INTEGERS = arrays.arrays(
    dtype=st.sampled_from([np.int64, np.int32, np.float32, np.bool_]),
    shape=arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
)


@given(ids=INTEGERS, mask=INTEGERS, types=INTEGERS)
def test_any_arrays_pass_or_are_refused(ids: object, mask: object, types: object) -> None:
    try:
        examine(ids, mask, types)
    except UsageError:
        return
    assert isinstance(ids, np.ndarray)
    assert 0 <= ids.min() <= ids.max() < 10
