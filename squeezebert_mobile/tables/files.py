"""Tables from files in the formats that labelled text comes in, or from a `datasets` name."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from io import BufferedReader, StringIO
from itertools import count, islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar

from squeezebert_mobile import extras
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, UsageError, counted
from squeezebert_mobile.tables.cells import CellError
from squeezebert_mobile.tasks import Task

Row = Mapping[str, object]
Value = TypeVar("Value")

_CONLL_SUFFIXES = (".conll", ".iob", ".iob2", ".bio")
TABLE_SUFFIXES = (".tsv", ".csv", ".jsonl", ".json", ".parquet", *_CONLL_SUFFIXES)
DATA_SUFFIXES = (*TABLE_SUFFIXES, ".txt")

# Cells longer than this are no text snippets; the csv module's own limit, 128 KiB, is below some SQuAD contexts.
_MAX_CELL = 4 * 1024 * 1024
# Of one line, in characters or bytes; a device that has no lines would fill the memory.
MAX_LINE = 16 * 1024 * 1024
# The rows that say what columns a table has, and what its lines are, where the rest is not there yet.
HEAD = 1000


@dataclass(frozen=True)
class Table:
    """Rows with named columns; ``name`` is what errors call them, ``class_names`` the labels a data set declares.

    ``rows`` of `open_table` are read from the file anew by each loop over them.
    """

    name: str
    rows: Iterable[Row]
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The column names of all rows, of a stream's first: an object may leave out what it has not."""
        rows = islice(self.rows, HEAD) if isinstance(self.rows, _Stream) else self.rows
        return tuple(dict.fromkeys(name for row in rows for name in row))

    def stream(self, read: Callable[[Row], Value]) -> Iterator[Value]:
        """What ``read`` makes of each row. Raises InputFileError with the row's number where it raises CellError."""
        for number, row in enumerate(self.rows, 1):
            try:
                value = read(row)
            except CellError as error:
                raise InputFileError(f"{self.name} row {number}", error.what, fix="correct that row") from None
            yield value

    def map(self, read: Callable[[Row], Value]) -> tuple[Value, ...]:
        """All of `stream`."""
        return tuple(self.stream(read))


@dataclass(frozen=True)
class _Stream:
    """Rows that each loop reads anew, at most ``limit`` of them."""

    read: Callable[[], Iterator[Row]]
    limit: int | None

    def __iter__(self) -> Iterator[Row]:
        return islice(self.read(), self.limit)


def read_table(source: str | Path, task: Task, *, limit: int | None = None) -> Table:
    """The rows of a local file, or of a hub data set ``NAME[:CONFIG][@SPLIT]``; at most ``limit`` of them.

    A .txt file has one text a line for fill-mask, a token and its tag for token classification. Raises InputFileError
    for a file that is missing, empty or malformed (with its line), UsageError for an unknown file type,
    EnvironmentFault where a data set cannot be loaded.
    """
    table = open_table(source, task, limit=limit)
    return replace(table, rows=tuple(table.rows))


def open_table(source: str | Path, task: Task, *, limit: int | None = None) -> Table:
    """The same without holding the rows, but for what cannot be read in parts: .json, CoNLL, and a pipe.

    Raises as `read_table`; for a malformed row once it is reached.
    """
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        table = Table(str(path), _Stream(partial(_parquet_rows, path), limit), _declared_names(path))
    elif suffix in DATA_SUFFIXES or path.exists():
        rows = _Stream(partial(_read_file, path, task), limit)
        # A pipe is read but once.
        table = Table(str(path), rows if path.is_file() else tuple(rows))
    else:
        table = _read_hub(str(source), limit)
    if next(iter(table.rows), None) is None:
        raise InputFileError(table.name, "holds no rows", fix="give a file with a header and at least one row")
    return table


def _read_file(path: Path, task: Task) -> Iterator[Row]:
    suffix = path.suffix.lower()
    read = _reader(suffix, task)
    if read is None:
        found, fix = path.suffix or "none", "name it by its format, or give a data set's name"
        if suffix == ".txt":
            found, fix = f".txt, which has no columns for {task}", "write it as .tsv, .csv or .jsonl"
        raise UsageError(path, "is of an unknown type", found=found, expected=", ".join(TABLE_SUFFIXES), fix=fix)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from read(path, file if suffix == ".json" else _lines(path, file))
    except OSError as error:
        raise InputFileError(path, f"cannot be read: {error.strerror}", fix="check the path") from None
    except UnicodeDecodeError as error:
        raise InputFileError(path, f"is not UTF-8: {error.reason}", fix="save it as UTF-8") from None


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """Line by line. Raises InputFileError for a line that never ends."""
    for number in count(1):
        line = file.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise too_long(path, number)
        if not line:
            return
        yield line


