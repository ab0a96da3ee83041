"""Files as they are read and hashed: bytes once, with the digests that are known for them, and strict JSON."""

import hashlib
import json
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isinf
from pathlib import Path
from typing import NoReturn

from squeezebert_mobile.errors import EnvironmentFault, InputFileError, IntegrityError

SUMS_NAME = "SHA256SUMS"
_MAX_SUMS_BYTES = 1 << 20
# The published SqueezeBERTs have 0.2 GB; the largest config that is accepted would not fit a phone by far.
MAX_BYTES = 16 * 1024**3
MAX_JSON_BYTES = 32 * 1024**2
_BLOCK = 1 << 26
_ORIGINAL = "replace it with the original file"
# As the app's reader: a bundle nests six levels.
_MAX_DEPTH = 64
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SUM_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


@dataclass(frozen=True, order=True)
class SourceFile:
    """One parsed file: its path inside the checkpoint, the SHA-256 of the bytes that were parsed, and their number."""

    path: str
    sha256: str
    bytes: int


def sha256(data: bytes) -> str:
    """The hexadecimal SHA-256 of ``data``, block by block: between them Ctrl-C is heard."""
    digest, view = hashlib.sha256(), memoryview(data)
    for start in range(0, len(data), _BLOCK):
        digest.update(view[start : start + _BLOCK])
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """The hexadecimal SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()


def require_digest(
    file: str | Path,
    found: str | None,
    expected: object,
    *,
    what: str = "SHA-256 mismatch",
    fix: str = "copy or export the bundle again",
) -> None:
    """Raise IntegrityError where a digest is missing or not the expected one."""
    if found is None or found != expected:
        raise IntegrityError(file, what, found=found, expected=expected, fix=fix)


def read_verified(path: Path, expected: str) -> bytes:
    """The bytes of a file, once: what was compared is what the caller gets. Raises IntegrityError for other bytes."""
    data = path.read_bytes()
    require_digest(path, sha256(data), expected)
    return data


def read_file(path: Path, *, max_bytes: int = MAX_BYTES) -> tuple[bytes, SourceFile]:
    """The bytes of a file, read once: what is parsed is what was hashed, whatever happens to the file meanwhile.

    They are compared with the digest that is known for them: a line of ``SHA256SUMS`` beside the file, or the name that
    the hub's cache gave the blob behind it. Raises IntegrityError where they differ, InputFileError for a missing,
    empty or oversized file, and EnvironmentFault for one that cannot be read.
    """
    try:
        require_plain(path, max_bytes=max_bytes)
        data = path.read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise EnvironmentFault(path, f"cannot be read: {error.strerror}", fix="check its permissions") from error
    digest = sha256(data)
    _require_known_digest(path, data, digest)
    if not data:
        raise empty(path)
    return data, SourceFile(path.name, digest, len(data))


def require_plain(path: Path, *, max_bytes: int) -> None:
    """Raise InputFileError for a folder, for a pipe, which could be waited for without end, and for a large file."""
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        kind = "folder" if stat.S_ISDIR(facts.st_mode) else "device or pipe"
        raise InputFileError(path, f"is a {kind}, not a file", fix="give a plain file in its place")
    if facts.st_size > max_bytes:
        found, expected = f"{facts.st_size} bytes", f"at most {max_bytes}"
        fix = "check that it is the right file"
        raise InputFileError(path, "is too large", found=found, expected=expected, fix=fix)


def empty(path: Path) -> InputFileError:
    """The error for a file of no bytes."""
    return InputFileError(path, "is empty", found="0 bytes", fix="download it again")


def missing(path: Path) -> InputFileError:
    """The error for a file that is not there."""
    return InputFileError(path, "is missing", fix=f"put {path.name} beside the other files")


def _require_known_digest(path: Path, data: bytes, digest: str) -> None:
    listed = (_listed(path.parent) or {}).get(path.name)
    if listed is not None:
        fix = f"download it again, or correct {SUMS_NAME}"
        require_digest(path, digest, listed, what=f"SHA-256 mismatch with {SUMS_NAME}", fix=fix)
    blob = path.resolve()
    if blob.parent.name != "blobs":
        return
    # The hub names a large file by its SHA-256 and a small one by its git object id; both names are its ETag.
    if len(blob.name) == 40:
        header = f"blob {len(data)}\0".encode()
        digest = hashlib.sha1(header + data, usedforsecurity=False).hexdigest()
    if len(blob.name) == len(digest):
        fix = f"delete {blob} and download it again"
        require_digest(path, digest, blob.name, what="digest mismatch with the hub", fix=fix)


def _listed(folder: Path) -> dict[str, str] | None:
    """The digests by name in a SHA256SUMS (as sha256sum writes it), None where the folder has none."""
    sums = folder / SUMS_NAME
    if not sums.is_file():
        return None
    require_plain(sums, max_bytes=_MAX_SUMS_BYTES)
    found: dict[str, str] = {}
    for number, line in enumerate(sums.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        match = _SUM_LINE.fullmatch(line)
        if match is None:
            fix = f"write it with: sha256sum * > {SUMS_NAME}"
            raise InputFileError(sums, f"line {number} is not a digest and a name", fix=fix)
        found.setdefault(match[2].removeprefix("./"), match[1].lower())
    return found


def unlisted(folder: Path, files: Iterable[SourceFile]) -> tuple[str, ...]:
    """A note for each file that was read and has no line in the folder's SHA256SUMS.

    Raises InputFileError where it has a line for none of them: nothing would have been compared.
    """
    listed, read = _listed(folder), [file.path for file in files]
    if listed is None:
        return ()
    without = [name for name in read if name not in listed]
    if len(without) == len(read):
        what, fix = "names none of the files that are read", f"write it with: sha256sum * > {SUMS_NAME}, or delete it"
        names = ", ".join(sorted(listed)) or "no name"
        raise InputFileError(folder / SUMS_NAME, what, found=names[:300], expected=", ".join(read)[:300], fix=fix)
    return tuple(f"{name} has no line in {SUMS_NAME}" for name in without)


def read_json(path: Path) -> dict[str, object]:
    """The JSON object in a file. Raises as `read_file` and `parse_json`."""
    data, _ = read_file(path, max_bytes=MAX_JSON_BYTES)
    return parse_json(data, path)


def read_json_list(path: Path) -> list[object]:
    """The JSON list in a file. Raises as `files.read_file` and `parse_json`, with a list in the place of the object."""
    data, _ = read_file(path, max_bytes=MAX_JSON_BYTES)
    value = _parse(data, path)
    if not isinstance(value, list):
        raise InputFileError(path, "is not a list", found=type(value).__name__, expected="a list", fix=_ORIGINAL)
    return value


def parse_json(data: bytes, file: str | Path) -> dict[str, object]:
    """The JSON object in ``data``; ``file`` names it in errors.

    Raises InputFileError for a byte order mark, other encodings than UTF-8, NaN and what is too large for a float,
    duplicate keys, half surrogate pairs, a malformed, too deeply nested or non-object file, with line and column where
    there is one.
    """
    value = _parse(data, file)
    if not isinstance(value, dict):
        raise InputFileError(file, "is not an object", found=type(value).__name__, expected="an object", fix=_ORIGINAL)
    return value


def _parse(data: bytes, file: str | Path) -> object:
    if data.startswith(b"\xef\xbb\xbf"):
        raise InputFileError(file, "starts with a byte order mark", fix="save it as UTF-8 without a mark")

    def reject_constant(name: str) -> NoReturn:
        raise InputFileError(file, f"contains {name}, which JSON does not have", fix="replace it by a number")

    def finite(text: str) -> float:
        if isinf(value := float(text)):
            raise InputFileError(file, f"contains {text[:20]}, which is out of range", fix="replace it by a number")
        return value

    def reject_duplicates(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
        result: dict[str, object] = {}
        for key, value in pairs:
            if key in result:
                raise InputFileError(file, f"has the key {key[:100]!r} twice", fix="keep one of them")
            result[key] = value
        return result

    try:
        value = json.loads(
            data.decode(), parse_float=finite, parse_constant=reject_constant, object_pairs_hook=reject_duplicates
        )
    except UnicodeDecodeError as error:
        raise InputFileError(file, f"is not UTF-8 at byte {error.start}", fix=_ORIGINAL) from None
    except RecursionError:
        raise InputFileError(file, "is nested too deeply", fix=_ORIGINAL) from None
    except ValueError as error:
        raise InputFileError(file, f"is not JSON: {error}", fix=_ORIGINAL) from None
    _require_portable(value, data, file)
    return value


def _require_portable(value: object, data: bytes, file: str | Path) -> None:
    """Refuse what other readers do not take, or not alike."""
    if _is_deeper(value, _MAX_DEPTH):
        raise InputFileError(file, "is nested too deeply", expected=f"up to {_MAX_DEPTH} levels", fix=_ORIGINAL)
    if _SURROGATE.search(data) and not _is_unicode(value):
        raise InputFileError(file, "has half a surrogate pair in a text", fix=_ORIGINAL)


def _is_deeper(value: object, levels: int) -> bool:
    """True where more than so many lists and objects lie inside each other."""
    level = [value]
    for _ in range(levels):
        inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
    return bool(level)


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def dump_json(value: Mapping[str, object]) -> bytes:
    """Deterministic bytes: sorted keys, two spaces, UTF-8, one final newline."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
