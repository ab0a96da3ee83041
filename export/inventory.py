"""The account of a pass: which parts became int8, which stayed float and why, in parameters and FLOPs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from squeezebert_mobile.bundle.manifest import Inventory, LayerCount, Note, QuantizedRange

# FLOPs are those of one inference over this many tokens, the length that every latency of this package is quoted at.
TOKENS = 128


@dataclass(frozen=True)
class Part:
    """One piece of arithmetic or one table; int8 where ``reason`` is None, else float for that reason."""

    name: str
    parameters: int
    flops: int
    reason: str | None = None


@dataclass(frozen=True)
class Lowered:
    """An artifact as bytes, what it is made of, and its format version (opset or schema)."""

    data: bytes
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
