"""The mobile form for ExecuTorch with XNNPACK: the reference's function for one unpadded text, [W, C] throughout.

W tokens, C channels, D channels a head. XNNPACK takes slices, views with one free axis and three-dimensional products
inside its delegate; splits, expands and four-dimensional products fall out of it and cost a copy each. The layers also
take [1, 1, W, C], as grouped convolutions (`convolve`).
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.activations import Activation, fixed, gelu_tanh
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.export import weights as mobile
from squeezebert_mobile.export.parts import (
    Block,
    FeedForward,
    Form,
    GroupedLinear,
    join,
    linear,
    make_head,
    norm,
    share_linear,
)
from squeezebert_mobile.model import Layer, PreTrained, SqueezeBertModel
from squeezebert_mobile.tasks import PoolingMode


class Maps(nn.Module):
    """Linear maps that read one input, which an int8 form then quantizes once for all; one alone gives its tensor."""

    def __init__(self, maps: Iterable["nn.Linear | GroupConv"]) -> None:
        super().__init__()
        self.maps = nn.ModuleList(maps)

    def layers(self) -> list["nn.Linear | GroupConv"]:
        """The maps."""
        return [layer for layer in self.maps if isinstance(layer, nn.Linear | GroupConv)]

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        return one_or_all([layer(x) for layer in self.maps])


def one_or_all(outputs: list[Tensor]) -> Tensor | list[Tensor]:
    """A single output itself."""
    return outputs[0] if len(outputs) == 1 else outputs


def grouped(weights: mobile.Grouped) -> GroupedLinear:
    """One linear map per group, on slices [W, in]."""
    return GroupedLinear((Maps([lean(*pair)]) for pair in zip(weights.weight, weights.bias, strict=True)), split)


def lean(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A linear map [out, in]; without a bias where that is all zero."""
    return linear(weight, bias if bias.any() else None)


def split(x: Tensor, groups: int) -> list[Tensor]:
    """The slices of ``x`` along its channels."""
    if groups == 1:
        return [x]
    size = x.shape[-1] // groups
    return [x[..., g * size : (g + 1) * size] for g in range(groups)]


class OneText:
    """The layout of the form: the tokens of one text [.., W, C]."""

    def first(self, x: Tensor) -> Tensor:
        """Token 0 alone, [.., W, C] -> [.., 1, C]."""
        return x[..., :1, :]

    def pool(self, x: Tensor, mode: PoolingMode) -> Tensor:
        """One vector of all tokens, [W, C] -> [1, C]; in fp32, for a sum over the tokens is too long for fp16."""
        match mode:
            case "mean":
                return x.float().mean(0, keepdim=True)
            case "cls":
                return self.first(x).float()
            case "max":
                return x.float().amax(0, keepdim=True)

    def expand(self, x: Tensor) -> Tensor:
        """[W, L] as the batch of one that callers expect, [1, W, L]."""
        return x.view(1, -1, x.shape[-1])

    def columns(self, x: Tensor) -> tuple[Tensor, ...]:
        """The two columns apart, [1, W] each."""
        return x[:, :1].reshape(1, -1), x[:, 1:].reshape(1, -1)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Softmax attention of ``heads`` heads; q [Q, heads * D], k and v [W, heads * D], to [Q, heads * D]."""
    size = q.shape[-1] // heads
    scores = torch.bmm(q.view(-1, heads, size).permute(1, 0, 2), k.view(-1, heads, size).permute(1, 2, 0))
    context = torch.bmm(scores.softmax(-1), v.view(-1, heads, size).permute(1, 0, 2))  # [heads, Q, D]
    return context.permute(1, 0, 2).contiguous().view(-1, heads * size)


class Products(nn.Module):
    """`attend` as a module, which an int8 form exchanges."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(q, k, v, self.heads)


