"""A bundle as one zip file: always the same bytes, and unpacked only after every entry was looked at."""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from squeezebert_mobile.atomic import staged_file
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import manifest, paths
from squeezebert_mobile.bundle.folder import SIGNATURE_NAME, Bundle
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME, FileEntry
from squeezebert_mobile.errors import InputFileError, UsageError
from squeezebert_mobile.files import read_verified, require_digest, sha256_file

MAX_ENTRIES = 1000
_MAX_DIRECTORY_BYTES = 1 << 20
# Vocabularies and JSON shrink to a tenth, weights to no less than a half. Small entries can do no harm.
_MAX_RATIO = 100
_SMALL_BYTES = 1 << 20
# `zipfile` writes no more than 2 GiB without the 64-bit extension; what is more is no bundle for a phone.
_MAX_BYTES = 2_000_000_000
_BLOCK = 1 << 20
_UNIX = 3
_TORCH = (".bin", ".ckpt", ".pt", ".pth")
# Flags of an entry: encrypted, patched or strongly encrypted; a name in UTF-8.
_UNREADABLE = 0x61
_UTF_8 = 0x800
# Extra fields of an entry: 64-bit sizes and a second name.
_AMBIGUOUS_FIELDS = (1, 0x7075)
_FIELD = struct.Struct("<2H")
# The lengths of an entry's name, extra fields and comment, in the directory.
_RECORD = struct.Struct("<28x3H12x")
# An entry's own header: how it starts, and the lengths of its name and extra fields.
_LOCAL = struct.Struct("<4s22x2H")
_MANIFEST = re.compile(rf"(?!\.\.?/)([^/]+/)?{re.escape(MANIFEST_NAME)}")
_FIRST = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_LOCATOR_BYTES = 20
_FIX = "pack the bundle again with export --archive"
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, UnicodeError, ValueError,
)  # fmt: skip


def pack(folder: Path, archive: Path, *, force: bool = False, deflated: bool = False) -> None:
    """Write the bundle in ``folder`` to the zip file ``archive``; the same bundle gives the same bytes.

    Entries are sorted and stored, unless ``deflated``: those bytes depend on the version of zlib. Raises as
    `bundle.read` and `require_free`, and UsageError for a bundle of over 2 GB.
    """
    bundle = bundles.read(folder)
    require_free(archive, force=force)
    entries = {entry.path: entry for entry in bundle.manifest.every_file()}
    if sum(entry.bytes for entry in entries.values()) > _MAX_BYTES:
        raise UsageError(archive, "would be over 2 GB", fix="export fewer precisions into one bundle")
    names = {*entries, MANIFEST_NAME, *([SIGNATURE_NAME] if (folder / SIGNATURE_NAME).exists() else [])}
    with staged_file(archive) as partial, zipfile.ZipFile(partial, "w") as out:
        for name in sorted(names):
            info = zipfile.ZipInfo(name)  # dated 1980
            info.create_system = _UNIX
            info.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            out.writestr(info, _content(bundle, name, entries.get(name)))


def _content(bundle: Bundle, name: str, entry: FileEntry | None) -> bytes:
    if entry is not None:
        return read_verified(bundle.folder / name, entry.sha256)
    return manifest.dump(bundle.manifest) if name == MANIFEST_NAME else (bundle.folder / name).read_bytes()


def require_free(archive: Path, *, force: bool) -> None:
    """Raise UsageError where ``archive`` exists; with ``force``, only where it is something else than a zip."""
    if archive.is_symlink() or (archive.exists() and not is_archive(archive)):
        what = "exists and is not a zip archive, so it is never replaced"
        raise UsageError(archive, what, fix="choose another name for the archive")
    if archive.exists() and not force:
        raise UsageError(archive, "exists", fix="choose another name for the archive, or pass --force")


