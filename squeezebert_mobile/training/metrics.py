"""The tasks' own metrics: GLUE's for texts, entity F1 for tags, SQuAD's for questions, accuracy for choices and masks.

Every metric is a function of per-example statistics, so that a bootstrap can draw examples anew and reduce again.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile import bootstrap
from squeezebert_mobile.batch import Float32
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.run import postprocess
from squeezebert_mobile.tasks import SENTENCE_EMBEDDING, Task
from squeezebert_mobile.training import squad
from squeezebert_mobile.training.data import Example, QuestionExample, TaggedExample
from squeezebert_mobile.training.features import IGNORED, Feature

Float64 = NDArray[np.float64]
Reduce = Callable[[Float64], float]

TOP_K = 5


@dataclass(frozen=True)
class Metric:
    """A named value with the statistics [examples, K] that ``reduce`` makes it from."""

    name: str
    statistics: Float64
    reduce: Reduce
    higher_is_better: bool = True

    @property
    def value(self) -> float:
        """The metric over all examples."""
        return self.reduce(self.statistics)


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


def metrics(
    task: Task,
    config: SqueezeBertConfig,
    examples: Sequence[Example],
    features: Sequence[Feature],
    observed: Sequence[Float64],
) -> tuple[Metric, ...]:
    """The metrics of a task, the leading one first; ``observed`` is `observe` of each feature, in order."""
    match task:
        case Task.TOKEN_CLASSIFICATION:
            return _tag_metrics(config, examples, features, observed)
        case Task.QUESTION_ANSWERING:
            return _question_metrics(config, examples, features, observed)
        case Task.FILL_MASK:
            return _mask_metrics(len(examples), features, observed)
        case Task.FEATURE_EXTRACTION:
            cosines = np.stack(observed)
            if cosines.shape[1] > 1:  # the second text, and hard negatives
                nearest = cosines[:, :1] > cosines[:, 1:].max(1, keepdims=True)
                return (Metric("cosine_accuracy", nearest.astype(np.float64), _mean),)
            scores = np.array([feature.labels for feature in features], np.float64)
            both = np.stack([cosines[:, 0], scores], axis=1)
            return Metric("spearman", both, _spearman), Metric("pearson", both, _pearson)
        case _:
            logits = np.stack(observed)
            labels = np.stack([feature.labels for feature in features]).astype(np.float64)
            return _text_metrics(task, config, logits, labels)


def _text_metrics(task: Task, config: SqueezeBertConfig, logits: Float64, labels: Float64) -> tuple[Metric, ...]:
    if task is Task.TEXT_CLASSIFICATION and config.is_regression:
        both = np.concatenate([logits, labels], axis=1)
        return Metric("pearson", both, _pearson), Metric("spearman", both, _spearman)
    if task is Task.TEXT_CLASSIFICATION and config.problem_type == "multi_label_classification":
        chosen = (logits > 0).astype(np.float64)
        both = np.concatenate([chosen, labels], axis=1)
        exact = (chosen == labels).all(1, keepdims=True).astype(np.float64)
        return Metric("f1_micro", both, _f1_micro), Metric("accuracy", exact, _mean)
    predicted = logits.argmax(-1).astype(np.float64)
    accuracy = Metric("accuracy", (predicted == labels)[:, None].astype(np.float64), _mean)
    if task is Task.MULTIPLE_CHOICE:
        return (accuracy,)
    both = np.stack([predicted, labels], axis=1)
    f1 = Metric("f1", both, _f1_binary) if config.num_labels == 2 else Metric("f1_macro", both, _f1_macro)
    return accuracy, f1, Metric("matthews", both, _matthews)


def _mean(statistics: Float64) -> float:
    return float(statistics.mean())


def _f1_binary(both: Float64) -> float:
    """F1 of label 1, as GLUE has it for MRPC and QQP."""
    from sklearn.metrics import f1_score

    return float(f1_score(both[:, 1], both[:, 0], pos_label=1, average="binary", zero_division=0))


def _f1_macro(both: Float64) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(both[:, 1], both[:, 0], average="macro", zero_division=0))


def _f1_micro(both: Float64) -> float:
    from sklearn.metrics import f1_score

    chosen, labels = np.split(both, 2, axis=1)
    return float(f1_score(labels, chosen, average="micro", zero_division=0))


def _matthews(both: Float64) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(both[:, 1], both[:, 0]))


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


def _tag_metrics(
    config: SqueezeBertConfig, examples: Sequence[Example], features: Sequence[Feature], observed: Sequence[Float64]
) -> tuple[Metric, ...]:
    """Entity F1, precision and recall (CoNLL), and accuracy per word; a word cut off counts as outside, or wrong."""
    outside = config.label2id.get("O", -1)
    entity, word = [], []
    for example, feature, tags in zip(examples, features, observed, strict=True):
        assert isinstance(example, TaggedExample) and feature.words is not None
        predicted = np.full(len(example.tags), outside)
        first = feature.words >= 0
        predicted[feature.words[first]] = tags[first].astype(np.int64)
        entity.append(_entity_counts(predicted, example.tags, config.labels))
        word.append([(predicted == np.array(example.tags)).sum(), len(example.tags)])
    counts, words = np.array(entity, np.float64), np.array(word, np.float64)
    accuracy = Metric("accuracy", words, _ratio)
    if outside < 0:
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


def null_threshold(config: SqueezeBertConfig, examples: Sequence[Example]) -> float | None:
    """The lead above which "no answer" is given: the model's own, or 0 where the data has unanswerable questions.

    None where every question is answered, and for other tasks. 0 is the default of transformers' run_qa.
    """
    questions = [example for example in examples if isinstance(example, QuestionExample)]
    if config.null_threshold is None and any(not question.answers for question in questions):
        return 0.0
    return config.null_threshold if questions else None


def _question_metrics(
    config: SqueezeBertConfig, examples: Sequence[Example], features: Sequence[Feature], observed: Sequence[Float64]
) -> tuple[Metric, ...]:
    """SQuAD's F1 and exact match, and those of SQuAD 2 under its own names where questions are unanswerable."""
    windows: list[list[postprocess.SpanLogits]] = [[] for _ in examples]
    for feature, (start, end) in zip(features, observed, strict=True):
        assert feature.offsets is not None and feature.is_context is not None
        window = postprocess.SpanLogits(
            start.astype(np.float32), end.astype(np.float32), feature.offsets, feature.is_context
        )
        windows[feature.example].append(window)
    rows = []
    for example, own in zip(examples, windows, strict=True):
        assert isinstance(example, QuestionExample)
        found = postprocess.answer(own, example.context, math.inf)
        golds = squad.accepted(example.answers)
        margin = math.inf if found.null_margin is None else found.null_margin
        f1 = max(squad.f1(found.text, gold) for gold in golds)
        rows.append((margin, f1, max(squad.exact(found.text, gold) for gold in golds), bool(example.answers)))
    margins, f1s, exacts, has = np.array(rows, np.float64).T
    threshold, answerable = null_threshold(config, examples), has > 0
    chosen = math.inf if threshold is None else threshold
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


def _mask_metrics(count: int, features: Sequence[Feature], observed: Sequence[Float64]) -> tuple[Metric, ...]:
    """Statistics of each example's features are added up; an example without a hidden token adds nothing."""
    statistics = np.zeros((count, 4))
    for feature, row in zip(features, observed, strict=True):
        statistics[feature.example] += row
    return (
        Metric("pseudo_perplexity", statistics[:, [0, 3]], _perplexity, higher_is_better=False),
        Metric("top1_accuracy", statistics[:, [1, 3]], _ratio),
        Metric(f"top{TOP_K}_accuracy", statistics[:, [2, 3]], _ratio),
    )


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
