"""Bytes that a .pte holds twice, held once.

A table that an operator outside the delegate reads (the word embeddings) and a weight inside it (the decoder tied to
them) are written apart: one in the segment of constants, one as a segment of its own. A segment is an offset and a
size, so the second can lie inside the first, and readers see no difference. Source: program.fbs of ExecuTorch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

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


def share_constants(pte: bytes) -> bytes:
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
