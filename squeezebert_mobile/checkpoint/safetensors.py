"""Reading a safetensors file: its header is checked here, for reasons that a user can act on, then by the library."""

import json
import struct
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import safetensors
import safetensors.torch
from torch import Tensor

from squeezebert_mobile.errors import InputFileError, UnsupportedModelError

# The library's own limit, https://github.com/huggingface/safetensors#format.
_MAX_HEADER = 100_000_000
# Bytes of an element, for the types that can hold weights or positions.
_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
# Types that the format knows and that no supported checkpoint uses.
_OTHER_TYPES = frozenset(
    (
        "U64",
        "U32",
        "U16",
        "C64",
        "F8_E4M3",
        "F8_E5M2",
        "F8_E8M0",
        "F8_E4M3FNUZ",
        "F8_E5M2FNUZ",
        "F6_E2M3",
        "F6_E3M2",
        "F4",
    )
)
# torch's own limit; the product of a longer shape could take hours.
_MAX_RANK = 64
_DOWNLOAD_AGAIN = "download it again"


def parse(path: Path, data: bytes) -> dict[str, Tensor]:
    """The tensors in ``data``, the content of ``path``.

    Raises InputFileError for anything malformed and UnsupportedModelError for a type that holds no SqueezeBERT.
    """
    _check(path, data)
    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InputFileError(path, f"is not valid safetensors: {error}", fix=_DOWNLOAD_AGAIN) from error


def _check(path: Path, data: bytes) -> None:
    if data.startswith((b"PK\x03\x04", b"\x80\x02")) and data[8:9] != b"{":
        raise InputFileError(path, "holds a pickle, not safetensors", fix="rename it to pytorch_model.bin")
    if len(data) < 8:
        _truncated(path, len(data), "at least 8 bytes")
    (length,) = struct.unpack("<Q", data[:8])
    if length > _MAX_HEADER:
        what = "is not safetensors: the header length is out of range"
        raise InputFileError(path, what, found=length, expected=f"at most {_MAX_HEADER}", fix=_DOWNLOAD_AGAIN)
    if 8 + length > len(data):
        _truncated(path, len(data), f"at least {8 + length} bytes, the header")
    ranges = [
        (*_range(path, name, entry), name)
        for name, entry in _header(path, data[8 : 8 + length])
        if name != "__metadata__"
    ]
    _check_layout(path, sorted(ranges), len(data) - 8 - length)


def _header(path: Path, data: bytes) -> list[tuple[str, object]]:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(pairs)
        if len(result) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            twice = next(name for name, count in counts.items() if count > 1)
            _malformed(path, f"has {twice!r} twice in its header")
        return result

    try:
        header = json.loads(data.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        _malformed(path, f"has a header that is not JSON: {error}")
    if not isinstance(header, dict):
        _malformed(path, "has a header that is not an object")
    return list(header.items())


def _range(path: Path, name: str, entry: object) -> tuple[int, int]:
    """Begin and end of a tensor's bytes, which its type and shape must agree with."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        _malformed(path, f"does not describe {name!r} by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str):
        _malformed(path, f"gives {name!r} a type that is not a name")
    if dtype in _OTHER_TYPES:
        fix = "save the model in float32 or float16; int8 is made by export"
        raise UnsupportedModelError(path, f"holds {name} as {dtype}", expected="F32, F16, BF16 or F64", fix=fix)
    if dtype not in _ITEM_BYTES:
        _malformed(path, f"gives {name!r} the unknown type {dtype[:40]!r}")
    if not _are_sizes(shape) or len(shape) > _MAX_RANK or not _are_sizes(offsets) or len(offsets) != 2:
        _malformed(path, f"gives {name!r} a shape or offsets that are not lists of sizes")
    begin, end = offsets
    size = _ITEM_BYTES[dtype]
    for extent in shape:
        size *= extent
    if size != end - begin:
        _malformed(
            path, f"gives {name!r} offsets that do not fit its shape", found=f"{end - begin} bytes", expected=size
        )
    return begin, end


def _are_sizes(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _check_layout(path: Path, ranges: Iterable[tuple[int, int, str]], size: int) -> None:
    """The tensors must cover the data exactly: no overlap, no hole, nothing after the last one."""
    position = 0
    for begin, end, name in ranges:
        if begin < position:
            _malformed(path, f"places {name!r} over another tensor", found=f"byte {begin}", expected=f"byte {position}")
        if begin > position:
            _malformed(path, f"has a hole before {name!r}", found=f"byte {begin}", expected=f"byte {position}")
        position = end
    if position > size:
        _truncated(path, size, f"{position} bytes of data")
    if position < size:
        _malformed(path, "has bytes after its last tensor", found=f"{size} bytes of data", expected=position)


def _malformed(path: Path, what: str, *, found: object = None, expected: object = None) -> NoReturn:
    raise InputFileError(path, what, found=found, expected=expected, fix=_DOWNLOAD_AGAIN)


def _truncated(path: Path, found: int, expected: str) -> NoReturn:
    _malformed(path, "is truncated", found=f"{found} bytes", expected=expected)
