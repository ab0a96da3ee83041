"""SQuAD's figures against loops written after the official evaluation of SQuAD 2.0, and null answers after run_qa."""

import collections
import re
import string
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.run import postprocess
from squeezebert_mobile.run.postprocess import SpanLogits
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training import squad
from squeezebert_mobile.training.data import QuestionExample
from squeezebert_mobile.training.features import Feature
from squeezebert_mobile.training.metrics import Measure, Metric, metrics, null_threshold, of_examples

CONTEXT = "The old town has a mill, an inn, and two wells by the river."


def official_normalize(text: str) -> str:
    lowered = text.lower()
    unpunctuated = "".join(ch for ch in lowered if ch not in set(string.punctuation))
    unarticled = re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", unpunctuated)
    return " ".join(unarticled.split())


def official_exact(gold: str, found: str) -> int:
    return int(official_normalize(gold) == official_normalize(found))


def official_f1(gold: str, found: str) -> float:
    gold_tokens = official_normalize(gold).split() if gold else []
    found_tokens = official_normalize(found).split() if found else []
    same = sum((collections.Counter(gold_tokens) & collections.Counter(found_tokens)).values())
    if len(gold_tokens) == 0 or len(found_tokens) == 0:
        return int(gold_tokens == found_tokens)
    if same == 0:
        return 0
    precision, recall = 1.0 * same / len(found_tokens), 1.0 * same / len(gold_tokens)
    return (2 * precision * recall) / (precision + recall)


@dataclass
class Asked:
    """A question of the official evaluation: its golds, what was found, and the null odds."""

    golds: list[str]
    found: str
    odds: float


def official_raw(asked: list[Asked], judge: object) -> list[float]:
    raw = []
    for each in asked:
        golds = [gold for gold in each.golds if official_normalize(gold)]
        if not golds:
            golds = [""]
        raw.append(max(judge(gold, each.found) for gold in golds))  # type: ignore[operator]
    return raw


def official_at(asked: list[Asked], raw: list[float], threshold: float) -> list[float]:
    return [float(not e.golds) if e.odds > threshold else score for e, score in zip(asked, raw, strict=True)]


def official_best(asked: list[Asked], raw: list[float]) -> float:
    score = best = float(sum(1 for each in asked if not each.golds))
    for number in sorted(range(len(asked)), key=lambda n: asked[n].odds):
        if asked[number].golds:
            score += raw[number]
        else:
            score += -1 if asked[number].found else 0
        best = max(best, score)
    return best / len(asked)


PHRASES = ["the old town", "a mill", "an inn", "two wells", "wells", "The river!", "mill, an inn", "by the river."]
ANSWERS = st.lists(st.sampled_from([*PHRASES, "the"]), max_size=3)
ASKED = st.lists(
    st.tuples(ANSWERS, st.sampled_from(PHRASES)), min_size=1, max_size=12
).flatmap(
    lambda rows: st.lists(
        st.floats(-20, 20), min_size=len(rows), max_size=len(rows), unique=True
    ).map(lambda odds: [Asked(golds, found, o) for (golds, found), o in zip(rows, odds, strict=True)])
)  # fmt: skip


@given(asked=ASKED, threshold=st.floats(-21, 21))
def test_scores_and_the_best_threshold_are_the_official_evaluations(asked: list[Asked], threshold: float) -> None:
    margins, answerable = np.array([e.odds for e in asked]), np.array([bool(e.golds) for e in asked])
    for ours, theirs in ((squad.f1, official_f1), (squad.exact, official_exact)):
        raw = official_raw(asked, theirs)
        scores = np.array([max(ours(e.found, gold) for gold in squad.accepted(e.golds)) for e in asked])
        assert scores.tolist() == pytest.approx(raw)
        at = squad.scores_at(threshold, margins, scores, answerable)
        assert at.tolist() == pytest.approx(official_at(asked, raw, threshold))
        best, found = squad.best_threshold(margins, scores, answerable)
        assert best == pytest.approx(official_best(asked, raw))
        assert np.mean(official_at(asked, raw, found)) == pytest.approx(best)


def test_the_best_threshold_lies_in_the_middle_of_the_widest_gap() -> None:
    margins, right = np.array([-9.0, -8, 4, 6]), np.ones(4)
    assert squad.best_threshold(margins, right, np.array([True, True, False, False])) == (1.0, -2.0)
    assert squad.best_threshold(margins, right, np.ones(4, np.bool_)) == (1.0, 7.0)
    assert squad.best_threshold(margins, np.zeros(4), np.zeros(4, np.bool_)) == (1.0, -10.0)


def test_equal_margins_lie_on_one_side_of_a_threshold_and_a_question_without_a_span_on_none() -> None:
    margins = np.array([1.0, 1.0, np.inf])
    assert squad.best_threshold(margins, np.array([1.0, 0, 0]), np.array([True, False, False])) == (2 / 3, 0.0)
    assert squad.best_threshold(margins[2:], np.zeros(1), np.array([True])) == (0.0, 0.0)


@dataclass
class RunQa:
    """What transformers' run_qa writes for one question under --version_2_with_negative."""

    text: str
    score_diff: float


