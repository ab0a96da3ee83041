"""What a cell means as a label: found by name whatever its type, so that every format of a file says the same.

A cell means, in this order: the label that is called as it is written; the label whose name is the same number or truth
value (1, 1.0, "1"; true, "True"); and, where no name is a number, the label with that id. A text of several is cut
at the one sign that leaves known labels; where none are known yet, at the only sign that the column has.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.tables.cells import CellError, as_list, is_bracketed, literal, shown
from squeezebert_mobile.tables.columns import Columns
from squeezebert_mobile.tables.files import Table
from squeezebert_mobile.tasks import Task

# As JSON writes one: 01 and +1 are names.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TRUTH = {"true": True, "false": False}
# What stands between labels. The second ones are common in names, too: they part labels that are known.
_SIGNS = (",", ";", "|")
_SIGNS_OF_KNOWN = (*_SIGNS, "/", "+", "&", "\t", "\n")
_BRACKETS = re.compile(r"""[][{}"']""")

Value = bool | float | str


def value_of(cell: object) -> Value | None:
    """The truth value, number or text that a cell holds, as itself or in its text; None for nothing and for a list."""
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in _TRUTH:
            return _TRUTH[text.lower()]
        return float(text) if _NUMBER.fullmatch(text) else text or None
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, (int, float)) and not math.isnan(cell):
        return float(cell)
    return None


def is_binary(cell: object) -> bool:
    """True for 0 and 1, as number or truth value."""
    value = value_of(cell)
    return not isinstance(value, str) and value in (0, 1)


