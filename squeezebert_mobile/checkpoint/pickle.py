"""Reading a torch.save file: looked through without running it, then given to torch's weights_only reader.

Two layouts exist: a zip archive whose record data.pkl is the pickle, and (before torch 1.6) five pickles in a row
followed by the storages. TorchScript and .pt2 archives, which hold code, are refused by what they contain.
"""

import io
import pickle
import pickletools
import struct
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import torch

from squeezebert_mobile.errors import InputFileError, IntegrityError

_STORAGE_BYTES = {
    f"torch.{kind}Storage": size
    for size, kinds in ((8, "Double Long"), (4, "Float Int"), (2, "Half BFloat16 Short"), (1, "Char Byte Bool"))
    for kind in kinds.split()
}
# What a state dict needs; torch allows more, none of which a SqueezeBERT has a use for.
_ALLOWED = frozenset(_STORAGE_BYTES) | {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
}
# Several times the longest name of _ALLOWED.
_LONGEST_NAME = 200
_LEGACY_PICKLES = 5
# torch.load lets the errors of a damaged pickle through as they come.
_TORCH_ERRORS = (
    RuntimeError, pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError, AssertionError,
    OverflowError, MemoryError, struct.error,
)  # fmt: skip
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, ValueError, OSError)
_DOWNLOAD_AGAIN = "download it again"


def parse(path: Path, data: bytes) -> object:
    """What was saved in ``data``, the content of ``path``: tensors in dicts, lists and plain values.

    Raises InputFileError for anything but a pickled state dict and IntegrityError for a record that differs from its
    checksum. No code of the file ever runs.
    """
    if data.startswith(b"PK\x03\x04"):
        _check_zip(path, data)
    elif data[8:9] == b"{" and data[5:8] == b"\0\0\0":
        raise InputFileError(path, "holds safetensors, not a pickle", fix="rename it to model.safetensors")
    else:
        _check_legacy(path, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TypedStorage is deprecated, which does not concern the user
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _TORCH_ERRORS as error:
        # The first line only: the rest of torch's message recommends unsafe loading.
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputFileError(path, f"is not a readable state dict: {reason}", fix=_DOWNLOAD_AGAIN) from error


@dataclass
class _Scan:
    """What a pickle would do: the globals that it asks for, the storages that it declares, its strings, its end."""

    globals: list[str] = field(default_factory=list)
    storages: dict[str, int] = field(default_factory=dict)
    strings: set[str] = field(default_factory=set)
    end: int = 0

    @property
    def storage_bytes(self) -> int:
        return sum(self.storages.values())


class _CutOffError(ValueError):
    """A pickle that goes on past the end of the data."""


def is_pickle(data: bytes) -> bool:
    """True where ``data`` starts with one whole pickle."""
    try:
        _scan(data)
    except ValueError:
        return False
    return True


def _scan(data: bytes, start: int = 0) -> _Scan:
    """Look through one pickle. Raises ValueError where it is none, _CutOffError where it goes on past the end."""
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        return _scan_stream(stream)
    except (ValueError, EOFError, IndexError) as error:
        kind = _CutOffError if stream.tell() >= len(data) else ValueError
        raise kind(str(error)) from error


def _scan_stream(stream: io.BytesIO) -> _Scan:
    scan, memo, recent = _Scan(), dict[int, object](), list[object]()
    for opcode, argument, _ in pickletools.genops(stream):
        match opcode.name:
            case "GLOBAL" | "INST":
                recent.append(_note_global(scan, str(argument).replace(" ", ".")))
            case "STACK_GLOBAL":
                recent.append(_note_global(scan, ".".join(map(str, recent[-2:]))))
            case "EXT1" | "EXT2" | "EXT4":
                scan.globals.append(f"copyreg extension {argument}")
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[int(str(argument))] = recent[-1] if recent else None
            case "MEMOIZE":
                memo[len(memo)] = recent[-1] if recent else None
            case "GET" | "BINGET" | "LONG_BINGET":
                recent.append(memo.get(int(str(argument))))
            case "BINPERSID":
                _note_storage(scan, recent)
            case _:
                recent.append(argument)
                if isinstance(argument, str):
                    scan.strings.add(argument)
        del recent[:-8]
    scan.end = stream.tell()
    return scan


def _note_global(scan: _Scan, name: str) -> str:
    """Keep the name. Raises ValueError for a long one: names joined of names would double with each opcode."""
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"a global has a name of {len(name)} characters")
    scan.globals.append(name)
    return name


