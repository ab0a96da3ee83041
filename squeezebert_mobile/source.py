"""Where a model came from: its name, its revision and the digest of every byte that was parsed."""

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.digest import require, sha256
from squeezebert_mobile.errors import EnvironmentFault, InputFileError

SUMS_NAME = "SHA256SUMS"
# The published SqueezeBERTs have 0.2 GB; the largest config that is accepted would not fit a phone by far.
MAX_BYTES = 16 * 1024**3
_SUM_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


@dataclass(frozen=True, order=True)
class SourceFile:
    """One parsed file: its path inside the checkpoint, the SHA-256 of the bytes that were parsed, and their number."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Source:
    """A checkpoint's name, hub revision (a commit, None for a folder), files, and what was changed while loading it."""

    name: str
    revision: str | None
    files: tuple[SourceFile, ...]
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted digests of the files: the same weights and config give the same value anywhere."""
        return hashlib.sha256("".join(sorted(file.sha256 for file in self.files)).encode()).hexdigest()


def read_file(path: Path, *, max_bytes: int = MAX_BYTES) -> tuple[bytes, SourceFile]:
    """The bytes of a file, read once: what is parsed is what was hashed, whatever happens to the file meanwhile.

    They are compared with the digest that is known for them: a line of ``SHA256SUMS`` beside the file, or the name that
    the hub's cache gave the blob behind it. Raises IntegrityError where they differ, InputFileError for a missing,
    empty or oversized file, and EnvironmentFault for one that cannot be read.
    """
    fix = "check that it is the right file"
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            kind = "folder" if stat.S_ISDIR(facts.st_mode) else "device or pipe"
            raise InputFileError(path, f"is a {kind}, not a file", fix=f"replace it with the file {path.name}")
        if facts.st_size > max_bytes:
            found, expected = f"{facts.st_size} bytes", f"at most {max_bytes}"
            raise InputFileError(path, "is too large", found=found, expected=expected, fix=fix)
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputFileError(path, "is missing", fix=f"put {path.name} beside the other files") from None
    except OSError as error:
        raise EnvironmentFault(path, f"cannot be read: {error.strerror}", fix="check its permissions") from error
    digest = sha256(data)
    _compare(path, data, digest)
    if not data:
        raise InputFileError(path, "is empty", found="0 bytes", fix="download it again")
    return data, SourceFile(path.name, digest, len(data))


def _compare(path: Path, data: bytes, digest: str) -> None:
    known = _listed_digest(path)
    if known is not None:
        fix = f"download it again, or correct {SUMS_NAME}"
        require(digest, known, path, fix=fix, what=f"SHA-256 mismatch with {SUMS_NAME}")
    blob = path.resolve()
    if blob.parent.name != "blobs":
        return
    # The hub names a large file by its SHA-256 and a small one by its git object id; both names are its ETag.
    if len(blob.name) == 40:
        header = f"blob {len(data)}\0".encode()
        digest = hashlib.sha1(header + data, usedforsecurity=False).hexdigest()
    if len(blob.name) == len(digest):
        fix = f"delete {blob} and download it again"
        require(digest, blob.name, path, fix=fix, what="digest mismatch with the hub")


def _listed_digest(path: Path) -> str | None:
    """The file's digest in a SHA256SUMS (as sha256sum writes it) beside it."""
    sums = path.with_name(SUMS_NAME)
    if not sums.is_file():
        return None
    for number, line in enumerate(sums.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        match = _SUM_LINE.fullmatch(line)
        if match is None:
            fix = f"write it with: sha256sum * > {SUMS_NAME}"
            raise InputFileError(sums, f"line {number} is not a digest and a name", fix=fix)
        if match[2] == path.name:
            return match[1].lower()
    return None
