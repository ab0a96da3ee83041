"""int8 for the ExecuTorch form: weights per output channel, activations while the model runs, table per row.

The operators that XNNPACK knows as quantization are written out here, so that no annotating tool stands
between the form and the delegate. Source: the node patterns of executorch.backends.xnnpack.utils.quant_utils.
"""

from collections.abc import Callable, Iterator

import torch
import torch.ao.quantization.fx._decomposed  # registers torch.ops.quantized_decomposed
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.errors import UnsupportedModelError
from squeezebert_mobile.export import inventory
from squeezebert_mobile.export.inventory import TOKENS, Part
from squeezebert_mobile.export.quantization import (
    SMALLEST_SCALE,
    Dynamic,
    QRange,
    Static,
    quantize_per_channel,
)
from squeezebert_mobile.export.subject import require_units
from squeezebert_mobile.export.xnnpack.form import (
    FirstRows,
    GroupConv,
    Maps,
    Products,
    XnnpackModel,
    grouped_convolution,
    one_or_all,
)

_OPS = torch.ops.quantized_decomposed
_LOW, _HIGH = -128, 127
# Values of a row that share a scale at 4 bits.
BLOCK = 32


class IntWeight(nn.Module):
    """The weight of a linear map or a grouped convolution in int8, a scale per output channel, and its float bias."""

    def __init__(self, source: nn.Linear | GroupConv) -> None:
        super().__init__()
        weight, scale = quantize_per_channel(source.weight.detach().flatten(1))
        self.weight, self.scale = nn.Buffer(weight.view(source.weight.shape)), nn.Buffer(scale)
        self.zero = nn.Buffer(torch.zeros(len(scale), dtype=torch.int64))
        self.bias = source.bias
        self._map = grouped_convolution if isinstance(source, GroupConv) else F.linear

    def forward(self, x: Tensor) -> Tensor:
        """The map on dequantized ``x``; the delegate multiplies the integers themselves."""
        dequantize = _OPS.dequantize_per_channel.default
        y: Tensor = self._map(
            x, dequantize(self.weight, self.scale, self.zero, 0, -_HIGH, _HIGH, torch.int8), self.bias
        )
        return y


class DynamicMaps(nn.Module):
    """`Maps` in int8, whose input is quantized once: as XNNPACK does it, each token of [W, in] with a scale and zero
    point of its own for linear maps, all of [1, 1, W, in] with the same ones for convolutions.
    """

    def __init__(self, source: Maps) -> None:
        super().__init__()
        self.maps = nn.ModuleList(map(IntWeight, source.layers()))
        self._rounded = _per_text if isinstance(source.layers()[0], GroupConv) else _per_token

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        x = self._rounded(x)
        return one_or_all([layer(x) for layer in self.maps])


def _per_token(x: Tensor) -> Tensor:
    scale, zero = _OPS.choose_qparams_per_token_asymmetric.default(x, torch.int8)
    integers = _OPS.quantize_per_token.default(x, scale, zero, _LOW, _HIGH, torch.int8)
    y: Tensor = _OPS.dequantize_per_token.default(integers, scale, zero, _LOW, _HIGH, torch.int8, torch.float32)
    return y


def _per_text(x: Tensor) -> Tensor:
    scale, zero = _OPS.choose_qparams.tensor(x, _LOW, _HIGH, SMALLEST_SCALE, torch.int8)
    integers = _OPS.quantize_per_tensor.tensor(x, scale, zero, _LOW, _HIGH, torch.int8)
    y: Tensor = _OPS.dequantize_per_tensor.tensor(integers, scale, zero, _LOW, _HIGH, torch.int8)
    return y


