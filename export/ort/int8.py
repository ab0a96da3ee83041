"""The int8 counterparts of the parts of `form`, over the operators of `ops`.

Weights: s8, symmetric, one scale per output channel. Activations: u8 with a zero point, one scale per tensor.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.activations import gelu_tanh
from squeezebert_mobile.export.options import GeluApproximation
from squeezebert_mobile.export.ort import ops as onnx_ops
from squeezebert_mobile.export.ort.form import (
    Embeddings,
    GroupAttention,
    OrtModel,
    PerHeadLinear,
    Rows,
    split,
)
from squeezebert_mobile.export.parts import FeedForward, GroupedLinear, join
from squeezebert_mobile.export.quantization import EmbeddingBits, QRange, quantize_per_channel

# The middle of 7 bits, and how far they reach from it.
_MIDDLE, _TOP = 64, 63
# Of Gelu's tanh form, the largest (near +-2.7).
TANH_ERROR = 0.00048
_APPROXIMATIONS: dict[GeluApproximation, str] = {"sigmoid": "sigmoid(1.702 x)", "clip": "clip(x / 3 + 1/2, 0, 1)"}
# Where the clipped gate ends on either side: at 1.5 none of the demo model's 872 answers moves, at 1.9 five do.
_REACH = 1.5


class DynamicLinear(nn.Module):
    """[T, in] -> [T, out], the range of the input found while running; ``table`` shares an embedding's rows."""

    def __init__(self, source: nn.Linear, table: "IntEmbeddings | None" = None) -> None:
        super().__init__()
        self.tied = table is not None
        weight, scale = quantize_per_channel(source.weight.detach())
        self.weight = nn.Buffer(weight.T.contiguous()) if table is None else table.words
        self.scale = nn.Buffer(scale)
        self.bias = source.bias

    def forward(self, x: Tensor) -> Tensor:
        return onnx_ops.dynamic_matmul(x, self.weight.T if self.tied else self.weight, self.scale, self.bias)


class StaticProduct(DynamicLinear):
    """u8 [.., T, in] with a calibrated range -> float [.., T, out]."""

    def __init__(self, source: nn.Linear, span: QRange, table: "IntEmbeddings | None" = None) -> None:
        super().__init__(source, table)
        self.x_scale, self.x_zero = map(nn.Buffer, span.unsigned())

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.T if self.tied else self.weight
        return onnx_ops.integer_matmul(x, weight, self.x_scale, self.scale, self.x_zero, self.bias)


