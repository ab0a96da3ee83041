"""The same names in every export: the converter draws some at random, and hashes others by addresses of its process."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from unittest.mock import patch

_WEIGHTS = re.compile(rb"resource_\d+")
# MLIR's bytecode: its strings are the section of this number, and this bit of a number says that data is aligned.
_STRINGS, _ALIGNED, _PADDING = 0, 0x80, 0xCB
_MAGIC = b"ML\xefR"


@contextmanager
def drawn_alike() -> Iterator[None]:
    """Let the names of functions, which end in random letters, be the same each time."""
    from coreai.authoring import func, graph_builder

    draw = random.Random(0).choice
    with patch.object(func, "choice", draw), patch.object(graph_builder, "choice", draw):
        yield


def numbered(program: bytes) -> bytes:
    """The program with its weights called by their numbers; what refers to a string does so by its place."""
    assert program.startswith(_MAGIC)
    # A version and who made it.
    at = program.index(0, len(_MAGIC)) + 1
    while program[at] != _STRINGS:
        at = _content(program, at).stop
    section = _content(program, at)
    numbers = count()
    strings = [
        b"resource_%d\0" % next(numbers) if _WEIGHTS.fullmatch(string[:-1]) else string
        for string in _strings(program, section.start)
    ]
    parts = [_coded(len(strings)), *(_coded(len(string)) for string in reversed(strings)), *strings]
    changed = b"".join(parts)
    return b"".join([program[:at], bytes([_STRINGS]), _coded(len(changed)), changed, program[section.stop :]])


def _content(program: bytes, at: int) -> range:
    """Where the data of the section that begins there lies."""
    size, start = _number(program, at + 1)
    if program[at] & _ALIGNED:
        alignment, start = _number(program, start)
        while start % alignment and program[start] == _PADDING:
            start += 1
    return range(start, start + size)


def _strings(program: bytes, at: int) -> list[bytes]:
    """The strings with the zeros that end them: their number, their sizes from the last to the first, their bytes."""
    many, at = _number(program, at)
    sizes = []
    for _ in range(many):
        size, at = _number(program, at)
        sizes.append(size)
    strings = []
    for size in reversed(sizes):
        strings.append(program[at : at + size])
        at += size
    return strings


def _number(program: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends: the zeros below the lowest bit of its first byte count the bytes that follow."""
    first = program[at]
    end = at + (first & -first).bit_length()
    return int.from_bytes(program[at:end], "little") >> (end - at), end


def _coded(value: int) -> bytes:
    """A number as `_number` reads it."""
    size = next(size for size in range(1, 9) if value < 1 << 7 * size)
    return (value << size | 1 << size - 1).to_bytes(size, "little")
