"""SQuAD's judgement of answers (Rajpurkar et al. 2016, 1606.05250) and of unanswerable questions (2018, 1806.03822)."""

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def words(text: str) -> list[str]:
    """Words as SQuAD compares them: lower case, no punctuation, no articles."""
    plain = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def exact(answer: str, gold: str) -> float:
    """1 where the answers agree in SQuAD's words."""
    return float(words(answer) == words(gold))


def f1(answer: str, gold: str) -> float:
    """F1 over the bags of SQuAD's words."""
    ours, theirs = words(answer), words(gold)
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * (Counter(ours) & Counter(theirs)).total() / (len(ours) + len(theirs))


def accepted(answers: Sequence[str]) -> Sequence[str]:
    """The answers that an answer is compared with: those that hold a word, or else the empty one."""
    return [answer for answer in answers if words(answer)] or [""]


def scores_at(threshold: float, margins: Float64, answered: Float64, answerable: NDArray[np.bool_]) -> Float64:
    """Each question's score where it gets no answer above ``threshold``; all arrays are [questions].

    ``margins`` say by how many logits "no answer" leads the best span, ``answered`` what that span scores.
    """
    return np.where(margins > threshold, (~answerable).astype(np.float64), answered)


def best_threshold(margins: Float64, answered: Float64, answerable: NDArray[np.bool_]) -> tuple[float, float]:
    """The best mean of `scores_at` over all thresholds, and a threshold that reaches it.

    Thresholds between the same two margins give the same answers. Of the best ones the middle of the widest gap is
    taken, or one logit beyond all margins: at a margin itself, another runtime's last bit would change an answer.
    """
    gains = np.where(answerable, answered, answered - 1)
    finite = np.isfinite(margins)  # without a span there is nothing to answer at any threshold
    values, groups = np.unique(margins[finite], return_inverse=True)
    if not values.size:
        return float((~answerable).mean()), 0.0
    passed = np.concatenate([[0.0], np.cumsum(np.bincount(groups, gains[finite]))])
    edges = np.concatenate([[values[0] - 2], values, [values[-1] + 2]])
    widths = np.where(np.isclose(passed, passed.max()), np.diff(edges), 0)
    gap = int(widths.argmax())
    total = (~answerable).sum() + passed.max()
    return float(total / len(margins)), float((edges[gap] + edges[gap + 1]) / 2)
