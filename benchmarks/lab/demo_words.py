"""What the demo model learns of words from a pretrained encoder: first word vectors, and sentences with other words."""

from collections.abc import Mapping, Sequence

import numpy as np

from squeezebert_mobile.batch import Float32

# Of each word's vectors at the start; random ones have 0.02.
_STD = 0.03
# So few that most keep the label; TinyBERT (Jiao et al. 2019), whose teacher labels anew, takes 15.
_NEIGHBOURS = 5
_BLOCK = 1000


def word_table(views: Sequence[Float32], width: int) -> Float32:
    """First word vectors [V, width]: the principal components of several ``views`` [V, C] of the same words.

    Views are scaled to weigh the same, and the result to a standard deviation a little above that of random vectors.
    """
    centred = [view - view.mean(0) for view in views]
    joined = np.concatenate([view / np.sqrt(np.square(view).mean()) for view in centred], axis=1)
    axes = np.linalg.svd(joined, full_matrices=False)[2][:width]
    table: Float32 = joined @ axes.T
    return table * np.float32(_STD / table.std())


def nearest_words(words: Sequence[str], others: Sequence[str], vectors: Float32) -> dict[str, list[str]]:
    """For each of ``words`` those of ``words`` and ``others`` whose ``vectors`` [words + others, C] are most alike."""
    every = [*words, *others]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found: dict[str, list[str]] = {}
    for first in range(0, len(words), _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, len(words)))
        alike = unit[rows] @ unit.T
        alike[rows - first, rows] = -1  # a word is no neighbour of itself
        nearest = np.argpartition(-alike, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        found |= {every[row]: [every[index] for index in near] for row, near in zip(rows, nearest, strict=True)}
    return found


def vary(sentence: str, neighbours: Mapping[str, Sequence[str]], share: float, random: np.random.Generator) -> str:
    """The sentence with a ``share`` of its words replaced by one of their neighbours."""
    words = sentence.split()
    for index in np.flatnonzero(random.random(len(words)) < share):
        near = neighbours[words[index]]
        words[index] = near[int(random.integers(len(near)))]
    return " ".join(words)
