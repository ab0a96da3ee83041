"""Where a model came from: its name, its revision and the digest of every byte that was parsed."""

import hashlib
from dataclasses import dataclass


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