def _note_storage(scan: _Scan, recent: list[object]) -> None:
    """Read ('storage', type, key, location, number of elements, ...) off the values pushed last."""
    if "storage" not in recent:
        return
    at = len(recent) - 1 - recent[::-1].index("storage")
    match recent[at + 1 : at + 5]:
        case [kind, key, _, int(count)]:
            scan.storages[str(key)] = count * _STORAGE_BYTES.get(str(kind), 1)


def _check_globals(path: Path, scan: _Scan) -> None:
    foreign = [name for name in scan.globals if name not in _ALLOWED]
    if not foreign:
        return
    if {"_modules", "_parameters"} <= scan.strings:
        what = f"holds a pickled module ({foreign[0]}), not a state dict"
        raise InputFileError(path, what, fix="save it again with torch.save(model.state_dict(), ...)")
    what = f"asks for {foreign[0]}, which no state dict needs; nothing was run"
    raise InputFileError(
        path, what, fix="save model.state_dict() where it was trained, or get safetensors from a source that you trust"
    )


def _check_zip(path: Path, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            pickled = _check_records(path, archive, len(data))
            broken = archive.testzip()
    except _ZIP_ERRORS as error:
        if b"PK\x05\x06" not in data[-65_557:-18]:  # the record that ends an archive has 22 bytes and a comment
            _truncated(path, len(data), len(data))
        raise InputFileError(path, f"is a damaged archive: {error}", fix=_DOWNLOAD_AGAIN) from error
    if broken is not None:
        raise IntegrityError(path, f"checksum mismatch in record {broken}", fix=_DOWNLOAD_AGAIN)
    try:
        scan = _scan(pickled)
    except ValueError as error:
        raise InputFileError(path, f"has a damaged data.pkl: {error}", fix=_DOWNLOAD_AGAIN) from error
    _check_globals(path, scan)
    if scan.storage_bytes > len(data):
        _truncated(path, len(data), scan.storage_bytes)


def _check_records(path: Path, archive: zipfile.ZipFile, size: int) -> bytes:
    """The pickle of an archive whose records are plain, distinct and no larger than the archive itself."""
    records = archive.infolist()
    inner = [record.filename.partition("/")[2] for record in records]
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        _foreign(path, "is a TorchScript archive, which holds code")
    if "archive_format" in inner or any(name.endswith(".pt2") or name.startswith("models/") for name in inner):
        _foreign(path, "is a .pt2 archive, which holds a program")
    if inner.count("data.pkl") != 1:
        _foreign(path, "is a zip archive without one data.pkl")
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        _foreign(path, "has compressed records, which torch.save does not write")
    declared = sum(record.file_size for record in records)
    if declared > size:
        what = "has records that are larger than the archive"
        raise InputFileError(path, what, found=f"{declared} bytes", expected=f"at most {size}", fix=_DOWNLOAD_AGAIN)
    if len(set(inner)) < len(inner):
        _foreign(path, "has two records of one name")
    return archive.read(records[inner.index("data.pkl")])


def _check_legacy(path: Path, data: bytes) -> None:
    end, scan = 0, _Scan()
    for _ in range(_LEGACY_PICKLES):
        try:
            one = _scan(data, end)
        except _CutOffError:
            if end == len(data):
                _foreign(path, "is a pickle that torch.save did not write")
            _truncated(path, len(data), len(data))
        except ValueError as error:
            raise InputFileError(path, f"is not a torch.save file: {error}", fix=_DOWNLOAD_AGAIN) from error
        _check_globals(path, one)
        scan.storages |= one.storages
        end = one.end
    # Each storage is preceded by its number of elements, 8 bytes.
    expected = end + sum(8 + size for size in scan.storages.values())
    if expected > len(data):
        _truncated(path, len(data), expected)


def _foreign(path: Path, what: str) -> NoReturn:
    raise InputFileError(path, what, fix="give a state dict, as safetensors or torch.save(model.state_dict(), ...)")


def _truncated(path: Path, found: int, expected: int) -> NoReturn:
    bound = f"{expected} bytes" if expected > found else f"more than {found} bytes"
    raise InputFileError(path, "is truncated", found=f"{found} bytes", expected=bound, fix=_DOWNLOAD_AGAIN)
