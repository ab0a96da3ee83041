"""A bundle as one zip file: always the same bytes, and unpacked only after every entry was looked at."""

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from squeezebert_mobile.atomic import staged_file
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import manifest, paths
from squeezebert_mobile.bundle.folder import SIGNATURE_NAME, Bundle
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME, FileEntry
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, UsageError
from squeezebert_mobile.files import read_verified, require_digest, sha256_file

MAX_ENTRIES = 1000
_MAX_DIRECTORY_BYTES = 1 << 20
# Vocabularies and JSON shrink to a tenth, weights to no less than a half. Small entries can do no harm.
_MAX_RATIO = 100
_SMALL_BYTES = 1 << 20
# `zipfile` writes no more than 2 GiB without the 64-bit extension; what is more is no bundle for a phone.
_MAX_BYTES = 2_000_000_000
_UNIX = 3
_TORCH = (".bin", ".ckpt", ".pt", ".pth")
_ENCRYPTED = 1
_FIRST = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_LOCATOR_BYTES = 20
_FIX = "pack the bundle again with export --archive"
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, UnicodeError, ValueError,
)  # fmt: skip


def pack(folder: Path, archive: Path, *, force: bool = False) -> None:
    """Write the bundle in ``folder`` to the zip file ``archive``; the same bundle gives the same bytes.

    Entries are sorted and stored: deflated bytes depend on the version of zlib. Raises as `bundle.read` and
    `require_free`, and UsageError for a bundle of over 2 GB.
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
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            out.writestr(info, _content(bundle, name, entries.get(name)))


def _content(bundle: Bundle, name: str, entry: FileEntry | None) -> bytes:
    if entry is not None:
        return read_verified(bundle.folder / name, entry.sha256)
    return manifest.dump(bundle.manifest) if name == MANIFEST_NAME else (bundle.folder / name).read_bytes()


def require_free(archive: Path, *, force: bool) -> None:
    """Raise EnvironmentFault where ``archive`` exists; with ``force``, only where it is something else than a zip."""
    if archive.is_symlink() or (archive.exists() and not is_archive(archive)):
        what = "exists and is not a zip archive, so it is never replaced"
        raise EnvironmentFault(archive, what, fix="choose another name for the archive")
    if archive.exists() and not force:
        raise EnvironmentFault(archive, "exists", fix="choose another name for the archive, or pass --force")


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
        yield unpack(path, Path(private) / "bundle")


def unpack(archive: Path, target: Path, *, force: bool = False) -> Bundle:
    """Unpack a zipped bundle, its files at the top or inside one folder, to ``target`` in one rename.

    Raises InputFileError for anything but a zip of exactly the files that its bundle.json lists, IntegrityError for
    other bytes than it lists, EnvironmentFault as `bundle.staged`. Nothing is at the target then.
    """
    with archive.open("rb") as file, _reading(archive):
        _require_plain_zip(file, archive)
        with zipfile.ZipFile(file) as opened_zip:
            entries = _entries(opened_zip, archive)
            sizes = {name: info.file_size for name, info in entries.items()}
            described = bundles.describe(sizes, lambda: opened_zip.read(entries[MANIFEST_NAME]), archive)
            listed = {entry.path: entry for entry in described.every_file()}
            with bundles.staged(target, force=force) as stage:
                for name, info in entries.items():
                    _copy(opened_zip, info, stage / name, listed.get(name), f"{archive}/{name}")
    return Bundle(target, described)


def _require_plain_zip(file: BinaryIO, archive: Path) -> None:
    """Refuse what is no zip, and a directory that is too large to be read or is not where a plain zip has it."""
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


def _entries(opened_zip: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The files by their path in the bundle. Raises InputFileError for an entry that no bundle has."""
    infos = opened_zip.infolist()
    paths.require_portable([info.orig_filename.removesuffix("/") for info in infos], archive)
    for info in infos:
        if problem := _problem(info):
            raise InputFileError(f"{archive}/{info.orig_filename}", problem, fix=_FIX)
    if sum(info.compress_size for info in infos) > archive.stat().st_size:
        raise InputFileError(archive, "has overlapping entries", fix=_FIX)
    files = {info.filename: info for info in infos if not info.is_dir()}
    prefix = _prefix(list(files), archive)
    return {name.removeprefix(prefix): info for name, info in files.items()}


def _problem(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.filename != info.orig_filename:
        return "has an ambiguous name"
    if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        return "is a link or a device, not a plain file"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is neither stored nor deflated"
    if info.file_size > _SMALL_BYTES and info.file_size > _MAX_RATIO * info.compress_size:
        return "grows too much when it is unpacked"
    return ""


def _prefix(names: list[str], archive: Path) -> str:
    """The folder that holds everything: none, or the one at the top that a bundle zipped by hand has."""
    for name in names:
        folder, _, file = name.rpartition("/")
        prefix = name.removesuffix(file)
        if file == MANIFEST_NAME and "/" not in folder and all(other.startswith(prefix) for other in names):
            return prefix
    raise InputFileError(archive, f"holds no {MANIFEST_NAME}", fix="give the zip of export --archive")


def _copy(opened_zip: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, entry: FileEntry | None, name: str) -> None:
    """Write one entry and compare its digest where it has one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened_zip.open(info) as source, target.open("xb") as out:
        shutil.copyfileobj(source, out)
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