def run_qa(windows: list[SpanLogits], context: str, threshold: float, n_best: int = 20) -> RunQa:
    null, predictions = None, []
    for window in windows:
        null_score = float(window.start_logits[0]) + float(window.end_logits[0])
        if null is None or null > null_score:
            null = null_score
        starts = np.argsort(window.start_logits)[-1 : -n_best - 1 : -1].tolist()
        ends = np.argsort(window.end_logits)[-1 : -n_best - 1 : -1].tolist()
        for start in starts:
            for end in ends:
                if not window.is_context[start] or not window.is_context[end]:
                    continue
                if end < start or end - start + 1 > 30:
                    continue
                score = float(window.start_logits[start]) + float(window.end_logits[end])
                predictions.append((score, window.offsets[start][0], window.offsets[end][1]))
    assert null is not None
    score, begin, stop = max(predictions)
    return RunQa("" if null - score > threshold else context[begin:stop], null - score)


def window(random: np.random.Generator, first: int, size: int) -> SpanLogits:
    offsets = np.array([(0, 0)] * 3 + [(place, place + 1) for place in range(first, first + size)] + [(0, 0)])
    start, end = random.normal(0, 3, (2, len(offsets))).astype(np.float32)
    return SpanLogits(start, end, offsets, np.arange(len(offsets)) % (len(offsets) - 1) > 2)


@pytest.mark.parametrize("threshold", [-3.0, 0.0, 2.5])
def test_no_answer_is_given_where_run_qa_gives_none(threshold: float) -> None:
    random = np.random.default_rng(5)
    empty = 0
    for number in range(200):
        windows = [window(random, 4 * part, 9) for part in range(1 + number % 3)]
        expected = run_qa(windows, CONTEXT, threshold)
        found = postprocess.answer(windows, CONTEXT, threshold)
        assert (found.text, found.has_answer) == (expected.text, expected.text != "")
        assert found.null_margin == pytest.approx(expected.score_diff)
        empty += not found.has_answer
    assert 0 < empty < 200


def questions(answered: list[tuple[float, str, tuple[str, ...]]]) -> tuple[list[QuestionExample], list[Feature], list]:
    """Questions with the lead of "no answer", the word that the model points at, and the accepted answers."""
    words = [(match.start(), match.end()) for match in re.finditer(r"\w+", CONTEXT)]
    offsets = np.array([(0, 0), *words, (0, 0)])
    examples, features, observed = [], [], []
    for number, (lead, word, golds) in enumerate(answered):
        place = 1 + [CONTEXT[a:b] for a, b in words].index(word)
        logits = np.zeros((2, len(offsets)))
        logits[:, place] = 10
        logits[:, 0] = 10 + lead / 2
        ids = np.ones(len(offsets), np.int64)
        context = np.array([0, *[1] * len(words), 0], np.bool_)
        examples.append(QuestionExample("?", CONTEXT, golds, tuple(map(CONTEXT.find, golds))))
        features.append(Feature(number, ids, ids, ids, np.zeros(2, np.int64), offsets=offsets, is_context=context))
        observed.append(logits)
    return examples, features, observed


Answered = tuple[list[QuestionExample], list[Feature], list]


def measured(config: SqueezeBertConfig, answered: Answered) -> tuple[Metric, ...]:
    measure = Measure.of(Task.QUESTION_ANSWERING, config)
    return metrics(measure, of_examples(measure, *answered))


BOTH = [
    (-9.0, "mill", ("mill",)),
    (-2.0, "inn", ("mill",)),
    (-1.0, "wells", ()),
    (3.0, "river", ()),
    (1.0, "town", ("town",)),
]


def test_squad_2_has_its_figures_by_kind_and_at_the_best_threshold() -> None:
    def figures(declared: float | None) -> dict[str, float]:
        config = SqueezeBertConfig(null_threshold=declared)
        return {m.name: m.value for m in measured(config, questions(BOTH))}

    split = {"HasAns_f1": 1 / 3, "HasAns_exact": 1 / 3, "NoAns_f1": 0.5, "NoAns_exact": 0.5}
    best = {"best_f1": 0.6, "best_exact": 0.6, "best_f1_thresh": -5.5, "always_answering_f1": 0.4}
    found = figures(None)
    assert found == {"f1": 0.4, "exact_match": 0.4, **split, **best, "best_exact_thresh": found["best_exact_thresh"]}
    tuned = figures(found["best_f1_thresh"])
    assert (tuned["f1"], tuned["NoAns_f1"]) == (found["best_f1"], 1.0)
    assert figures(100.0)["f1"] == found["always_answering_f1"]


def test_answerable_questions_alone_have_squad_1s_figures_and_are_always_answered() -> None:
    answered = questions([row for row in BOTH if row[2]])
    found = measured(SqueezeBertConfig(), answered)
    assert {metric.name: metric.value for metric in found} == pytest.approx({"f1": 2 / 3, "exact_match": 2 / 3})
    declared = measured(SqueezeBertConfig(null_threshold=0.5), answered)
    assert {metric.name: metric.value for metric in declared} == pytest.approx({"f1": 1 / 3, "exact_match": 1 / 3})


def test_no_answer_is_judged_by_the_models_threshold_else_by_zero_where_the_data_asks_for_it() -> None:
    assert null_threshold(None, [True]) is None
    assert null_threshold(None, [True, False]) == 0.0
    assert null_threshold(2.5, [True]) == null_threshold(2.5, [False]) == 2.5
    texts = Measure.of(Task.TEXT_CLASSIFICATION, SqueezeBertConfig(null_threshold=2.5))
    assert texts.threshold(np.zeros((1, 4))) is None
