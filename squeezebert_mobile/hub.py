"""Finding a checkpoint: a folder or file of this machine, or a repository of the Hugging Face hub and its cache."""

from pathlib import Path

from squeezebert_mobile.errors import UsageError


def resolve(source: str | Path, *, revision: str | None = None) -> Path:
    """The folder (or weights file) that ``source`` names."""
    path = Path(source)
    if path.exists():
        return path
    raise UsageError(source, "does not exist", fix="name a folder or a hub repository")