class GroupAttention(nn.Module):
    """Attention where each group holds whole heads, so that a group's q, k and v meet nobody else's."""

    def __init__(self, weights: mobile.AttentionWeights, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.products: nn.Module = Products(config.num_attention_heads // config.q_groups)
        parts = (weights.query, weights.key, weights.value)
        self.qkv = nn.ModuleList(
            Maps(lean(part.weight[g], part.bias[g]) for part in parts) for g in range(config.q_groups)
        )
        self.output = grouped(weights.output)

    def forward(self, x: Tensor, rows: OneText) -> Tensor:  # noqa: ARG002  one signature for all attentions
        pieces = split(x, len(self.qkv))
        context = [self.products(*maps(piece)) for maps, piece in zip(self.qkv, pieces, strict=True)]
        return join(self.output(context))


class PlainAttention(nn.Module):
    """Attention for any grouping: q, k and v whole, all heads in one product."""

    def __init__(self, weights: mobile.AttentionWeights, config: SqueezeBertConfig, *, first_only: bool) -> None:
        super().__init__()
        self.heads, self.first_only = config.num_attention_heads, first_only
        self.query, self.key, self.value = map(grouped, (weights.query, weights.key, weights.value))
        self.output = grouped(weights.output)

    def forward(self, x: Tensor, rows: OneText) -> Tensor:
        q = self.query.whole(rows.first(x) if self.first_only else x)
        return self.output.whole(attend(q, self.key.whole(x), self.value.whole(x), self.heads))


class FirstTokenAttention(nn.Module):
    """`GroupAttention` for token 0 alone, to [1, C].

    The query meets the key weights instead of every key, k . q = (W x) . q = x . (W' q), and the value weights meet
    the weighted sum of x instead of every token; no product with a weight is left that is W tokens tall.
    """

    def __init__(self, weights: mobile.AttentionWeights, config: SqueezeBertConfig) -> None:
        super().__init__()
        groups, self.heads = config.q_groups, config.num_attention_heads // config.q_groups
        self.query = grouped(weights.query)
        self.reach = nn.ModuleList(self._per_head(weights.key, g, transpose=True) for g in range(groups))
        self.value = nn.ModuleList(self._per_head(weights.value, g, transpose=False) for g in range(groups))
        self.output = grouped(weights.output)

    def _per_head(self, part: mobile.Grouped, group: int, *, transpose: bool) -> nn.ModuleList:
        heads = part.weight[group].chunk(self.heads)  # [D, in] each
        return nn.ModuleList(Maps([lean(head.T.contiguous() if transpose else head, torch.zeros(1))]) for head in heads)

    def forward(self, x: Tensor, rows: OneText) -> Tensor:
        pieces, queries = split(x, len(self.value)), self.query([rows.first(x)])
        context = [self._group(g, q, piece) for g, (q, piece) in enumerate(zip(queries, pieces, strict=True))]
        return join(self.output(context))

    def _group(self, group: int, q: Tensor, x: Tensor) -> Tensor:
        reach = [maps(part) for maps, part in zip(self.reach[group], split(q, self.heads), strict=True)]  # [1, in]
        size = x.shape[-1]
        queries, tokens = join(reach).view(1, self.heads, size), x.view(1, -1, size)
        probabilities = torch.bmm(queries, tokens.permute(0, 2, 1)).softmax(-1)  # [1, heads, W]
        seen = torch.bmm(probabilities, tokens).view(1, self.heads * size)
        return join([maps(part) for maps, part in zip(self.value[group], split(seen, self.heads), strict=True)])


def lowered(source: Activation) -> Activation:
    """The activation, in operators that XNNPACK computes as PyTorch does: its own Gelu is the exact one only."""
    return _gelu_tanh if source is gelu_tanh else fixed(source)


def _gelu_tanh(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))


def _block(layer: Layer, config: SqueezeBertConfig, first_only: bool) -> Block:
    attention = _attention(mobile.attention_weights(layer, config), config, first_only=first_only)
    weights = mobile.feed_forward_weights(layer)
    feed_forward = FeedForward(grouped(weights.wide), grouped(weights.narrow), lowered(layer.intermediate.act))
    return Block(layer, attention, feed_forward, first_only=first_only)


def _attention(weights: mobile.AttentionWeights, config: SqueezeBertConfig, *, first_only: bool) -> nn.Module:
    if mobile.attention_fallback(config) is not None:
        return PlainAttention(weights, config, first_only=first_only)
    return FirstTokenAttention(weights, config) if first_only else GroupAttention(weights, config)


class FirstRows(nn.Module):
    """As many rows of a table [L, C] as there are ids [W], from the first on."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(table.clone(), requires_grad=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.weight[: ids.shape[0]]


class Embeddings(nn.Module):
    """Ids and segment ids [W] to [W, C]."""

    def __init__(self, model: SqueezeBertModel, max_length: int) -> None:
        super().__init__()
        source = model.embeddings
        self.words: nn.Module = nn.Embedding.from_pretrained(source.word_embeddings.weight)
        self.types = nn.Embedding.from_pretrained(source.token_type_embeddings.weight)
        self.positions: nn.Module = FirstRows(source.position_embeddings.weight[:max_length])
        self.norm = norm(source.LayerNorm)

    def forward(self, ids: Tensor, types: Tensor) -> Tensor:
        x: Tensor = self.norm(self.words(ids) + self.types(types) + self.positions(ids))
        return x


class XnnpackModel(Form):
    """The whole mobile form: (input_ids, token_type_ids), int64 [1, W], to the outputs of the task.

    The layers take [W, C], or [1, 1, W, C] as grouped convolutions.
    """

    embeddings: Embeddings

    def __init__(self, model: PreTrained, max_length: int) -> None:
        embeddings = Embeddings(mobile.base_model(model), max_length)
        head = make_head(model, _shared, lowered)
        super().__init__(model, embeddings, _block, head)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> tuple[Tensor, ...]:
        x = self.embeddings(input_ids.view(-1), token_type_ids.view(-1))
        if self.rank4:
            x = x.view(1, 1, -1, x.shape[-1])
        text = OneText()
        for layer in self.layers:
            x = layer(x, text)
        outputs: tuple[Tensor, ...] = self.head(x.view(-1, x.shape[-1]) if self.rank4 else x, text)
        return tuple(output.float() for output in outputs)


def _shared(source: nn.Module) -> Maps:
    return Maps([share_linear(source)])


@torch.library.custom_op("squeezebert_mobile::grouped_convolution", mutates_args=())
def grouped_convolution(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 1x1 convolution of [1, 1, W, in] with [out, 1, 1, in / groups] and [out], to [1, 1, W, out]."""
    first, last = (0, 3, 1, 2), (0, 2, 3, 1)
    groups = x.shape[-1] // weight.shape[-1]
    return F.conv2d(x.permute(first), weight.permute(first), bias, groups=groups).permute(last).contiguous()


@grouped_convolution.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # noqa: ARG001  a fake has the operator's signature
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


class GroupConv(nn.Module):
    """All groups of a map in one operator."""

    def __init__(self, weights: mobile.Grouped) -> None:
        super().__init__()
        self.weight = nn.Parameter(weights.weight.flatten(0, 1)[:, None, None], requires_grad=False)
        self.bias = nn.Parameter(weights.bias.flatten(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = grouped_convolution(x, self.weight, self.bias)
        return y


def convolved(*weights: mobile.Grouped) -> Maps:
    """Grouped maps of one input as convolutions."""
    return Maps(map(GroupConv, weights))


class ConvAttention(nn.Module):
    """Softmax attention, all heads in one product."""

    def __init__(self, weights: mobile.AttentionWeights, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.products: nn.Module = Products(config.num_attention_heads)
        self.qkv = convolved(weights.query, weights.key, weights.value)
        self.output = convolved(weights.output)

    def forward(self, x: Tensor, rows: OneText) -> Tensor:  # noqa: ARG002
        context = self.products(*self.qkv(x))
        y: Tensor = self.output(context.view(1, 1, -1, context.shape[-1]))
        return y


class ConvFeedForward(nn.Module):
    """The two feed-forward maps."""

    def __init__(self, weights: mobile.FeedForwardWeights, activation: Activation) -> None:
        super().__init__()
        self.wide, self.narrow = convolved(weights.wide), convolved(weights.narrow)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.narrow(self.activation(self.wide(x)))
        return y


def convolve(form: XnnpackModel, model: PreTrained) -> None:
    """Exchange what ``form``, made of ``model``, has for grouped maps; a layer of token 0 keeps its own attention."""
    layers = mobile.base_model(model).encoder.layers
    for block, layer in zip(form.blocks(), layers, strict=True):
        assert isinstance(layer, Layer)
        block.feed_forward = ConvFeedForward(mobile.feed_forward_weights(layer), lowered(layer.intermediate.act))
        if not block.first_only:
            block.attention = ConvAttention(mobile.attention_weights(layer, model.config), model.config)
    form.rank4 = True
