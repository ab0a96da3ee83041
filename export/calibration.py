"""Calibration for static int8: texts run through the float form, one row a time without its padding."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.export.observers import Observer
from squeezebert_mobile.export.options import Method
from squeezebert_mobile.export.ort.form import GroupAttention, GroupLinear, HeadProduct, OnnxForm
from squeezebert_mobile.export.scheme import Ranges
from squeezebert_mobile.model import PreTrained

# The smallest set that says anything about what real text does to an activation.
ROWS_FLOOR = 32


def calibrate(
    model: PreTrained, batches: Iterable[Batch], *, method: Method = "minmax", percentile: float = 99.99
) -> Ranges:
    """The ranges of every activation that static int8 quantizes, over all tokens of ``batches`` but padding.

    ``batches`` is read once for minmax and twice for percentiles, and never held whole. Raises InputFileError where it
    has no rows, UsageError for a percentile outside of 50 to 100.
    """
    form = OnnxForm(model, model.config.max_position_embeddings).eval()
    observers: dict[str, Observer] = {}
    with _watching(form, lambda name, x: observers.setdefault(name, Observer()).see_extremes(x)):
        rows = _run(form, batches)
    if rows == 0:
        raise InputFileError("the calibration texts", "are empty", fix=f"give at least {ROWS_FLOOR} texts")
    if method != "minmax":
        with _watching(form, lambda name, x: observers[name].see_values(x)):
            _run(form, batches)
    by_name = {name: observer.range(method, percentile) for name, observer in observers.items()}
    shown = f"percentile {percentile:g}" if method == "percentile" else method
    return Ranges(by_name, shown, rows)


def _run(form: OnnxForm, batches: Iterable[Batch]) -> int:
    rows = 0
    with torch.inference_mode():
        for batch in batches:
            for index in range(len(batch.input_ids)):
                # The form drops masked tokens itself; a row alone has none that are masked and kept.
                form(*(torch.from_numpy(array) for array in batch.row(index).arrays().values()))
                rows += 1
    return rows


@contextmanager
def _watching(form: nn.Module, see: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Call ``see`` with the name and value of every input and output of the form's maps."""
    handles = [
        module.register_forward_hook(_hook(name, see))
        for name, module in form.named_modules()
        if isinstance(module, (GroupLinear, HeadProduct)) or (isinstance(module, nn.Linear) and ".groups." not in name)
    ]
    handles += [
        module.qkv.register_forward_hook(_attention_hook(name, module.heads, see))
        for name, module in form.named_modules()
        if isinstance(module, GroupAttention)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(name: str, see: Callable[[str, Tensor], None]) -> Callable[[nn.Module, tuple[object], object], None]:
    def hook(_: nn.Module, inputs: tuple[object], output: object) -> None:
        for part in _tensors(inputs[0]):
            see(f"{name}.input", part)
        for part in _tensors(output):
            see(f"{name}.output", part)

    return hook


def _attention_hook(
    name: str, heads: int, see: Callable[[str, Tensor], None]
) -> Callable[[nn.Module, tuple[object], object], None]:
    """Sees what the products inside an attention read, and the scores between them: for one row a call."""

    def hook(_: nn.Module, _inputs: tuple[object], output: object) -> None:
        for part in _tensors(output):
            q, k, v = part.chunk(3, -1)  # [T, heads * D] each
            for kind, third in (("query", q), ("key", k), ("value", v)):
                see(f"{name}.qkv.{kind}", third)
            q, k = (third.unflatten(-1, (heads, -1)).transpose(0, 1) for third in (q, k))  # [heads, T, D]
            see(f"{name}.scores", q @ k.mT)

    return hook


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        yield from value