class StaticProducts(nn.Module):
    """`Products` with int8 operands and results, the softmax between them float; calibrated scales, one per tensor.

    XNNPACK takes a second operand without a zero point only, so keys and values are symmetric; queries are, too.
    """

    def __init__(self, source: Products, spans: Callable[[str], QRange]) -> None:
        super().__init__()
        self.heads = source.heads
        self.query, self.key, self.value = (_symmetric(spans(f"qkv.{name}")) for name in ("query", "key", "value"))
        self.scores, self.context = _asymmetric(spans("scores")), _asymmetric(spans("output.input"))

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """[Q, heads * D], and [W, heads * D] twice, to [Q, heads * D]."""
        rows, keys, values = (x.view(-1, self.heads, x.shape[-1] // self.heads) for x in (q, k, v))
        left, right = _stored(rows.permute(1, 0, 2), self.query), _stored(keys.permute(1, 2, 0), self.key)
        shares = _stored(_stored(torch.bmm(left, right), self.scores).softmax(-1), _PROBABILITIES)
        context = _stored(torch.bmm(shares, _stored(values.permute(1, 0, 2), self.value)), self.context)
        return context.permute(1, 0, 2).contiguous().view(-1, q.shape[-1])


# Scale and zero point. A softmax lies in 0 to 1.
QParams = tuple[float, int]
_PROBABILITIES: QParams = (1 / 255, _LOW)


def _symmetric(span: QRange) -> QParams:
    return span.signed_scale(), 0


def _asymmetric(span: QRange) -> QParams:
    scale, zero = span.unsigned()
    return float(scale), int(zero) + _LOW


def _stored(x: Tensor, grid: QParams) -> Tensor:
    """``x`` through int8 and back; between two of these the delegate computes with the integers."""
    integers = _OPS.quantize_per_tensor.default(x, *grid, _LOW, _HIGH, torch.int8)
    return _OPS.dequantize_per_tensor.default(integers, *grid, _LOW, _HIGH, torch.int8)


class Int8Embedding(nn.Module):
    """Ids [W] to rows [W, C] of an int8 table with a scale per row."""

    def __init__(self, source: nn.Embedding) -> None:
        super().__init__()
        table, scale = quantize_per_channel(source.weight.detach())
        self.table, self.scale = nn.Buffer(table), nn.Buffer(scale[:, None])

    def forward(self, ids: Tensor) -> Tensor:
        # A plain lookup and a product: phone builds of the runtime lack quantized_decomposed::embedding_byte.
        return F.embedding(ids, self.table).to(torch.float32) * F.embedding(ids, self.scale)


class ByteRows(nn.Module):
    """`FirstRows` of an int8 table with a scale per row."""

    def __init__(self, source: FirstRows) -> None:
        super().__init__()
        table, scale = quantize_per_channel(source.weight.detach())
        self.table, self.scale = nn.Buffer(table), nn.Buffer(scale[:, None])

    def forward(self, ids: Tensor) -> Tensor:
        tokens = ids.shape[0]
        return self.table[:tokens].to(torch.float32) * self.scale[:tokens]


class Int4Embedding(nn.Module):
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


def float_parts(form: XnnpackModel, reason: str) -> tuple[Part, ...]:
    """The account of a form in which everything is float."""
    maps = [part for name, count in _rows(form).items() for part in _map_parts(form, name, count, reason)]
    products = [inventory.product_part(form, n, reason) for n in range(len(form.layers))]
    return (_table_part(form, reason), *maps, *inventory.always_float(form, form.embeddings.types.weight), *products)


def _table_part(form: XnnpackModel, reason: str | None) -> Part:
    words, positions = form.embeddings.words, form.embeddings.positions
    assert isinstance(words, nn.Embedding) and isinstance(positions, FirstRows)
    return inventory.table_part(words.weight, positions.weight, reason)


def _map_parts(form: XnnpackModel, name: str, rows: int, reason: str | None) -> Iterator[Part]:
    """The account of the linear maps at ``name``, which see so many rows."""
    for n, layer in enumerate(_maps(form, name).layers()):
        # A grouped convolution has a bias even where that is all zero.
        parameters = sum(parameter.numel() for parameter in layer.parameters() if parameter.any())
        yield Part(f"{name}.maps.{n}", parameters, 2 * rows * layer.weight.numel(), reason)


def _maps(form: XnnpackModel, name: str) -> Maps:
    maps = form.get_submodule(name)
    assert isinstance(maps, Maps)
    return maps


def _rows(form: XnnpackModel) -> dict[str, int]:
    """How many rows the maps see in a text of `TOKENS` tokens: every token, or the first alone."""
    maps = {name: module for name, module in form.named_modules() if isinstance(module, Maps)}
    rows = dict.fromkeys(maps, TOKENS)

    def watch(name: str, module: Maps) -> torch.utils.hooks.RemovableHandle:
        def note(_maps: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            rows[name] = 1 if inputs[0].shape[-2] == 1 else TOKENS

        return module.register_forward_pre_hook(note)

    handles = [watch(name, module) for name, module in maps.items()]
    two_tokens = torch.zeros(1, 2, dtype=torch.int64)
    with torch.inference_mode():
        form(two_tokens, two_tokens)
    for handle in handles:
        handle.remove()
    return rows


def quantize(form: XnnpackModel, scheme: Dynamic | Static) -> tuple[Part, ...]:
    """Put ``form`` into int8, in place, and account for every part.

    Static ranges are for the products inside attention alone: linear maps with them are slower than with a scale per
    token (1.04x, NOTES.md). Raises UsageError for a unit that does not exist or where nothing is left to quantize,
    UnsupportedModelError for a table that 4 bits do not fit or ranges of another model.
    """
    require_units(form.units(), scheme.keep_float)
    rows = _rows(form)
    parts = [_embeddings(form, scheme)]
    for name, count in rows.items():
        maps = _maps(form, name)
        reason = inventory.float_reason(name, sum(layer.weight.numel() for layer in maps.layers()), scheme.keep_float)
        parts += _map_parts(form, name, count, reason)
        if reason is None:
            form.set_submodule(name, DynamicMaps(maps))
    inventory.require_int8(parts)
    products = (_products(form, n, scheme) for n in range(len(form.layers)))
    return (*parts, *inventory.always_float(form, form.embeddings.types.weight), *products)


def _products(form: XnnpackModel, layer: int, scheme: Dynamic | Static) -> Part:
    """The products of a layer's attention, in int8 where there are ranges for them."""
    unit = f"layers.{layer}.attention"
    if unit in scheme.keep_float:
        return inventory.product_part(form, layer, inventory.ASKED)
    source = getattr(form.get_submodule(unit), "products", None)
    if isinstance(scheme, Dynamic) or not isinstance(source, Products):
        return inventory.product_part(form, layer, inventory.FLOAT_PRODUCTS)
    ranges = scheme.ranges
    form.set_submodule(f"{unit}.products", StaticProducts(source, lambda name: QRange(*ranges[f"{unit}.{name}"])))
    return inventory.product_part(form, layer, None)


def _embeddings(form: XnnpackModel, scheme: Dynamic | Static) -> Part:
    if "embeddings" in scheme.keep_float:
        return _table_part(form, inventory.ASKED)
    part = _table_part(form, None)
    words = form.embeddings.words
    assert isinstance(words, nn.Embedding)
    form.embeddings.words = Int8Embedding(words) if scheme.embedding_bits == 8 else _nibbles(words)
    positions = form.embeddings.positions
    assert isinstance(positions, FirstRows)
    form.embeddings.positions = ByteRows(positions)
    return part


def _nibbles(words: nn.Embedding) -> nn.Module:
    if words.embedding_dim % (2 * BLOCK):
        expected = f"a multiple of {2 * BLOCK}"
        fix = "use 8-bit embeddings"
        raise UnsupportedModelError(
            "config.json", "embedding_size does not fit 4 bits", found=words.embedding_dim, expected=expected, fix=fix
        )
    return Int4Embedding(words)
