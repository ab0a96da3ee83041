"""Which relative paths a bundle may hold: the same file on every phone and desktop, and never outside the folder."""

import re
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

from squeezebert_mobile.errors import InputFileError

MAX_BYTES = 255
# ASCII alone: lower case, normal forms and looks of other letters depend on the version of Unicode, and the app has
# another than Python. No sign that a shell reads, and no dash where an option begins.
_PART = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+@ -]*")
# Names that Windows gives to devices, whatever their ending.
_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9]) *(\..*)?", re.IGNORECASE)


def require_portable(files: Iterable[str], where: str | Path, *, folders: Iterable[str] = ()) -> None:
    """Raise InputFileError for a path that is absolute, climbs, is not portable, or collides with another.

    The paths are written in the file ``where``. Two collide when they differ in case alone, or where one is a file and
    the other a folder; a file's parents are folders, and those may be named as often as one likes.
    """
    seen: dict[str, str] = {}
    for path, end in [*((path, "") for path in files), *((path, "/") for path in folders)]:
        if problem := _problem(path):
            what = f"names the path {path[:100]!r}, which {problem}"
            raise InputFileError(where, what, fix="export the bundle again")
        for part in accumulate(re.findall("[^/]+/?", path + end)):
            key = part.removesuffix("/").lower()
            twin = seen.get(key)
            if twin is not None and not (twin == part and part.endswith("/")):
                raise InputFileError(where, _collision(twin, part), fix="export the bundle again")
            seen[key] = part


def _collision(one: str, other: str) -> str:
    if one == other:
        return f"names {one[:100]!r} twice"
    same = one.removesuffix("/") == other.removesuffix("/")
    what = "are a file and a folder" if same else "differ only in case"
    return f"names {one[:100]!r} and {other[:100]!r}, which {what}"


def _problem(path: str) -> str:
    """What is wrong with one path, empty where nothing is."""
    parts = path.split("/")
    if path.startswith("/"):
        return "is absolute"
    if ".." in parts:
        return "climbs out of the folder"
    if "" in parts or "." in parts:
        return "has an empty part"
    if not all(map(_PART.fullmatch, parts)):
        return "has a non-portable character"
    if any(_RESERVED.fullmatch(part) or part[-1] in ". " for part in parts):
        return "is a reserved name on Windows"
    if len(path) > MAX_BYTES:
        return "is too long"
    return ""
