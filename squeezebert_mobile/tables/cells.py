"""What stands in one cell: a number, a list, a JSON value."""

import json


class CellError(Exception):
    """What is wrong with a cell; the reader of the table adds the file and the row."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


def number(cell: object) -> float:
    """The number in a cell."""
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise CellError(f"has {str(cell)[:60]!r} where a number belongs") from None


def as_list(cell: object) -> list[object]:
    """The items of a list, of a string of words, or the one value itself."""
    if isinstance(cell, (list, tuple)):
        return list(cell)
    if isinstance(cell, str):
        return list(cell.split())
    return [] if cell is None else [cell]


def parse_json(cell: str) -> object:
    """The JSON value in a cell."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise CellError(f"has {cell[:60]!r}, which is not JSON") from None
