"""The mobile form to a .pte for XNNPACK: rewrite, capture, lower, write every weight once."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from squeezebert_mobile.bundle.manifest import Kept
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.export.inventory import Lowered, Part, summarize
from squeezebert_mobile.export.scheme import Dynamic, Half, Scheme, Static
from squeezebert_mobile.export.weights import form_report
from squeezebert_mobile.export.xnnpack.account import float_parts
from squeezebert_mobile.export.xnnpack.conv_form import ConvAttention, ConvFeedForward, convolve
from squeezebert_mobile.export.xnnpack.deduplicate import share_constants
from squeezebert_mobile.export.xnnpack.form import PteForm
from squeezebert_mobile.export.xnnpack.patches import (
    dynamic_slices,
    grouped_convolutions,
    integer_products,
    needed_passes,
    require_release,
)
from squeezebert_mobile.export.xnnpack.quantize import quantize
from squeezebert_mobile.model import PreTrained

# The identifier of the program's flatbuffer schema, in bytes 4 to 8 of the file.
SCHEMA = "ET12"


def lower_pte(model: PreTrained, *, scheme: Scheme | None = None, max_seq_len: int | None = None) -> Lowered:
    """The .pte of ``model`` for XNNPACK: forward(input_ids, token_type_ids), int64 [1, W], W from 1 to max_seq_len.

    Outputs are those of the task for one unpadded text; multiple choice takes one choice a call and gives a logit
    [1, 1]. Raises UsageError for a length outside of what the model takes, EnvironmentFault for another ExecuTorch.
    """
    require_release()
    length = _checked_length(model.config, max_seq_len)
    # 1. Rewrite
    form = PteForm(model, length).eval()
    # 2. Quantize
    form, parts = _in_precision(form, model, scheme)
    # 3. Capture and lower
    with _quiet():
        data = _lower(_capture(form, length))
    # 4. Write every weight once
    fast, fallbacks = _report(form, model.config)
    ranges = scheme.ranges.by_name if isinstance(scheme, Static) else None
    inventory = summarize(fast=fast, fallbacks=fallbacks, parts=parts, ranges=ranges)
    return Lowered(share_constants(data), inventory, SCHEMA)


def _in_precision(form: PteForm, model: PreTrained, scheme: Scheme | None) -> tuple[PteForm, tuple[Part, ...]]:
    """The form of ``model`` in a precision, and its account."""
    match scheme:
        case None:
            parts = float_parts(form, "fp32 was asked for")
            convolve(form, model)
            return form, parts
        case Half():
            parts = float_parts(form, "fp16 was asked for")
            return copy.deepcopy(form).half(), parts  # the form shares tensors with the reference
        case Dynamic() | Static():
            return form, quantize(form, scheme)


def _report(form: PteForm, config: SqueezeBertConfig) -> tuple[tuple[str, ...], tuple[Kept, ...]]:
    """Which units are fast and which fall back, with the reason; a grouped convolution takes any grouping."""
    fast, slow = form_report(config)
    convolved = {kept for kept in slow if isinstance(form.get_submodule(kept.name), ConvAttention | ConvFeedForward)}
    return (*fast, *(kept.name for kept in slow if kept in convolved)), tuple(k for k in slow if k not in convolved)


def _checked_length(config: SqueezeBertConfig, asked: int | None) -> int:
    length = config.max_position_embeddings if asked is None else asked
    # A text has at least [CLS] and [SEP], and a free axis of at most 1 is none; calls with one token work all the same.
    if not 2 <= length <= config.max_position_embeddings:
        expected = f"2 to {config.max_position_embeddings}"
        raise UsageError(
            "--max-seq-len", "is out of range", found=length, expected=expected, fix="give a length in range"
        )
    return length


def _capture(form: nn.Module, length: int) -> torch.export.ExportedProgram:
    example = (torch.zeros(1, length, dtype=torch.int64), torch.zeros(1, length, dtype=torch.int64))
    axes = {1: torch.export.Dim("tokens", min=1, max=length)}
    with torch.no_grad():
        program = torch.export.export(form, example, dynamic_shapes=(axes, axes))
    # Where each node came from: every pass copies it, a fifth of the time, and the paths in it differ by machine.
    for node in program.graph.nodes:
        node.meta = {key: value for key, value in node.meta.items() if key == "val"}
    return program


def _lower(program: torch.export.ExportedProgram) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge

    with grouped_convolutions() as configs, dynamic_slices(), integer_products(), needed_passes():
        # Made in here, because it asks once which precisions a product may have.
        partitioner = XnnpackPartitioner(configs)
        whole, _ = partitioner.ops_to_not_decompose(program)
        # The validity check knows ATen's core operators only, and these are kept whole for XNNPACK.
        config = EdgeCompileConfig(_check_ir_validity=False, preserve_ops=list(whole))
        # Not to_edge_transform_and_lower: it decomposes three times over, for the same bytes and twice the time.
        edge = to_edge(program, compile_config=config)
        return bytes(edge.to_backend(partitioner).to_executorch().buffer)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what ExecuTorch and torch.export say about their own internals off the user's screen."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
