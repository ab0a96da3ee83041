"""The mobile form for ONNX Runtime: the reference's function on a flat [T, C] layout, T the kept tokens of all rows.

N batch, W tokens a row as given, K tokens a row as kept, T = N * K, C channels, G groups, H heads, D channels a head.
Matrix products are two-dimensional, because ONNX Runtime packs only two-dimensional weights ahead of time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.export import weights as mobile
from squeezebert_mobile.model import ACTIVATION, Layer, LMHead, PreTrained, SqueezeBertModel
from squeezebert_mobile.tasks import Task

# exp(-1e4) is 0 in fp32 as exp(-3.4e38) is, and unlike that it survives quantization and fp16.
MASKED = -1e4


@dataclass(frozen=True)
class Rows:
    """The kept tokens: N rows of K. ``bias`` [N, 1, 1, K] is added to the attention scores.

    ``order`` [N, K] is the position of each kept token, ``back`` [N, W] the kept token of each position: for a dropped
    position the one before it.
    """

    n: int
    k: int
    bias: Tensor
    order: Tensor
    back: Tensor

    def first(self, x: Tensor) -> Tensor:
        """Token 0 of each row, [T, C] -> [N, C]."""
        return x.view(self.n, self.k, -1)[:, 0]


def compact(mask: Tensor) -> Rows:
    """The rows that an attention mask [N, W] keeps."""
    width = mask.shape[1]
    position = torch.arange(width)
    keep = (mask != 0) | (position == 0)
    # Not int(): capture must keep it symbolic.
    longest = cast("int", keep.sum(1).max().item())
    torch._check(longest >= 1)
    torch._check(longest <= width)
    # Distinct keys, larger for kept and for earlier tokens: their order does not hang on how TopK breaks ties.
    key = torch.where(keep, width - position, -position)
    order = key.topk(longest, dim=1).indices
    hidden = mask.gather(1, order) == 0
    return Rows(
        n=mask.shape[0],
        k=longest,
        bias=(hidden.to(torch.float32) * MASKED)[:, None, None],
        order=order,
        back=keep.to(torch.int64).cumsum(1) - 1,
    )


def expand(x: Tensor, rows: Rows) -> Tensor:
    """Per-token values [T, L] at their positions again, [N, W, L]; a dropped position repeats the token before it."""
    start = torch.arange(rows.n)[:, None] * rows.k
    return F.embedding(rows.back + start, x)


class GroupedLinear(nn.Module):
    """One linear layer per group, on a list of per-group slices [T, in]."""

    def __init__(self, weights: mobile.Grouped) -> None:
        super().__init__()
        self.groups = nn.ModuleList(map(linear, weights.weight, weights.bias))

    def forward(self, parts: Sequence[Tensor]) -> list[Tensor]:
        return [layer(part) for layer, part in zip(self.groups, parts, strict=True)]

    def split(self, x: Tensor) -> list[Tensor]:
        """The map's outputs per group, from undivided channels [T, C]."""
        parts: list[Tensor] = self(x.chunk(len(self.groups), -1) if len(self.groups) > 1 else [x])
        return parts

    def whole(self, x: Tensor) -> Tensor:
        """The same map on and to undivided channels, [T, C] -> [T, out]."""
        return join(self.split(x))


def join(parts: Sequence[Tensor]) -> Tensor:
    """The channels of all groups side by side, [T, C]."""
    return torch.cat(list(parts), -1) if len(parts) > 1 else parts[0]


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A linear layer that holds these values."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight.clone(), False), nn.Parameter(bias.clone(), False)
    return layer


class Embeddings(nn.Module):
    def __init__(self, model: SqueezeBertModel, max_length: int) -> None:
        super().__init__()
        source = model.embeddings
        self.words = source.word_embeddings.weight
        self.positions = nn.Parameter(source.position_embeddings.weight[:max_length].clone(), False)
        self.types = source.token_type_embeddings.weight
        self.norm = source.LayerNorm

    def forward(self, ids: Tensor, types: Tensor, positions: Tensor) -> Tensor:
        x = F.embedding(ids, self.words) + F.embedding(positions, self.positions) + F.embedding(types, self.types)
        normed: Tensor = self.norm(x.flatten(0, 1))  # [N, K, C] -> [T, C]
        return normed


