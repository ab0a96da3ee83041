"""Students made of a teacher's own weights: some of its layers, and of each some of its feed-forward channels."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from squeezebert_mobile.batch import Int64
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.training.metrics import Float64

_LAYER = re.compile(r"(.*encoder\.layers\.)(\d+)(\..*)")


def student(teacher: PreTrained, layers: Sequence[int], channels: Sequence[Int64] | None = None) -> PreTrained:
    """A model of ``layers`` of the teacher with its embeddings and head, in eval mode.

    ``channels`` are, of each of these layers, the feed-forward channels that stay, as `kept_channels` gives them.
    """
    config = replace(teacher.config, num_hidden_layers=len(layers))
    if channels is not None:
        config.intermediate_size = len(channels[0])
    made = teacher.like(config)
    made.activation = teacher.activation
    places = {layer: place for place, layer in enumerate(layers)}
    state: dict[str, Tensor] = {}
    for name, tensor in teacher.state_dict().items():
        found = _LAYER.fullmatch(name)
        if found is None:
            state[name] = tensor
        elif (place := places.get(int(found[2]))) is not None:
            kept = tensor if channels is None else _narrowed(found[3], tensor, channels[place], teacher.config)
            state[f"{found[1]}{place}{found[3]}"] = kept
    made.load_state_dict(state)
    return made.eval()


def _narrowed(name: str, tensor: Tensor, kept: Int64, config: SqueezeBertConfig) -> Tensor:
    """A layer's tensor without the other channels; all but those of the two feed-forward convolutions stay whole."""
    index = torch.from_numpy(kept).to(tensor.device)
    if name.startswith(".intermediate.conv1d."):
        return tensor[index]
    if name != ".output.conv1d.weight":
        return tensor
    groups, cout = config.output_groups, config.hidden_size // config.output_groups
    # A group's rows count its own channels from 0.
    own = index.view(groups, 1, -1) - torch.arange(groups, device=index.device).view(-1, 1, 1) * tensor.shape[1]
    weight = tensor.view(groups, cout, -1)  # [G, C / G, channels / G]
    return weight.gather(2, own.expand(-1, cout, -1)).view(config.hidden_size, -1, 1)


def kept_channels(importance: Float64, size: int, config: SqueezeBertConfig) -> Int64:
    """The ``size`` channels to keep of a layer whose channels have this ``importance``, in ascending order.

    A group of either convolution keeps its share, so that the groups stay the same slices. Where the groups of both
    overlap, that fixes how many stay of each slice between two borders; there the most important ones do.
    """
    wide = config.intermediate_size
    groups = (config.intermediate_groups, config.output_groups)
    borders = sorted({n * wide // count for count in groups for n in range(count + 1)})
    kept = [
        start + np.sort(np.argsort(-importance[start:end], kind="stable")[: (end - start) * size // wide])
        for start, end in pairwise(borders)
    ]
    return np.concatenate(kept)
