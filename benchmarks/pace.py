"""How fast the machine's memory is from moment to moment, by a copy that no change to a model touches.

On a shared machine other tenants take memory bandwidth for seconds to minutes. `compare` takes no run for slower that
was measured while the whole machine was.
"""

import time

import numpy as np

# 32 MB read and as many written: more than most last caches hold.
_FLOATS = 8 * 2**20
_REPEATS = 2


class Probe:
    """The copy with its memory; a reading takes a few milliseconds."""

    def __init__(self) -> None:
        self._source, self._target = np.ones((2, _FLOATS), np.float32)

    def copy_ns(self) -> int:
        """Nanoseconds of the copy, the shorter of two."""
        times = []
        for _ in range(_REPEATS):
            start = time.perf_counter_ns()
            np.copyto(self._target, self._source)
            times.append(time.perf_counter_ns() - start)
        return min(times)
