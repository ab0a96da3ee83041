"""Reading a torch.save file: the two layouts that hold a pickle and the bytes of the tensors that it describes.

A zip archive, whose record data.pkl is the pickle and whose records data/KEY are the storages, and (before torch 1.6)
five pickles in a row followed by the storages. TorchScript and .pt2 archives, which hold code, are refused by what they
contain. `torch.load` is not used: what is parsed here takes time and memory by the size of the file, whoever wrote it.
"""

import io
import struct
import zipfile
from pathlib import Path
from typing import NoReturn
from zlib import crc32

from squeezebert_mobile.checkpoint import records
from squeezebert_mobile.checkpoint.opcodes import (
    CutOffError,
    ForeignNameError,
    OversizedError,
    Reader,
    is_pickle,
    look,
)
from squeezebert_mobile.checkpoint.records import DOWNLOAD_AGAIN, ZIP
from squeezebert_mobile.errors import InputFileError, IntegrityError

__all__ = ["is_pickle", "parse"]

_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PICKLES = 5
# Before the bytes of a record: 30 bytes that end in the lengths of its name and extra fields, and these.
_LOCAL = struct.Struct("<26x2H")
_COUNT = struct.Struct("<q")


def parse(path: Path, data: bytes) -> object:
    """What was saved in ``data``, the content of ``path``: tensors in dicts, lists and plain values.

    Raises InputFileError for anything but a pickled state dict and IntegrityError for a record that differs from its
    checksum. No code of the file ever runs.
    """
    if data.startswith(ZIP):
        return _read_zip(path, data)
    if data[8:9] == b"{" and data[5:8] == b"\0\0\0":
        raise InputFileError(path, "holds safetensors, not a pickle", fix="rename it to model.safetensors")
    return _read_legacy(path, data)


def _read_pickle(path: Path, reader: Reader, stream: io.BytesIO) -> object:
    """One pickle. Raises CutOffError where it goes on past the end, InputFileError for what is no state dict."""
    start = stream.tell()
    try:
        return reader.read(stream)
    except ForeignNameError as error:
        _refuse_name(path, error.name, stream.getvalue()[start:])
    except OversizedError as error:
        records.truncated(path, len(stream.getbuffer()), error.found)
    except CutOffError:
        raise
    except ValueError as error:
        if (name := look(stream.getvalue()[start:])[1]) is not None:
            _refuse_name(path, name, stream.getvalue()[start:])
        what = f"is not a readable state dict: its pickle {str(error)[:200]}"
        raise InputFileError(path, what, fix=DOWNLOAD_AGAIN) from error


def _refuse_name(path: Path, name: str, pickled: bytes) -> NoReturn:
    if {"_modules", "_parameters"} <= look(pickled)[0]:
        what = f"holds a pickled module ({name}), not a state dict"
        raise InputFileError(path, what, fix="save it again with torch.save(model.state_dict(), ...)")
    what = f"asks for {name}, which no state dict needs; nothing was run"
    raise InputFileError(
        path, what, fix="save model.state_dict() where it was trained, or get safetensors from a source that you trust"
    )


def _read_zip(path: Path, data: bytes) -> object:
    found = records.read(path, io.BytesIO(data))
    try:
        return _read_records(path, data, found)
    except (struct.error, ValueError) as error:
        records.damaged(path, error)


def _content(path: Path, data: bytes, record: zipfile.ZipInfo) -> memoryview:
    """The bytes of a stored record where they lie. Raises IntegrityError where they differ from its checksum."""
    start = record.header_offset + _LOCAL.size + sum(_LOCAL.unpack_from(data, record.header_offset))
    content = memoryview(data)[start : start + record.file_size]
    if len(content) != record.file_size or crc32(content) != record.CRC:
        what = f"checksum mismatch in record {record.filename[:100]}"
        raise IntegrityError(path, what, fix=DOWNLOAD_AGAIN)
    return content


def _read_records(path: Path, data: bytes, held: dict[str, zipfile.ZipInfo]) -> object:
    reader = Reader(len(data))
    try:
        value = _read_pickle(path, reader, io.BytesIO(_content(path, data, held["data.pkl"])))
    except CutOffError as error:
        raise InputFileError(path, f"has a damaged data.pkl: {error}", fix=DOWNLOAD_AGAIN) from error
    order = held.get("byteorder")
    swapped = order is not None and bytes(_content(path, data, order)) == b"big"
    for key, storage in reader.storages.items():
        record = held.get(f"data/{key}")
        if record is None or record.file_size != storage.bytes.numel():
            what, expected = f"has no whole record data/{key[:100]}", f"{storage.bytes.numel()} bytes"
            raise InputFileError(path, what, expected=expected, fix=DOWNLOAD_AGAIN)
        storage.fill(_content(path, data, record), swapped=swapped)
    return value


def _read_legacy(path: Path, data: bytes) -> object:
    reader, stream = Reader(len(data)), io.BytesIO(data)
    values: list[object] = []
    for _ in range(_LEGACY_PICKLES):
        end = stream.tell()
        try:
            values.append(_read_pickle(path, reader, stream))
        except CutOffError:
            if end == len(data):
                records.foreign(path, "is a pickle that torch.save did not write")
            records.truncated(path, len(data), len(data))
    magic, _, system, value, keys = values
    if type(magic) is not int or magic != _MAGIC or not isinstance(system, dict):
        records.foreign(path, "is a pickle that torch.save did not write")
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(reader.storages):
        raise InputFileError(path, "is damaged: its list of storages is another than its pickle's", fix=DOWNLOAD_AGAIN)
    # Each storage is preceded by its number of items.
    at = stream.tell()
    expected = at + sum(_COUNT.size + storage.bytes.numel() for storage in reader.storages.values())
    if expected > len(data):
        records.truncated(path, len(data), expected)
    for key in keys:
        storage = reader.storages[str(key)]
        (count,), size = _COUNT.unpack_from(data, at), storage.bytes.numel()
        if count * storage.item != size:
            raise InputFileError(path, "is damaged: a storage has another size", fix=DOWNLOAD_AGAIN)
        at += _COUNT.size
        storage.fill(memoryview(data)[at : at + size], swapped=system.get("little_endian") is False)
        at += size
    return value
