"""How fast the machine is from moment to moment, by a product that no change to a model touches.

On a shared machine other tenants take memory bandwidth and clock for seconds to minutes. The product is of the models'
own kind, on as many threads, with weights that no cache keeps, so it suffers what they suffer; `compare` divides by it.
"""

import time
from itertools import cycle

import numpy as np

# Of a text of 128 tokens with the widest layer of BERT-base's size: 9.4 MB of weights, one after the other of 47 MB.
# For each megabyte read it computes as much as an encoder does.
_TOKENS, _CHANNELS, _WIDE = 128, 768, 3072
_WEIGHTS, _TAKEN = 5, 2


class Probe:
    """The product with its weights; a reading takes about 10 ms."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._rows = rng.standard_normal((_TOKENS, _CHANNELS), np.float32)
        self._weights = cycle([rng.standard_normal((_CHANNELS, _WIDE), np.float32) for _ in range(_WEIGHTS)])
        self._product = np.empty((_TOKENS, _WIDE), np.float32)

    def product_ns(self) -> int:
        """Nanoseconds of the product with the next weights."""
        weights = [next(self._weights) for _ in range(_TAKEN)]
        start = time.perf_counter_ns()
        for each in weights:
            np.matmul(self._rows, each, out=self._product)
        return time.perf_counter_ns() - start
