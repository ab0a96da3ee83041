"""Which relative paths a bundle may hold: the same file on every phone and desktop, and never outside the folder."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from squeezebert_mobile.errors import InputFileError

# Names that Windows gives to devices, whatever their ending.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
MAX_BYTES = 255
_FORBIDDEN = set('\\:*?"<>|')


def require_portable(paths: Iterable[str], file: str | Path) -> None:
    """Raise InputFileError for a path that is absolute, climbs, is not portable, or collides with another.

    ``file`` is where the paths are written. Two paths collide when they differ in case alone.
    """
    seen: dict[str, str] = {}
    for path in paths:
        problem = _problem(path)
        if problem:
            raise InputFileError(file, f"names the path {path[:100]!r}, which {problem}", fix="export the bundle again")
        if seen.get(path.casefold()) == path:
            raise InputFileError(file, f"names {path[:100]!r} twice", fix="export the bundle again")
        if path.casefold() in seen:
            what = f"names {seen[path.casefold()][:100]!r} and {path[:100]!r}, which differ only in case"
            raise InputFileError(file, what, fix="export the bundle again")
        seen[path.casefold()] = path


def _problem(path: str) -> str:
    """What is wrong with one path, empty where nothing is."""
    parts = path.split("/")
    if path.startswith("/"):
        return "is absolute"
    if ".." in parts:
        return "climbs out of the folder"
    if "" in parts or "." in parts:
        return "has an empty part"
    if any(ord(character) < 32 or character in _FORBIDDEN for character in path):
        return "has a non-portable character"
    if unicodedata.normalize("NFC", path) != path:
        return "is not NFC-normalised"
    if any(part.split(".")[0].casefold() in _RESERVED or part[-1] in ". " for part in parts):
        return "is a reserved name on Windows"
    if len(path.encode()) > MAX_BYTES:
        return "is too long"
    return ""
