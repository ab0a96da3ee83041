"""Files of texts, one a line: read, drawn from, and turned into what a model takes."""

from collections.abc import Iterator, Sequence
from logging import getLogger
from pathlib import Path
from random import Random

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.errors import InputFileError, counted
from squeezebert_mobile.files import MAX_BYTES, require_plain
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

_log = getLogger(__name__)

# The smallest set that says anything about what real text does to an activation.
ROWS_FLOOR = 32
# In characters; what is longer is no line of text.
_LONGEST_LINE = 1 << 20
Row = tuple[str, ...]


def read_rows(file: Path) -> Iterator[tuple[int, Row]]:
    """The number and the columns of every line that is not blank. Raises InputFileError."""
    try:
        # It is read twice, which a pipe cannot be.
        require_plain(file, max_bytes=MAX_BYTES)
        with file.open(encoding="utf-8-sig", errors="replace", newline="\n") as stream:
            number = 0
            while line := stream.readline(_LONGEST_LINE + 1):
                number += 1
                if len(line) > _LONGEST_LINE:
                    fix = "give one text a line"
                    raise InputFileError(f"{file}:{number}", "is longer than a line of text", fix=fix)
                if line.strip():
                    yield number, tuple(line.rstrip("\r\n").split("\t"))
    except OSError as error:
        raise InputFileError(file, f"cannot be read: {error.strerror}", fix="give a text file") from None


def require_rows(file: Path, task: Task) -> None:
    """Raise InputFileError where already the first line of ``file`` is none for ``task``, or there is none."""
    number, row = next(read_rows(file), (0, None))
    if row is None:
        raise InputFileError(file, "is empty", fix=f"give at least {ROWS_FLOOR} texts, one a line")
    _require_columns(file, number, row, task)


def draw(file: Path, task: Task, *, rows: int, seed: int) -> list[Row]:
    """At most ``rows`` lines of ``file``, each as likely as any other, in their order; one pass, whatever its size.

    Raises InputFileError for a file that is empty, has other columns than ``task``, has numbers for second texts
    (labels, most likely), or says the same in every line; warns below `ROWS_FLOOR` lines. Source: algorithm R,
    Vitter 1985.
    """
    random = Random(seed)
    kept: list[tuple[int, Row]] = []
    for seen, (number, row) in enumerate(read_rows(file)):
        _require_columns(file, number, row, task)
        place = seen if seen < rows else random.randrange(seen + 1)
        if place < rows:
            kept[place : place + 1] = [(number, row)]
    found = [row for _, row in sorted(kept)]
    _require_sense(file, found)
    return found


def encode(tokenizer: SqueezeBertTokenizerFast, rows: Sequence[Row], task: Task, max_length: int) -> list[Batch]:
    """Each row as a batch of one without padding, [1, W]; of multiple choice [1, choices, W]."""
    return [_batch(tokenizer, row, task, max_length) for row in rows]


def _batch(tokenizer: SqueezeBertTokenizerFast, row: Row, task: Task, max_length: int) -> Batch:
    if task is Task.MULTIPLE_CHOICE:
        first, options = row[0], list(row[1:])
        encoded = tokenizer.rows(
            [first] * len(options), options, max_length=max_length, padding="longest", padding_side="right"
        )
        return encoded.batch().of_choices()
    return tokenizer.rows(row[0], row[1] if len(row) > 1 else None, max_length=max_length).batch()


def _require_columns(file: Path, number: int, row: Row, task: Task) -> None:
    match task:
        case Task.QUESTION_ANSWERING:
            fits, expected = len(row) == 2, "a question, a tab and its context"
        case Task.MULTIPLE_CHOICE:
            fits, expected = len(row) >= 3, "a text, a tab and two or more options with tabs between"
        case _:
            fits, expected = len(row) <= 2, "a text, or two with a tab between"
    if not fits:
        fix = "write the texts alone, one row a line"
        raise InputFileError(f"{file}:{number}", "has other columns", found=len(row), expected=expected, fix=fix)


def _require_sense(file: Path, rows: Sequence[Row]) -> None:
    if not rows:
        raise InputFileError(file, "is empty", fix=f"give at least {ROWS_FLOOR} texts, one a line")
    if len(rows) > 1 and len(set(rows)) == 1:
        raise InputFileError(file, "says the same in every line", fix="give texts as your users write them")
    # A header may stand above a column of labels.
    if all(len(row) == 2 and _is_number(row[1]) for row in rows[1:]) and len(rows) > 1:
        raise InputFileError(file, "has numbers, not texts, after the tab", fix="write the texts alone, without labels")
    if len(rows) < ROWS_FLOOR:
        _log.warning("warning: %s: %s is little; give %d or more", file, counted(len(rows), "text"), ROWS_FLOOR)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
