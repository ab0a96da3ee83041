"""The tree walk from the float ONNX form to int8 or fp16, unit by unit, with the account of what changed."""

from collections.abc import Callable, Iterator

from torch import nn
from torch.nn import functional as F

from squeezebert_mobile.bundle.manifest import Note
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.export.inventory import TOKENS, Part
from squeezebert_mobile.export.ort.form import (
    Block,
    ClassifierHead,
    FeatureHead,
    FeedForward,
    GroupAttention,
    OrtModel,
    PerHeadLinear,
)
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
from squeezebert_mobile.export.quantization import Dynamic, Half, QRange, Scheme, Static


def linear_part(form: OrtModel, name: str, reason: str | None) -> Part:
    """The account of the linear layer or weight ``name`` of the float form."""
    module = form.get_submodule(name)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    weight = module.values if isinstance(module, PerHeadLinear) else module.weight
    assert isinstance(weight, nn.Parameter)
    return Part(name, parameters, 2 * weight.numel() * _rows(form, name), reason)


def product_part(form: OrtModel, index: int, reason: str | None) -> Part:
    """The two products inside the attention of layer ``index``."""
    block = form.layers[index]
    rows = 1 if block.first_only else TOKENS
    channels = block.attention_norm.normalized_shape[0]
    return Part(f"layers.{index}.attention.products", 0, 2 * 2 * rows * TOKENS * channels, reason)


def small_parts(form: OrtModel) -> Iterator[Part]:
    """Token types and normalizations, which no scheme changes."""
    yield Part("embeddings.types", form.embeddings.types.numel(), 0, "two rows")
    norms = [module for module in form.modules() if isinstance(module, nn.LayerNorm)]
    count = sum(parameter.numel() for norm in norms for parameter in norm.parameters())
    yield Part("normalizations", count, 0, "float keeps the statistics exact, and costs 7 % of an int8 run")


def table_part(form: OrtModel, reason: str | None) -> Part:
    """Word and position embeddings."""
    return Part("embeddings", form.embeddings.words.numel() + form.embeddings.positions.numel(), 0, reason)


def linear_names(form: nn.Module) -> tuple[str, ...]:
    """Every linear layer and product per head, by name."""
    return tuple(name for name, module in form.named_modules() if isinstance(module, (nn.Linear, PerHeadLinear)))


def float_parts(form: OrtModel, reason: str) -> tuple[Part, ...]:
    """The account of a form in which everything is float for one reason."""
    linear = (linear_part(form, name, reason) for name in linear_names(form))
    products = (product_part(form, index, reason) for index in range(len(form.layers)))
    return (table_part(form, reason), *linear, *products, *small_parts(form))


def _rows(form: OrtModel, name: str) -> int:
    """How many rows the layer sees for one text of `TOKENS` tokens."""
    if name.startswith("head."):
        first = isinstance(form.head, ClassifierHead) or (isinstance(form.head, FeatureHead) and "pooler" in name)
        return 1 if first else TOKENS
    block = form.layers[int(name.split(".")[1])]
    # Where a last layer serves token 0 alone, the fallback still computes the keys and values of all.
    everyone = ".attention.key.groups" in name or ".attention.value.groups" in name
    return 1 if block.first_only and not everyone else TOKENS


ASKED = "kept float as asked"
# Below this many parameters a layer costs more to quantize its input for than its product saves.
WORTH_PARAMETERS = 64 * 64
_TOO_SMALL = "too small to pay for quantizing its input"
_FLOAT_PRODUCTS = "softmax attention over float queries and keys"


def units(form: OrtModel) -> tuple[str, ...]:
    """The names that ``keep_float`` takes, in the order of the data."""
    layers = [f"layers.{n}.{part}" for n in range(len(form.layers)) for part in ("attention", "feed_forward")]
    return ("embeddings", *layers, "head")


def quantize(form: OrtModel, scheme: Scheme) -> tuple[Part, ...]:
    """Put ``form`` into the precision of ``scheme``, in place, and account for every part.

    Raises UsageError for a unit that does not exist, or where nothing is left to quantize; UnsupportedModelError where
    the ranges are those of another model.
    """
    if isinstance(scheme, Half):
        parts = float_parts(form, "stored as fp16; the runtime computes in fp32")
        halve(form)
        return parts
    unknown = sorted(scheme.keep_float - set(units(form)))
    if unknown:
        raise UsageError(
            "--keep-float", "names no unit", found=unknown[0], expected=", ".join(units(form)), fix="correct it"
        )
    walk = _Walk(form, scheme)
    form.rank4 = isinstance(scheme, Static)
    parts = (walk.embeddings(), *walk.layers(), *walk.head(), *small_parts(form))
    if all(part.reason is not None for part in parts):
        raise UsageError("--keep-float", "leaves nothing to quantize", fix="keep fewer units float, or export fp32")
    return parts


