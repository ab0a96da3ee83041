"""The tree walk from the float ExecuTorch form to int8 or fp16, unit by unit, with the account of what changed."""

from collections.abc import Callable

from torch import nn

from squeezebert_mobile.errors import UnsupportedModelError, UsageError
from squeezebert_mobile.export.integers import Span
from squeezebert_mobile.export.inventory import Part
from squeezebert_mobile.export.scheme import Dynamic, EmbeddingBits, Static
from squeezebert_mobile.export.xnnpack.account import FLOAT_PRODUCTS, always_float, map_costs, product_part, table_part
from squeezebert_mobile.export.xnnpack.form import FirstRows, Maps, Products, PteForm
from squeezebert_mobile.export.xnnpack.int8 import (
    BLOCK,
    ByteEmbedding,
    ByteRows,
    DynamicMaps,
    NibbleEmbedding,
    StaticProducts,
)

# Below this many parameters a map of the head costs more to quantize its input for than its product saves.
_WORTH_PARAMETERS = 64 * 64
_ASKED = "kept float as asked"
_TOO_SMALL = "too small to pay for quantizing its input"


def units(form: PteForm) -> tuple[str, ...]:
    """The names that ``keep_float`` takes, in the order of the data."""
    layers = [f"layers.{n}.{part}" for n in range(len(form.layers)) for part in ("attention", "feed_forward")]
    return ("embeddings", *layers, "head")


def quantize(form: PteForm, scheme: Dynamic | Static) -> tuple[Part, ...]:
    """Put ``form`` into int8, in place, and account for every part.

    Static ranges are for the products inside attention alone: linear maps with them are slower than with a scale per
    token (1.04x, NOTES.md). Raises UsageError for a unit that does not exist or where nothing is left to quantize,
    UnsupportedModelError for a table that 4 bits do not fit or ranges of another model.
    """
    unknown = sorted(scheme.keep_float - set(units(form)))
    if unknown:
        expected = ", ".join(units(form))
        raise UsageError("--keep-float", "names no unit", found=unknown[0], expected=expected, fix="correct it")
    costs = list(map_costs(form))
    parts = [_embeddings(form, scheme)]
    for cost in costs:
        maps = form.get_submodule(cost.owner)
        assert isinstance(maps, Maps)
        reason = _reason(cost.owner, maps, scheme.keep_float)
        parts += cost.parts(reason)
        if reason is None:
            form.set_submodule(cost.owner, DynamicMaps(maps))
    if all(part.reason is not None for part in parts):
        raise UsageError("--keep-float", "leaves nothing to quantize", fix="keep fewer units float, or export fp32")
    return (*parts, *always_float(form), *(_products(form, n, scheme) for n in range(len(form.layers))))


def _products(form: PteForm, layer: int, scheme: Dynamic | Static) -> Part:
    """The products of a layer's attention, in int8 where there are ranges for them."""
    unit = f"layers.{layer}.attention"
    if unit in scheme.keep_float:
        return product_part(form, layer, _ASKED)
    source = getattr(form.get_submodule(unit), "products", None)
    if isinstance(scheme, Dynamic) or not isinstance(source, Products):
        return product_part(form, layer, FLOAT_PRODUCTS)
    ranges = scheme.ranges
    form.set_submodule(f"{unit}.products", StaticProducts(source, lambda name: Span(*ranges[f"{unit}.{name}"])))
    return product_part(form, layer, None)


def _reason(owner: str, maps: Maps, keep_float: frozenset[str]) -> str | None:
    """Why the maps at ``owner`` stay float; None where they become int8."""
    if any(owner.startswith(f"{unit}.") for unit in keep_float):
        return _ASKED
    size = sum(layer.weight.numel() for layer in maps.linears())
    return _TOO_SMALL if owner.startswith("head.") and size < _WORTH_PARAMETERS else None


def _embeddings(form: PteForm, scheme: Dynamic | Static) -> Part:
    if "embeddings" in scheme.keep_float:
        return table_part(form, _ASKED)
    part = table_part(form, None)
    words = form.embeddings.words
    assert isinstance(words, nn.Embedding)
    form.embeddings.words = _table(scheme.embedding_bits)(words)
    positions = form.embeddings.positions
    assert isinstance(positions, FirstRows)
    form.embeddings.positions = ByteRows(positions)
    return part


def _table(bits: EmbeddingBits) -> Callable[[nn.Embedding], nn.Module]:
    match bits:
        case 8:
            return ByteEmbedding
        case 4:
            return _nibbles


def _nibbles(words: nn.Embedding) -> nn.Module:
    if words.embedding_dim % (2 * BLOCK):
        expected = f"a multiple of {2 * BLOCK}"
        fix = "use 8-bit embeddings"
        raise UnsupportedModelError(
            "config.json", "embedding_size does not fit 4 bits", found=words.embedding_dim, expected=expected, fix=fix
        )
    return NibbleEmbedding(words)
