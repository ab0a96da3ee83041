"""What the parts of the ONNX form hold and cost, for the inventory."""

from collections.abc import Iterator

from torch import nn

from squeezebert_mobile.export.inventory import TOKENS, Part
from squeezebert_mobile.export.ort.form import ClassifierHead, FeatureHead, HeadProduct, OnnxForm


def linear_part(form: OnnxForm, name: str, reason: str | None) -> Part:
    """The account of the linear layer or weight ``name`` of the float form."""
    module = form.get_submodule(name)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    weight = module.values if isinstance(module, HeadProduct) else module.weight
    assert isinstance(weight, nn.Parameter)
    return Part(name, parameters, 2 * weight.numel() * _rows(form, name), reason)


def product_part(form: OnnxForm, index: int, reason: str | None) -> Part:
    """The two products inside the attention of layer ``index``."""
    block = form.layers[index]
    rows = 1 if block.first_only else TOKENS
    channels = block.attention_norm.normalized_shape[0]
    return Part(f"layers.{index}.attention.products", 0, 2 * 2 * rows * TOKENS * channels, reason)


def small_parts(form: OnnxForm) -> Iterator[Part]:
    """Token types and normalizations, which no scheme changes."""
    yield Part("embeddings.types", form.embeddings.types.numel(), 0, "two rows")
    norms = [module for module in form.modules() if isinstance(module, nn.LayerNorm)]
    count = sum(parameter.numel() for norm in norms for parameter in norm.parameters())
    yield Part("normalizations", count, 0, "float keeps the statistics exact, and costs 7 % of an int8 run")


def table_part(form: OnnxForm, reason: str | None) -> Part:
    """Word and position embeddings."""
    return Part("embeddings", form.embeddings.words.numel() + form.embeddings.positions.numel(), 0, reason)


def linear_names(form: nn.Module) -> tuple[str, ...]:
    """Every linear layer and product per head, by name."""
    return tuple(name for name, module in form.named_modules() if isinstance(module, (nn.Linear, HeadProduct)))


def float_parts(form: OnnxForm, reason: str) -> tuple[Part, ...]:
    """The account of a form in which everything is float for one reason."""
    linear = (linear_part(form, name, reason) for name in linear_names(form))
    products = (product_part(form, index, reason) for index in range(len(form.layers)))
    return (table_part(form, reason), *linear, *products, *small_parts(form))


def _rows(form: OnnxForm, name: str) -> int:
    """How many rows the layer sees for one text of `TOKENS` tokens."""
    if name.startswith("head."):
        first = isinstance(form.head, ClassifierHead) or (isinstance(form.head, FeatureHead) and "pooler" in name)
        return 1 if first else TOKENS
    block = form.layers[int(name.split(".")[1])]
    # Where a last layer serves token 0 alone, the fallback still computes the keys and values of all.
    everyone = ".attention.key.groups" in name or ".attention.value.groups" in name
    return 1 if block.first_only and not everyone else TOKENS
