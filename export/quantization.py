"""How a model is quantized: the scheme (dynamic, static, half), its ranges, and the arithmetic of integers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from squeezebert_mobile.errors import UnsupportedModelError
from squeezebert_mobile.export.options import GeluApproximation

EmbeddingBits = Literal[8, 4]


@dataclass(frozen=True)
class Ranges:
    """Calibrated (low, high) of activation tensors by tap name, and how they were found."""

    by_name: Mapping[str, tuple[float, float]]
    method: str
    rows: int

    def __getitem__(self, name: str) -> tuple[float, float]:
        """The range of a tap. Raises UnsupportedModelError where the ranges are those of another model."""
        if name not in self.by_name:
            what = "are those of another model"
            raise UnsupportedModelError("the ranges", what, expected=name, fix="calibrate this model")
        return self.by_name[name]


@dataclass(frozen=True)
class Dynamic:
    """int8 weights per output channel; activations quantized at run time, all of a tensor in one range.

    ``keep_float`` names units that stay fp32: `embeddings`, `layers.3.attention`, `layers.3.feed_forward`, `head`.
    """

    keep_float: frozenset[str] = frozenset()
    embedding_bits: EmbeddingBits = 8


@dataclass(frozen=True)
class Static:
    """int8 weights per output channel; activations with calibrated scales, in a .pte in the attention products alone.

    ``approximate_gelu`` replaces the exact Gelu by x times that gate, a faster but different function; None keeps it.
    """

    ranges: Ranges = field(repr=False)
    keep_float: frozenset[str] = frozenset()
    embedding_bits: EmbeddingBits = 8
    approximate_gelu: GeluApproximation | None = None


@dataclass(frozen=True)
class Half:
    """fp16 weights; the arithmetic is the runtime's choice."""


Scheme = Dynamic | Static | Half


# Keeps the scale of an all-zero row from being zero.
SMALLEST_SCALE = 1e-9


def quantize_per_channel(weight: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """``weight`` [rows, in] as int8 of ``bits`` bits, and a float scale for each row [rows].

    The lowest integer is left out, so that negating a weight negates its integer.
    """
    top = 2 ** (bits - 1) - 1
    scale = (weight.abs().amax(1) / top).clamp_min(SMALLEST_SCALE)
    return (weight / scale[:, None]).round().clamp(-top, top).to(torch.int8), scale


@dataclass(frozen=True)
class QRange:
    """The calibrated range of an activation tensor, as `scheme.Ranges` gives it."""

    low: float
    high: float

    def unsigned(self) -> tuple[Tensor, Tensor]:
        """Scale and u8 zero point; the range is widened to hold 0, which must be exact."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        scale = max((high - low) / 255, SMALLEST_SCALE)
        return torch.tensor(scale), torch.tensor(min(max(round(-low / scale), 0), 255), dtype=torch.uint8)

    def signed_scale(self, top: int = 127) -> float:
        """The scale of a symmetric range whose largest integer is ``top``."""
        return max(-self.low, self.high, top * SMALLEST_SCALE) / top
