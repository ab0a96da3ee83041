"""Small random models for the tests of the ExecuTorch form, and calls of the reference and the runtime."""

import torch

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.model import PreTrained, model_class
from squeezebert_mobile.run.engines import import_executorch
from squeezebert_mobile.tasks import Task

VOCAB, LENGTH = 211, 40


def make(task: Task, **changes) -> PreTrained:
    """A small random model whose biases and normalizations count too."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 48, "embedding_size": 48, "num_attention_heads": 12, "intermediate_size": 96}
    values = {
        **sizes,
        "vocab_size": VOCAB,
        "num_hidden_layers": 2,
        "max_position_embeddings": LENGTH,
        "initializer_range": 0.2,
        **changes,
    }
    model = model_class(task)(SqueezeBertConfig(**values)).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return model


def text(tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(0, VOCAB, (1, tokens)), torch.randint(0, 2, (1, tokens))


def reference(model: PreTrained, ids: torch.Tensor, types: torch.Tensor) -> tuple[torch.Tensor, ...]:
    if model.task is Task.MULTIPLE_CHOICE:
        ids, types = ids[None], types[None]
    with torch.inference_mode():
        return model.tensors(ids, None, types)


class Program:
    """A loaded .pte with its bytes, which the runtime reads from and does not hold itself."""

    def __init__(self, data: bytes) -> None:
        portable = import_executorch()
        portable._unsafe_reset_threadpool(1)
        self._data = data
        self._module = portable._load_for_executorch_from_buffer(data)

    def forward(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        return [value.clone() for value in self._module.forward(inputs)]


def worst(found, expected) -> float:
    assert [tuple(a.shape) for a in found] == [tuple(b.shape) for b in expected]
    return max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
