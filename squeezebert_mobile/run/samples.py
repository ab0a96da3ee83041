"""The samples that `predict` is asked for: of the command line, of lines of text, or of the files `evaluate` reads."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from squeezebert_mobile.bundle.manifest import Manifest
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.run.options import PredictOptions
from squeezebert_mobile.run.predict import Sample, Samples
from squeezebert_mobile.tables.cells import as_words
from squeezebert_mobile.tables.columns import Columns, choices_of, find_columns
from squeezebert_mobile.tables.files import TABLE_SUFFIXES, Row, open_lines, open_table, read_conll
from squeezebert_mobile.tasks import Task

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def gather(options: PredictOptions) -> Samples:
    """What makes the samples of one call, once the bundle's task is known.

    Raises UsageError for options that exclude each other, InputFileError for lines that cannot be read; what it returns
    raises UsageError and InputFileError for a file that does not suit the task.
    """
    file = options.file
    if file is None and options.text is None:
        raise UsageError("TEXT", "is missing", fix="give a text, or --file with one text a line")
    if file is not None and (options.text is not None or options.options):
        raise UsageError("--file", "goes without TEXT and --option", fix="give one or the other")
    is_table = file is not None and file.suffix.lower() in TABLE_SUFFIXES
    if options.columns and not is_table:
        expected = ", ".join(TABLE_SUFFIXES)
        raise UsageError("--column", "needs a file with columns", expected=expected, fix="leave it out")
    if file is None:
        sample = Sample(options.text or "", options.text_pair, options.options)
        return lambda _: [sample]
    if is_table:
        return lambda manifest: _rows(file, manifest, options.columns)
    first, others = open_lines(file)
    return lambda manifest: _lines(file, first, others, manifest)


def _rows(file: Path, manifest: Manifest, chosen: Sequence[tuple[str, str]]) -> Iterator[Sample]:
    table = open_table(file, manifest.task)
    columns = find_columns(table, manifest.task, chosen, labels=manifest.labels, with_targets=False)
    return table.stream(lambda row: _sample(row, columns))


def _sample(row: Row, columns: Columns) -> Sample:
    columns.require_known(row)
    match columns.task:
        case Task.TOKEN_CLASSIFICATION if "tokens" in columns.names:
            return Sample(" ".join(as_words(columns.get(row, "tokens"))))
        case Task.QUESTION_ANSWERING:
            return Sample(columns.text(row, "question"), columns.text(row, "context"))
        case Task.MULTIPLE_CHOICE:
            return Sample(columns.text(row, "text"), options=choices_of(row, columns).continued)
        case _:
            return Sample(columns.text(row, "text"), columns.text_pair(row))


def _lines(file: Path, first: Sequence[str], others: Iterable[str], manifest: Manifest) -> Iterator[Sample]:
    """A text a line, with its second text after a tab; the first lines say what stands in all.

    Raises UsageError where a column of labels stands in the place of the second text.
    """
    labels, lines = set(manifest.labels), chain(first, others)
    if manifest.task is Task.TOKEN_CLASSIFICATION and _all(first, lambda line: line.split()[-1] in labels):
        return (Sample(" ".join(as_words(row["tokens"]))) for row in read_conll(file, lines))
    marked = [line for line in first if line.strip()]
    ends = [[line.split("\t")[place].strip() for line in marked] for place in (0, -1)]
    if _all(marked, lambda line: "\t" in line) and any(_are_labels(cells, labels) for cells in ends):
        what, fix = "has a label beside each text, which is no second text", "name it .tsv, with text and label on top"
        raise UsageError(file, what, found=repr(marked[-1][:60]), expected="text or text TAB text_pair", fix=fix)
    parts = (line.partition("\t") for line in lines)
    return (Sample(text, second if tab else None) for text, tab, second in parts)


def _all(lines: Sequence[str], holds: Callable[[str], bool]) -> bool:
    """True where every line that is not empty, of which there is one, is such a line."""
    full = [line for line in lines if line.strip() and not line.startswith("-DOCSTART-")]
    return bool(full) and all(map(holds, full))


def _are_labels(cells: Sequence[str], labels: set[str]) -> bool:
    """True for labels or their ids, a heading above them or not."""
    found = [cell in labels or bool(_NUMBER.fullmatch(cell)) for cell in cells]
    return all(found[1:] or found)
