"""The mobile form to a .pte for XNNPACK: rewrite, capture, lower, write every weight once."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from squeezebert_mobile.bundle.manifest import Note
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.console import quiet
from squeezebert_mobile.export.inventory import Lowered, Part, summarize
from squeezebert_mobile.export.quantization import Dynamic, Half, Scheme, Static
from squeezebert_mobile.export.signature import checked_length
from squeezebert_mobile.export.weights import fallback_notes
from squeezebert_mobile.export.xnnpack.form import ConvAttention, ConvFeedForward, XnnpackModel, convolve
from squeezebert_mobile.export.xnnpack.int8 import float_parts, quantize
from squeezebert_mobile.export.xnnpack.patches import (
    dynamic_slices,
    grouped_convolutions,
    integer_products,
    needed_passes,
)
from squeezebert_mobile.export.xnnpack.release import require_release
from squeezebert_mobile.model import PreTrained

# Smaller repeats are not worth the search; the tables in question have megabytes.
_WORTHWHILE = 4096
_ALIGNMENT = 128


@dataclass(frozen=True)
class _Segment:
    """A segment by its old index, with its bytes and, where another holds them, their offset there."""

    index: int
    data: memoryview
    inside: int | None = None
    offset: int = 0


def deduplicate_constants(pte: bytes) -> bytes:
    """The same program, every segment that repeats a constant's bytes pointing at that constant."""
    from executorch.exir._serialize._flatbuffer_program import _flatbuffer_to_program
    from executorch.exir._serialize._program import _get_extended_header

    header = _get_extended_header(pte[:64])
    assert header is not None, "the lowering always writes segments"
    program = _flatbuffer_to_program(pte[: header.program_size])
    view = memoryview(pte)[header.segment_base_offset :]
    segments = [_Segment(n, view[s.offset : s.offset + s.size]) for n, s in enumerate(program.segments)]
    shared = list(_find_repeats(segments, program.constant_segment))
    if all(segment.inside is None for segment in shared):
        return pte
    return _write(program, sorted(_lay_out(shared), key=lambda segment: segment.offset))


def _find_repeats(segments: Sequence[_Segment], constants: Any) -> Iterator[_Segment]:
    """The segments, those that repeat a constant with its offset inside the segment of constants."""
    home = segments[constants.segment_index]
    bounds = [*constants.offsets, len(home.data)]
    starts = [start for start, end in pairwise(bounds) if end - start >= _WORTHWHILE]
    for segment in segments:
        size = len(segment.data)
        same = (
            s for s in starts if segment is not home and size >= _WORTHWHILE and home.data[s : s + size] == segment.data
        )
        yield replace(segment, inside=next(same, None))


def _lay_out(segments: Sequence[_Segment]) -> Iterator[_Segment]:
    """Give every segment its place; the segment of constants comes first, at 0."""
    end = 0
    for segment in segments:
        if segment.inside is not None:
            yield replace(segment, offset=segment.inside)
            continue
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        end = start + len(segment.data)
        yield replace(segment, offset=start)


def _write(program: Any, segments: Sequence[_Segment]) -> bytes:
    """The file with ``segments``, which are in the order of their offsets, as the format asks."""
    from executorch.exir._serialize._flatbuffer_program import _program_to_flatbuffer
    from executorch.exir._serialize._program import _ExtendedHeader, _insert_flatbuffer_header
    from executorch.exir.schema import DataSegment

    _renumber(program, {segment.index: n for n, segment in enumerate(segments)})
    program.segments = [DataSegment(offset=s.offset, size=len(s.data)) for s in segments]
    payload = bytearray()
    for segment in segments:
        if segment.inside is None:
            payload += bytes(segment.offset - len(payload))
            payload += segment.data
    body = _program_to_flatbuffer(program)
    room = -(-_ExtendedHeader.EXPECTED_LENGTH // body.max_alignment) * body.max_alignment
    size = room + len(body.data)
    base = -(-size // _ALIGNMENT) * _ALIGNMENT
    header = _ExtendedHeader(program_size=size, segment_base_offset=base, segment_data_size=len(payload)).to_bytes()
    head = _insert_flatbuffer_header(body.data, "ET..", header.ljust(room, b"\0"))
    return bytes(head).ljust(base, b"\0") + payload


def _renumber(program: Any, numbers: dict[int, int]) -> None:
    """Follow the segments to their new indices wherever the program names one."""
    from executorch.exir.schema import DataLocation

    program.constant_segment.segment_index = numbers[program.constant_segment.segment_index]
    for named in program.named_data or ():
        named.segment_index = numbers[named.segment_index]
    for plan in program.execution_plan:
        for delegate in plan.delegates:
            if delegate.processed.location == DataLocation.SEGMENT:
                delegate.processed.index = numbers[delegate.processed.index]


# The identifier of the program's flatbuffer schema, in bytes 4 to 8 of the file.
SCHEMA = "ET12"


def lower_pte(model: PreTrained, *, scheme: Scheme | None = None, max_seq_len: int | None = None) -> Lowered:
    """The .pte of ``model`` for XNNPACK: forward(input_ids, token_type_ids), int64 [1, W], W from 1 to max_seq_len.

    Outputs are those of the task for one unpadded text; multiple choice takes one choice a call and gives a logit
    [1, 1]. Raises UsageError for a length outside of what the model takes, EnvironmentFault for another ExecuTorch.
    """
    require_release()
    length = checked_length(max_seq_len, model.config.max_position_embeddings)
    # 1. Rewrite
    form = XnnpackModel(model, length).eval()
    # 2. Quantize
    form, parts = _in_precision(form, model, scheme)
    # 3. Capture and lower
    with quiet():
        data = _lower(_capture(form, length))
    # 4. Write every weight once
    fast, fallbacks = _report(form, model.config)
    ranges = scheme.ranges.by_name if isinstance(scheme, Static) else None
    inventory = summarize(fast=fast, fallbacks=fallbacks, parts=parts, ranges=ranges)
    return Lowered(deduplicate_constants(data), inventory, SCHEMA)


def _in_precision(
    form: XnnpackModel, model: PreTrained, scheme: Scheme | None
) -> tuple[XnnpackModel, tuple[Part, ...]]:
    """The form of ``model`` in a precision, and its account."""
    match scheme:
        case None:
            convolve(form, model)
            return form, float_parts(form, "fp32 was asked for")
        case Half():
            parts = float_parts(form, "fp16 was asked for")
            return copy.deepcopy(form).half(), parts  # the form shares tensors with the reference
        case Dynamic() | Static():
            convolve(form, model)
            return form, quantize(form, scheme)


def _report(form: XnnpackModel, config: SqueezeBertConfig) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Which units are fast and which fall back, with the reason; a grouped convolution takes any grouping."""
    fast, slow = fallback_notes(config)
    convolved = {kept for kept in slow if isinstance(form.get_submodule(kept.name), ConvAttention | ConvFeedForward)}
    return (*fast, *(kept.name for kept in slow if kept in convolved)), tuple(k for k in slow if k not in convolved)


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