def open_lines(source: Path) -> tuple[list[str], Iterator[str]]:
    """The first lines of a UTF-8 text, and the others; of standard input, ``-``, the first are those that are there.

    Raises InputFileError where there is no file, and for a line that never ends once it is reached.
    """
    try:
        if str(source) != "-":
            lines = _text_lines(source, source.open("rb"))
            return list(islice(lines, HEAD)), lines
        # Its own buffer would fill itself before it gave the first line away.
        unbuffered: Any = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        file = BufferedReader(unbuffered)
        lines = _text_lines(source, file)
        return list(islice(lines, min(HEAD, max(1, file.peek().count(b"\n"))))), lines
    except OSError as error:
        fix = "give a text file with one text a line"
        raise InputFileError(source, f"cannot be read: {error.strerror}", fix=fix) from None


def _text_lines(source: Path, file: BinaryIO) -> Iterator[str]:
    with file:
        for number in count(1):
            line = file.readline(MAX_LINE + 1)
            if len(line) > MAX_LINE:
                raise too_long(source, number)
            text = line.removesuffix(b"\n").decode("utf-8-sig" if number == 1 else "utf-8", errors="replace")
            if not (text or line.endswith(b"\n")):
                return
            yield text.rstrip("\r")


def too_long(source: str | Path, number: int) -> InputFileError:
    """The error for a line that is longer than any text."""
    what, fix = f"line {number} is too long to be a text", "give a text file with one row a line"
    return InputFileError(source, what, expected=f"at most {MAX_LINE}", fix=fix)


def _reader(suffix: str, task: Task) -> Callable[[Path, Iterator[str]], Iterator[Row]] | None:
    match suffix, task:
        case ((".tsv" | ".csv"), _):
            return _read_delimited
        case ".jsonl", _:
            return _read_json_lines
        case ".json", _:
            return _read_json
        case ".txt", Task.FILL_MASK:
            return _read_texts
        case ".txt", Task.TOKEN_CLASSIFICATION:
            return read_conll
    return read_conll if suffix in _CONLL_SUFFIXES else None


def _read_delimited(path: Path, lines: Iterator[str]) -> Iterator[Row]:
    csv.field_size_limit(_MAX_CELL)
    # GLUE's files are tab-separated without quoting: a quotation mark is a character of the text.
    tabs = path.suffix.lower() == ".tsv"
    reader = csv.reader(lines, delimiter="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL)
    try:
        header = next(reader, [])
        if twice := {name for name in header if header.count(name) > 1}:
            raise InputFileError(path, f"has two columns {min(twice)!r}", fix="rename one of them")
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                what = f"line {reader.line_num} has another number of cells than the header"
                raise InputFileError(path, what, found=len(cells), expected=len(header), fix="correct that line")
            yield dict(zip(header, map(_unquoted, cells) if tabs else cells, strict=True))
    except csv.Error as error:
        raise InputFileError(path, f"line {reader.line_num}: {error}", fix="correct that line") from None


def _unquoted(cell: str) -> str:
    """A cell that pandas or csv quoted because of the quotation marks in it, which it doubled."""
    inner = cell[1:-1].replace('""', "")
    if len(cell) > 2 and cell[0] == cell[-1] == '"' and '""' in cell[1:-1] and '"' not in inner:
        return cell[1:-1].replace('""', '"')
    return cell


def _read_texts(_: Path, lines: Iterator[str]) -> Iterator[Row]:
    return ({"text": line.strip()} for line in lines if line.strip())


def read_conll(path: Path, lines: Iterable[str]) -> Iterator[Row]:
    """Sentences of lines with a token first and its tag last, tabs or spaces between, an empty line after each.

    Comments, which begin with # and do not end in a tag of another line, are left out.
    """
    rows = [[cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())] for line in lines]
    widths = Counter(len(cells) for cells in rows if any(cells))
    width = max(2, widths.most_common(1)[0][0]) if widths else 2
    tags = {cells[-1] for cells in rows if len(cells) == width and not cells[0].startswith("#")}
    words: list[list[str]] = []
    sentences = 0
    for number, cells in enumerate([*rows, []], 1):
        if not any(cells) or cells[0] == "-DOCSTART-":
            if words:
                _refuse_counted(path, words, first=not sentences)
                sentences += 1
                yield {"tokens": [word[0] for word in words], "tags": [word[-1] for word in words]}
            words = []
        elif cells[0].startswith("#") and (len(cells) != width or cells[-1] not in tags):
            continue
        elif len(cells) == width and cells[0] and cells[-1]:
            words.append(cells)
        else:
            what, expected = f"line {number} is not a token and its tag", counted(width, "column")
            raise InputFileError(
                path, what, found=counted(len(cells), "column"), expected=expected, fix="correct that line"
            )


