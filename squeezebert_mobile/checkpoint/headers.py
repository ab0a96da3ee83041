"""What the beginning of a weights file says against it, known without torch, whose import takes seconds."""

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path

from squeezebert_mobile.checkpoint import records
from squeezebert_mobile.checkpoint.records import DOWNLOAD_AGAIN, ZIP
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError
from squeezebert_mobile.files import (
    MAX_BYTES,
    MAX_JSON_BYTES,
    SourceFile,
    empty,
    missing,
    parse_json,
    read_file,
    require_plain,
)

# What an index of shards ends in; with a variant it is `model.safetensors.index.fp16.json`.
INDEX = re.compile(r"(\.safetensors|\.bin)\.index(?:\.[\w-]+)?\.json$")
# A hundred bytes for a tensor: the published SqueezeBERT has 206. The library's own limit is a hundred times this.
_MAX_HEADER = 1 << 20
# More axes and numbers than any tensor has, and far from what overflows.
_MAX_AXES, _MAX_NUMBERS = 8, 1 << 48
# Every container of weights has such a byte among its first.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
# How HTML and JSON begin, and no pickle, which may be text as well.
_NO_PICKLE = (b"<", b"{")
_LFS = b"version https://git-lfs"
_METADATA = "__metadata__"


def names(path: Path) -> tuple[str, ...] | None:
    """The names of the tensors in a weights file or behind an index of shards, as far as they stand in a header.

    None for a pickle, whose names are in its program. Raises InputFileError for what is known not to be weights: a
    pointer of git-lfs, another format than the name says, a header that is malformed or describes more than there is,
    an archive that holds code.
    """
    if not INDEX.search(path.name):
        return _names(path)
    _, shards = read_index(path)
    found = [_names(path.with_name(shard)) for shard in sorted(set(shards.values()))]
    return None if None in found else tuple(shards)


def _names(path: Path) -> tuple[str, ...] | None:
    head = _head(path)
    if not head:
        raise empty(path)
    require_no_pointer(path, head)
    is_safetensors = path.suffix == ".safetensors"
    if is_text(head) and (is_safetensors or head.startswith(_NO_PICKLE)):
        raise text_error(path, head)
    if not is_safetensors:
        if head.startswith(ZIP):
            with path.open("rb") as file:
                records.read(path, file)
        return None
    entries = require_safetensors(path, head, path.stat().st_size)
    return tuple(name for name in entries if name != _METADATA)


def _head(path: Path) -> bytes:
    try:
        require_plain(path, max_bytes=MAX_BYTES)
        with path.open("rb") as file:
            return file.read(8 + _MAX_HEADER)
    except OSError:
        raise missing(path) from None


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors in a safetensors file; none where it has no sound header."""
    try:
        entries = require_safetensors(path, _head(path), path.stat().st_size)
    except SqueezeBertMobileError:
        return {}
    found: dict[str, tuple[int, ...]] = {}
    for name, entry in entries.items():
        match entry:
            case {"shape": [*extents]} if all(isinstance(extent, int) for extent in extents):
                found[name] = tuple(extents)
    return found


def require_no_pointer(path: Path, head: bytes) -> None:
    """Raise InputFileError for what git leaves in the place of a large file."""
    if head.startswith(_LFS):
        raise InputFileError(path, "is a git-lfs pointer, not the weights", fix="run git lfs pull in its folder")


def is_text(head: bytes) -> bool:
    """True for a text, such as the page of an error that was saved in a file's place, and a pickle of protocol 0."""
    return _CONTROL.search(head[:512]) is None


def text_error(path: Path, head: bytes) -> InputFileError:
    """The error for a file that begins as a text does."""
    shown = " ".join(head[:60].decode("utf-8-sig", errors="replace").split())
    return InputFileError(path, "is text, not weights", found=repr(shown), fix=DOWNLOAD_AGAIN)


def read_index(path: Path) -> tuple[SourceFile, dict[str, str]]:
    """An index of shards: the file of each tensor. Raises InputFileError for a malformed one."""
    data, file = read_file(path, max_bytes=MAX_JSON_BYTES)
    weight_map = parse_json(data, path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        expected = "an object of tensor and file"
        raise InputFileError(path, "has no weight_map", expected=expected, fix="restore the index")
    ending = INDEX.findall(path.name)[0]
    for shard in weight_map.values():
        # A plain file name: an index must not reach out of its folder.
        if not isinstance(shard, str) or not re.fullmatch(rf"[^/\\\0]+\{ending}", shard):
            fix = "restore the index, which names files of its own folder"
            what, found = "names an invalid shard", repr(shard)[:80]
            raise InputFileError(path, what, found=found, expected=f"*{ending}", fix=fix)
    return file, weight_map


def require_safetensors(path: Path, head: bytes, size: int) -> dict[str, object]:
    """The entries in the header of a safetensors file of so many bytes that begins with ``head``.

    Raises InputFileError for another format, a header that is malformed or too large, and data that end too early.
    """
    if head.startswith((ZIP, b"\x80\x02")) and head[8:9] != b"{":
        raise InputFileError(path, "holds a pickle, not safetensors", fix="rename it to pytorch_model.bin")
    end = 8 + int.from_bytes(head[:8], "little")
    if size >= 8 and end > 8 + _MAX_HEADER:
        found, expected = f"{end - 8} bytes", f"at most {_MAX_HEADER}"
        raise InputFileError(path, "has no header of a SqueezeBERT", found=found, expected=expected, fix=DOWNLOAD_AGAIN)
    entries: dict[str, object] = {}
    if end <= size:
        entries = _entries(path, head[8:end])
        end += _data_bytes(path, entries)
    if size < end:
        found, expected = f"{size} bytes", f"{end} bytes"
        raise InputFileError(path, "is truncated", found=found, expected=expected, fix=DOWNLOAD_AGAIN)
    return entries


def _entries(path: Path, header: bytes) -> dict[str, object]:
    """Raises InputFileError for two keys of a name, as for bad JSON."""
    try:
        return parse_json(header, path)
    except InputFileError as error:
        raise InputFileError(path, f"has a header that {error.what}", fix=DOWNLOAD_AGAIN) from None


def _data_bytes(path: Path, entries: dict[str, object]) -> int:
    """How many bytes a header places after itself. Raises InputFileError for shapes that torch has no numbers for."""
    ends = [0]
    for entry in entries.values():
        match entry:
            case {"data_offsets": [_, int(end)]}:
                ends.append(end)
        match entry:
            case {"shape": [*extents]} if not _is_plain(extents):
                raise InputFileError(path, "has a tensor of an impossible shape", fix=DOWNLOAD_AGAIN)
    return max(ends)


def _is_plain(extents: Sequence[object]) -> bool:
    """False for a shape of too many axes, and for one of nothing whose other extents overflow when they are joined.

    The library says what is wrong with any other.
    """
    if len(extents) > _MAX_AXES:
        return False
    return 0 not in extents or prod(number or 1 for number in extents if isinstance(number, int)) <= _MAX_NUMBERS
