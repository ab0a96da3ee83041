"""The tasks' own metrics: GLUE's for texts, entity F1 for tags, SQuAD's for questions, accuracy for choices and masks.

Every metric is a function of per-example statistics, so that a bootstrap can draw examples anew and reduce again.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile import bootstrap
from squeezebert_mobile.batch import Float32
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.run import postprocess
from squeezebert_mobile.tasks import SENTENCE_EMBEDDING, Activation, Task
from squeezebert_mobile.training import squad
from squeezebert_mobile.training.data import Example, QuestionExample, TaggedExample
from squeezebert_mobile.training.features import IGNORED, Feature

Float64 = NDArray[np.float64]
# Of as few bits as they need, where there are many.
Numbers = NDArray[Any]
Reduce = Callable[[Numbers], float]

TOP_K = 5
# The one metric of which less is better.
PERPLEXITY = "pseudo_perplexity"


@dataclass(frozen=True)
class Metric:
    """A named value with the statistics [examples, K] that ``reduce`` makes it from."""

    name: str
    statistics: Numbers
    reduce: Reduce
    higher_is_better: bool = True

    @property
    def value(self) -> float:
        """The metric over all examples."""
        return self.reduce(self.statistics)


@dataclass(frozen=True)
class Measure:
    """What of a model says how its outputs are measured.

    ``null_threshold`` is declared for questions without an answer, ``activation`` for a reranker's one logit.
    """

    task: Task
    labels: tuple[str, ...]
    problem_type: str | None
    null_threshold: float | None
    activation: Activation | None

    @classmethod
    def of(cls, task: Task, config: SqueezeBertConfig, activation: Activation | None = None) -> Self:
        """Of a model with this config."""
        kind = "regression" if config.is_regression else config.problem_type
        return cls(task, config.labels, kind, config.null_threshold, activation)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of what JSON makes of it."""
        return cls(**{**values, "task": Task(values["task"]), "labels": tuple(values["labels"])})

    @property
    def is_regression(self) -> bool:
        """True where a text has values for labels."""
        return self.task is Task.TEXT_CLASSIFICATION and self.problem_type == "regression"

    @property
    def is_multi_label(self) -> bool:
        """True where a text has any number of labels."""
        return self.task is Task.TEXT_CLASSIFICATION and self.problem_type == "multi_label_classification"

    def threshold(self, found: Numbers) -> float | None:
        """`null_threshold` for statistics [examples, K]; None for a task without questions."""
        if self.task is not Task.QUESTION_ANSWERING:
            return None
        return null_threshold(self.null_threshold, (found[:, 3] > 0).tolist())


def observe(task: Task, feature: Feature, outputs: Mapping[str, Float32]) -> Float64:
    """What a metric needs of one feature's outputs (no batch axis): small, so that a whole data set fits in memory."""
    match task:
        case Task.QUESTION_ANSWERING:
            return np.stack([outputs["start_logits"], outputs["end_logits"]]).astype(np.float64)
        case Task.TOKEN_CLASSIFICATION:
            labels: Float64 = outputs["logits"].argmax(-1).astype(np.float64)
            return labels
        case Task.FILL_MASK:
            hidden = feature.labels != IGNORED
            return _mask_statistics(outputs["logits"][hidden], feature.labels[hidden].astype(np.int64))
        case Task.FEATURE_EXTRACTION:
            first, *others = outputs[SENTENCE_EMBEDDING]
            return np.array([postprocess.cosine(first, other) for other in others], np.float64)
        case _:
            return outputs["logits"].astype(np.float64)


def _mask_statistics(logits: Float32, labels: NDArray[np.int64]) -> Float64:
    """Negative log-likelihood, top-1 hits, top-k hits and targets, summed over [M, V] logits."""
    x = logits.astype(np.float64)
    peak = x.max(-1, keepdims=True)
    right = np.take_along_axis(x, labels[:, None], axis=-1)
    nll = np.log(np.exp(x - peak).sum(-1)) + peak[:, 0] - right[:, 0]
    rank = (x > right).sum(-1)
    return np.array([nll.sum(), (rank < 1).sum(), (rank < TOP_K).sum(), len(labels)], np.float64)


