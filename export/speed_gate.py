"""Two artifacts of one model timed against each other in one run, call by call in turn."""

from collections.abc import Sequence
from statistics import median
from time import perf_counter

import numpy as np

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.errors import GateError
from squeezebert_mobile.export.inventory import TOKENS
from squeezebert_mobile.run.engines import Engine, load_engine
from squeezebert_mobile.tasks import Task

_WARM_UP, _ROUNDS, _SECONDS = 3, 21, 2.0


def slowdown(base: bytes, other: bytes, artifact: Artifact, batch: Batch) -> float:
    """The median time of ``other`` over that of ``base``, one thread; both have ``artifact``'s runtime and outputs.

    At least 21 rounds and 2 seconds, the two calls of a round back to back, the first of them in turn.
    """
    engines = [load_engine(artifact.runtime, data, 1, artifact.outputs) for data in (base, other)]
    for _ in range(_WARM_UP):
        for engine in engines:
            engine.run(batch)
    seconds: tuple[list[float], list[float]] = ([], [])
    started = perf_counter()
    while len(seconds[0]) < _ROUNDS or perf_counter() - started < _SECONDS:
        order = (0, 1) if len(seconds[0]) % 2 == 0 else (1, 0)
        for index in order:
            seconds[index].append(_time(engines[index], batch))
    return median(seconds[1]) / median(seconds[0])


def _time(engine: Engine, batch: Batch) -> float:
    started = perf_counter()
    engine.run(batch)
    return perf_counter() - started


def snippet(task: Task, vocab_size: int, max_length: int) -> Batch:
    """One input of 128 tokens, or of the longest length that is shorter; times do not depend on the ids."""
    shape = (1, 2, min(TOKENS, max_length)) if task is Task.MULTIPLE_CHOICE else (1, min(TOKENS, max_length))
    ids = np.random.default_rng(0).integers(0, vocab_size, shape)
    return Batch.of_ids(ids)


def require_faster(artifacts: Sequence[Artifact], content: dict[str, bytes], batch: Batch) -> None:
    """Raise GateError for an artifact that is not faster than the fp32 one of its runtime."""
    base = {artifact.runtime: content[artifact.path] for artifact in artifacts if artifact.precision == "fp32"}
    for artifact in artifacts:
        if artifact.precision == "fp32":
            continue
        ratio = slowdown(base[artifact.runtime], content[artifact.path], artifact, batch)
        if ratio >= 1:
            fix = "ship fp32 on this kind of machine, or leave --require-faster out"
            raise GateError(artifact.path, "is not faster than fp32", found=f"{ratio:.2f}x its time", fix=fix)


def price(throughout: bytes, settled: bytes, artifact: Artifact, units: int, batch: Batch) -> str:
    """What it costs in size and time that ``units`` units of ``artifact`` went back to float for its accuracy."""
    megabytes = (len(settled) - len(throughout)) / 1e6
    times = slowdown(throughout, settled, artifact, batch)
    return f"{artifact.path}: {units} units in float for its accuracy, {megabytes:+.1f} MB and {times:.2f}x the time"
