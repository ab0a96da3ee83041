"""Integers for weights, and scales for activations."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Keeps the scale of an all-zero row from being zero.
SMALLEST_SCALE = 1e-9


def quantize_rows(weight: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """``weight`` [rows, in] as int8 of ``bits`` bits, and a float scale for each row [rows].

    The lowest integer is left out, so that negating a weight negates its integer.
    """
    top = 2 ** (bits - 1) - 1
    scale = (weight.abs().amax(1) / top).clamp_min(SMALLEST_SCALE)
    return (weight / scale[:, None]).round().clamp(-top, top).to(torch.int8), scale


@dataclass(frozen=True)
class Span:
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
