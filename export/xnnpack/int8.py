"""int8 for the ExecuTorch form: weights per output channel, activations per token while the model runs, table per row.

The operators that XNNPACK knows as quantization are written out here, so that no annotating tool stands
between the form and the delegate. Source: the node patterns of executorch.backends.xnnpack.utils.quant_utils.
"""

from collections.abc import Callable

import torch
import torch.ao.quantization.fx._decomposed  # registers torch.ops.quantized_decomposed
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.export.integers import SMALLEST_SCALE, Span, quantize_rows
from squeezebert_mobile.export.xnnpack.form import FirstRows, Maps, Products

_OPS = torch.ops.quantized_decomposed
_LOW, _HIGH = -128, 127
# Values of a row that share a scale at 4 bits.
BLOCK = 32


class IntWeight(nn.Module):
    """A linear map's weight as int8 [out, in] with a scale per output channel, and its float bias."""

    def __init__(self, source: nn.Linear) -> None:
        super().__init__()
        weight, scale = quantize_rows(source.weight.detach())
        self.weight, self.scale = nn.Buffer(weight), nn.Buffer(scale)
        self.zero = nn.Buffer(torch.zeros(len(scale), dtype=torch.int64))
        self.bias = source.bias

    def forward(self, x: Tensor) -> Tensor:
        """The map on dequantized ``x``; the delegate multiplies the integers themselves."""
        dequantize = _OPS.dequantize_per_channel.default
        weight = dequantize(self.weight, self.scale, self.zero, 0, -_HIGH, _HIGH, torch.int8)
        return F.linear(x, weight, self.bias)


class DynamicMaps(nn.Module):
    """`Maps` in int8, whose input [W, in] is quantized once, each token with the scale and zero point of its range."""

    def __init__(self, source: Maps) -> None:
        super().__init__()
        self.maps = nn.ModuleList(IntWeight(layer) for layer in source.linears())

    def forward(self, x: Tensor) -> list[Tensor]:
        scale, zero = _OPS.choose_qparams_per_token_asymmetric.default(x, torch.int8)
        integers = _OPS.quantize_per_token.default(x, scale, zero, _LOW, _HIGH, torch.int8)
        x = _OPS.dequantize_per_token.default(integers, scale, zero, _LOW, _HIGH, torch.int8, torch.float32)
        return [layer(x) for layer in self.maps]


class StaticProducts(nn.Module):
    """`Products` with int8 operands and results, the softmax between them float; calibrated scales, one per tensor.

    XNNPACK takes a second operand without a zero point only, so keys and values are symmetric; queries are, too.
    """

    def __init__(self, source: Products, spans: Callable[[str], Span]) -> None:
        super().__init__()
        self.heads = source.heads
        self.query, self.key, self.value = (_symmetric(spans(f"qkv.{name}")) for name in ("query", "key", "value"))
        self.scores, self.context = _asymmetric(spans("scores")), _asymmetric(spans("output.input"))

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """[Q, heads * D], and [W, heads * D] twice, to [Q, heads * D]."""
        rows, keys, values = (x.view(-1, self.heads, x.shape[-1] // self.heads) for x in (q, k, v))
        left, right = _stored(rows.permute(1, 0, 2), self.query), _stored(keys.permute(1, 2, 0), self.key)
        shares = _stored(_stored(torch.bmm(left, right), self.scores).softmax(-1), _SHARES)
        context = _stored(torch.bmm(shares, _stored(values.permute(1, 0, 2), self.value)), self.context)
        return context.permute(1, 0, 2).contiguous().view(-1, q.shape[-1])


# Scale and zero point. A softmax lies in 0 to 1.
Grid = tuple[float, int]
_SHARES: Grid = (1 / 255, _LOW)


def _symmetric(span: Span) -> Grid:
    return span.signed_scale(), 0


def _asymmetric(span: Span) -> Grid:
    scale, zero = span.unsigned()
    return float(scale), int(zero) + _LOW


def _stored(x: Tensor, grid: Grid) -> Tensor:
    """``x`` through int8 and back; between two of these the delegate computes with the integers."""
    integers = _OPS.quantize_per_tensor.default(x, *grid, _LOW, _HIGH, torch.int8)
    return _OPS.dequantize_per_tensor.default(integers, *grid, _LOW, _HIGH, torch.int8)


class ByteEmbedding(nn.Module):
    """Ids [W] to rows [W, C] of an int8 table with a scale per row."""

    def __init__(self, source: nn.Embedding) -> None:
        super().__init__()
        table, scale = quantize_rows(source.weight.detach())
        self.table, self.scale = nn.Buffer(table), nn.Buffer(scale[:, None])

    def forward(self, ids: Tensor) -> Tensor:
        # A plain lookup and a product: phone builds of the runtime lack quantized_decomposed::embedding_byte.
        return F.embedding(ids, self.table).to(torch.float32) * F.embedding(ids, self.scale)


class ByteRows(nn.Module):
    """`FirstRows` of an int8 table with a scale per row."""

    def __init__(self, source: FirstRows) -> None:
        super().__init__()
        table, scale = quantize_rows(source.weight.detach())
        self.table, self.scale = nn.Buffer(table), nn.Buffer(scale[:, None])

    def forward(self, ids: Tensor) -> Tensor:
        tokens = ids.shape[0]
        return self.table[:tokens].to(torch.float32) * self.scale[:tokens]


class NibbleEmbedding(nn.Module):
    """Ids [W] to rows [W, C] of a 4-bit table, two values a byte, a scale for every `BLOCK` values."""

    def __init__(self, source: nn.Embedding) -> None:
        super().__init__()
        blocks = source.weight.detach().unflatten(1, (-1, BLOCK))
        scale = blocks.abs().amax(2).clamp_min(7.5 * SMALLEST_SCALE) / 7.5
        values = (blocks / scale[..., None] + 7.5).round().clamp(0, 15).to(torch.uint8).flatten(1)
        low, high = values.chunk(2, 1)
        self.table, self.scale = nn.Buffer(low + 16 * high), nn.Buffer(scale)

    def forward(self, ids: Tensor) -> Tensor:
        packed = F.embedding(ids, self.table).to(torch.float32)
        high = torch.floor(packed / 16)
        values = torch.cat([packed - 16 * high, high], -1) - 7.5
        scaled = values.view(-1, self.scale.shape[1], BLOCK) * F.embedding(ids, self.scale)[:, :, None]
        return scaled.view(-1, self.scale.shape[1] * BLOCK)