def is_archive(path: Path) -> bool:
    """True for a file that begins as a zip archive does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_FIRST)) == _FIRST


def is_bundle(path: Path) -> bool:
    """True for a folder with a bundle.json or a zip file, whatever their state; torch's files are zips, too."""
    return bundles.is_bundle(path) or path.suffix == ".zip" or (is_archive(path) and path.suffix not in _TORCH)


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """The verified bundle in a folder, or in an archive, which is unpacked to a private folder as long as it is open.

    Raises as `bundle.read` and `unpack`.
    """
    if not path.is_file():
        yield bundles.read(path)
        return
    with TemporaryDirectory(prefix="squeezebert-mobile-") as private:
        yield unpack(path, Path(private) / path.stem)


def unpack(archive: Path, target: Path, *, force: bool = False) -> Bundle:
    """Unpack a zipped bundle, its files at the top or inside one folder, to ``target`` in one rename.

    Raises InputFileError for anything but a zip of exactly the files that its bundle.json lists, IntegrityError for
    other bytes than it lists, and as `bundle.staged`. Nothing is at the target then.
    """
    with archive.open("rb") as file, _reading(archive):
        start = _require_plain_zip(file, archive)
        with zipfile.ZipFile(file) as opened_zip:
            entries = _entries(opened_zip, archive)
            _require_apart(entries.values(), file, start, archive)
            sizes = {name: info.file_size for name, info in entries.items()}
            described = bundles.describe(sizes, lambda: b"".join(_blocks(entries[MANIFEST_NAME], file)), archive)
            listed = {entry.path: entry for entry in described.every_file()}
            with bundles.staged(target, force=force) as stage:
                for name, info in entries.items():
                    _copy(file, info, stage / name, listed.get(name), f"{archive}/{name}")
    return Bundle(target, described)


def _require_plain_zip(file: BinaryIO, archive: Path) -> int:
    """Where the directory starts. Refuses what is no zip, and a directory that is not as a plain zip has it."""
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(_FIRST)) != _FIRST:
        fix = "give the folder that export wrote, or the zip of export --archive"
        raise InputFileError(archive, "is not a zip archive", fix=fix)
    start = max(0, size - _END.size - 0xFFFF)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise InputFileError(archive, "is cut off: it has no directory", found=f"{size} bytes", fix="copy it again")
    _, disk, first_disk, here, count, length, offset, comment = _END.unpack_from(tail, at)
    if count > MAX_ENTRIES or length > _MAX_DIRECTORY_BYTES:
        raise InputFileError(archive, "has too many entries", found=count, expected=f"up to {MAX_ENTRIES}", fix=_FIX)
    ends = offset + length == start + at and start + at + _END.size + comment == size
    wide = tail[:at][-_LOCATOR_BYTES:].startswith(b"PK\x06\x07")
    if not ends or wide or here != count or disk or first_disk:
        raise InputFileError(archive, "is not a plain zip: its directory is not at its end", fix=_FIX)
    file.seek(offset)
    if _count_records(file.read(length)) != count:
        what = "is not a plain zip: its directory has not as many entries as it says"
        raise InputFileError(archive, what, expected=count, fix=_FIX)
    return int(offset)


def _count_records(directory: bytes) -> int | None:
    """The entries of a zip's directory, by the lengths that each gives; None where they do not fill it."""
    at = count = 0
    while at + _RECORD.size <= len(directory):
        at += _RECORD.size + sum(_RECORD.unpack_from(directory, at))
        count += 1
    return count if at == len(directory) else None


