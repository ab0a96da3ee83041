"""Answers from logits, on arrays small enough to work out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from squeezebert_mobile.run import postprocess
from squeezebert_mobile.run.postprocess import SpanLogits

LOGITS = hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(-80, 80, width=32))


@given(logits=LOGITS)
def test_softmax_sums_to_one_and_keeps_the_order(logits: np.ndarray) -> None:
    probabilities = postprocess.softmax(logits)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[logits.argmax()] == probabilities.max()


def test_softmax_is_taken_row_by_row_and_never_overflows() -> None:
    rows = postprocess.softmax(np.array([[1000, 0], [-1000, -1000]], np.float32))
    assert rows.tolist() == [[1, 0], [0.5, 0.5]]


@given(logits=LOGITS)
def test_sigmoid_is_the_logistic_function(logits: np.ndarray) -> None:
    np.testing.assert_allclose(postprocess.sigmoid(logits), 1 / (1 + np.exp(-logits.astype(np.float64))), atol=1e-12)


def test_labels_come_by_falling_probability_and_ties_in_order() -> None:
    ranked = postprocess.rank_labels(np.array([0.0, 1.0, 1.0, -1.0]), ("a", "b", "c", "d"))
    assert [item.label for item in ranked] == ["b", "c", "a", "d"]
    assert ranked[0].score == ranked[1].score


def test_many_ties_keep_their_order() -> None:
    names = [str(number) for number in range(1000)]
    logits = np.arange(1000, dtype=np.float32) % 2
    expected = [*range(1, 1000, 2), *range(0, 1000, 2)]
    assert [int(item.label) for item in postprocess.rank_labels(logits, names)] == expected
    assert [filling.token_id for filling in postprocess.fill_mask(logits, names, 1000)] == expected


def test_exclusive_labels_share_one_probability_and_independent_labels_have_their_own() -> None:
    logits = np.log(np.array([1, 3], np.float32))
    exclusive = postprocess.rank_labels(postprocess.softmax(logits), ("a", "b"))
    independent = postprocess.rank_labels(postprocess.sigmoid(logits), ("a", "b"))
    assert [(item.label, item.score) for item in exclusive] == [("b", pytest.approx(0.75)), ("a", pytest.approx(0.25))]
    assert [(item.label, item.score) for item in independent] == [("b", pytest.approx(0.75)), ("a", 0.5)]


def test_regression_keeps_the_values() -> None:
    (value,) = postprocess.regress(np.array([-2.5], np.float32), ("score",))
    assert (value.label, value.score) == ("score", -2.5)


def test_regression_refuses_another_number_of_values_than_labels() -> None:
    with pytest.raises(ValueError, match="longer"):
        postprocess.regress(np.array([1, 2], np.float32), ("score",))


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
    assert entities(["O", "B-PER", "O"], continues=[1]) == []
    assert entities(["O", "B-PER", "O", "O", "B-LOC", "O"], continues=[2]) == [("PER", "Anna Lee"), ("LOC", "Bob")]


def test_words_of_one_plain_label_are_one_entity_with_the_mean_of_their_probabilities() -> None:
    logits = np.log(np.array([[9, 1], [1, 3], [1, 1.5], [9, 1]], np.float32))
    found = postprocess.entities(
        logits, ("O", "name"), np.array(OFFSETS[:4]), np.array([1, 0, 0, 1]), np.zeros(4, np.bool_), TEXT
    )
    assert found == (postprocess.Entity("name", pytest.approx((0.75 + 0.6) / 2), 0, 8, "Anna Lee"),)  # type: ignore[arg-type]


def test_special_tokens_are_never_entities() -> None:
    assert entities(["B-PER", "O", "B-LOC"]) == []


def window(start: list[float], end: list[float], context: list[int], offsets: list[tuple[int, int]]) -> SpanLogits:
    return SpanLogits(
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
    empty = window([9, 9], [9, 9], [0, 0], offsets)
    assert postprocess.answer([empty, poor, good], "the long day ends").text == "ends"


def test_the_first_of_equal_answers_is_given() -> None:
    windows = [window([0.0], [0.0], [1], [span]) for span in ((0, 3), (4, 8))]
    assert postprocess.answer(windows, "the long day").text == "the"


def test_scores_of_all_spans_of_all_windows_never_exceed_one() -> None:
    same = window([5.0], [5.0], [1], [(0, 3)])
    assert postprocess.answer([same, same], "the").score == pytest.approx(0.25)


def test_no_context_has_no_answer() -> None:
    empty = window([1, 2], [1, 2], [0, 0], [(0, 0), (0, 0)])
    assert postprocess.answer([empty], "") == postprocess.AnswerSpan("", 0.0, 0, 0, has_answer=False)
    never = postprocess.AnswerSpan("", 1.0, 0, 0, has_answer=False, null_probability=1.0)
    assert postprocess.answer([empty], "", 100.0) == never


def test_no_answer_wins_where_it_leads_by_more_than_the_threshold() -> None:
    offsets = [(0, 0), (0, 3), (4, 8)]
    one = window([3, 0, 1], [2, 0, 1], [0, 1, 1], offsets)
    lead = 3.0
    for threshold, has_answer in ((None, True), (lead, True), (lead - 0.01, False), (0.0, False)):
        found = postprocess.answer([one], "the long", threshold)
        assert (found.has_answer, found.text) == (has_answer, "long" if has_answer else "")
        assert found.null_margin == (None if threshold is None else lead)


def test_the_probabilities_of_spans_and_of_no_answer_are_of_one_distribution() -> None:
    one = window([2, 0, 1], [1, 0, 1], [0, 1, 1], [(0, 0), (0, 3), (4, 8)])
    starts, ends = postprocess.softmax(one.start_logits), postprocess.softmax(one.end_logits)
    span, none = (postprocess.answer([one], "the long", threshold) for threshold in (9.0, -9.0))
    assert (span.score, none.score) == (pytest.approx(starts[2] * ends[2]), pytest.approx(starts[0] * ends[0]))
    assert span.null_probability == none.null_probability == none.score
    assert (none.start, none.end) == (0, 0)


def test_the_window_that_doubts_no_answer_most_speaks_for_all() -> None:
    sure = window([9, 0], [9, 0], [0, 1], [(0, 0), (0, 3)])
    doubtful = window([1, 4], [1, 4], [0, 1], [(0, 0), (4, 8)])
    found = postprocess.answer([sure, doubtful], "the long", 0.0)
    assert (found.text, found.null_margin) == ("long", 2 - 8)


@pytest.mark.parametrize(("over", "length"), [(0, postprocess.MAX_ANSWER_TOKENS), (1, 1)])
def test_answers_have_a_longest_length(over: int, length: int) -> None:
    count = postprocess.MAX_ANSWER_TOKENS + over
    start, end = [0.0] * count, [0.0] * count
    start[0], start[-1], end[-1] = 9, 1, 9
    offsets = [(i, i + 1) for i in range(count)]
    found = postprocess.answer([window(start, end, [1] * count, offsets)], "x" * count)
    assert found.end - found.start == length


def test_spare_rows_of_the_vocabulary_fill_no_mask_but_have_their_share() -> None:
    logits = np.log(np.array([1, 3, 4], np.float32))
    assert postprocess.fill_mask(logits, "ab", 5)[0] == postprocess.MaskFilling("b", 1, pytest.approx(3 / 8))  # type: ignore[arg-type]
    assert len(postprocess.fill_mask(logits, "ab", 5)) == 2


def test_logits_of_a_window_may_be_fewer_than_its_row_has_tokens_with_its_padding() -> None:
    padded = SpanLogits(
        np.array([0, 6], np.float32), np.array([0, 6], np.float32),
        np.array([(0, 3), (4, 8), (0, 0)]), np.array([True, True, False]),
    )  # fmt: skip
    assert postprocess.answer([padded], "the long day").text == "long"


def test_fillings_and_choices() -> None:
    logits = np.log(np.array([1, 5, 2], np.float32))
    fillings = postprocess.fill_mask(logits, "abc", 2)
    assert [(filling.token, filling.token_id, filling.score) for filling in fillings] == [
        ("b", 1, pytest.approx(5 / 8)), ("c", 2, pytest.approx(2 / 8)),
    ]  # fmt: skip
    assert postprocess.choose(logits) == postprocess.Choice(1, pytest.approx((1 / 8, 5 / 8, 2 / 8)))  # type: ignore[arg-type]
