"""What the mobile forms of both runtimes are made of; a form adds its layout, its linear maps and its attention."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from squeezebert_mobile.activations import Activation
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.export.subject import unit_names
from squeezebert_mobile.export.weights import base_model
from squeezebert_mobile.model import Layer, PreTrained
from squeezebert_mobile.sentence import normalized
from squeezebert_mobile.tasks import POOLER_OUTPUT, Pooling, PoolingMode, Task

Split = Callable[[Tensor, int], list[Tensor]]
# Of a layer; the last argument says whether token 0 alone is asked for.
MakeBlock = Callable[[Layer, SqueezeBertConfig, bool], "Block"]


class Layout(Protocol):
    """Where the tokens of N rows of W lie in a form's flat tensors [T, C]."""

    def first(self, x: Tensor) -> Tensor:
        """Token 0 of each row, [T, C] -> [N, C]."""

    def pool(self, x: Tensor, mode: PoolingMode) -> Tensor:
        """One vector of each row's real tokens, [T, C] -> [N, C]."""

    def expand(self, x: Tensor) -> Tensor:
        """Per-token values as the caller expects them, [T, L] -> [N, W, L]."""

    def columns(self, x: Tensor) -> tuple[Tensor, ...]:
        """`expand`, each column apart, [T, L] -> L times [N, W]."""


class GroupedLinear(nn.Module):
    """One linear map per group, on the list of the groups' slices; ``split`` cuts channels as the runtime likes it."""

    def __init__(self, groups: Iterable[nn.Module], split: Split) -> None:
        super().__init__()
        self.groups, self._split = nn.ModuleList(groups), split

    def forward(self, parts: Sequence[Tensor]) -> list[Tensor]:
        count = len(self.groups)
        pieces = parts if len(parts) == count else self._split(join(parts), count)
        return [group(piece) for group, piece in zip(self.groups, pieces, strict=True)]

    def whole(self, x: Tensor) -> Tensor:
        """The same map from and to undivided channels, [.., in] -> [.., out]."""
        return join(self([x]))


def join(parts: Sequence[Tensor]) -> Tensor:
    """The parts side by side along the channels."""
    return torch.cat(list(parts), -1) if len(parts) > 1 else parts[0]


def linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A linear map [out, in] that holds copies of these values."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight.clone(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.clone(), requires_grad=False)
    return layer


def share_linear(source: nn.Module) -> nn.Linear:
    """A linear map on the reference's own tensors, so that a tied decoder stays tied."""
    assert isinstance(source, nn.Linear)
    layer = nn.Linear(source.in_features, source.out_features)
    layer.weight, layer.bias = source.weight, source.bias
    return layer


def norm(source: nn.LayerNorm) -> nn.LayerNorm:
    """The reference's normalization, over the last axis."""
    layer = nn.LayerNorm(source.normalized_shape, source.eps)
    layer.weight, layer.bias = source.weight, source.bias
    return layer


class FeedForward(nn.Module):
    """The two feed-forward maps, which chain inside their group where both have the same groups."""

    def __init__(self, wide: GroupedLinear, narrow: GroupedLinear, activation: Activation) -> None:
        super().__init__()
        self.wide, self.narrow, self.activation = wide, narrow, activation

    @property
    def chained(self) -> bool:
        """Whether nothing is joined between the maps."""
        return len(self.wide.groups) == len(self.narrow.groups)

    def forward(self, x: Tensor) -> Tensor:
        return join(self.narrow([self.activation(part) for part in self.wide([x])]))


class Block(nn.Module):
    """One encoder layer, [T, C] -> [T, C], or -> [N, C] where ``first_only``."""

    def __init__(self, layer: Layer, attention: nn.Module, feed_forward: nn.Module, *, first_only: bool) -> None:
        super().__init__()
        self.attention = attention
        self.attention_norm = norm(layer.post_attention.layernorm)
        self.feed_forward = feed_forward
        self.feed_forward_norm = norm(layer.output.layernorm)
        self.first_only = first_only

    def forward(self, x: Tensor, rows: Layout) -> Tensor:
        residual = rows.first(x) if self.first_only else x
        y = self.attention_norm(self.attention(x, rows) + residual)
        z: Tensor = self.feed_forward_norm(self.feed_forward(y) + y)
        return z


