"""The weights of the reference model, regrouped for phones; both runtimes build their form from these.

A grouped 1x1 convolution over [N, C, W] is one linear layer per group over slices of [N, W, C]. Three exact identities
shrink the work (source: softmax is invariant to a constant per row, and its rows sum to 1): the key bias goes away, the
value bias moves through the output projection, and 1/sqrt(head_size) moves into the query.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from squeezebert_mobile.bundle.manifest import Note
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.model import Layer, PreTrained, SqueezeBertModel


@dataclass(frozen=True)
class Grouped:
    """A grouped linear map: weight [groups, out, in] per group, bias [groups, out], which may be all zero."""

    weight: Tensor
    bias: Tensor

    @property
    def groups(self) -> int:
        """The number of groups."""
        return self.weight.shape[0]


@dataclass(frozen=True)
class AttentionWeights:
    """Query (scaled by 1/sqrt(head_size)), key and value (without bias) and output (with the value's bias)."""

    query: Grouped
    key: Grouped
    value: Grouped
    output: Grouped


@dataclass(frozen=True)
class FeedForwardWeights:
    """The widening and the narrowing map of a layer."""

    wide: Grouped
    narrow: Grouped


def base_model(model: PreTrained) -> SqueezeBertModel:
    """The encoder with its embeddings and pooler, inside a task model or by itself."""
    base = model if isinstance(model, SqueezeBertModel) else model.get_submodule("transformer")
    assert isinstance(base, SqueezeBertModel)
    return base


def grouped(conv: nn.Conv1d) -> Grouped:
    """The per-group weights of a 1x1 convolution."""
    weight = conv.weight.detach()[:, :, 0]
    bias = weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
    return Grouped(weight.view(conv.groups, -1, weight.shape[1]), bias.view(conv.groups, -1))


def without_bias(part: Grouped) -> Grouped:
    """The same map with a zero bias."""
    return Grouped(part.weight, torch.zeros_like(part.bias))


def attention_weights(layer: Layer, config: SqueezeBertConfig) -> AttentionWeights:
    """The attention of ``layer`` after the three identities."""
    query, key, value, output = map(
        grouped, (layer.attention.query, layer.attention.key, layer.attention.value, layer.post_attention.conv1d)
    )
    scale = 1 / math.sqrt(config.head_size)
    passed = output.weight.double() @ value.bias.double().view(output.groups, -1, 1)  # [groups, out, 1]
    return AttentionWeights(
        query=Grouped(query.weight * scale, query.bias * scale),
        key=without_bias(key),
        value=without_bias(value),
        output=Grouped(output.weight, (output.bias.double() + passed[..., 0]).to(output.bias.dtype)),
    )


def feed_forward_weights(layer: Layer) -> FeedForwardWeights:
    """The two feed-forward maps of ``layer``."""
    return FeedForwardWeights(grouped(layer.intermediate.conv1d), grouped(layer.output.conv1d))


def attention_fallback(config: SqueezeBertConfig) -> str | None:
    """Why the query, key and value of a group cannot be one map followed by that group's heads; None where they can."""
    groups = {config.q_groups, config.k_groups, config.v_groups}
    if len(groups) > 1:
        return f"q, k and v have {config.q_groups}, {config.k_groups} and {config.v_groups} groups, not one number"
    if config.num_attention_heads % config.q_groups:
        return f"{config.num_attention_heads} heads do not fit into {config.q_groups} groups whole"
    return None


def feed_forward_fallback(config: SqueezeBertConfig) -> str | None:
    """Why the two feed-forward maps cannot chain inside their group; None where they can."""
    if config.intermediate_groups == config.output_groups:
        return None
    return f"intermediate and output have {config.intermediate_groups} and {config.output_groups} groups"


def fallback_notes(config: SqueezeBertConfig) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Which units take the fast form and which fall back, with the reason."""
    fast: list[str] = []
    slow: list[Note] = []
    for unit, reason in (("attention", attention_fallback(config)), ("feed_forward", feed_forward_fallback(config))):
        names = [f"layers.{n}.{unit}" for n in range(config.num_hidden_layers)]
        if reason is None:
            fast += names
        else:
            slow += [Note(name=name, reason=reason) for name in names]
    return tuple(fast), tuple(slow)


def fused_qkv(weights: AttentionWeights) -> Grouped:
    """Query, key and value of each group as one map, [groups, 3 * out, in]; legal where nothing falls back."""
    parts = (weights.query, weights.key, weights.value)
    return Grouped(torch.cat([p.weight for p in parts], dim=1), torch.cat([p.bias for p in parts], dim=1))