def statistics(measure: Measure, example: Example, features: Sequence[Feature], observed: Sequence[Float64]) -> Float64:
    """What the metrics need of one example, [K]: as many numbers for each; ``observed`` is `observe` of each feature.

    Predicted and true class; values or choices, then labels; agreeing, predicted and true entities, right words and
    words; lead of "no answer", F1, exact match and whether there is an answer; the sums of a mask's statistics; whether
    the second text is the nearest, or cosine and score.
    """
    match measure.task:
        case Task.TOKEN_CLASSIFICATION:
            return _tag_statistics(measure.labels, example, features[0], observed[0])
        case Task.QUESTION_ANSWERING:
            return _question_statistics(example, features, observed)
        case Task.FILL_MASK:
            return sum(observed, np.zeros(4))  # an example without a token to hide adds nothing
        case Task.FEATURE_EXTRACTION:
            ((cosine, *others),) = observed
            if others:  # hard negatives
                return np.array([cosine > max(others)], np.float64)
            return np.array([cosine, features[0].labels], np.float64)
    (logits,), label = observed, features[0].labels
    if measure.is_regression:
        return np.concatenate([postprocess.sigmoid(logits) if measure.activation == "sigmoid" else logits, label])
    if measure.is_multi_label:
        return np.concatenate([logits > 0, label], dtype=np.float64)
    return np.array([logits.argmax(), label], np.float64)


def of_examples(
    measure: Measure, examples: Sequence[Example], features: Sequence[Feature], observed: Sequence[Float64]
) -> Float64:
    """The statistics [examples, K] of examples whose features stand in any order."""
    own: list[list[int]] = [[] for _ in examples]
    for number, feature in enumerate(features):
        own[feature.example].append(number)
    rows = [
        statistics(measure, example, [features[n] for n in numbers], [observed[n] for n in numbers])
        for example, numbers in zip(examples, own, strict=True)
    ]
    return np.stack(rows)


def metrics(measure: Measure, found: Numbers) -> tuple[Metric, ...]:
    """The metrics of a task, the leading one first, of the statistics [examples, K] of its examples."""
    match measure.task:
        case Task.TOKEN_CLASSIFICATION:
            return _tag_metrics(found, has_outside="O" in measure.labels)
        case Task.QUESTION_ANSWERING:
            return _question_metrics(measure.threshold(found), found)
        case Task.FILL_MASK:
            return (
                Metric(PERPLEXITY, found[:, [0, 3]], _perplexity, higher_is_better=False),
                Metric("top1_accuracy", found[:, [1, 3]], _ratio),
                Metric(f"top{TOP_K}_accuracy", found[:, [2, 3]], _ratio),
            )
        case Task.FEATURE_EXTRACTION if found.shape[1] == 1:
            return (Metric("cosine_accuracy", found, _mean),)
        case Task.FEATURE_EXTRACTION:
            return Metric("spearman", found, _spearman), Metric("pearson", found, _pearson)
    if measure.is_regression:
        return Metric("pearson", found, _pearson), Metric("spearman", found, _spearman)
    if measure.is_multi_label:
        chosen, labels = np.split(found, 2, axis=1)
        exact = (chosen == labels).all(1, keepdims=True)
        return Metric("f1_micro", found, _f1_micro), Metric("accuracy", exact, _mean)
    accuracy = Metric("accuracy", found[:, :1] == found[:, 1:], _mean)
    if measure.task is Task.MULTIPLE_CHOICE:
        return (accuracy,)
    f1 = Metric("f1", found, _f1_binary) if len(measure.labels) == 2 else Metric("f1_macro", found, _f1_macro)
    return accuracy, f1, Metric("matthews", found, _matthews)


