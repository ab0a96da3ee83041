"""A body that gives the vector of a text, by the pooling that its checkpoint declares, or that lacks a pooler."""

from typing import Self

import torch
from torch import Tensor

from squeezebert_mobile.calls import Inputs, Layers, Trace
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.model import SqueezeBertModel
from squeezebert_mobile.tasks import POOLER_OUTPUT, SENTENCE_EMBEDDING, Pooling, PoolingMode

# Where torch's own normalization and sentence-transformers' stop dividing.
_SHORTEST = 1e-12


class SentenceModel(SqueezeBertModel):
    """Token ids [N, W] to hidden states [N, W, C], then [N, C] each: the pooler's, where there is one, and the vector.

    Without ``pooling`` there is no vector of the text.
    """

    def __init__(self, config: SqueezeBertConfig, pooling: Pooling | None = None, *, has_pooler: bool = True) -> None:
        super().__init__(config)
        self.pooling, self.has_pooler = pooling, has_pooler

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs in order."""
        pooler = (POOLER_OUTPUT,) if self.has_pooler else ()
        return ("last_hidden_state", *pooler, *((SENTENCE_EMBEDDING,) if self.pooling else ()))

    def like(self, config: SqueezeBertConfig) -> Self:
        """A new model with the same outputs and random weights."""
        return type(self)(config, self.pooling, has_pooler=self.has_pooler)

    def compute(self, inputs: Inputs, trace: Trace) -> Layers:
        """The outputs that `output_names` names."""
        x, pooled = super().compute(inputs, trace)
        outputs = (x, pooled) if self.has_pooler else (x,)
        if self.pooling is None:
            return outputs
        mask = inputs.attention_mask
        real = torch.ones(inputs.shape, device=x.device) if mask is None else mask
        vectors = pool(x, real != 0, self.pooling.mode)
        return (*outputs, normalized(vectors) if self.pooling.normalize else vectors)


def pool(x: Tensor, real: Tensor, mode: PoolingMode) -> Tensor:
    """One vector of each row, [N, W, C] -> [N, C], of the tokens that ``real`` [N, W] marks."""
    if mode == "max":
        return x.masked_fill(~real[..., None], -torch.inf).amax(1)
    if mode == "cls":
        # Not token 0: padding may stand before the text.
        real = real & (real.cumsum(1) == 1)
    shares = real.to(x.dtype)
    shares = shares / shares.sum(1, keepdim=True)
    return (shares[:, None] @ x).squeeze(1)


def normalized(vectors: Tensor) -> Tensor:
    """Vectors [.., C] of Euclidean length 1."""
    return vectors / vectors.square().sum(-1, keepdim=True).sqrt().clamp_min(_SHORTEST)
