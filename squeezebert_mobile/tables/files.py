"""Tables from TSV, CSV or JSON lines, or from a `datasets` name."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.errors import EnvironmentFault, InputFileError, UsageError

Row = Mapping[str, object]
FILE_SUFFIXES = (".tsv", ".csv", ".jsonl")

# Cells longer than this are no text snippets; the csv module's own limit, 128 KiB, is below some SQuAD contexts.
_MAX_CELL = 4 * 1024 * 1024


@dataclass(frozen=True)
class Table:
    """Rows with named columns; ``name`` is what errors call them, ``class_names`` the labels a data set declares."""

    name: str
    rows: tuple[Row, ...]
    class_names: Mapping[str, tuple[str, ...]]

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names, of the first row."""
        return tuple(self.rows[0])


def read_table(source: str | Path, *, limit: int | None = None) -> Table:
    """The rows of a local file, or of a hub data set ``NAME[:CONFIG][@SPLIT]``; at most ``limit`` of them.

    Raises InputFileError for a file that is missing, empty or malformed (with its line), UsageError for an unknown
    file type, EnvironmentFault where a data set cannot be loaded.
    """
    path = Path(source)
    if path.suffix in FILE_SUFFIXES or path.exists():
        table = Table(str(path), tuple(_take(_read_file(path), limit)), {})
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


def _read_file(path: Path) -> Iterator[Row]:
    if path.suffix not in FILE_SUFFIXES:
        fix = "name it by its format, or give a data set's name"
        raise UsageError(
            path, "is of an unknown type", found=path.suffix or "none", expected=", ".join(FILE_SUFFIXES), fix=fix
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _read_json_lines(path, file) if path.suffix == ".jsonl" else _read_delimited(path, file)
    except OSError as error:
        raise InputFileError(path, f"cannot be read: {error.strerror}", fix="check the path") from None
    except UnicodeDecodeError as error:
        raise InputFileError(path, f"is not UTF-8: {error.reason}", fix="save it as UTF-8") from None


def _read_delimited(path: Path, lines: Iterator[str]) -> Iterator[Row]:
    csv.field_size_limit(_MAX_CELL)
    # GLUE's files are tab-separated without quoting: a quotation mark is a character of the text.
    tabs = path.suffix == ".tsv"
    reader = csv.reader(lines, delimiter="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL)
    try:
        header = next(reader, [])
        for cells in reader:
            if len(cells) != len(header):
                what = f"line {reader.line_num} has another number of cells than the header"
                raise InputFileError(path, what, found=len(cells), expected=len(header), fix="correct that line")
            yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise InputFileError(path, f"line {reader.line_num}: {error}", fix="correct that line") from None


def _read_json_lines(path: Path, lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputFileError(path, f"line {number} is not JSON: {error}", fix="correct that line") from None
        if not isinstance(row, dict):
            raise InputFileError(path, f"line {number} is not an object", found=type(row).__name__, fix="correct it")
        yield row


def _read_hub(source: str, limit: int | None) -> Table:
    try:
        import datasets
    except ImportError:
        fix = "pip install 'squeezebert-mobile[finetune]', or give a local file"
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
