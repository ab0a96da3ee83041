"""What stands in one cell: a number, words or a list; the same whether a file holds JSON or what somebody printed."""

import ast
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

Item = TypeVar("Item")

_SHOWN = 60


class CellError(Exception):
    """What is wrong with a cell; the reader of the table adds the file and the row."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


def shown(cell: object) -> str:
    """A cell as an error quotes it."""
    text = str(cell)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def number(cell: object) -> float:
    """The finite number in a cell, or in its text."""
    try:
        value = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise CellError(f"has {shown(cell)} where a number belongs")
    return value


def as_list(cell: object) -> list[object]:
    """The items of a list, of the text of a list, or of names with nothing but spaces between; none of an empty cell.

    Raises CellError for a text that looks like a list and is none: half of one would be taken for names.
    """
    if not isinstance(cell, str):
        return _plain(cell)
    text = cell.strip()
    if is_bracketed(text):
        return _plain(literal(text))
    if re.search(r"""[][{}"',;|]""", text):
        raise CellError(f"has {shown(cell)}, which is no list; write it as a JSON list")
    return list(text.split())


# A text that opens with a list's quote, or that touches a bracket at both ends, was meant as a list.
_MEANT_AS_LIST = re.compile(r"""(?:array|tensor)?[\[({]+(?:\s*['"]|\S.*[\])}]$)""", re.DOTALL)


def as_words(cell: object) -> list[str]:
    """The words of a list, of the text of a list, or of a text with spaces between its words, which may be signs.

    Raises CellError for a text that was meant as a list and is none.
    """
    if not isinstance(cell, str):
        return [_word(item) for item in _plain(cell)]
    text = cell.strip()
    try:
        items = _plain(literal(text)) if is_bracketed(text) else list(text.split())
    except CellError:
        if _MEANT_AS_LIST.match(text):
            raise
        return text.split()  # "( AP ) -- New York"
    return [_word(item) for item in items]


def _word(item: object) -> str:
    if item is None or isinstance(item, bool):
        raise CellError(f"has {item} where a word belongs")
    return str(item)


def is_bracketed(text: str) -> bool:
    """True where a text begins as a list or an object does."""
    return text.startswith(("[", "(", "{", "array(", "tensor("))


def _plain(value: object) -> list[object]:
    """A list without lists in it; a value by itself is a list of one, None of none."""
    if isinstance(value, Mapping):
        raise CellError(f"has {shown(value)} where a list belongs")
    items = list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]
    if any(isinstance(item, (list, tuple, Mapping)) for item in items):
        raise CellError(f"has {shown(value)}, a list of lists")
    return items


def literal(text: str) -> object:
    """The value that a text writes: as JSON, as Python's or numpy's own print of lists and objects; nothing is run.

    ``['a' 'b']`` is numpy's list of two, which Python would join. Raises CellError for anything else.
    """
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        pass
    try:
        return _Printed(text).value()
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise CellError(f"has {shown(text)}, which is neither JSON nor a Python list") from None


_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<call>(?:np\.\w+|array|tensor)\()"""
    r"""|(?P<sign>[][(){},:])|(?P<word>[^\s'"\[\](){},:]+)|(?P<end>$))""",
    re.DOTALL,
)
_WORDS = {"true": True, "True": True, "np.True_": True, "false": False, "False": False, "np.False_": False}
_NOTHING = ("None", "null", "nan")
_CLOSING = {"[": "]", "(": ")", "{": "}"}


class _Printed:
    """A reader of what Python and numpy print; every method raises ValueError where the text is something else."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._kind = self._token = ""
        self._next()

    def value(self) -> object:
        """The whole text's value."""
        found = self._value()
        if self._kind != "end":
            self._refuse()
        return found

    def _next(self) -> None:
        match = _TOKEN.match(self._text, self._at)
        if match is None or match.lastgroup is None:
            self._refuse()
        self._kind, self._token, self._at = match.lastgroup, match[match.lastgroup], match.end()

    def _refuse(self) -> NoReturn:
        raise ValueError(self._at)

    def _skip(self, sign: str) -> bool:
        """True where ``sign`` stood here, and now lies behind."""
        if (self._kind, self._token) != ("sign", sign):
            return False
        self._next()
        return True

    def _value(self) -> object:
        kind, token = self._kind, self._token
        self._next()
        found: object = None
        match kind, token:
            case "text", _:
                found = ast.literal_eval(token)
            case "word", _:
                found = _word_value(token)
            case "call", _:
                found = self._argument()
            case "sign", "{":
                found = dict(self._several("{", self._pair))
            case "sign", "[" | "(":
                found = self._several(token, self._value)
            case _:
                self._refuse()
        return found

    def _argument(self) -> object:
        """What stands in ``np.int64(...)``, ``array(..., dtype=...)`` or ``tensor(...)``."""
        found = self._value()
        while not self._skip(")"):
            if self._kind == "end":
                self._refuse()
            self._next()
        return found

    def _pair(self) -> tuple[str, object]:
        key = self._value()
        if not isinstance(key, str) or not self._skip(":"):
            self._refuse()
        return key, self._value()

    def _several(self, opening: str, read: Callable[[], Item]) -> list[Item]:
        """Items up to the closing bracket, with commas between all of them or, in numpy's lists, between none."""
        items: list[Item] = []
        commas: list[bool] = []
        while not self._skip(_CLOSING[opening]):
            items.append(read())
            commas.append(self._skip(","))
        if opening == "(" and commas == [False]:
            self._refuse()
        if not all(commas[:-1]) and (any(commas) or opening != "["):
            self._refuse()
        return items


def _word_value(word: str) -> object:
    if word in _NOTHING:
        return None
    if word in _WORDS:
        return _WORDS[word]
    value = ast.literal_eval(word)
    if type(value) not in (int, float):
        raise ValueError(word)
    return value
