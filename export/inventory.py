"""The account of a pass: which parts became int8, which stayed float and why, in parameters and FLOPs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from squeezebert_mobile.bundle.manifest import Inventory, LayerCount, Note, QuantizedRange
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.export.parts import Form

# FLOPs are those of one inference over this many tokens, the length that every latency of this package is quoted at.
TOKENS = 128

ASKED = "kept float as asked"
FLOAT_PRODUCTS = "softmax attention over float queries and keys"
_TOO_SMALL = "too small to pay for quantizing its input"
# Below this many weights a map of the head costs more to quantize its input for than its product saves.
_WORTH_WEIGHTS = 64 * 64


@dataclass(frozen=True)
class Part:
    """One piece of arithmetic or one table; int8 where ``reason`` is None, else float for that reason."""

    name: str
    parameters: int
    flops: int
    reason: str | None = None


@dataclass(frozen=True)
class Lowered:
    """An artifact's bytes, or those of a folder's files by name; what it is made of, and its format version."""

    data: bytes | Mapping[str, bytes]
    inventory: Inventory
    version: str


def summarize(
    *,
    fast: Iterable[str],
    fallbacks: Iterable[Note],
    parts: Iterable[Part],
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Inventory:
    """The inventory of one artifact, as the manifest records it."""
    parts = tuple(parts)
    small = [part for part in parts if part.reason is None]
    kept = [part for part in parts if part.reason is not None]
    return Inventory(
        fast=tuple(fast),
        fallbacks=tuple(fallbacks),
        quantized=_count(small),
        floating=_count(kept),
        kept_float=tuple(Note(name=part.name, reason=str(part.reason)) for part in kept),
        ranges=tuple(QuantizedRange(name=n, low=low, high=high) for n, (low, high) in sorted((ranges or {}).items())),
    )


def _count(parts: Iterable[Part]) -> LayerCount:
    parts = tuple(parts)
    return LayerCount(parameters=sum(p.parameters for p in parts), flops=sum(p.flops for p in parts))


def product_part(form: Form, index: int, reason: str | None) -> Part:
    """The two products inside the attention of layer ``index``."""
    block = form.blocks()[index]
    rows = 1 if block.first_only else TOKENS
    channels = block.attention_norm.normalized_shape[0]
    return Part(f"layers.{index}.attention.products", 0, 2 * 2 * rows * TOKENS * channels, reason)


def table_part(words: Tensor, positions: Tensor, reason: str | None) -> Part:
    """Word and position embeddings."""
    return Part("embeddings", words.numel() + positions.numel(), 0, reason)


def always_float(form: Form, types: Tensor) -> Iterator[Part]:
    """Token types and normalizations, which no scheme changes."""
    yield Part("embeddings.types", types.numel(), 0, "small, never multiplied")
    norms = [module for module in form.modules() if isinstance(module, nn.LayerNorm)]
    count = sum(parameter.numel() for norm in norms for parameter in norm.parameters())
    yield Part("normalizations", count, 0, "need float statistics")


def float_reason(name: str, weights: int, keep_float: frozenset[str]) -> str | None:
    """Why the maps ``name`` with so many weights stay float; None where they become int8."""
    if any(name.startswith(f"{unit}.") for unit in keep_float):
        return ASKED
    return _TOO_SMALL if name.startswith("head.") and weights < _WORTH_WEIGHTS else None


def require_int8(parts: Iterable[Part]) -> None:
    """Raise UsageError where nothing became int8."""
    if all(part.reason is not None for part in parts):
        raise UsageError("--keep-float", "leaves nothing to quantize", fix="keep fewer units float, or export fp32")
