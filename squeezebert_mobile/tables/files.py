"""Tables from files in the formats that labelled text comes in, or from a `datasets` name."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from squeezebert_mobile import extras
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, UsageError
from squeezebert_mobile.tables.cells import CellError
from squeezebert_mobile.tasks import Task

Row = Mapping[str, object]
Value = TypeVar("Value")

_CONLL_SUFFIXES = (".conll", ".iob", ".iob2", ".bio")
TABLE_SUFFIXES = (".tsv", ".csv", ".jsonl", ".json", ".parquet", *_CONLL_SUFFIXES)
DATA_SUFFIXES = (*TABLE_SUFFIXES, ".txt")

# Cells longer than this are no text snippets; the csv module's own limit, 128 KiB, is below some SQuAD contexts.
_MAX_CELL = 4 * 1024 * 1024


@dataclass(frozen=True)
class Table:
    """Rows with named columns; ``name`` is what errors call them, ``class_names`` the labels a data set declares."""

    name: str
    rows: tuple[Row, ...]
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The column names of all rows: an object may leave out what it has not."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    def map(self, read: Callable[[Row], Value]) -> tuple[Value, ...]:
        """What ``read`` makes of each row. Raises InputFileError with the row's number where it raises CellError."""
        found = []
        for number, row in enumerate(self.rows, 1):
            try:
                found.append(read(row))
            except CellError as error:
                raise InputFileError(f"{self.name} row {number}", error.what, fix="correct that row") from None
        return tuple(found)


def read_table(source: str | Path, task: Task, *, limit: int | None = None) -> Table:
    """The rows of a local file, or of a hub data set ``NAME[:CONFIG][@SPLIT]``; at most ``limit`` of them.

    A .txt file has one text a line for fill-mask, a token and its tag for token classification. Raises InputFileError
    for a file that is missing, empty or malformed (with its line), UsageError for an unknown file type,
    EnvironmentFault where a data set cannot be loaded.
    """
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        table = _read_parquet(path, limit)
    elif suffix in DATA_SUFFIXES or path.exists():
        table = Table(str(path), tuple(_take(_read_file(path, task), limit)))
    else:
        table = _read_hub(str(source), limit)
    if not table.rows:
        raise InputFileError(table.name, "holds no rows", fix="give a file with a header and at least one row")
    return table


def _take(rows: Iterator[Row], limit: int | None) -> Iterator[Row]:
    for count, row in enumerate(rows):
        if limit is not None and count >= limit:
            return
        yield row


def _read_file(path: Path, task: Task) -> Iterator[Row]:
    read = _reader(path.suffix.lower(), task)
    if read is None:
        found, fix = path.suffix or "none", "name it by its format, or give a data set's name"
        if path.suffix.lower() == ".txt":
            found, fix = f".txt, which has no columns for {task}", "write it as .tsv, .csv or .jsonl"
        raise UsageError(path, "is of an unknown type", found=found, expected=", ".join(TABLE_SUFFIXES), fix=fix)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from read(path, file)
    except OSError as error:
        raise InputFileError(path, f"cannot be read: {error.strerror}", fix="check the path") from None
    except UnicodeDecodeError as error:
        raise InputFileError(path, f"is not UTF-8: {error.reason}", fix="save it as UTF-8") from None


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
            what, expected = f"line {number} is not a token and its tag", f"{width} columns"
            raise InputFileError(path, what, found=f"{len(cells)} columns", expected=expected, fix="correct that line")


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


def _read_parquet(path: Path, limit: int | None) -> Table:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        fix = f"{extras.install('datasets')}, or write the rows as .jsonl"
        raise EnvironmentFault("pyarrow", "is not installed", fix=fix) from None
    try:
        found = parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputFileError(path, f"is no Parquet file: {str(error).splitlines()[0]}", fix="check the path") from None
    names = _declared_names((found.schema.metadata or {}).get(b"huggingface", b"{}"))
    return Table(str(path), tuple(found.slice(0, limit).to_pylist()), names)


def _declared_names(metadata: bytes) -> dict[str, tuple[str, ...]]:
    """The labels of each column that `datasets` wrote beside it."""
    names = {}
    match json.loads(metadata):
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
    if limit is not None:
        loaded = loaded.select(range(min(limit, len(loaded))))
    features = {column: getattr(feature, "feature", feature) for column, feature in loaded.features.items()}
    names = {column: tuple(f.names) for column, f in features.items() if isinstance(f, datasets.ClassLabel)}
    return Table(source, tuple(loaded), names)
