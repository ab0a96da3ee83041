"""What a measuring process is asked and what it answers, pickled between two ends of this program.

The classes live apart from the worker: run as ``__main__``, that would know them under another name than its parent.
"""

from dataclasses import dataclass

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.benchmarks.candidates import Candidate
from squeezebert_mobile.run.predict import Sample


@dataclass(frozen=True)
class Load:
    """Load a candidate under a number; the answer is `Loaded`."""

    number: int
    candidate: Candidate
    threads: int


@dataclass(frozen=True)
class Loaded:
    """Nanoseconds to load, and the peak resident bytes of the process before and after."""

    load_ns: int
    base_bytes: int
    peak_bytes: int


Item = Batch | Sample


@dataclass(frozen=True)
class Measure:
    """Run a loaded candidate on each item in turn; the answer is a `Timing` for each but the first ``warmup``."""

    number: int
    items: tuple[Item, ...]
    warmup: int


@dataclass(frozen=True)
class ReadPace:
    """Take the product of `pace`; the answer is its nanoseconds."""


@dataclass(frozen=True)
class Timing:
    """One call in nanoseconds; the stages around the inference are None for ready ids."""

    at_ns: int
    tokens: int
    infer_ns: int
    tokenize_ns: int | None
    postprocess_ns: int | None
    peak_bytes: int
