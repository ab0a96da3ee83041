"""Reading a safetensors file: the library checks its layout, this module what it lets pass or says less well."""

from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.files import parse_json

# The library's own limit, https://github.com/huggingface/safetensors#format.
_MAX_HEADER = 100_000_000
_DOWNLOAD_AGAIN = "download it again"


def parse(path: Path, data: bytes) -> dict[str, Tensor]:
    """The tensors in ``data``, the content of ``path``. Raises InputFileError for anything malformed."""
    if data.startswith((b"PK\x03\x04", b"\x80\x02")) and data[8:9] != b"{":
        raise InputFileError(path, "holds a pickle, not safetensors", fix="rename it to pytorch_model.bin")
    end = 8 + int.from_bytes(data[:8], "little")
    if end <= len(data):
        end += _data_bytes(path, data[8:end])
    elif end > 8 + _MAX_HEADER:
        end = 8  # no length at all: the library says so
    if len(data) < end:
        found, expected = f"{len(data)} bytes", f"{end} bytes"
        raise InputFileError(path, "is truncated", found=found, expected=expected, fix=_DOWNLOAD_AGAIN)
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        reason = str(error).removeprefix("Error while deserializing: ")
        raise InputFileError(path, f"is not valid safetensors: {reason}", fix=_DOWNLOAD_AGAIN) from error


def _data_bytes(path: Path, header: bytes) -> int:
    """How many bytes a header places after itself. Raises InputFileError for two keys of a name, as for bad JSON."""
    try:
        entries = parse_json(header, path).values()
    except InputFileError as error:
        raise InputFileError(path, f"has a header that {error.what}", fix=_DOWNLOAD_AGAIN) from None
    ends = [0]
    for entry in entries:
        match entry:
            case {"data_offsets": [_, int(end)]}:
                ends.append(end)
    return max(ends)
