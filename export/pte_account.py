"""The inventory of a .pte: what each map and table of the form holds and costs."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.export import mobile
from squeezebert_mobile.export.inventory import TOKENS, Part, summarize
from squeezebert_mobile.export.pte_form import PteForm
from squeezebert_mobile.manifest import Inventory

WORD_TABLE = "embeddings.words"
_FP32 = "fp32 was asked for"


def fp32_inventory(form: PteForm, config: SqueezeBertConfig) -> Inventory:
    """The account of a form in which everything is float."""
    fast, fallbacks = mobile.form_report(config)
    words = Part(WORD_TABLE, config.vocab_size * config.hidden_size, 0, _FP32)
    maps = (Part(name, size, flops, _FP32) for name, size, flops in linear_costs(form))
    return summarize(fast=fast, fallbacks=fallbacks, parts=[words, *maps, *always_float(form, config)])


def linear_costs(form: PteForm) -> Iterator[tuple[str, int, int]]:
    """Name, parameters and FLOPs of every linear map of the float form."""
    rows = _rows(form)
    for name, module in form.named_modules():
        if isinstance(module, nn.Linear):
            size = sum(parameter.numel() for parameter in module.parameters())
            yield name, size, 2 * rows[name] * module.in_features * module.out_features


def always_float(form: PteForm, config: SqueezeBertConfig) -> Iterator[Part]:
    """The small tables, the normalizations and the products inside attention."""
    small = (form.embeddings.positions, form.embeddings.types.weight)
    yield Part(
        "embeddings.positions_and_types", sum(table.numel() for table in small), 0, "read, not multiplied; small"
    )
    norms = [module for module in form.modules() if isinstance(module, nn.LayerNorm)]
    yield Part("normalizations", sum(2 * layer.normalized_shape[0] for layer in norms), 0, "needs float statistics")
    per_layer = 2 * 2 * TOKENS * TOKENS * config.hidden_size
    flops = sum(per_layer // (TOKENS if layer.first_only else 1) for layer in form.blocks())
    yield Part("attention.products", 0, flops, "XNNPACK's int8 products take constant weights only")


def _rows(form: PteForm) -> dict[str, int]:
    """How many rows each linear map sees in a text of `TOKENS` tokens: all, or the first alone."""
    rows: dict[str, int] = {}

    def watch(name: str) -> None:
        def note(_module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
            rows[name] = 1 if inputs[0].shape[1] == 1 else TOKENS

        handles.append(form.get_submodule(name).register_forward_hook(note))

    handles: list[torch.utils.hooks.RemovableHandle] = []
    for name, module in form.named_modules():
        if isinstance(module, nn.Linear):
            watch(name)
    ids = torch.zeros(1, 2, dtype=torch.int64)
    with torch.inference_mode():
        form(ids, ids)
    for handle in handles:
        handle.remove()
    return rows
