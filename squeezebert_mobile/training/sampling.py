"""The order in which training sees the data: shuffled, in batches of similar length, by seed and epoch alone."""

from collections.abc import Sequence

import numpy as np

from squeezebert_mobile.batch import Int64

# Batches are sorted by length within this many batches of shuffled rows: little padding, and still a random order.
_POOL = 64


def epoch_batches(lengths: Sequence[int], batch_size: int, *, seed: int, epoch: int) -> list[Int64]:
    """Row numbers of every batch of an epoch; every row occurs once, the last batch may be smaller."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    size = np.asarray(lengths)
    batches: list[Int64] = []
    for start in range(0, len(order), _POOL * batch_size):
        pool = order[start : start + _POOL * batch_size]
        pool = pool[np.argsort(size[pool], kind="stable")]
        batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    return [batches[index] for index in random.permutation(len(batches))]


def shards(batch: Int64, parts: int) -> list[Int64]:
    """A batch dealt out to ``parts`` micro-batches; the last ones may be empty."""
    return [batch[part::parts] for part in range(parts)]