def _entries(opened_zip: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The files by their path in the bundle. Raises InputFileError for an entry that no bundle has."""
    infos = opened_zip.infolist()
    for info in infos:
        if problem := _problem(info):
            raise InputFileError(f"{archive}/{info.orig_filename}", problem, fix=_FIX)
    prefix = _prefix([info.filename for info in infos], archive)
    # What that folder is called goes nowhere, and nobody states in which code page it is.
    inside = [(info.filename.removeprefix(prefix), info) for info in infos if info.filename != prefix]
    files = [(path, info) for path, info in inside if not info.is_dir()]
    folders = [path.removesuffix("/") for path, info in inside if info.is_dir()]
    paths.require_portable([path for path, _ in files], archive, folders=folders)
    return dict(files)


def _problem(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not info.filename or info.filename != info.orig_filename or not _has_plain_extras(info.extra):
        return "has an ambiguous name or size"
    if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        return "is a link or a device, not a plain file"
    if info.flag_bits & _UNREADABLE:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is neither stored nor deflated"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return "has two sizes"
    if info.file_size > _SMALL_BYTES and info.file_size > _MAX_RATIO * info.compress_size:
        return "grows too much when it is unpacked"
    return ""


def _has_plain_extras(extra: bytes) -> bool:
    """False for fields that are cut off, and for those that give an entry 64-bit sizes or a second name."""
    while len(extra) >= _FIELD.size:
        kind, length = _FIELD.unpack_from(extra)
        if kind in _AMBIGUOUS_FIELDS or len(extra) < _FIELD.size + length:
            return False
        extra = extra[_FIELD.size + length :]
    return not extra


def _require_apart(infos: Iterable[zipfile.ZipInfo], file: BinaryIO, limit: int, archive: Path) -> None:
    """Refuse files that share bytes, of which few could unpack to many; ``limit`` is where the directory starts."""
    for info in sorted(infos, key=lambda info: -info.header_offset):
        if _start(info, file) + info.compress_size > limit:
            raise InputFileError(archive, "has overlapping entries", fix=_FIX)
        limit = info.header_offset


def _start(info: zipfile.ZipInfo, file: BinaryIO) -> int:
    """Where the bytes of an entry start. Raises BadZipFile where it has another name there than in the directory."""
    file.seek(info.header_offset)
    first, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    if first != _FIRST or file.read(name) != info.orig_filename.encode("utf-8" if info.flag_bits & _UTF_8 else "cp437"):
        raise zipfile.BadZipFile(f"another name than {info.orig_filename[:100]!r} in its place")
    return info.header_offset + _LOCAL.size + int(name) + int(extra)


def _blocks(info: zipfile.ZipInfo, file: BinaryIO) -> Iterator[bytes]:
    """The bytes of an entry, as many as it says and with its checksum. Raises BadZipFile for others.

    `zipfile` would take a deflated entry that is cut off, or goes on, behind the bytes that it says.
    """
    file.seek(_start(info, file))
    stored = (file.read(min(_BLOCK, info.compress_size - at)) for at in range(0, info.compress_size, _BLOCK))
    size = crc = 0
    for block in stored if info.compress_type == zipfile.ZIP_STORED else _inflated(stored):
        size, crc = size + len(block), zlib.crc32(block, crc)
        if size > info.file_size:
            break
        yield block
    if (size, crc) != (info.file_size, info.CRC):
        raise zipfile.BadZipFile(f"{info.filename[:100]!r} does not match its checksum")


def _inflated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for block in blocks:
        packed = block
        while packed and not inflater.eof:
            yield inflater.decompress(packed, _BLOCK)
            packed = inflater.unconsumed_tail
    yield inflater.flush()
    if not inflater.eof:
        raise zipfile.BadZipFile("its deflated bytes are cut off")


def _prefix(names: list[str], archive: Path) -> str:
    """The folder that holds everything: none, or the one at the top that a bundle zipped by hand has."""
    for name in names:
        found = _MANIFEST.fullmatch(name)
        prefix = (found and found[1]) or ""
        if found and all(other.startswith(prefix) for other in names):
            return prefix
    raise InputFileError(archive, f"holds no {MANIFEST_NAME}", fix="give the zip of export --archive")


def _copy(file: BinaryIO, info: zipfile.ZipInfo, target: Path, entry: FileEntry | None, name: str) -> None:
    """Write one entry and compare its digest where it has one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        out.writelines(_blocks(info, file))
    if entry is not None:
        require_digest(name, sha256_file(target), entry.sha256)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Turn whatever `zipfile` raises on a damaged archive into one line that names it."""
    try:
        yield
    except _ZIP_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise InputFileError(archive, f"is a damaged zip: {reason[:200]}", fix="copy it again") from error