def _refuse_counted(path: Path, words: list[list[str]], *, first: bool) -> None:
    """Raise where the first column of the first sentence counts its tokens: it would be learnt as the text."""
    if (
        first
        and len(words) > 1
        and [cells[0] for cells in words] == [str(number) for number in range(1, len(words) + 1)]
    ):
        raise InputFileError(path, "counts its tokens in the first column", fix="remove that column")


def _read_json_lines(path: Path, lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_constant=_nothing)
        except (ValueError, RecursionError) as error:
            raise InputFileError(path, f"line {number} is not JSON: {error}", fix="correct that line") from None
        yield from _rows(path, f"line {number} ", value)


def _read_json(path: Path, lines: Iterator[str]) -> Iterator[Row]:
    """One JSON value, or JSON lines under this name, as `datasets` reads both."""
    text = "".join(lines)
    try:
        value = json.loads(text, parse_constant=_nothing)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return _read_json_lines(path, StringIO(text))
        raise InputFileError(path, f"is not JSON: {error}", fix="correct it") from None
    except RecursionError:
        raise InputFileError(path, "is nested too deeply", fix="write an object for each row") from None
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    return (row for item in (value if isinstance(value, list) else [value]) for row in _rows(path, "", item))


def _nothing(_: str) -> None:
    """NaN and its kin are what pandas writes for nothing."""


def _rows(path: Path, place: str, value: Any) -> Iterator[Row]:
    """The rows of an object: itself, those that SQuAD nests in it, or those that pandas holds by column."""
    match value:
        case {"paragraphs": list() as paragraphs} if "question" not in value:
            for paragraph in paragraphs:
                yield from _rows(path, place, paragraph)
        case {"context": str() as context, "qas": list() as questions}:
            for question in questions:
                for row in _rows(path, place, question):
                    yield {**row, "context": context}
        case dict() if value and all(isinstance(column, dict) for column in value.values()):
            keys = dict.fromkeys(key for column in value.values() for key in column)
            yield from ({name: column.get(key) for name, column in value.items()} for key in keys)
        case {"question": {"stem": str() as stem, "choices": list() as choices}}:  # ARC and CommonsenseQA
            yield {**value, "question": stem, "choices": choices}
        case dict():
            yield value
        case _:
            found = type(value).__name__
            raise InputFileError(path, f"{place}is not an object", found=found, fix="write an object for each row")


def _parquet(path: Path) -> Any:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        fix = f"{extras.install('datasets')}, or write the rows as .jsonl"
        raise EnvironmentFault("pyarrow", "is not installed", fix=fix) from None
    try:
        return parquet.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputFileError(path, f"is no Parquet file: {str(error).splitlines()[0]}", fix="check the path") from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    """Row by row, a part of a row group in memory."""
    with _parquet(path) as file:
        try:
            for part in file.iter_batches(batch_size=HEAD):
                yield from part.to_pylist()
        except (OSError, ValueError) as error:
            what = f"is a damaged Parquet file: {str(error).splitlines()[0]}"
            raise InputFileError(path, what, fix="write it again") from None


def _declared_names(path: Path) -> dict[str, tuple[str, ...]]:
    """The labels of each column that `datasets` wrote beside the columns of a Parquet file."""
    with _parquet(path) as file:
        metadata = json.loads((file.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
    names = {}
    match metadata:
        case {"info": {"features": dict() as features}}:
            for column, feature in features.items():
                match feature:
                    case {"names": list() as labels} | {"feature": {"names": list() as labels}}:
                        names[column] = tuple(labels)
    return names


def _read_hub(source: str, limit: int | None) -> Table:
    try:
        import datasets
    except ImportError:
        fix = f"{extras.install('datasets')}, or give a local file"
        raise EnvironmentFault("datasets", "is not installed", fix=fix) from None
    name, _, split = source.partition("@")
    name, _, config = name.partition(":")
    try:
        loaded = datasets.load_dataset(name, config or None, split=split or "train")
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        what = f"cannot be loaded: {str(error).splitlines()[0]}"
        raise EnvironmentFault(source, what, fix="check the name, or give a local file") from None
    features = {column: getattr(feature, "feature", feature) for column, feature in loaded.features.items()}
    names = {column: tuple(f.names) for column, f in features.items() if isinstance(f, datasets.ClassLabel)}
    # A data set lies on the disk, and each loop reads it from there.
    return Table(source, _Stream(lambda: iter(loaded), limit), names)
