"""The inventory of a .pte: what each map and table of the form holds and costs."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from squeezebert_mobile.export.inventory import TOKENS, Part
from squeezebert_mobile.export.xnnpack.form import FirstRows, Maps, PteForm

FLOAT_PRODUCTS = "softmax attention over float queries and keys"


@dataclass(frozen=True)
class Cost:
    """The linear maps at ``owner`` that read one input: (parameters, FLOPs) of each."""

    owner: str
    sizes: tuple[tuple[int, int], ...]

    def parts(self, reason: str | None) -> list[Part]:
        """Their account."""
        return [Part(f"{self.owner}.maps.{n}", *size, reason) for n, size in enumerate(self.sizes)]


def float_parts(form: PteForm, reason: str) -> tuple[Part, ...]:
    """The account of a form in which everything is float."""
    maps = [part for cost in map_costs(form) for part in cost.parts(reason)]
    products = [product_part(form, n, reason) for n in range(len(form.layers))]
    return (table_part(form, reason), *maps, *always_float(form), *products)


def table_part(form: PteForm, reason: str | None) -> Part:
    """The word and position embeddings of the float form."""
    words, positions = form.embeddings.words, form.embeddings.positions
    assert isinstance(words, nn.Embedding) and isinstance(positions, FirstRows)
    return Part("embeddings", words.weight.numel() + positions.weight.numel(), 0, reason)


def map_costs(form: PteForm) -> Iterator[Cost]:
    """What the maps of the float form hold and cost, in the order of the data."""
    rows = _rows(form)
    for name, module in form.named_modules():
        if isinstance(module, Maps):
            yield Cost(name, tuple(_size(layer, rows[name]) for layer in module.linears()))


def always_float(form: PteForm) -> Iterator[Part]:
    """The small tables and the normalizations."""
    yield Part("embeddings.types", form.embeddings.types.weight.numel(), 0, "small, never multiplied")
    norms = [module for module in form.modules() if isinstance(module, nn.LayerNorm)]
    parameters = sum(parameter.numel() for layer in norms for parameter in layer.parameters())
    yield Part("normalizations", parameters, 0, "need float statistics")


def product_part(form: PteForm, layer: int, reason: str | None) -> Part:
    """The products inside the attention of a layer."""
    block = form.blocks()[layer]
    rows = 1 if block.first_only else TOKENS
    flops = 2 * 2 * rows * TOKENS * block.attention_norm.normalized_shape[0]
    return Part(f"layers.{layer}.attention.products", 0, flops, reason)


def _size(layer: nn.Linear, rows: int) -> tuple[int, int]:
    return sum(p.numel() for p in layer.parameters()), 2 * rows * layer.weight.numel()


def _rows(form: PteForm) -> dict[str, int]:
    """How many rows the maps see in a text of `TOKENS` tokens: every token, or the first alone."""
    rows: dict[str, int] = {}

    def watch(name: str, maps: Maps) -> torch.utils.hooks.RemovableHandle:
        def note(_maps: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            rows[name] = 1 if len(inputs[0]) == 1 else TOKENS

        return maps.register_forward_pre_hook(note)

    handles = [watch(name, module) for name, module in form.named_modules() if isinstance(module, Maps)]
    two_tokens = torch.zeros(1, 2, dtype=torch.int64)
    with torch.inference_mode():
        form(two_tokens, two_tokens)
    for handle in handles:
        handle.remove()
    return rows
