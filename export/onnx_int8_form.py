"""The int8 counterparts of the parts of `onnx_form`, over the operators of `onnx_ops`.

Weights: s8, symmetric, one scale per output channel. Activations: u8 with a zero point, one scale per tensor.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.export import onnx_ops
from squeezebert_mobile.export.compaction import Rows
from squeezebert_mobile.export.integers import Span, quantize_rows
from squeezebert_mobile.export.onnx_form import Embeddings, FeedForward, GroupAttention, GroupLinear, Weight, join
from squeezebert_mobile.export.scheme import EmbeddingBits


class DynamicLinear(nn.Module):
    """[T, in] -> [T, out], the range of the input found while running; ``table`` shares an embedding's rows."""

    def __init__(self, source: nn.Linear, table: "IntEmbeddings | None" = None) -> None:
        super().__init__()
        self.tied = table is not None
        weight, scale = quantize_rows(source.weight.detach())
        self.weight = nn.Buffer(weight.T.contiguous()) if table is None else table.words
        self.scale = nn.Buffer(scale)
        self.bias = source.bias

    def forward(self, x: Tensor) -> Tensor:
        return onnx_ops.dynamic_matmul(x, self.weight.T if self.tied else self.weight, self.scale, self.bias)


class StaticLinear(DynamicLinear):
    """[T, in] -> [T, out] in float, the input with a calibrated range."""

    def __init__(self, source: nn.Linear, span: Span, table: "IntEmbeddings | None" = None) -> None:
        super().__init__(source, table)
        x_scale, x_zero = span.unsigned()
        self.x_scale, self.x_zero = nn.Buffer(x_scale), nn.Buffer(x_zero)

    def forward(self, x: Tensor) -> Tensor:
        q = onnx_ops.quantize(x, self.x_scale, self.x_zero)
        weight = self.weight.T if self.tied else self.weight
        return onnx_ops.integer_matmul(q, weight, self.x_scale, self.scale, self.x_zero, self.bias)


class StaticConv(nn.Module):
    """u8 [1, T, in] -> u8 [1, T, out]; ``fold`` multiplies the scale of each output channel."""

    def __init__(self, source: nn.Linear, x: Span, y: tuple[Tensor, Tensor], fold: Tensor | None = None) -> None:
        super().__init__()
        weight, scale = quantize_rows(source.weight.detach())
        x_scale, x_zero = x.unsigned()
        self.x_scale, self.x_zero = nn.Buffer(x_scale), nn.Buffer(x_zero)
        self.y_scale, self.y_zero = map(nn.Buffer, y)
        self.weight = nn.Buffer(weight[:, :, None])
        # fold scales a channel's real output, and its bias with it, so the integer bias is the same.
        self.bias = nn.Buffer(
            (source.bias.detach() / (scale * x_scale)).round().clamp(-(2**31), 2**31 - 129).to(torch.int32)
        )
        self.scale = nn.Buffer(scale if fold is None else scale * fold)
        self.w_zero = nn.Buffer(torch.zeros(len(scale), dtype=torch.int8))

    def forward(self, x: Tensor) -> Tensor:
        return onnx_ops.qlinear_conv(
            x, self.x_scale, self.x_zero, self.weight, self.scale, self.w_zero, self.y_scale, self.y_zero, self.bias
        )


def _parts(x: Tensor, groups: int) -> list[Tensor]:
    return list(x.chunk(groups, -1)) if groups > 1 else [x]


