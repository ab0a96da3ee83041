"""What each layer and each width of a model costs on labelled data before any training, and which channels matter.

A layer's cost is the loss without it. A channel's importance is the first-order estimate of how the loss changes
without it, activation times gradient (Molchanov et al. 2016), summed over a row's tokens and taken without its sign.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from squeezebert_mobile.console import Advance, progress_bar
from squeezebert_mobile.model import Encoder, PreTrained
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training import shapes
from squeezebert_mobile.training.data import Example
from squeezebert_mobile.training.evaluate import score, torch_predict
from squeezebert_mobile.training.features import Feature, collate, hide_some
from squeezebert_mobile.training.losses import Objective, target_count
from squeezebert_mobile.training.metrics import Float64, Measure
from squeezebert_mobile.training.students import kept_channels, student

_BATCH = 32
# Widths that are tried, as shares of the model's.
_EIGHTHS = 8


@dataclass(frozen=True)
class Cost:
    """The mean loss and the leading metric of a model that lacks something."""

    loss: float
    metric: float


@dataclass(frozen=True)
class Width:
    """The cost of a width: ``size`` channels between the two feed-forward convolutions of every layer."""

    size: int
    cost: Cost


@dataclass(frozen=True)
class Ranking:
    """What a model costs as it is, without each of its layers, and at each width, on ``rows`` rows of a task.

    ``metric`` names the metric of all costs.
    """

    task: Task
    rows: int
    metric: str
    whole: Cost
    layers: tuple[Cost, ...]
    widths: tuple[Width, ...]

    def costliest(self, count: int) -> tuple[int, ...]:
        """The ``count`` layers without which the loss is largest, in their order."""
        order = sorted(range(len(self.layers)), key=lambda layer: -self.layers[layer].loss)
        return tuple(sorted(order[:count]))


def drawn(count: int, most: int, seed: int) -> list[int]:
    """The numbers of ``most`` rows of ``count``, drawn at random, in their order; of fewer rows all."""
    return sorted(np.random.default_rng(seed).permutation(count)[:most].tolist())


@dataclass(frozen=True)
class Sample:
    """Rows of labelled data, encoded, on which a model's loss and metric are measured."""

    examples: Sequence[Example]
    features: Sequence[Feature]
    pad_token_id: int

    @classmethod
    def of(
        cls, examples: Iterable[Example], features: Iterable[Feature], pad_token_id: int, *, most: int, seed: int
    ) -> Self:
        """``most`` of the examples, drawn at random, or all that there are, with their features."""
        rows = drawn(sum(1 for _ in examples), most, seed)
        places = {row: place for place, row in enumerate(rows)}
        own = [replace(each, example=places[each.example]) for each in features if each.example in places]
        return cls([each for row, each in enumerate(examples) if row in places], own, pad_token_id)

    def hidden(self, tokenizer: SqueezeBertTokenizerFast, probability: float, seed: int) -> Self:
        """The same for fill-mask, with a share of the tokens hidden once and for all."""
        return replace(self, features=hide_some(list(self.features), tokenizer.mask_token_id, probability, seed))

    def losses(self, model: PreTrained) -> Iterator[tuple[Tensor, int]]:
        """The summed loss of each batch, and how many targets it has."""
        objective = Objective(model, distillation=0.0, temperature=1.0)
        order = np.argsort([feature.length for feature in self.features], kind="stable")
        for first in range(0, len(order), _BATCH):
            batch = collate([self.features[n] for n in order[first : first + _BATCH]], self.pad_token_id)
            arrays = (*batch.inputs.arrays().values(), batch.labels)
            loss, _ = objective(*(torch.from_numpy(np.ascontiguousarray(x)).to(model.device) for x in arrays), None)
            yield loss, target_count(model.task, batch.labels)

    def cost(self, model: PreTrained) -> tuple[str, Cost]:
        """The name of the leading metric, and what a model in eval mode costs."""
        with torch.inference_mode():
            sums = [(float(loss), count) for loss, count in self.losses(model)]
        loss, count = map(sum, zip(*sums, strict=True))
        measure = Measure.of(model.task, model.config, model.activation)
        predict = torch_predict(model)
        found = score(measure, predict, self.examples, self.features, batch_size=_BATCH, pad_token_id=self.pad_token_id)
        metric = found.metrics[0]
        return metric.name, Cost(loss / max(1, count), metric.value)


def measure(
    model: PreTrained, sample: Sample, accelerator: Accelerator, *, quiet: bool
) -> tuple[Ranking, tuple[Float64, ...]]:
    """What a model's layers and widths cost, and of each layer how much its channels matter.

    Several processes all take the first one's, for on accelerators two may round apart.
    """
    model.eval().to(accelerator.device)
    models = 1 + model.config.num_hidden_layers + len(_sizes(model))
    with progress_bar("ranking", models, quiet=quiet or not accelerator.is_main_process) as advance:
        importance = channel_importance(model, sample)
        found = rank(model, sample, importance, advance)
    taken: list[tuple[Ranking, tuple[Float64, ...]]] = broadcast_object_list([(found, importance)])
    return taken[0]


def rank(model: PreTrained, sample: Sample, importance: Sequence[Float64], advance: Advance) -> Ranking:
    """The costs of a model in eval mode; ``importance`` is that of each layer's channels, see `channel_importance`."""
    name, whole = sample.cost(model)
    advance(1, "the whole model")
    every = range(model.config.num_hidden_layers)
    layers, widths = [], []
    for layer in every:
        with _without(model, layer):
            layers.append(sample.cost(model)[1])
        advance(1, f"without layer {layer}")
    for size in _sizes(model):
        channels = [kept_channels(each, size, model.config) for each in importance]
        pruned = student(model, every, channels).to(model.device)
        widths.append(Width(size, sample.cost(pruned)[1]))
        advance(1, f"{size} channels")
    return Ranking(model.task, len(sample.examples), name, whole, tuple(layers), tuple(widths))


def _sizes(model: PreTrained) -> list[int]:
    """The widths that are tried, the largest first: eighths of the model's, as the groups allow."""
    wide, step = model.config.intermediate_size, shapes.width_step(model.config)
    sizes = {wide * share // _EIGHTHS // step * step for share in range(1, _EIGHTHS)}
    return sorted(sizes - {0}, reverse=True)


def _encoder(model: PreTrained) -> Encoder:
    found = model.base_model.get_submodule("encoder")
    assert isinstance(found, Encoder)
    return found


@contextmanager
def _without(model: PreTrained, layer: int) -> Iterator[None]:
    """The model without one of its layers, until the end of the block."""
    encoder = _encoder(model)
    whole = encoder.layers
    encoder.layers = nn.ModuleList(each for n, each in enumerate(whole) if n != layer)
    try:
        yield
    finally:
        encoder.layers = whole


def channel_importance(model: PreTrained, sample: Sample) -> tuple[Float64, ...]:
    """Of each layer the importance [intermediate_size] of its feed-forward channels, the mean over all rows."""
    model.eval()
    kept: list[Tensor] = []
    hooks = [
        layer.get_submodule("intermediate").register_forward_hook(lambda _module, _inputs, found: kept.append(found))
        for layer in _encoder(model).layers
    ]
    totals = [np.zeros(model.config.intermediate_size) for _ in hooks]
    try:
        for loss, _ in sample.losses(model):
            for place, slope in enumerate(torch.autograd.grad(loss, kept)):
                rows = (kept[place].detach() * slope).sum(-1)  # [N, intermediate_size]
                totals[place] += rows.abs().sum(0).double().cpu().numpy()
            kept.clear()
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(total / len(sample.features) for total in totals)