class GroupAttention(nn.Module):
    """Attention whose groups hold whole heads: one map to q, k and v of a group, then that group's heads."""

    def __init__(self, weights: mobile.AttentionWeights, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.heads, self.head_size = config.num_attention_heads // config.q_groups, config.head_size
        self.qkv = GroupedLinear(mobile.fused_qkv(weights))
        self.output = GroupedLinear(weights.output)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        return self.output.whole(join([self._attend(part, rows) for part in self.qkv.split(x)]))

    def _attend(self, qkv: Tensor, rows: Rows) -> Tensor:
        split = qkv.view(rows.n, rows.k, 3, self.heads, self.head_size).permute(2, 0, 3, 1, 4)
        q, k, v = (part.squeeze(0) for part in split.chunk(3))  # [N, heads, K, D]
        return attend(q, k, v, rows)


def attend(q: Tensor, k: Tensor, v: Tensor, rows: Rows) -> Tensor:
    """Softmax attention over [N, heads, K, D], flat again: [T, heads * D]."""
    probabilities = (q @ k.transpose(2, 3) + rows.bias).softmax(-1)  # [N, heads, K, K]
    return (probabilities @ v).transpose(1, 2).flatten(2).flatten(0, 1)


class PlainAttention(nn.Module):
    """Attention for any grouping: q, k and v apart, all heads at once."""

    def __init__(self, weights: mobile.AttentionWeights, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.heads, self.head_size = config.num_attention_heads, config.head_size
        self.query, self.key, self.value = map(GroupedLinear, (weights.query, weights.key, weights.value))
        self.output = GroupedLinear(weights.output)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        q, k, v = (self._heads(layer.whole(x), rows) for layer in (self.query, self.key, self.value))
        return self.output.whole(attend(q, k, v, rows))

    def _heads(self, x: Tensor, rows: Rows) -> Tensor:
        return x.view(rows.n, rows.k, self.heads, self.head_size).transpose(1, 2)


class PerHeadLinear(nn.Module):
    """One matrix per head, [N, H, 1, in] -> [N, H, 1, out], as a module so that it can be exchanged."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values.clone(), False)  # [H, in, out]

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.values


class FirstTokenAttention(nn.Module):
    """`GroupAttention` for token 0 alone, [T, C] -> [N, C]: the query goes through the key weights, not every key.

    score = (Wk x) . q = x . (Wk' q), and likewise the value map follows the weighted sum of x.
    """

    def __init__(self, weights: mobile.AttentionWeights, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.heads, self.head_size, self.groups = config.num_attention_heads, config.head_size, config.q_groups
        self.query = GroupedLinear(weights.query)
        per_head = (self.heads, self.head_size, -1)
        self.key: nn.Module = PerHeadLinear(weights.key.weight.reshape(per_head))
        # Contiguous as it is used: a transposed matrix would be packed at every run.
        self.value: nn.Module = PerHeadLinear(weights.value.weight.reshape(per_head).transpose(1, 2).contiguous())
        self.output = GroupedLinear(weights.output)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        q = self.query.whole(rows.first(x)).view(rows.n, self.heads, 1, self.head_size)
        reach = self.key(q).view(rows.n, self.groups, self.heads // self.groups, -1)  # [N, G, heads of a group, in]
        tokens = x.view(rows.n, rows.k, self.groups, -1).transpose(1, 2)  # [N, G, K, in]
        probabilities = (reach @ tokens.transpose(2, 3) + rows.bias).softmax(-1)
        seen = (probabilities @ tokens).view(rows.n, self.heads, 1, -1)
        return self.output.whole(self.value(seen).view(rows.n, -1))


class PlainFirstTokenAttention(PlainAttention):
    """`PlainAttention` for token 0 alone, [T, C] -> [N, C]."""

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        k, v = (self._heads(layer.whole(x), rows) for layer in (self.key, self.value))
        q = self.query.whole(rows.first(x)).view(rows.n, self.heads, 1, self.head_size)
        return self.output.whole(attend(q, k, v, rows))


class FeedForward(nn.Module):
    """The two feed-forward maps; they chain inside a group where both have the same groups."""

    def __init__(self, weights: mobile.FeedForwardWeights, config: SqueezeBertConfig) -> None:
        super().__init__()
        self.wide, self.narrow = GroupedLinear(weights.wide), GroupedLinear(weights.narrow)
        self.activation = ACTIVATION[config.hidden_act]
        self.chained = mobile.feed_forward_fallback(config) is None

    def forward(self, x: Tensor) -> Tensor:
        wide = [self.activation(part) for part in self.wide.split(x)]
        return join(self.narrow(wide)) if self.chained else self.narrow.whole(join(wide))


class Block(nn.Module):
    """One encoder layer, [T, C] -> [T, C], or -> [N, C] where ``first_only``."""

    def __init__(self, layer: Layer, config: SqueezeBertConfig, *, first_only: bool) -> None:
        super().__init__()
        fast = mobile.attention_fallback(config) is None
        kinds = (PlainFirstTokenAttention, FirstTokenAttention) if first_only else (PlainAttention, GroupAttention)
        self.attention: nn.Module = kinds[fast](mobile.attention_weights(layer, config), config)
        self.attention_norm = norm(layer.post_attention.layernorm)
        self.feed_forward: nn.Module = FeedForward(mobile.feed_forward_weights(layer), config)
        self.feed_forward_norm = norm(layer.output.layernorm)
        self.first_only = first_only

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        residual = rows.first(x) if self.first_only else x
        y = self.attention_norm(self.attention(x, rows) + residual)
        z: Tensor = self.feed_forward_norm(self.feed_forward(y) + y)
        return z


def norm(source: nn.LayerNorm) -> nn.LayerNorm:
    """The reference's normalization over the last axis."""
    layer = nn.LayerNorm(source.normalized_shape, source.eps)
    layer.weight, layer.bias = source.weight, source.bias
    return layer


class OrtModel(nn.Module):
    """The whole mobile form, inputs and outputs as exported."""

    def __init__(self, model: PreTrained, max_length: int) -> None:
        super().__init__()
        config, base = model.config, mobile.base_model(model)
        self.task = model.task
        self.embeddings: nn.Module = Embeddings(base, max_length)
        count = config.num_hidden_layers
        self.layers = nn.ModuleList(
            Block(layer, config, first_only=self.task.reads_first_token_only and index == count - 1)
            for index, layer in enumerate(base.encoder.layers)
        )
        self.head = head(model)
        # Whether the layers take [1, T, C], as ONNX Runtime's integer convolution wants it.
        self.rank4 = False

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor, ...]:
        if self.task is not Task.MULTIPLE_CHOICE:
            return self._rows(input_ids, attention_mask, token_type_ids)
        (logits,) = self._rows(*(x.flatten(0, 1) for x in (input_ids, attention_mask, token_type_ids)))
        return (logits.view(input_ids.shape[:2]),)

    def _rows(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, ...]:
        rows = compact(mask)
        x = self.embeddings(ids.gather(1, rows.order), types.gather(1, rows.order), rows.order)
        if self.rank4:
            x = x[None]
        for layer in self.layers:
            x = layer(x, rows)
        outputs: tuple[Tensor, ...] = self.head(x.flatten(0, -2), rows)  # [T, C] or [N, C]
        return outputs


def head(model: PreTrained) -> nn.Module:
    """The part after the encoder."""
    pooler = mobile.base_model(model).pooler.dense
    match model.task:
        case Task.TEXT_CLASSIFICATION | Task.MULTIPLE_CHOICE:
            return ClassifierHead(copy_linear(pooler), copy_linear(model.get_submodule("classifier")))
        case Task.TOKEN_CLASSIFICATION:
            return TokenHead(copy_linear(model.get_submodule("classifier")))
        case Task.QUESTION_ANSWERING:
            return SpanHead(copy_linear(model.get_submodule("qa_outputs")))
        case Task.FILL_MASK:
            return VocabularyHead(model.get_submodule("cls.predictions"))
        case Task.FEATURE_EXTRACTION:
            return FeatureHead(copy_linear(pooler))


def copy_linear(source: nn.Module) -> nn.Linear:
    """A linear layer on the same weights, whose names follow the form's own structure."""
    assert isinstance(source, nn.Linear)
    layer = nn.Linear(source.in_features, source.out_features)
    layer.weight, layer.bias = source.weight, source.bias
    return layer


class ClassifierHead(nn.Module):
    """Token 0, already alone [N, C], to logits [N, labels]."""

    def __init__(self, pooler: nn.Linear, classifier: nn.Linear) -> None:
        super().__init__()
        self.pooler, self.classifier = pooler, classifier

    def forward(self, x: Tensor, rows: Rows) -> tuple[Tensor, ...]:  # noqa: ARG002  one signature for all heads
        return (self.classifier(torch.tanh(self.pooler(x))),)


class TokenHead(nn.Module):
    """Logits [N, W, labels] of every token."""

    def __init__(self, classifier: nn.Linear) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor, rows: Rows) -> tuple[Tensor, ...]:
        return (expand(self.classifier(x), rows),)


class SpanHead(TokenHead):
    """Start and end logits, [N, W] each."""

    def forward(self, x: Tensor, rows: Rows) -> tuple[Tensor, ...]:
        return expand(self.classifier(x), rows).unbind(-1)


class VocabularyHead(nn.Module):
    """Vocabulary logits [N, W, V]; the decoder runs over kept tokens only."""

    def __init__(self, source: nn.Module) -> None:
        super().__init__()
        transform = source.transform
        assert isinstance(transform, LMHead)
        self.dense, self.norm = copy_linear(transform.dense), norm(transform.LayerNorm)
        self.activation = transform.act
        self.decoder = copy_linear(source.get_submodule("decoder"))

    def forward(self, x: Tensor, rows: Rows) -> tuple[Tensor, ...]:
        return (expand(self.decoder(self.norm(self.activation(self.dense(x)))), rows),)


class FeatureHead(nn.Module):
    """Hidden states [N, W, C] and the pooled first token [N, C]."""

    def __init__(self, pooler: nn.Linear) -> None:
        super().__init__()
        self.pooler = pooler

    def forward(self, x: Tensor, rows: Rows) -> tuple[Tensor, ...]:
        return expand(x, rows), torch.tanh(self.pooler(rows.first(x)))
