"""Reading a safetensors file: the library checks its layout, this module what it lets pass or says less well."""

from math import prod
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.files import parse_json

# A hundred bytes for a tensor: the published SqueezeBERT has 206. The library's own limit is a hundred times this.
_MAX_HEADER = 1 << 20
# More axes and numbers than any tensor has, and far from what overflows.
_MAX_AXES, _MAX_NUMBERS = 8, 1 << 48
_DOWNLOAD_AGAIN = "download it again"


def parse(path: Path, data: bytes) -> dict[str, Tensor]:
    """The tensors in ``data``, the content of ``path``. Raises InputFileError for anything malformed."""
    if data.startswith((b"PK\x03\x04", b"\x80\x02")) and data[8:9] != b"{":
        raise InputFileError(path, "holds a pickle, not safetensors", fix="rename it to pytorch_model.bin")
    end = 8 + int.from_bytes(data[:8], "little")
    if len(data) >= 8 and end > 8 + _MAX_HEADER:
        found, expected = f"{end - 8} bytes", f"at most {_MAX_HEADER}"
        raise InputFileError(
            path, "has no header of a SqueezeBERT", found=found, expected=expected, fix=_DOWNLOAD_AGAIN
        )
    if end <= len(data):
        end += _data_bytes(path, data[8:end])
    if len(data) < end:
        found, expected = f"{len(data)} bytes", f"{end} bytes"
        raise InputFileError(path, "is truncated", found=found, expected=expected, fix=_DOWNLOAD_AGAIN)
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).removeprefix("Error while deserializing: ")
        raise InputFileError(path, f"is not valid safetensors: {reason}", fix=_DOWNLOAD_AGAIN) from error


def _data_bytes(path: Path, header: bytes) -> int:
    """How many bytes a header places after itself.

    Raises InputFileError for two keys of a name, as for bad JSON, and for shapes that torch has no numbers for.
    """
    try:
        entries = parse_json(header, path).values()
    except InputFileError as error:
        raise InputFileError(path, f"has a header that {error.what}", fix=_DOWNLOAD_AGAIN) from None
    ends = [0]
    for entry in entries:
        match entry:
            case {"data_offsets": [_, int(end)]}:
                ends.append(end)
        match entry:
            case {"shape": [*extents]} if not _is_plain(extents):
                raise InputFileError(path, "has a tensor of an impossible shape", fix=_DOWNLOAD_AGAIN)
    return max(ends)


def _is_plain(extents: list[object]) -> bool:
    """False for a shape of too many axes, and for one of nothing whose other extents overflow when they are joined.

    The library says what is wrong with any other.
    """
    if len(extents) > _MAX_AXES:
        return False
    return 0 not in extents or prod(number or 1 for number in extents if isinstance(number, int)) <= _MAX_NUMBERS