def _mean(statistics: Float64) -> float:
    return float(statistics.mean())


def _confusion(both: Numbers) -> tuple[Numbers, Float64]:
    """The labels that occur, predicted or true, and how often each pair of them does, [predicted, true].

    Written out with what is made of it: scikit-learn takes seconds to import, and copies what it gets many times.
    """
    pairs, counts = np.unique(both, axis=0, return_counts=True)
    labels, places = np.unique(pairs, return_inverse=True)
    table = np.zeros((len(labels), len(labels)))
    predicted, true = places.reshape(pairs.shape).T
    table[predicted, true] = counts
    return labels, table


def _f1_by_label(table: Float64) -> Float64:
    both: Float64 = 2 * table.diagonal() / (table.sum(0) + table.sum(1))
    return both


def _f1_binary(both: Numbers) -> float:
    """F1 of label 1, as GLUE has it for MRPC and QQP."""
    labels, table = _confusion(both)
    return float(_f1_by_label(table)[labels == 1].sum())


def _f1_macro(both: Numbers) -> float:
    return float(_f1_by_label(_confusion(both)[1]).mean())


def _f1_micro(both: Float64) -> float:
    from sklearn.metrics import f1_score

    chosen, labels = np.split(both, 2, axis=1)
    return float(f1_score(labels, chosen, average="micro", zero_division=0))


def _matthews(both: Numbers) -> float:
    """Matthews' correlation of several labels (Gorodkin 2004), 0 where one side has one label alone."""
    _, table = _confusion(both)
    predicted, true, count = table.sum(1), table.sum(0), table.sum()
    spread = (count**2 - predicted @ predicted) * (count**2 - true @ true)
    return float((table.trace() * count - predicted @ true) / math.sqrt(spread)) if spread else 0.0


def _pearson(both: Float64) -> float:
    from scipy.stats import pearsonr

    return _correlation(pearsonr, both)


def _spearman(both: Float64) -> float:
    from scipy.stats import spearmanr

    return _correlation(spearmanr, both)


