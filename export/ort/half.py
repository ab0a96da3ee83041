"""fp16 storage: every large weight halved in the file, and computed with in fp32, since the CPU kernels are fp32.

ONNX Runtime converts the weights once when it loads the file, so the precision costs no time per run.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.export.ort.form import Embeddings, HeadProduct, OnnxForm


class HalfLinear(nn.Module):
    """A linear layer with an fp16 weight."""

    def __init__(self, source: nn.Linear, weight: nn.Buffer) -> None:
        super().__init__()
        self.weight, self.bias = weight, source.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(torch.float32), self.bias)


class HalfHeadProduct(nn.Module):
    """`HeadProduct` in fp16."""

    def __init__(self, source: HeadProduct) -> None:
        super().__init__()
        self.values = nn.Buffer(source.values.detach().half())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.values.to(torch.float32)


class HalfEmbeddings(Embeddings):
    """The tables in fp16; rows become fp32 once they are read."""

    def __init__(self, source: Embeddings, words: nn.Buffer) -> None:
        nn.Module.__init__(self)
        self.words: Tensor = words
        self.positions: Tensor = nn.Buffer(source.positions.detach().half())
        self.types, self.norm = source.types, source.norm

    def forward(self, ids: Tensor, types: Tensor, positions: Tensor) -> Tensor:
        words, places = F.embedding(ids, self.words).float(), F.embedding(positions, self.positions).float()
        normed: Tensor = self.norm((words + places + F.embedding(types, self.types)).flatten(0, 1))
        return normed


def halve(form: OnnxForm) -> None:
    """Exchange every linear layer, weight and table of ``form`` for its fp16 twin, tied weights staying tied."""
    assert isinstance(form.embeddings, Embeddings)
    table = form.embeddings.words
    words = nn.Buffer(table.detach().half())
    form.embeddings = HalfEmbeddings(form.embeddings, words)
    for name, module in list(form.named_modules()):
        if isinstance(module, nn.Linear):
            weight = words if module.weight is table else nn.Buffer(module.weight.detach().half())
            form.set_submodule(name, HalfLinear(module, weight))
        elif isinstance(module, HeadProduct):
            form.set_submodule(name, HalfHeadProduct(module))
