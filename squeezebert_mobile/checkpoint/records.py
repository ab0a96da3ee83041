"""The records of a zip archive that torch.save wrote, known without torch: what holds code is refused by its names."""

import io
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO, NoReturn

from squeezebert_mobile.errors import InputFileError

DOWNLOAD_AGAIN = "download it again"
ZIP = b"PK\x03\x04"
# A record each for a tensor and some more; the published SqueezeBERT has 206 tensors.
_MAX_RECORDS = 11_000
_DIRECTORY_BYTES = 1 << 24
_RECORD, _END = b"PK\x01\x02", b"PK\x05\x06"
_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, ValueError, OSError)


def read(path: Path, file: BinaryIO) -> dict[str, zipfile.ZipInfo]:
    """The records of ``file``, the content of ``path``, by name without the folder that all of them lie in.

    Raises InputFileError for another archive than torch.save's, and for records that are not plain and distinct.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(-min(size, _DIRECTORY_BYTES), io.SEEK_END)
    end = file.read()
    # What the archive itself says of their number is not looked at by those who read it.
    if end.count(_RECORD) > _MAX_RECORDS:
        foreign(path, f"is an archive of over {_MAX_RECORDS} records")
    try:
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
    except _ERRORS as error:
        if _END not in end[-65_557:-18]:  # the record that ends an archive has 22 bytes and a comment
            truncated(path, size, size)
        damaged(path, error)
    return _plain(path, records, size)


def _plain(path: Path, records: list[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    inner = {record.filename.partition("/")[2]: record for record in records}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        foreign(path, "is a TorchScript archive, which holds code")
    if "archive_format" in inner or any(name.endswith(".pt2") or name.startswith("models/") for name in inner):
        foreign(path, "is a .pt2 archive, which holds a program")
    if "data.pkl" not in inner:
        foreign(path, "is a zip archive without one data.pkl")
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        foreign(path, "has compressed records, which torch.save does not write")
    declared = sum(record.file_size for record in records)
    if declared > size:
        what = "has records that are larger than the archive"
        raise InputFileError(path, what, found=f"{declared} bytes", expected=f"at most {size}", fix=DOWNLOAD_AGAIN)
    if len(inner) < len(records):
        foreign(path, "has two records of one name")
    return inner


def foreign(path: Path, what: str) -> NoReturn:
    """Raise InputFileError for a file that is whole, and no state dict."""
    raise InputFileError(path, what, fix="give a state dict, as safetensors or torch.save(model.state_dict(), ...)")


def damaged(path: Path, error: Exception) -> NoReturn:
    """Raise InputFileError for an archive that its reader stumbled over."""
    raise InputFileError(path, f"is a damaged archive: {str(error)[:200]}", fix=DOWNLOAD_AGAIN) from error


def truncated(path: Path, found: int, expected: int) -> NoReturn:
    """Raise InputFileError for a file that ends too early; ``expected`` is ``found`` where nobody knows how much."""
    bound = f"{expected} bytes" if expected > found else f"more than {found} bytes"
    raise InputFileError(path, "is truncated", found=f"{found} bytes", expected=bound, fix=DOWNLOAD_AGAIN)
