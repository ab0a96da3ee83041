"""What precision an artifact gets, as a value: the passes and the lowerings take one of these and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from squeezebert_mobile.errors import UnsupportedModelError

EmbeddingBits = Literal[8, 4]
# What x is multiplied by in the place of Gelu: sigmoid(1.702 x), or x / 3 + 1/2 clipped to 0 to 1.
Gate = Literal["sigmoid", "clip"]


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
    """int8 weights per output channel; activations quantized at run time: per tensor in ONNX, per token in a .pte.

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
    approximate_gelu: Gate | None = None


@dataclass(frozen=True)
class Half:
    """fp16 weights; the arithmetic is the runtime's choice."""


Scheme = Dynamic | Static | Half