class Form(nn.Module):
    """Embeddings, blocks and head of a task; the forms of the runtimes give it a forward."""

    def __init__(self, model: PreTrained, embeddings: nn.Module, block: MakeBlock, head: nn.Module) -> None:
        super().__init__()
        self.task, self.output_names, self.embeddings = model.task, model.output_names, embeddings
        layers = [layer for layer in base_model(model).encoder.layers if isinstance(layer, Layer)]
        self.layers = nn.ModuleList(
            block(layer, model.config, model.task.reads_first_token_only and layer is layers[-1]) for layer in layers
        )
        self.head = head
        # Whether the layers take leading axes of 1, as the runtime's convolution wants it.
        self.rank4 = False

    def blocks(self) -> list[Block]:
        """The encoder layers."""
        return [layer for layer in self.layers if isinstance(layer, Block)]

    def units(self) -> tuple[str, ...]:
        """The names that ``keep_float`` takes, in the order of the data."""
        return unit_names(len(self.layers))


def make_head(
    model: PreTrained, copy: Callable[[nn.Module], nn.Module], fix: Callable[[Activation], Activation]
) -> nn.Module:
    """The part after the encoder, its linear maps made by ``copy`` and its activation by ``fix``."""
    pooler = base_model(model).pooler.dense
    match model.task:
        case Task.TEXT_CLASSIFICATION | Task.MULTIPLE_CHOICE:
            return ClassifierHead(copy(pooler), copy(model.get_submodule("classifier")))
        case Task.TOKEN_CLASSIFICATION:
            return TokenHead(copy(model.get_submodule("classifier")))
        case Task.QUESTION_ANSWERING:
            return SpanHead(copy(model.get_submodule("qa_outputs")))
        case Task.FILL_MASK:
            predictions = model.get_submodule("cls.predictions")
            activation = fix(cast("Activation", predictions.get_submodule("transform").transform_act_fn))
            return VocabularyHead(predictions, copy, activation)
        case Task.FEATURE_EXTRACTION:
            return FeatureHead(copy(pooler) if POOLER_OUTPUT in model.output_names else None, model.pooling)


class ClassifierHead(nn.Module):
    """Token 0, already alone [N, C], to logits [N, labels]."""

    def __init__(self, pooler: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.pooler, self.classifier = pooler, classifier

    def forward(self, x: Tensor, rows: Layout) -> tuple[Tensor, ...]:  # noqa: ARG002  one signature for all heads
        return (self.classifier(torch.tanh(self.pooler(x))),)


class TokenHead(nn.Module):
    """Logits [N, W, labels] of every token."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor, rows: Layout) -> tuple[Tensor, ...]:
        return (rows.expand(self.classifier(x)),)


class SpanHead(TokenHead):
    """Start and end logits, [N, W] each."""

    def forward(self, x: Tensor, rows: Layout) -> tuple[Tensor, ...]:
        return rows.columns(self.classifier(x))


class VocabularyHead(nn.Module):
    """Vocabulary logits [N, W, V]; the decoder runs over the tokens of the form only."""

    def __init__(self, source: nn.Module, copy: Callable[[nn.Module], nn.Module], activation: Activation) -> None:
        super().__init__()
        layer_norm = source.get_submodule("transform.LayerNorm")
        assert isinstance(layer_norm, nn.LayerNorm)
        self.dense, self.norm = copy(source.get_submodule("transform.dense")), norm(layer_norm)
        self.activation = activation
        self.decoder = copy(source.get_submodule("decoder"))

    def forward(self, x: Tensor, rows: Layout) -> tuple[Tensor, ...]:
        return (rows.expand(self.decoder(self.norm(self.activation(self.dense(x))))),)


class FeatureHead(nn.Module):
    """Hidden states [N, W, C], then [N, C] each: the pooled first token and the vector of the text, as far as asked."""

    def __init__(self, pooler: nn.Module | None, pooling: Pooling | None) -> None:
        super().__init__()
        self.pooler, self._pooling = pooler, pooling

    def forward(self, x: Tensor, rows: Layout) -> tuple[Tensor, ...]:
        outputs = [rows.expand(x)]
        if self.pooler is not None:
            outputs.append(torch.tanh(self.pooler(rows.first(x))))
        if self._pooling is not None:
            vectors = rows.pool(x, self._pooling.mode)
            outputs.append(normalized(vectors) if self._pooling.normalize else vectors)
        return tuple(outputs)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, for the same sums on every machine; a forked process has no others of PyTorch's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
