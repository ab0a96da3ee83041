"""Where a model came from: its name, its revision and the digest of every byte that was parsed; the demo model."""

from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.files import SourceFile, sha256

# The sentiment model that ships with the package.
DEMO_MODEL = Path(__file__).parents[1] / "demo"
DEMO_SENTENCES = DEMO_MODEL / "sentences.txt"


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
        return sha256("".join(sorted(file.sha256 for file in self.files)).encode())
