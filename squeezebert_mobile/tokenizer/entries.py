"""Values of the tokenizer files, checked: whoever reads them gets what they should be or an InputFileError."""

from pathlib import Path
from typing import TypeVar

from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.tokenizer.settings import AddedPiece

RESTORE = "restore the original file"
_KINDS = {dict: "an object", list: "a list", bool: "true or false"}
_T = TypeVar("_T")


def typed(path: Path, name: str, value: object, kind: type[_T]) -> _T:
    """``value`` if it is of ``kind``."""
    if not isinstance(value, kind):
        raise InputFileError(path, f"{name} is not {_KINDS[kind]}", found=repr(value)[:80], fix=RESTORE)
    return value


def content(path: Path, value: object) -> str:
    """The text of a token, which is written as a string or as an object with ``content``."""
    text = value.get("content") if isinstance(value, dict) else value
    if not isinstance(text, str) or not text:
        raise InputFileError(path, "has a token without text", found=repr(value)[:80], fix=RESTORE)
    return text


def added_piece(path: Path, value: object, *, special: bool) -> AddedPiece:
    """A token with its flags; those that are not written are as `tokenizers` has them, ``special`` as given."""
    entry = value if isinstance(value, dict) else {}
    special = typed(path, "special", entry.get("special", special), bool)
    absent = {"normalized": not special, "single_word": False, "lstrip": False, "rstrip": False}
    flags = {name: typed(path, name, entry.get(name, plain), bool) for name, plain in absent.items()}
    return AddedPiece(content(path, value), special, **flags)


def token_id(path: Path, value: object) -> int:
    """An id, which keys of objects hold as text."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputFileError(path, "has a token with no valid id", found=repr(value)[:80], fix=RESTORE)
    return int(text)
