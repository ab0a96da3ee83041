"""The peers with a last layer that computes the first token alone: all that a classifier reads, and the same answer.

Our exports get this treatment; so that nobody can say that the race was fixed, BERT and MobileBERT get it too.
"""

from typing import TYPE_CHECKING, Any

from squeezebert_mobile.benchmarks.peers import Peer, logits_of
from squeezebert_mobile.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn


def first_token_form(model: "nn.Module", peer: Peer) -> "nn.Module":
    """``model`` (changed in place) as a module of the three inputs. Raises UsageError for SqueezeBERT."""
    from torch import nn

    class FirstTokenBertLayer(nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: "Tensor", attention_mask: "Tensor | None" = None, *_: object, **__: object) -> "Tensor":
            first, layer = x[:, :1], self.layer  # [N, 1, C]
            y = layer.attention.output(_attend(layer.attention.self, first, x, x, attention_mask), first)
            out: Tensor = layer.output(layer.intermediate(y), y)
            return out

    class FirstTokenMobileBertLayer(nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: "Tensor", attention_mask: "Tensor | None" = None, *_: object, **__: object) -> "Tensor":
            first, layer = x[:, :1], self.layer  # [N, 1, C]
            query, key, value, narrow = layer.bottleneck(x)
            context = _attend(layer.attention.self, query[:, :1], key, value, attention_mask)
            y = layer.attention.output(context, narrow[:, :1])
            for block in layer.ffn:
                y = block(y)
            out: Tensor = layer.output(layer.intermediate(y), y, first)
            return out

    match peer:
        case Peer.BERT_BASE:
            layers = model.get_submodule("bert.encoder.layer")
            wrapped: nn.Module = FirstTokenBertLayer(layers[-1])  # type: ignore[index]
        case Peer.MOBILEBERT:
            layers = model.get_submodule("mobilebert.encoder.layer")
            wrapped = FirstTokenMobileBertLayer(layers[-1])  # type: ignore[index]
        case Peer.SQUEEZEBERT:
            raise UsageError(peer, "has its best form in a bundle", fix="squeezebert-mobile export")
    layers[-1] = wrapped  # type: ignore[operator]
    return logits_of(model.eval())


def _attend(attention: Any, query: "Tensor", key: "Tensor", value: "Tensor", mask: "Tensor | None") -> "Tensor":
    """Attention of the rows of ``query`` [N, R, C] over all tokens of ``key`` and ``value`` [N, W, C]: [N, R, C]."""
    from torch.nn import functional as F

    def heads(x: "Tensor") -> "Tensor":
        return x.view(*x.shape[:2], -1, attention.attention_head_size).transpose(1, 2)  # [N, heads, W, head_size]

    rows = None if mask is None else mask[:, :, : query.shape[1]]
    context = F.scaled_dot_product_attention(
        heads(attention.query(query)),
        heads(attention.key(key)),
        heads(attention.value(value)),
        attn_mask=rows,
        scale=attention.scaling,
    )
    return context.transpose(1, 2).flatten(2)