class StaticGroupAttention(nn.Module):
    """`GroupAttention` with integers from the input to the output projection; only the softmax is float.

    q, k and v leave one operator per group with scales of their own, folded into the scales of its output channels.
    Keys and values are symmetric and become s8, which makes both products u8 by s8.
    """

    def __init__(self, source: GroupAttention, spans: Callable[[str], Span]) -> None:
        super().__init__()
        self.heads, self.head_size, self.groups = source.heads, source.head_size, len(source.qkv.groups)
        x, context, y = spans("qkv.input"), spans("output.input"), spans("output.output")
        q, k, v = (spans(f"qkv.{name}").signed_scale() for name in ("query", "key", "value"))
        width = self.heads * self.head_size
        fold = torch.tensor([1.0, q / k, q / v]).repeat_interleave(width)
        middle = (torch.tensor(q), torch.tensor(128, dtype=torch.uint8))
        self.qkv = nn.ModuleList(StaticConv(layer, x, middle, fold) for layer in linears(source.qkv))
        self.output = nn.ModuleList(StaticConv(layer, context, y.unsigned()) for layer in linears(source.output))
        x_scale, x_zero = x.unsigned()
        c_scale, c_zero = context.unsigned()
        y_scale, y_zero = y.unsigned()
        self.x_scale, self.x_zero = nn.Buffer(x_scale), nn.Buffer(x_zero)
        self.c_scale, self.c_zero = nn.Buffer(c_scale), nn.Buffer(c_zero)
        self.y_scale, self.y_zero = nn.Buffer(y_scale), nn.Buffer(y_zero)
        self.q_scale, self.k_scale, self.v_scale = (nn.Buffer(torch.tensor(value)) for value in (q, k, v))
        self.middle = nn.Buffer(torch.tensor(128, dtype=torch.uint8))
        self.signed = nn.Buffer(torch.tensor(0, dtype=torch.int8))
        self.unsigned = nn.Buffer(torch.tensor(0, dtype=torch.uint8))
        self.one, self.share = nn.Buffer(torch.tensor(1.0)), nn.Buffer(torch.tensor(1 / 255))

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        whole = onnx_ops.quantize(x, self.x_scale, self.x_zero)[None]  # [1, T, C]
        parts = [layer(part) for layer, part in zip(self.qkv, _parts(whole, self.groups), strict=True)]
        context = self._attend(join(parts), rows)
        outputs = [layer(part) for layer, part in zip(self.output, _parts(context, len(self.output)), strict=True)]
        return onnx_ops.dequantize(join(outputs).squeeze(0), self.y_scale, self.y_zero)

    def _attend(self, qkv: Tensor, rows: Rows) -> Tensor:
        grouped = qkv.view(rows.n, rows.k, self.groups, 3, self.heads, self.head_size).permute(3, 0, 2, 4, 1, 5)
        q, pair = grouped.flatten(2, 3).split([1, 2])  # [1 or 2, N, H, K, D]
        k, v = self._to_signed(pair).chunk(2)
        transposed = k.squeeze(0).transpose(2, 3)
        scores = onnx_ops.integer_matmul(q.squeeze(0), transposed, self.q_scale, self.k_scale, self.middle, None)
        probabilities = onnx_ops.quantize((scores + rows.bias).softmax(-1), self.share, self.unsigned)
        context = onnx_ops.qlinear_matmul(
            probabilities, self.share, self.unsigned, v.squeeze(0), self.v_scale, self.signed, self.c_scale, self.c_zero
        )
        return context.transpose(1, 2).flatten(2).flatten(0, 1)[None]  # [1, T, C]

    def _to_signed(self, x: Tensor) -> Tensor:
        return onnx_ops.quantize(onnx_ops.dequantize(x, self.one, self.middle), self.one, self.signed)