def _correlation(function: Callable[..., tuple[float, float]], both: Float64) -> float:
    """The mean over outputs; 0 where one side is constant or alone, for which no correlation is defined."""
    if len(both) < 2:
        return 0.0
    values, labels = np.split(both, 2, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = [float(function(values[:, i], labels[:, i])[0]) for i in range(values.shape[1])]
    return float(np.nan_to_num(each).mean())


def _tag_statistics(labels: Sequence[str], example: Example, feature: Feature, tags: Float64) -> Float64:
    """A word that is cut off counts as outside, or wrong."""
    assert isinstance(example, TaggedExample) and feature.words is not None
    predicted = np.full(len(example.tags), labels.index("O") if "O" in labels else -1)
    first = feature.words >= 0
    predicted[feature.words[first]] = tags[first].astype(np.int64)
    right = (predicted == np.array(example.tags)).sum()
    return np.array([*_entity_counts(predicted, example.tags, labels), right, len(example.tags)], np.float64)


def _tag_metrics(found: Float64, *, has_outside: bool) -> tuple[Metric, ...]:
    """Entity F1, precision and recall (CoNLL), and accuracy per word."""
    counts, accuracy = found[:, :3], Metric("accuracy", found[:, 3:], _ratio)
    if not has_outside:
        return (accuracy,)
    precision, recall = Metric("precision", counts[:, :2], _ratio), Metric("recall", counts[:, ::2], _ratio)
    return Metric("f1", counts, _f1_counts), precision, recall, accuracy


def _entity_counts(predicted: NDArray[np.int64], tags: Sequence[int], labels: Sequence[str]) -> list[int]:
    """Entities that agree, that were predicted, and that are there."""
    from seqeval.metrics.sequence_labeling import get_entities

    found = set(get_entities([labels[tag] if tag >= 0 else "O" for tag in predicted]))
    there = set(get_entities([labels[tag] for tag in tags]))
    return [len(found & there), len(found), len(there)]


def _ratio(counts: Float64) -> float:
    total = counts.sum(0)
    return float(total[0] / total[1]) if total[1] else 0.0


def _f1_counts(counts: Float64) -> float:
    agree, predicted, there = counts.sum(0)
    return float(2 * agree / (predicted + there)) if predicted + there else 0.0


def null_threshold(declared: float | None, has_answer: Iterable[bool]) -> float | None:
    """The lead above which "no answer" is given: the model's own, or 0 where questions of the data have no answer.

    None where every question is answered. 0 is the default of transformers' run_qa.
    """
    return 0.0 if declared is None and not all(has_answer) else declared


def _question_statistics(example: Example, features: Sequence[Feature], observed: Sequence[Float64]) -> Float64:
    assert isinstance(example, QuestionExample)
    windows = []
    for feature, (start, end) in zip(features, observed, strict=True):
        assert feature.offsets is not None and feature.is_context is not None
        logits = (start.astype(np.float32), end.astype(np.float32))
        windows.append(postprocess.SpanLogits(*logits, feature.offsets, feature.is_context))
    found = postprocess.answer(windows, example.context, math.inf)
    golds = squad.accepted(example.answers)
    margin = math.inf if found.null_margin is None else found.null_margin
    f1, exact = (max(judge(found.text, gold) for gold in golds) for judge in (squad.f1, squad.exact))
    return np.array([margin, f1, exact, bool(example.answers)], np.float64)


def _question_metrics(threshold: float | None, found: Float64) -> tuple[Metric, ...]:
    """SQuAD's F1 and exact match, and those of SQuAD 2 under its own names where questions are unanswerable."""
    margins, f1s, exacts, has = found.T
    chosen, answerable = math.inf if threshold is None else threshold, has > 0
    both = {
        name: squad.scores_at(chosen, margins, scores, answerable)[:, None]
        for name, scores in (("f1", f1s), ("exact_match", exacts))
    }
    leading = tuple(Metric(name, scores, _mean) for name, scores in both.items())
    if answerable.all():
        return leading
    parts = [
        Metric(f"{part}_{short}", both[name][rows_of], _mean)
        for part, rows_of in (("HasAns", answerable), ("NoAns", ~answerable))
        for short, name in (("f1", "f1"), ("exact", "exact_match"))
        if rows_of.any()
    ]
    for short, scores in (("f1", f1s), ("exact", exacts)):
        statistics = np.stack([margins, scores, has], axis=1)
        parts += [Metric(f"best_{short}", statistics, _best), Metric(f"best_{short}_thresh", statistics, _best_thresh)]
    return *leading, *parts, Metric("always_answering_f1", f1s[:, None], _mean)


def _best(statistics: Float64) -> float:
    margins, scores, has = statistics.T
    return squad.best_threshold(margins, scores, has > 0)[0]


def _best_thresh(statistics: Float64) -> float:
    margins, scores, has = statistics.T
    return squad.best_threshold(margins, scores, has > 0)[1]


def _perplexity(statistics: Float64) -> float:
    """Exponential of the mean negative log-likelihood of hidden tokens (Salazar et al. 2020, 1910.14659)."""
    total = statistics.sum(0)
    return float(np.exp(total[0] / total[1])) if total[1] else float("nan")


def replicates(metric: Metric, count: int, seed: int) -> Float64:
    """The metric on ``count`` samples of the examples, with replacement; equal seeds draw equal examples."""
    random = np.random.default_rng(seed)
    size = len(metric.statistics)
    return np.array([metric.reduce(metric.statistics[bootstrap.draw(random, size, 1)[0]]) for _ in range(count)])


def drop(baseline: Float64, candidate: Float64, *, higher_is_better: bool) -> Float64:
    """By how much the candidate is worse, replicate by replicate."""
    return baseline - candidate if higher_is_better else candidate - baseline
