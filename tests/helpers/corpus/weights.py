"""Weights: pickles opcode by opcode, and the headers of safetensors."""

import json
import random
import struct
from collections.abc import Iterator

import hostile_pickles

from corpus.cases import Case

_TYPES = ("F32", "F16", "BF16", "F64", "I64", "BOOL", "F8_E4M3", "F31", "")
_NUMBERS = (0, 1, 2, 4, 16, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, 1 << 64, -1, 1.5, "4", None, [], {})


def by_hand() -> Iterator[Case]:
    for name, data, _ in hostile_pickles.by_hand():
        yield Case(name, hostile_pickles.archive(data))


def generated(rng: random.Random) -> Case:
    """A pickle or a header, with a changed byte in some."""
    data = hostile_pickles.generated(rng) if rng.random() < 0.6 else _safetensors(rng)
    if rng.random() < 0.2:
        at = rng.randrange(len(data))
        data = data[:at] + bytes([rng.randrange(256)]) + data[at + rng.randrange(2) :]
    return Case(repr(data)[:200], data)


def _safetensors(rng: random.Random) -> bytes:
    """Tensors that mostly lie one behind the other."""
    header: dict[str, object] = {}
    end = 0
    for index in range(rng.randrange(4)):
        shape: list[object] = [rng.choice((0, 1, 2, 3)) for _ in range(rng.randrange(4))]
        size = 4
        for extent in shape:
            size *= extent if isinstance(extent, int) else 1
        offsets: list[object] = [end, end + size]
        for numbers in (shape, offsets):
            if numbers and rng.random() < 0.1:
                numbers[rng.randrange(len(numbers))] = rng.choice(_NUMBERS)
        kind = rng.choice(_TYPES) if rng.random() < 0.2 else "F32"
        header[f"tensor {index}"] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        end += size
    if rng.random() < 0.3:
        header["__metadata__"] = rng.choice(({"format": "pt"}, {"a": 1}, [], None, "x"))
    text = json.dumps(header).encode()
    length = rng.choice(_NUMBERS[:9]) if rng.random() < 0.1 else len(text)
    assert isinstance(length, int)
    return struct.pack("<Q", length) + text + bytes(end)
