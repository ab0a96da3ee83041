"""Layers of the float form with one grouped convolution for each grouped map, [1, 1, W, C] throughout.

XNNPACK's convolution multiplies group by group where the channels lie, so that nothing is sliced and joined; it takes
channels last, one image of W by 1 tokens. Any grouping fits. Its int8 kind has a scale for each image, where the linear
maps have one for each token, so the int8 forms keep those.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.export import weights as mobile
from squeezebert_mobile.export.xnnpack.form import PteForm, activation_of, attend
from squeezebert_mobile.model import Layer, PreTrained


@torch.library.custom_op("squeezebert_mobile::grouped_conv", mutates_args=())
def grouped_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 1x1 convolution of [1, 1, W, in] with [out, 1, 1, in / groups] and [out], to [1, 1, W, out]."""
    first, last = (0, 3, 1, 2), (0, 2, 3, 1)
    groups = x.shape[-1] // weight.shape[-1]
    return F.conv2d(x.permute(first), weight.permute(first), bias, groups=groups).permute(last).contiguous()


@grouped_conv.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # noqa: ARG001  a fake has the operator's signature
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


class GroupConv(nn.Module):
    """All groups of a map in one operator."""

    def __init__(self, weights: mobile.Grouped) -> None:
        super().__init__()
        self.weight = nn.Parameter(weights.weight.flatten(0, 1)[:, None, None], requires_grad=False)
        self.bias = nn.Parameter(weights.bias.flatten(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = grouped_conv(x, self.weight, self.bias)
        return y


class ConvAttention(nn.Module):
    """Softmax attention, all heads in one product."""

    def __init__(self, weights: mobile.AttentionWeights, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        parts = (weights.query, weights.key, weights.value, weights.output)
        self.query, self.key, self.value, self.output = map(GroupConv, parts)

    def forward(self, x: Tensor) -> Tensor:
        context = attend(self.query(x), self.key(x), self.value(x), self.heads)
        y: Tensor = self.output(context.view(1, 1, -1, context.shape[-1]))
        return y


class ConvFeedForward(nn.Module):
    """The two feed-forward maps."""

    def __init__(self, weights: mobile.FeedForwardWeights, activation: str) -> None:
        super().__init__()
        self.wide, self.narrow = GroupConv(weights.wide), GroupConv(weights.narrow)
        self.activation = activation_of(activation)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.narrow(self.activation(self.wide(x)))
        return y


def convolve(form: PteForm, model: PreTrained) -> None:
    """Exchange what ``form``, made of ``model``, has for grouped maps; a layer of token 0 keeps its own attention."""
    layers = mobile.base_model(model).encoder.layers
    for block, layer in zip(form.blocks(), layers, strict=True):
        assert isinstance(layer, Layer)
        block.feed_forward = ConvFeedForward(mobile.feed_forward_weights(layer), model.config.hidden_act)
        if not block.first_only:
            block.attention = ConvAttention(mobile.attention_weights(layer, model.config), model.config)
    form.lifted = True