class StaticFeedForward(nn.Module):
    """`FeedForward`, chained, with integers between its maps; the activation is float unless it is approximated."""

    def __init__(self, source: FeedForward, spans: Callable[[str], Span], *, approximate: bool) -> None:
        super().__init__()
        x, wide, active, y = map(spans, ("wide.input", "wide.output", "narrow.input", "narrow.output"))
        self.wide = nn.ModuleList(StaticConv(layer, x, wide.unsigned()) for layer in linears(source.wide))
        self.narrow = nn.ModuleList(StaticConv(layer, active, y.unsigned()) for layer in linears(source.narrow))
        self.activation, self.approximate = source.activation, approximate
        for name, span in (("x", x), ("w", wide), ("a", active), ("y", y)):
            scale, zero = span.unsigned()
            self.register_buffer(f"{name}_scale", scale)
            self.register_buffer(f"{name}_zero", zero)
        if approximate:
            self.steep = nn.Buffer(1.702 * wide.unsigned()[0])
            self.unit, self.none = nn.Buffer(torch.tensor(1 / 255)), nn.Buffer(torch.tensor(0, dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        parts = _parts(onnx_ops.quantize(x, self.x_scale, self.x_zero)[None], len(self.wide))
        outputs = [
            narrow(self._activate(wide(part))) for wide, narrow, part in zip(self.wide, self.narrow, parts, strict=True)
        ]
        return onnx_ops.dequantize(join(outputs).squeeze(0), self.y_scale, self.y_zero)

    def _activate(self, x: Tensor) -> Tensor:
        if self.approximate:
            return onnx_ops.quantized_quick_gelu(
                x, self.w_scale, self.w_zero, self.steep, self.unit, self.none, self.a_scale, self.a_zero
            )
        active = self.activation(onnx_ops.dequantize(x, self.w_scale, self.w_zero))
        return onnx_ops.quantize(active, self.a_scale, self.a_zero)


class IntWeight(nn.Module):
    """A `onnx_form.Weight` stored as s8 and read as float: one token multiplies it once, so its size is what counts."""

    def __init__(self, source: Weight) -> None:
        super().__init__()
        weight, scale = quantize_rows(source.values.detach())
        self.values, self.scale = nn.Buffer(weight), nn.Buffer(scale)
        self.zero = nn.Buffer(torch.zeros(len(scale), dtype=torch.int8))

    def forward(self) -> Tensor:
        return onnx_ops.dequantize(self.values, self.scale, self.zero)


class IntEmbeddings(nn.Module):
    """`Embeddings` with integer word and position tables, one scale per row; 4-bit rows hold two numbers a byte."""

    def __init__(self, source: Embeddings, bits: EmbeddingBits) -> None:
        super().__init__()
        self.bits, self.channels = bits, source.words.shape[1]
        words, scale = quantize_rows(source.words.detach(), bits)
        self.words, self.word_scale = nn.Buffer(_packed(words) if bits == 4 else words), nn.Buffer(scale)
        positions, position_scale = quantize_rows(source.positions.detach())
        self.positions, self.position_scale = nn.Buffer(positions), nn.Buffer(position_scale)
        self.types, self.norm = source.types, source.norm
        # Not as an attribute that would register it: only to know a tied decoder by.
        self.made_from = (source.words,)

    def forward(self, ids: Tensor, types: Tensor, positions: Tensor) -> Tensor:
        rows = F.embedding(ids, self.words).to(torch.float32)
        words = (_unpacked(rows)[..., : self.channels] if self.bits == 4 else rows) * F.embedding(
            ids, self.word_scale[:, None]
        )
        place = F.embedding(positions, self.positions).to(torch.float32)
        x = words + place * F.embedding(positions, self.position_scale[:, None]) + F.embedding(types, self.types)
        normed: Tensor = self.norm(x.flatten(0, 1))  # [N, K, C] -> [T, C]
        return normed


def _packed(rows: Tensor) -> Tensor:
    """Two 4-bit numbers a byte, the first half of the channels in the low bits; 8 stands for 0."""
    padded = F.pad(rows, (0, rows.shape[1] % 2)) + 8
    low, high = padded.chunk(2, 1)
    return (low + 16 * high).to(torch.uint8)


def _unpacked(bytes_: Tensor) -> Tensor:
    """The numbers in [..., C / 2] bytes that are floats already: exact, and float operators are in every build."""
    high = (bytes_ / 16).floor()
    return torch.cat([bytes_ - 16 * high, high], -1) - 8


def linears(layer: GroupLinear) -> list[nn.Linear]:
    """The linear layers of the groups."""
    return [group for group in layer.groups if isinstance(group, nn.Linear)]
