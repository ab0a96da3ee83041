"""The mobile form for ONNX Runtime: the reference's function on a flat [T, C] layout, T the kept tokens of all rows.

N batch, W tokens a row as given, K tokens a row as kept, T = N * K, C channels, G groups, H heads, D channels a head.
Matrix products are two-dimensional, because ONNX Runtime packs only two-dimensional weights ahead of time.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.activations import fixed
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
    share_linear,
)
from squeezebert_mobile.model import Layer, PreTrained, SqueezeBertModel
from squeezebert_mobile.sentence import pool
from squeezebert_mobile.tasks import PoolingMode, Task

# exp(-1e4) is 0 in fp32 as exp(-3.4e38) is, and unlike that it survives quantization and fp16.
MASKED = -1e4


@dataclass(frozen=True)
class Rows:
    """The kept tokens: N rows of K. ``bias`` [N, 1, 1, K] is added to the attention scores.

    ``hidden`` [N, K] marks those that fill up a shorter row, or a masked token 0.
    ``order`` [N, K] is the position of each kept token, ``back`` [N, W] the kept token of each position: for a dropped
    position the one before it.
    """

    n: int
    k: int
    hidden: Tensor
    bias: Tensor
    order: Tensor
    back: Tensor

    def first(self, x: Tensor) -> Tensor:
        """Token 0 of each row, [T, C] -> [N, C]."""
        return x.view(self.n, self.k, -1)[:, 0]

    def pool(self, x: Tensor, mode: PoolingMode) -> Tensor:
        """One vector of each row's real tokens, [T, C] -> [N, C]."""
        return pool(x.view(self.n, self.k, -1), ~self.hidden, mode)

    def expand(self, x: Tensor) -> Tensor:
        """Values of kept tokens [T, L] at their positions again, [N, W, L]; a dropped one repeats the one before it."""
        start = torch.arange(self.n)[:, None] * self.k
        return F.embedding(self.back + start, x)

    def columns(self, x: Tensor) -> tuple[Tensor, ...]:
        """`expand`, each column apart, [N, W]."""
        return self.expand(x).unbind(-1)


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
        hidden=hidden,
        bias=(hidden.to(torch.float32) * MASKED)[:, None, None],
        order=order,
        back=keep.to(torch.int64).cumsum(1) - 1,
    )


def grouped(weights: mobile.Grouped) -> GroupedLinear:
    """One linear layer per group, on slices [T, in]."""
    return GroupedLinear(map(linear, weights.weight, weights.bias), split)


def split(x: Tensor, groups: int) -> list[Tensor]:
    """The slices of ``x`` along its channels."""
    return list(x.chunk(groups, -1)) if groups > 1 else [x]


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
        self.qkv = grouped(mobile.fused_qkv(weights))
        self.output = grouped(weights.output)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        return self.output.whole(join([self._attend(part, rows) for part in self.qkv([x])]))

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
        self.query, self.key, self.value = map(grouped, (weights.query, weights.key, weights.value))
        self.output = grouped(weights.output)

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
        self.query = grouped(weights.query)
        per_head = (self.heads, self.head_size, -1)
        self.key: nn.Module = PerHeadLinear(weights.key.weight.reshape(per_head))
        # Contiguous as it is used: a transposed matrix would be packed at every run.
        self.value: nn.Module = PerHeadLinear(weights.value.weight.reshape(per_head).transpose(1, 2).contiguous())
        self.output = grouped(weights.output)

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


def _block(layer: Layer, config: SqueezeBertConfig, first_only: bool) -> Block:
    fast = mobile.attention_fallback(config) is None
    kinds = (PlainFirstTokenAttention, FirstTokenAttention) if first_only else (PlainAttention, GroupAttention)
    weights = mobile.feed_forward_weights(layer)
    feed_forward = FeedForward(grouped(weights.wide), grouped(weights.narrow), fixed(layer.intermediate.act))
    attention = kinds[fast](mobile.attention_weights(layer, config), config)
    return Block(layer, attention, feed_forward, first_only=first_only)


class OrtModel(Form):
    """The whole mobile form, inputs and outputs as exported; layers take [T, C], or [1, T, C] with static scales."""

    def __init__(self, model: PreTrained, max_length: int) -> None:
        embeddings = Embeddings(mobile.base_model(model), max_length)
        head = make_head(model, share_linear, fixed)
        super().__init__(model, embeddings, _block, head)

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