class StaticLinear(StaticProduct):
    """`StaticProduct` of a float input, [.., T, in] -> [.., T, out]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(onnx_ops.quantize(x, self.x_scale, self.x_zero))


class StaticConv(nn.Module):
    """u8 [1, T, in] -> u8 [1, T, out]: ``shift`` is added to each channel, then ``fold`` multiplies its scale."""

    def __init__(
        self,
        source: nn.Linear,
        x: QRange,
        y: tuple[Tensor, Tensor],
        fold: Tensor | None = None,
        shift: Tensor | float = 0,
    ) -> None:
        super().__init__()
        weight, scale = quantize_per_channel(source.weight.detach())
        self.x_scale, self.x_zero = map(nn.Buffer, x.unsigned())
        self.y_scale, self.y_zero = map(nn.Buffer, y)
        self.weight = nn.Buffer(weight[:, :, None])
        # fold scales a channel's real output, and its bias with it, so the integer bias is the same.
        self.bias = nn.Buffer(
            ((source.bias.detach() + shift) / (scale * self.x_scale))
            .round()
            .clamp(-(2**31), 2**31 - 129)
            .to(torch.int32)
        )
        self.scale = nn.Buffer(scale if fold is None else scale * fold)
        self.w_zero = nn.Buffer(torch.zeros(len(scale), dtype=torch.int8))

    def forward(self, x: Tensor) -> Tensor:
        return onnx_ops.qlinear_conv(
            x, self.x_scale, self.x_zero, self.weight, self.scale, self.w_zero, self.y_scale, self.y_zero, self.bias
        )


class StaticJoin(nn.Module):
    """The last maps of a block, u8 per group [1, T, in] -> float, undivided [1, T, C].

    Groups are joined as bytes, a quarter of what floats would move.
    """

    def __init__(self, source: GroupedLinear, x: QRange, y: QRange) -> None:
        super().__init__()
        self.maps = nn.ModuleList(StaticConv(layer, x, y.unsigned()) for layer in linears(source))
        self.groups = len(self.maps)
        self.y_scale, self.y_zero = map(nn.Buffer, y.unsigned())

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        outputs = [layer(part) for layer, part in zip(self.maps, parts, strict=True)]
        return onnx_ops.dequantize(join(outputs), self.y_scale, self.y_zero)


class StaticGroupAttention(nn.Module):
    """`GroupAttention` with integers from the input to the output projection; only the softmax is float.

    q, k and v leave one operator per group with scales of their own, folded into the scales of its output channels.
    Keys and values have 7 bits around 64, because the products want s8 there: 0 to 127 is the same in u8 and s8, so
    they are cut and cast (16 us a layer of 128 tokens), where 8 bits would go through float (52 us). The keys' zero
    point adds the same to all scores of a query, which the softmax takes out again.
    """

    def __init__(self, source: GroupAttention, spans: Callable[[str], QRange]) -> None:
        super().__init__()
        self.heads, self.head_size, self.groups = source.heads, source.head_size, len(source.qkv.groups)
        x, context, y = spans("qkv.input"), spans("output.input"), spans("output.output")
        q, k, v = (
            spans(f"qkv.{name}").signed_scale(top) for name, top in (("query", 127), ("key", _TOP), ("value", _TOP))
        )
        width = self.heads * self.head_size
        fold = torch.tensor([1.0, q / k, q / v]).repeat_interleave(width)
        # An operator has one zero point, that of the queries.
        shift = torch.tensor([0.0, (_MIDDLE - 128) * k, (_MIDDLE - 128) * v]).repeat_interleave(width)
        middle = (torch.tensor(q), torch.tensor(128, dtype=torch.uint8))
        self.qkv = nn.ModuleList(StaticConv(layer, x, middle, fold, shift) for layer in linears(source.qkv))
        self.output = StaticJoin(source.output, context, y)
        self.x_scale, self.x_zero = map(nn.Buffer, x.unsigned())
        self.c_scale, self.c_zero = map(nn.Buffer, context.unsigned())
        self.q_scale, self.k_scale, self.v_scale = (nn.Buffer(torch.tensor(value)) for value in (q, k, v))
        self.middle = nn.Buffer(torch.tensor(128, dtype=torch.uint8))
        self.value_zero = nn.Buffer(torch.tensor(_MIDDLE, dtype=torch.int8))
        self.top = nn.Buffer(torch.tensor(127, dtype=torch.uint8))
        self.unsigned = nn.Buffer(torch.tensor(0, dtype=torch.uint8))
        self.share = nn.Buffer(torch.tensor(1 / 255))

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        whole = onnx_ops.quantize(x, self.x_scale, self.x_zero)
        parts = [layer(part) for layer, part in zip(self.qkv, split(whole, self.groups), strict=True)]
        context = self._attend(parts, rows)
        return self.output(split(context, self.output.groups))

    def _attend(self, parts: list[Tensor], rows: Rows) -> Tensor:
        joined = torch.cat(parts).view(self.groups, rows.n, rows.k, 3, self.heads, self.head_size)
        grouped = joined.permute(3, 1, 0, 4, 2, 5)
        q, pair = grouped.flatten(2, 3).split([1, 2])  # [1 or 2, N, H, K, D]
        k, v = onnx_ops.clip(pair, self.top).to(torch.int8).chunk(2)
        scores = onnx_ops.integer_matmul(q, k.transpose(3, 4), self.q_scale, self.k_scale, self.middle, None)
        probabilities = onnx_ops.quantize((scores + rows.bias).softmax(-1), self.share, self.unsigned)
        context = onnx_ops.qlinear_matmul(
            probabilities, self.share, self.unsigned, v, self.v_scale, self.value_zero, self.c_scale, self.c_zero
        )  # [1, N, H, K, D]
        return context.transpose(2, 3).reshape(1, rows.n * rows.k, -1)


class StaticFeedForward(nn.Module):
    """`FeedForward`, chained, with integers between its maps; the activation is float without ``approximate``.

    ``another_function`` says what is computed in the place of Gelu, where that is so.
    """

    def __init__(
        self, source: FeedForward, spans: Callable[[str], QRange], approximate: GeluApproximation | None
    ) -> None:
        super().__init__()
        x, wide, active, y = map(spans, ("wide.input", "wide.output", "narrow.input", "narrow.output"))
        self.x_scale, self.x_zero = map(nn.Buffer, x.unsigned())
        activation, self.another_function = _activation(source.activation, active, approximate)
        self.wide = nn.ModuleList(
            FloatActivation(layer, x, active, activation)
            if approximate is None
            else ApproximateGelu(layer, x, wide, active, approximate)
            for layer in linears(source.wide)
        )
        self.narrow = StaticJoin(source.narrow, active, y)

    def forward(self, x: Tensor) -> Tensor:
        parts = split(onnx_ops.quantize(x, self.x_scale, self.x_zero), len(self.wide))
        return self.narrow([wide(part) for wide, part in zip(self.wide, parts, strict=True)])


def _activation(
    asked: Callable[[Tensor], Tensor], result: QRange, approximate: GeluApproximation | None
) -> tuple[Callable[[Tensor], Tensor], str | None]:
    """The float activation whose ``result`` is quantized, and what it is where it is not the one that was asked for.

    Gelu's tanh form takes 0.92x of the time from the map to the quantized result on x86-64, and half of Gelu's
    instructions on ARM. Its error counts for nothing where rounding to 8 bits has a step ten times as large.
    """
    if approximate is not None:
        return asked, f"Gelu is x * {_APPROXIMATIONS[approximate]}, as the accuracy gate allowed"
    if asked is not F.gelu or result.unsigned()[0] < 10 * TANH_ERROR:
        return asked, None
    return gelu_tanh, f"Gelu by its tanh form, at most {TANH_ERROR} off: less than a tenth of int8's step"


class FloatActivation(nn.Module):
    """A map and its activation, u8 [1, T, in] -> u8 [1, T, out], float between them."""

    def __init__(self, source: nn.Linear, x: QRange, y: QRange, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.map, self.activation = StaticProduct(source, x), activation
        self.y_scale, self.y_zero = map(nn.Buffer, y.unsigned())

    def forward(self, x: Tensor) -> Tensor:
        return onnx_ops.quantize(self.activation(self.map(x)), self.y_scale, self.y_zero)


class ApproximateGelu(nn.Module):
    """A map and x * gate(x) in the place of Gelu, all in integers: u8 [1, T, in] -> u8 [1, T, out]."""

    def __init__(self, source: nn.Linear, x: QRange, wide: QRange, y: QRange, approximate: GeluApproximation) -> None:
        super().__init__()
        # Where the clipped gate is 0 nothing of x is needed: its lower end is the saturation of the map.
        span = QRange(-_REACH, max(wide.high, _REACH)) if approximate == "clip" else wide
        self.map = StaticConv(source, x, span.unsigned())
        self.w_scale, self.w_zero = map(nn.Buffer, span.unsigned())
        self.y_scale, self.y_zero = map(nn.Buffer, y.unsigned())
        self.gate = SigmoidGate(*span.unsigned()) if approximate == "sigmoid" else ClipGate(self.w_zero)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.map(x)
        return onnx_ops.qlinear_mul(
            wide, self.w_scale, self.w_zero, self.gate(wide), self.gate.scale, self.gate.zero, self.y_scale, self.y_zero
        )


class SigmoidGate(nn.Module):
    """sigmoid(1.702 x), u8 -> u8, by the operator's table."""

    def __init__(self, scale: Tensor, zero: Tensor) -> None:
        super().__init__()
        self.steep, self.x_zero = nn.Buffer(1.702 * scale), nn.Buffer(zero)
        self.scale, self.zero = nn.Buffer(torch.tensor(1 / 255)), nn.Buffer(torch.tensor(0, dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        return onnx_ops.qlinear_sigmoid(x, self.steep, self.x_zero, self.scale, self.zero)


class ClipGate(nn.Module):
    """x / 3 + 1/2 clipped to 0 to 1: the integers of x, which begin at -3/2, clipped and read with another scale."""

    def __init__(self, zero: Tensor) -> None:
        super().__init__()
        width = 2 * int(zero)
        self.top = nn.Buffer(torch.tensor(min(width, 255), dtype=torch.uint8))
        self.scale, self.zero = nn.Buffer(torch.tensor(1 / width)), nn.Buffer(torch.tensor(0, dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        return onnx_ops.clip(x, self.top)


class IntPerHeadLinear(nn.Module):
    """`PerHeadLinear` stored as s8 and multiplied as float: one token reads it once, so its size is what counts."""

    def __init__(self, source: PerHeadLinear) -> None:
        super().__init__()
        heads, _, out = source.values.shape
        weight, scale = quantize_per_channel(source.values.detach().transpose(1, 2).flatten(0, 1))
        self.values = nn.Buffer(weight.view(heads, out, -1).transpose(1, 2).contiguous())  # [H, in, out]
        self.scale = nn.Buffer(scale.view(heads, 1, out))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.values.to(torch.float32)) * self.scale


class StaticPerHeadLinear(IntPerHeadLinear):
    """`PerHeadLinear` in integers, its input [N, H, 1, in] quantized with a calibrated range."""

    def __init__(self, source: PerHeadLinear, span: QRange) -> None:
        super().__init__(source)
        self.x_scale, self.x_zero = map(nn.Buffer, span.unsigned())
        self.unit = nn.Buffer(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        integers = onnx_ops.quantize(x, self.x_scale, self.x_zero)
        # Scales per head and channel would be read more slowly there than multiplied here.
        product = onnx_ops.integer_matmul(integers, self.values, self.x_scale, self.unit, self.x_zero, None)
        return product * self.scale


class IntEmbeddings(nn.Module):
    """`Embeddings` with integer word and position tables, one scale per row; 4-bit rows hold two numbers a byte."""

    def __init__(self, source: Embeddings, bits: EmbeddingBits) -> None:
        super().__init__()
        self.bits, self.channels = bits, source.words.shape[1]
        words, scale = quantize_per_channel(source.words.detach(), bits)
        self.words, self.word_scale = nn.Buffer(_packed(words) if bits == 4 else words), nn.Buffer(scale)
        positions, position_scale = quantize_per_channel(source.positions.detach())
        self.positions, self.position_scale = nn.Buffer(positions), nn.Buffer(position_scale)
        self.types, self.norm = source.types, source.norm
        # Not as an attribute that would register it: only to know a tied decoder by.
        self.made_from = (source.words,)

    def forward(self, ids: Tensor, types: Tensor, positions: Tensor) -> Tensor:
        ids, types, positions = (x.flatten() for x in (ids, types, positions))  # [N, K] -> [T]
        words, place = self._words(ids), _rows(self.positions, self.position_scale, positions)
        normed: Tensor = self.norm(words + place + F.embedding(types, self.types))
        return normed

    def _words(self, ids: Tensor) -> Tensor:
        if self.bits == 8:
            return _rows(self.words, self.word_scale, ids)
        packed = F.embedding(ids, self.words).to(torch.float32)
        return _unpacked(packed)[:, : self.channels] * F.embedding(ids, self.word_scale[:, None])


def _rows(table: Tensor, scale: Tensor, ids: Tensor) -> Tensor:
    """Rows [T, C] of an integer table."""
    return onnx_ops.dequantize_rows(F.embedding(ids, table), F.embedding(ids, scale[:, None]).flatten())


def _packed(rows: Tensor) -> Tensor:
    """Two 4-bit numbers a byte, the first half of the channels in the low bits; 8 stands for 0."""
    padded = F.pad(rows, (0, rows.shape[1] % 2)) + 8
    low, high = padded.chunk(2, 1)
    return (low + 16 * high).to(torch.uint8)


def _unpacked(bytes_: Tensor) -> Tensor:
    """The numbers in [..., C / 2] bytes that are floats already: exact, and float operators are in every build."""
    high = (bytes_ / 16).floor()
    return torch.cat([bytes_ - 16 * high, high], -1) - 8


def linears(layer: GroupedLinear) -> list[nn.Linear]:
    """The linear layers of the groups."""
    return [group for group in layer.groups if isinstance(group, nn.Linear)]


class HalfLinear(nn.Module):
    """A linear layer with an fp16 weight."""

    def __init__(self, source: nn.Linear, weight: nn.Buffer) -> None:
        super().__init__()
        self.weight, self.bias = weight, source.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(torch.float32), self.bias)


class HalfPerHeadLinear(nn.Module):
    """`PerHeadLinear` in fp16."""

    def __init__(self, source: PerHeadLinear) -> None:
        super().__init__()
        self.values = nn.Buffer(source.values.detach().half())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.values.to(torch.float32)


class HalfEmbeddings(Embeddings):
    """The tables in fp16; rows become fp32 once they are read."""

    def __init__(self, source: Embeddings, words: nn.Buffer) -> None:
        nn.Module.__init__(self)
        self.words: Tensor = words
        self.positions: Tensor = nn.Buffer(source.positions.detach().half())
        self.types, self.norm = source.types, source.norm

    def forward(self, ids: Tensor, types: Tensor, positions: Tensor) -> Tensor:
        words, places = F.embedding(ids, self.words).float(), F.embedding(positions, self.positions).float()
        normed: Tensor = self.norm((words + places + F.embedding(types, self.types)).flatten(0, 1))
        return normed


def halve(form: OrtModel) -> None:
    """Exchange every linear layer, weight and table of ``form`` for its fp16 twin, tied weights staying tied."""
    assert isinstance(form.embeddings, Embeddings)
    table = form.embeddings.words
    words = nn.Buffer(table.detach().half())
    form.embeddings = HalfEmbeddings(form.embeddings, words)
    for name, module in list(form.named_modules()):
        if isinstance(module, nn.Linear):
            weight = words if module.weight is table else nn.Buffer(module.weight.detach().half())
            form.set_submodule(name, HalfLinear(module, weight))
        elif isinstance(module, PerHeadLinear):
            form.set_submodule(name, HalfPerHeadLinear(module))
