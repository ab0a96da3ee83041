"""Reading and writing JSON objects strictly: UTF-8 without a mark, no NaN, no duplicate keys, a size limit."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from squeezebert_mobile import source
from squeezebert_mobile.errors import InputFileError

MAX_BYTES = 32 * 1024 * 1024


def read_object(path: Path) -> dict[str, object]:
    """The JSON object in a file.

    Raises as `source.read_file`, and InputFileError for a non-UTF-8, malformed, too deeply nested or non-object file,
    with line and column where there is one.
    """
    data, _ = source.read_file(path, max_bytes=MAX_BYTES)
    return parse_object(data, path)


def parse_object(data: bytes, file: str | Path) -> dict[str, object]:
    """The JSON object in ``data``; ``file`` names it in errors (raised as in `read_object`)."""
    fix = "replace it with the original file"
    if data.startswith(b"\xef\xbb\xbf"):
        raise InputFileError(file, "starts with a byte order mark", fix="save it as UTF-8 without a mark")

    def reject_constant(name: str) -> NoReturn:
        raise InputFileError(file, f"contains {name}, which JSON does not have", fix="replace it by a number")

    def reject_duplicates(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
        result: dict[str, object] = {}
        for key, value in pairs:
            if key in result:
                raise InputFileError(file, f"has the key {key!r} twice", fix="keep one of them")
            result[key] = value
        return result

    try:
        value = json.loads(data.decode(), parse_constant=reject_constant, object_pairs_hook=reject_duplicates)
    except UnicodeDecodeError as error:
        raise InputFileError(file, f"is not UTF-8 at byte {error.start}", fix=fix) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise InputFileError(file, f"is not JSON: {error.msg} at {where}", fix=fix) from None
    except RecursionError:
        raise InputFileError(file, "is nested too deeply", fix=fix) from None
    except ValueError as error:
        raise InputFileError(file, f"is not JSON: {error}", fix=fix) from None
    if not isinstance(value, dict):
        raise InputFileError(file, "is not an object", found=type(value).__name__, expected="an object", fix=fix)
    return value


def dump(value: Mapping[str, object]) -> bytes:
    """Deterministic bytes: sorted keys, two spaces, UTF-8, one final newline."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
