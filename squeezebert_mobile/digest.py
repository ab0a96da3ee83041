"""SHA-256 of files and bytes, and reading a file only when it is the one that was promised."""

import hashlib
from pathlib import Path

from squeezebert_mobile.errors import IntegrityError


def sha256(data: bytes) -> str:
    """The hexadecimal SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The hexadecimal SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()


# For digests that a bundle.json holds.
COPY_AGAIN = "copy or export the bundle again"


def read_verified(path: Path, expected: str) -> bytes:
    """The bytes of a file, once: what was compared is what the caller gets. Raises IntegrityError for other bytes."""
    data = path.read_bytes()
    require(sha256(data), expected, path, fix=COPY_AGAIN)
    return data


def require(found: str | None, expected: object, path: str | Path, *, fix: str, what: str = "SHA-256 mismatch") -> None:
    """Raise IntegrityError where a digest is not the expected one."""
    if found is None or found != expected:
        raise IntegrityError(path, what, found=found, expected=expected, fix=fix)
