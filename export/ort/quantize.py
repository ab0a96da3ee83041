"""The tree walk from the float ONNX form to int8 or fp16, unit by unit, with the account of what changed."""

from collections.abc import Iterator
from functools import partial

from torch import nn
from torch.nn import functional as F

from squeezebert_mobile.bundle.manifest import Note
from squeezebert_mobile.export import inventory
from squeezebert_mobile.export.inventory import TOKENS, Part
from squeezebert_mobile.export.ort.form import GroupAttention, OrtModel, PerHeadLinear
from squeezebert_mobile.export.ort.int8 import (
    DynamicLinear,
    IntEmbeddings,
    IntPerHeadLinear,
    StaticFeedForward,
    StaticGroupAttention,
    StaticLinear,
    StaticPerHeadLinear,
    halve,
)
from squeezebert_mobile.export.parts import ClassifierHead, FeatureHead, FeedForward
from squeezebert_mobile.export.quantization import Dynamic, Half, QRange, Scheme, Static
from squeezebert_mobile.export.subject import require_units


def linear_part(form: OrtModel, name: str, reason: str | None) -> Part:
    """The account of the linear layer or weight ``name`` of the float form."""
    module = form.get_submodule(name)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Part(name, parameters, 2 * _weights(module) * _rows(form, name), reason)


def _weights(module: nn.Module) -> int:
    weight = module.values if isinstance(module, PerHeadLinear) else module.weight
    assert isinstance(weight, nn.Parameter)
    return weight.numel()


def _linear_names(form: nn.Module, unit: str) -> list[str]:
    """Every linear layer and product per head of a unit, or of all for "", by name."""
    modules = form.named_modules()
    return [n for n, module in modules if n.startswith(unit) and isinstance(module, (nn.Linear, PerHeadLinear))]


def float_parts(form: OrtModel, reason: str) -> tuple[Part, ...]:
    """The account of a form in which everything is float for one reason."""
    linear = (linear_part(form, name, reason) for name in _linear_names(form, ""))
    products = (inventory.product_part(form, index, reason) for index in range(len(form.layers)))
    return (_table(form, reason), *linear, *products, *inventory.always_float(form, form.embeddings.types))


def _table(form: OrtModel, reason: str | None) -> Part:
    return inventory.table_part(form.embeddings.words, form.embeddings.positions, reason)


def _rows(form: OrtModel, name: str) -> int:
    """How many rows the layer sees for one text of `TOKENS` tokens."""
    if name.startswith("head."):
        first = isinstance(form.head, ClassifierHead) or (isinstance(form.head, FeatureHead) and "pooler" in name)
        return 1 if first else TOKENS
    block = form.layers[int(name.split(".")[1])]
    # Where a last layer serves token 0 alone, the fallback still computes the keys and values of all.
    everyone = ".attention.key.groups" in name or ".attention.value.groups" in name
    return 1 if block.first_only and not everyone else TOKENS


def quantize(form: OrtModel, scheme: Scheme) -> tuple[Part, ...]:
    """Put ``form`` into the precision of ``scheme``, in place, and account for every part.

    Raises UsageError for a unit that does not exist, or where nothing is left to quantize; UnsupportedModelError where
    the ranges are those of another model.
    """
    if isinstance(scheme, Half):
        parts = float_parts(form, "stored as fp16; the runtime computes in fp32")
        halve(form)
        return parts
    require_units(form.units(), scheme.keep_float)
    form.rank4 = isinstance(scheme, Static)
    parts = (_embeddings(form, scheme), *_layers(form, scheme), *_linears(form, scheme, "head."))
    parts = (*parts, *inventory.always_float(form, form.embeddings.types))
    inventory.require_int8(parts)
    return parts


def approximate_units(form: OrtModel) -> tuple[Note, ...]:
    """The units of a quantized form that compute another function than the reference, and which."""
    names = [name for name, module in form.named_modules() if isinstance(module, StaticFeedForward)]
    units = {name: form.get_submodule(name).another_function for name in names}
    return tuple(Note(name=name, reason=reason) for name, reason in units.items() if reason is not None)


def _embeddings(form: OrtModel, scheme: Dynamic | Static) -> Part:
    if "embeddings" in scheme.keep_float:
        return _table(form, inventory.ASKED)
    part = _table(form, None)
    form.embeddings = IntEmbeddings(form.embeddings, scheme.embedding_bits)
    return part


def _layers(form: OrtModel, scheme: Dynamic | Static) -> Iterator[Part]:
    for unit in form.units()[1:-1]:
        index, kept = int(unit.split(".")[1]), unit in scheme.keep_float
        whole = None if kept or isinstance(scheme, Dynamic) else _whole(form, unit, scheme)
        if whole is None:
            yield from _linears(form, scheme, f"{unit}.")
        else:
            yield from [linear_part(form, name, None) for name in _linear_names(form, f"{unit}.")]
            form.set_submodule(unit, whole)
        if unit.endswith(".attention"):
            reason = inventory.ASKED if kept else inventory.FLOAT_PRODUCTS
            yield inventory.product_part(form, index, reason if whole is None else None)


def _whole(form: OrtModel, unit: str, scheme: Static) -> nn.Module | None:
    """The static counterpart of a unit of all tokens, None where its linear layers are exchanged one by one."""
    source, spans = form.get_submodule(unit), partial(_span, scheme, unit)
    if isinstance(source, GroupAttention):
        return StaticGroupAttention(source, spans)
    if isinstance(source, FeedForward) and source.chained and not form.layers[int(unit.split(".")[1])].first_only:
        return StaticFeedForward(source, spans, scheme.approximate_gelu if source.activation is F.gelu else None)
    return None


def _span(scheme: Static, owner: str, name: str) -> QRange:
    return QRange(*scheme.ranges[f"{owner}.{name}"])


def _linears(form: OrtModel, scheme: Dynamic | Static, unit: str) -> list[Part]:
    """Exchange the linear layers of ``unit`` one by one."""
    parts = []
    for name in _linear_names(form, unit):
        reason = inventory.float_reason(name, _weights(form.get_submodule(name)), scheme.keep_float)
        parts.append(linear_part(form, name, reason))
        if reason is None:
            form.set_submodule(name, _exchanged(form, scheme, name))
    return parts


def _exchanged(form: OrtModel, scheme: Dynamic | Static, name: str) -> nn.Module:
    source = form.get_submodule(name)
    if isinstance(source, PerHeadLinear):
        dynamic = isinstance(scheme, Dynamic)
        return IntPerHeadLinear(source) if dynamic else StaticPerHeadLinear(source, _span(scheme, name, "input"))
    assert isinstance(source, nn.Linear)
    table = _shared_table(form, source)
    if isinstance(scheme, Dynamic):
        return DynamicLinear(source, table)
    return StaticLinear(source, _span(scheme, name.rsplit(".groups.", 1)[0], "input"), table)


def _shared_table(form: OrtModel, source: nn.Linear) -> IntEmbeddings | None:
    """The quantized word table where ``source`` is a decoder tied to it."""
    table = form.embeddings
    shared = isinstance(table, IntEmbeddings) and table.bits == 8 and table.made_from[0] is source.weight
    return table if shared else None
