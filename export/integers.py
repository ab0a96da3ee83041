"""Symmetric integers for weights."""

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
