"""Cells as the libraries that people use print them: read back as the lists they were, or refused."""

import json
import sys
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.tables.cells import CellError, as_list, as_words, literal, number

NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6), max_size=5)
NUMBERS = st.lists(st.integers(-9, 9) | st.sampled_from([0.0, 1.0, -0.5]) | st.booleans(), max_size=5)


@given(NAMES | NUMBERS)
def test_what_python_json_and_numpy_print_of_a_list_is_that_list(items: list[object]) -> None:
    scalars = [np.array(item)[()] for item in items]
    printed = [str(items), str(tuple(items)), json.dumps(items), json.dumps(items, ensure_ascii=False), str(scalars)]
    assert [as_list(text) for text in printed] == [items] * len(printed)


@given(NAMES)
def test_what_numpy_prints_of_an_array_of_texts_is_a_list(names: list[str]) -> None:
    array = np.array(names, dtype=object)
    with np.printoptions(threshold=sys.maxsize):
        assert as_list(str(array)) == as_list(repr(array)) == names


@pytest.mark.parametrize("dtype", [np.int64, np.float32, bool])
def test_what_numpy_prints_of_numbers_is_a_list(dtype: type) -> None:
    array = np.array([1, 0, 0], dtype)
    assert as_list(str(array)) == as_list(repr(array)) == as_list(str(torch.from_numpy(array))) == [1, 0, 0]


def test_a_cell_that_pandas_wrote_is_the_list_that_it_was() -> None:
    lists = [["it's", 'a "film"'], ["x"], []]
    written = pd.DataFrame({"tokens": lists}).to_csv(index=False)
    cells = pd.read_csv(StringIO(written)).tokens
    assert [as_list(cell) for cell in cells] == lists


@pytest.mark.parametrize(
    "text",
    [
        "[a, b]",
        "['a', 'b'",
        "['a', 'b' 'c']",
        "['a' 'b', 'c',]",
        "('a' 'b')",
        "('a')",
        "['a'] ['b']",
        "[0 1 ... 4]",
        "[1;2]",
        "[b'x']",
        "[__import__('os')]",
        "[" * 10_000,
        "a,b",
        "a|b",
        "{'a': 1}",
        "{'a', 'b'}",
        "[[1], [2]]",
    ],
)
def test_what_is_no_list_is_refused_and_never_split_at_spaces(text: str) -> None:
    with pytest.raises(CellError):
        as_list(text)


def test_plain_words_are_split_at_spaces_and_a_value_is_a_list_of_one() -> None:
    assert as_list(" B-PER I-PER  O ") == ["B-PER", "I-PER", "O"]
    assert [as_list(cell) for cell in (None, "", 3, ["a"])] == [[], [], [3], ["a"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("( AP ) -- New York", ["(", "AP", ")", "--", "New", "York"]),
        ("(AP) -- New York", ["(AP)", "--", "New", "York"]),
        ("[ Applause ]", ["[", "Applause", "]"]),
        ('" he said , " ( a )', ['"', "he", "said", ",", '"', "(", "a", ")"]),
        ("['a', \"it's\"]", ["a", "it's"]),
        ("[2012, 'a']", ["2012", "a"]),
        ("{ a }", ["{", "a", "}"]),
    ],
)
def test_signs_of_a_text_are_words_of_it(text: str, words: list[str]) -> None:
    assert as_words(text) == words


@pytest.mark.parametrize(
    "text", ["['a', 'b'", "[a, b]", "['a' 'b', 'c']", "[None]", "array(['a', x])", "{'a', 'b'}", "{John,Smith}"]
)
def test_a_broken_list_of_words_is_refused(text: str) -> None:
    with pytest.raises(CellError):
        as_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "{'text': array(['Ada'], dtype=object), 'answer_start': array([4], dtype=int32)}",
        "{'text': ['Ada'], 'answer_start': [4]}",
        '{"text": ["Ada"], "answer_start": [4]}',
        "{'text': ('Ada',), 'answer_start': [np.int64(4)]}",
    ],
)
def test_an_object_in_a_cell_is_read_as_pandas_printed_it(text: str) -> None:
    assert literal(text) == {"text": ["Ada"], "answer_start": [4]}


@pytest.mark.parametrize("cell", ["nan", "inf", "3,5", "", None, [1]])
def test_only_finite_numbers_are_numbers(cell: object) -> None:
    with pytest.raises(CellError, match="where a number belongs"):
        number(cell)