def approximate_units(form: OrtModel) -> tuple[Note, ...]:
    """The units of a quantized form that compute another function than the reference, and which."""
    names = [name for name, module in form.named_modules() if isinstance(module, StaticFeedForward)]
    units = {name: form.get_submodule(name).another_function for name in names}
    return tuple(Note(name=name, reason=reason) for name, reason in units.items() if reason is not None)


class _Walk:
    """One pass over a form."""

    def __init__(self, form: OrtModel, scheme: Dynamic | Static) -> None:
        self._form, self._scheme = form, scheme

    def embeddings(self) -> Part:
        if "embeddings" in self._scheme.keep_float:
            return table_part(self._form, ASKED)
        part = table_part(self._form, None)
        self._form.embeddings = IntEmbeddings(self._form.embeddings, self._scheme.embedding_bits)
        return part

    def layers(self) -> list[Part]:
        parts: list[Part] = []
        for index, block in enumerate(self._form.layers):
            assert isinstance(block, Block)
            parts += self._attention(index, block)
            parts += self._feed_forward(index, block)
        return parts

    def head(self) -> list[Part]:
        return self._linears("head")

    def _attention(self, index: int, block: Block) -> list[Part]:
        unit, scheme = f"layers.{index}.attention", self._scheme
        kept = unit in scheme.keep_float
        if not kept and isinstance(scheme, Static) and isinstance(block.attention, GroupAttention):
            parts = [linear_part(self._form, name, None) for name in self._names(unit)]
            parts.append(product_part(self._form, index, None))
            block.attention = StaticGroupAttention(block.attention, self._spans(unit))
            return parts
        products = product_part(self._form, index, ASKED if kept else _FLOAT_PRODUCTS)
        return [*self._linears(unit), products]

    def _feed_forward(self, index: int, block: Block) -> list[Part]:
        unit, scheme = f"layers.{index}.feed_forward", self._scheme
        source = block.feed_forward
        assert isinstance(source, FeedForward)
        whole = isinstance(scheme, Static) and source.chained and not block.first_only
        if unit in scheme.keep_float or not whole:
            return self._linears(unit)
        assert isinstance(scheme, Static)
        parts = [linear_part(self._form, name, None) for name in self._names(unit)]
        gate = scheme.approximate_gelu if source.activation is F.gelu else None
        block.feed_forward = StaticFeedForward(source, self._spans(unit), gate)
        return parts

    def _linears(self, unit: str) -> list[Part]:
        """Exchange the linear layers of ``unit`` one by one."""
        parts = []
        for name in self._names(unit):
            small = self._form.get_submodule(name).weight.numel() < WORTH_PARAMETERS if unit == "head" else False
            reason = ASKED if unit in self._scheme.keep_float else _TOO_SMALL if small else None
            parts.append(linear_part(self._form, name, reason))
            if reason is None:
                self._form.set_submodule(name, self._exchanged(name))
        return parts

    def _exchanged(self, name: str) -> nn.Module:
        source = self._form.get_submodule(name)
        if isinstance(source, PerHeadLinear):
            static = isinstance(self._scheme, Static)
            return StaticPerHeadLinear(source, self._spans(name)("input")) if static else IntPerHeadLinear(source)
        assert isinstance(source, nn.Linear)
        table = self._table(source)
        if isinstance(self._scheme, Dynamic):
            return DynamicLinear(source, table)
        owner = name.rsplit(".groups.", 1)[0]
        return StaticLinear(source, self._spans(owner)("input"), table)

    def _table(self, source: nn.Linear) -> IntEmbeddings | None:
        """The quantized word table where ``source`` is a decoder tied to it."""
        table = self._form.embeddings
        shared = isinstance(table, IntEmbeddings) and table.bits == 8 and table.made_from[0] is source.weight
        return table if shared else None

    def _names(self, unit: str) -> list[str]:
        return [name for name in linear_names(self._form) if name.startswith(f"{unit}.")]

    def _spans(self, owner: str) -> Callable[[str], QRange]:
        assert isinstance(self._scheme, Static)
        ranges = self._scheme.ranges
        return lambda name: QRange(*ranges[f"{owner}.{name}"])