class Labels:
    """The labels of a model, by what a cell may call them; ``declared`` are a data set's own names of its ids."""

    def __init__(self, names: Sequence[str], declared: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self._ids = {name: index for index, name in enumerate(names)}
        self._by_value: dict[tuple[type, Value | None], list[int]] = {}
        for index, name in enumerate(names):
            value = value_of(name)
            self._by_value.setdefault((type(value), value), []).append(index)
        self.has_ids = all(kind is not float for kind, _ in self._by_value)
        folded = {name.casefold(): index for name, index in self._ids.items()}
        found = [self._ids.get(name, folded.get(name.casefold())) for name in declared]
        self._declared = [index for index in found if index is not None] if None not in found else []

    def id(self, cell: object) -> int:
        """The id of the label that a cell means. Raises CellError where it means none."""
        if type(cell) is int and 0 <= cell < len(self._declared):
            return self._declared[cell]
        found = self._found(cell)
        if found is not None:
            return found
        listed = ", ".join(self.names[:8]) + (", ..." if len(self.names) > 8 else "")
        raise CellError(f"has the label {shown(cell)}, which is not one of {listed}")

    def _found(self, cell: object) -> int | None:
        """The id of the label that a cell names or, where names are no numbers, counts to."""
        named, value = self.named(cell), value_of(cell)
        is_id = self.has_ids and isinstance(value, (bool, float)) and value in range(len(self.names))
        return int(value) if named is None and is_id and isinstance(value, (bool, float)) else named

    def named(self, cell: object) -> int | None:
        """The id of the label that a cell calls by its name, or by the number or truth value which that name is."""
        for written in (cell, cell.strip()) if isinstance(cell, str) else ():
            if written in self._ids:
                return self._ids[written]
        value = value_of(cell)
        # A truth value counts as 1 or 0 where no label is called true or false.
        for reading in (value, float(value)) if isinstance(value, bool) else (value,):
            if len(found := self._by_value.get((type(reading), reading), [])) == 1:
                return found[0]
        return None

    def items(self, cell: object) -> list[object]:
        """The labels that a cell lists, or the one that it names. Raises CellError where it lists them in two ways."""
        known = self.parted(cell)
        if known is not None or not isinstance(cell, str) or is_bracketed(cell.strip()):
            return as_list(cell) if known is None else known
        # One of them misspelt is told by its name.
        partly = (parts for parts in _cuts(cell, _SIGNS_OF_KNOWN) if any(map(self._knows, parts)))
        return next(partly, None) or as_list(cell)

    def parted(self, cell: object) -> list[object] | None:
        """The known labels that a text names, with spaces or one sign between them; None where it names others."""
        if not isinstance(cell, str):
            return None
        if cell.strip() in self._ids:
            return [cell]
        words: list[object] = [*cell.split()]
        ways = [parts for parts in (words, *_cuts(cell, _SIGNS_OF_KNOWN)) if all(map(self._knows, parts))]
        if ways[1:] and ways[0] is not words:
            found = " or ".join(map(str, ways[:2]))
            raise CellError(f"has {shown(cell)}, which is {found}; write it as a JSON list")
        return ways[0] if ways else None

    def _knows(self, part: object) -> bool:
        return self._found(part) is not None

    def listed(self, cell: object) -> object:
        """A label's cell, as a list where it is the text of one and no label's name."""
        if isinstance(cell, str) and is_bracketed(cell.strip()) and cell.strip() not in self._ids:
            return literal(cell.strip())
        return cell


def _cuts(text: str, signs: Sequence[str]) -> list[list[object]]:
    """A text cut at each of the signs that it has."""
    return [[part.strip() for part in text.split(sign) if part.strip()] for sign in signs if sign in text]


def are_vectors(lists: Iterable[Sequence[object]], count: int) -> bool:
    """True where every list has ``count`` items, each 0 or 1: whether it has each label."""
    return all(len(items) == count and all(map(is_binary, items)) for items in lists)


@dataclass(frozen=True)
class Seen:
    """The labels of a table: what a new head calls them, in the order of their ids, and how the rows write them.

    ``several`` says that a row may have more than one; ``ids`` how many labels the rows count to, 0 where they name.
    """

    names: tuple[str, ...]
    written: tuple[str, ...]
    ids: int = 0
    several: bool = False


def labels_of(table: Table, columns: Columns, *, several: bool = False, known: Sequence[str] = ()) -> Seen:
    """The labels that a table itself declares or shows: numbers and truth values by size, else by name.

    Whole numbers from 0 up, most of which occur, are ids of LABEL_0 and so on, as are the places of 0/1 vectors. With
    ``several`` a text is a list of labels, as it is where another row has a list, or several of the ``known`` ones.
    Raises InputFileError for a list that cannot be read, and for fractions, which are values.
    """
    role = "tags" if columns.task is Task.TOKEN_CLASSIFICATION else "label"
    names = columns.names[role]
    if columns.shared(role):
        return Seen(names, names, several=True)
    named = Labels(known)
    # Each cell once, in the order of the rows, which may be more than fit in memory.
    cells: dict[str, object] = {}
    for cell in table.stream(lambda row: named.listed(columns.get(row, role))):
        if isinstance(cell, list):
            several = True
        else:
            cells.setdefault(repr(cell), cell)
    several = several or role == "tags" or any(len(named.parted(cell) or ()) > 1 for cell in cells.values())
    if declared := table.class_names.get(names[0]):
        return Seen(declared, declared, ids=len(declared), several=several)
    if not several:
        return _named(table, cells.values())
    sign = _sign(table, [cell for cell in cells.values() if isinstance(cell, str) and named.parted(cell) is None])

    def lists() -> Iterator[list[object]]:
        return table.stream(lambda row: named.parted(columns.get(row, role)) or _listed(columns.get(row, role), sign))

    count = len(next(lists()))
    if role == "label" and count > 1 and are_vectors(lists(), count):
        return Seen(numbered(count), (), ids=count, several=True)
    return replace(_named(table, chain.from_iterable(lists())), several=True)


def _sign(table: Table, texts: Sequence[str]) -> str | None:
    """What stands between the labels of a column that nobody named yet, None for spaces.

    Raises InputFileError where that is not plain to see: two signs, or names that one part of the rows splits.
    """
    signs = [sign for sign in _SIGNS if any(sign in text for text in texts)]
    fix = "name them with --labels, or write JSON lists"
    if signs[1:]:
        found = " and ".join(signs)
        raise InputFileError(table.name, "has labels with more than one sign between them", found=found, fix=fix)
    if not signs:
        return None
    names = {str(part) for text in texts for part in (_cuts(text, signs) or [[text.strip()]])[0]}
    if twice := [name for name in sorted(names) if len(words := name.split()) > 1 and names.issuperset(words)]:
        what = f"has labels with {signs[0]} and with spaces between them"
        raise InputFileError(table.name, what, found=repr(twice[0]), fix=fix)
    return signs[0]


def _listed(cell: object, sign: str | None) -> list[object]:
    """The labels of a cell, a text of them with ``sign`` between."""
    if sign is None or not isinstance(cell, str) or is_bracketed(cell.strip()):
        return as_list(cell)
    if _BRACKETS.search(cell):
        raise CellError(f"has {shown(cell)}, which is no list; write it as a JSON list")
    return (_cuts(cell, (sign,)) or [[cell.strip()] if cell.strip() else []])[0]


def numbered(count: int) -> tuple[str, ...]:
    """What transformers calls labels without names."""
    return tuple(f"LABEL_{index}" for index in range(count))


def _named(table: Table, cells: Iterable[object]) -> Seen:
    written: dict[tuple[type, Value], str] = {}
    for cell in cells:
        value, text = value_of(cell), cell.strip() if isinstance(cell, str) else str(cell)
        if value is not None:
            # 1.1 and 1.10 are two names; 1 and 1.0 are one number, which pandas wrote in two ways.
            whole = not isinstance(value, float) or value.is_integer()
            written.setdefault((type(value), value if whole else text), text)
    kinds = {kind for kind, _ in written}
    texts = tuple(written.values())
    if kinds == {bool}:
        return Seen(("false", "true"), texts, ids=2)
    if kinds != {float}:
        return Seen(tuple(sorted(texts)), texts)
    if fractions := [text for _, text in written if isinstance(text, str)]:
        fix = "pass --problem-type regression, or name them with --labels"
        raise InputFileError(table.name, "has fractions as labels", found=fractions[0], fix=fix)
    numbers = sorted(int(value) for _, value in written)
    ids = numbers[-1] + 1 if numbers[0] >= 0 else 0
    count_up = numbers[0] == 0 and ids <= 2 * len(numbers)
    return Seen(numbered(ids) if count_up else tuple(map(str, numbers)), texts, ids)
