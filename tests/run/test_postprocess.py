"""Answers from logits, on arrays small enough to work out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from squeezebert_mobile.run import postprocess
from squeezebert_mobile.run.postprocess import Window

LOGITS = hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(-80, 80, width=32))


@given(logits=LOGITS)
def test_softmax_sums_to_one_and_keeps_the_order(logits: np.ndarray) -> None:
    probabilities = postprocess.softmax(logits)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[logits.argmax()] == probabilities.max()


@given(logits=LOGITS)
def test_sigmoid_is_the_logistic_function(logits: np.ndarray) -> None:
    np.testing.assert_allclose(postprocess.sigmoid(logits), 1 / (1 + np.exp(-logits.astype(np.float64))), atol=1e-12)


def test_labels_come_by_falling_probability_and_ties_in_order() -> None:
    ranked = postprocess.classify(np.array([0.0, 1.0, 1.0, -1.0], np.float32), ("a", "b", "c", "d"))
    assert [item.label for item in ranked] == ["b", "c", "a", "d"]
    assert ranked[0].score == ranked[1].score


def test_regression_keeps_the_values() -> None:
    (value,) = postprocess.regress(np.array([-2.5], np.float32), ("score",))
    assert (value.label, value.score) == ("score", -2.5)


TEXT = "Anna Lee met Bob in New York"
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
#          [CLS]  Anna    Lee     met      Bob       in        New       York      [SEP]
OFFSETS = [(0, 0), (0, 4), (5, 8), (9, 12), (13, 16), (17, 19), (20, 23), (24, 28), (0, 0)]


def entities(tags: list[str], continues: list[int] = []) -> list[tuple[str, str]]:  # noqa: B006 - never changed
    logits = np.full((len(tags), len(LABELS)), -5, np.float32)
    for row, tag in enumerate(tags):
        logits[row, LABELS.index(tag)] = 5
    special = np.array([1, *[0] * (len(tags) - 2), 1])
    later = np.array([row in continues for row in range(len(tags))])
    found = postprocess.entities(logits, LABELS, np.array(OFFSETS[: len(tags)]), special, later, TEXT)
    assert all(entity.text == TEXT[entity.start : entity.end] for entity in found)
    return [(entity.label, entity.text) for entity in found]


def test_entities_join_words_of_one_kind() -> None:
    tags = ["O", "B-PER", "I-PER", "O", "B-PER", "O", "B-LOC", "I-LOC", "O"]
    assert entities(tags) == [("PER", "Anna Lee"), ("PER", "Bob"), ("LOC", "New York")]


def test_a_beginning_opens_a_new_entity_and_an_inside_of_another_kind_does_too() -> None:
    assert entities(["O", "B-PER", "B-PER", "O", "I-LOC", "O", "O", "O", "O"]) == [
        ("PER", "Anna"), ("PER", "Lee"), ("LOC", "Bob"),
    ]  # fmt: skip


def test_later_pieces_of_a_word_take_its_label() -> None:
    assert entities(["O", "B-PER", "O", "O", "O"], continues=[2]) == [("PER", "Anna Lee")]
    assert entities(["O", "O", "B-PER", "O", "O"], continues=[2]) == []


def test_special_tokens_are_never_entities() -> None:
    assert entities(["B-PER", "O", "B-LOC"]) == []


def window(start: list[float], end: list[float], context: list[int], offsets: list[tuple[int, int]]) -> Window:
    return Window(
        np.array(start, np.float32), np.array(end, np.float32), np.array(offsets), np.array(context, np.bool_)
    )


def test_the_answer_lies_in_the_context_and_ends_after_it_starts() -> None:
    offsets = [(0, 0), (0, 3), (4, 8), (9, 12)]
    one = window([9, 0, 1, 3], [9, 3, 2, 0], [0, 1, 1, 1], offsets)
    answer = postprocess.answer([one], "the long day")
    assert answer.text == "the"
    assert 0 < answer.score < 1


def test_the_best_window_wins() -> None:
    offsets = [(0, 3), (4, 8)]
    poor = window([0, 0], [0, 0], [1, 1], offsets)
    good = window([0, 6], [0, 6], [1, 1], [(9, 12), (13, 17)])
    assert postprocess.answer([poor, good], "the long day ends").text == "ends"


def test_scores_of_all_spans_of_all_windows_never_exceed_one() -> None:
    same = window([5.0], [5.0], [1], [(0, 3)])
    assert postprocess.answer([same, same], "the").score == pytest.approx(0.25)


def test_no_context_has_no_answer() -> None:
    empty = window([1, 2], [1, 2], [0, 0], [(0, 0), (0, 0)])
    assert postprocess.answer([empty], "") == postprocess.Answer("", 0.0, 0, 0)


def test_answers_have_a_longest_length() -> None:
    count = postprocess.MAX_ANSWER_TOKENS + 5
    start, end = [0.0] * count, [0.0] * count
    start[0] = end[-1] = 9
    offsets = [(i, i + 1) for i in range(count)]
    found = postprocess.answer([window(start, end, [1] * count, offsets)], "x" * count)
    assert found.end - found.start <= postprocess.MAX_ANSWER_TOKENS


def test_fillings_and_choices() -> None:
    fillings = postprocess.fill_mask(np.array([0, 3, 1], np.float32), 2)
    assert [filling.token_id for filling in fillings] == [1, 2]
    choice = postprocess.choose(np.array([0, 3, 1], np.float32))
    assert choice.index == 1
    assert sum(choice.scores) == pytest.approx(1)
