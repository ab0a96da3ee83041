"""A model over many features: batches of similar length in, one observation per feature out, in order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter

import numpy as np

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.features import Feature, collate
from squeezebert_mobile.training.metrics import Float64, observe

Predict = Callable[[Batch], Mapping[str, Float32]]


def observations(
    task: Task, predict: Predict, features: Sequence[Feature], *, batch_size: int, pad_token_id: int
) -> Iterator[tuple[int, Float64, float]]:
    """For every feature its number, its observation and its share of the call's seconds, in order of length."""
    order = np.argsort([feature.length for feature in features], kind="stable")
    for first in range(0, len(order), batch_size):
        numbers = order[first : first + batch_size]
        batch = collate([features[n] for n in numbers], pad_token_id)
        started = perf_counter()
        outputs = predict(batch.inputs)
        seconds = (perf_counter() - started) / len(numbers)
        for row, n in enumerate(numbers):
            feature = features[n]
            own = {name: _unpadded(value[row], task, feature.length) for name, value in outputs.items()}
            yield int(n), observe(task, feature, own), seconds


def _unpadded(value: Float32, task: Task, length: int) -> Float32:
    """Outputs per token without those of the padding."""
    return value if task.reads_first_token_only else value[:length]
