"""Labelled data for training and evaluation: TSV, CSV, JSON lines or a `datasets` name, to typed examples of a task."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, UsageError
from squeezebert_mobile.tasks import Task

Row = Mapping[str, object]
FILE_SUFFIXES = (".tsv", ".csv", ".jsonl")

# Cells longer than this are no text snippets; the csv module's own limit, 128 KiB, is below some SQuAD contexts.
_MAX_CELL = 4 * 1024 * 1024

# Per task, each role with the column names that are looked for unless the user names one: Hugging Face's task guides,
# GLUE, SQuAD, CoNLL and SWAG.
_ROLES: dict[Task, dict[str, tuple[str, ...]]] = {
    Task.TEXT_CLASSIFICATION: {
        "text": ("text", "sentence", "sentence1", "question1", "premise", "question"),
        "text_pair": ("text_pair", "sentence2", "question2", "hypothesis"),
        "label": ("label", "labels"),
        "soft_labels": ("soft_labels",),
    },
    Task.TOKEN_CLASSIFICATION: {"tokens": ("tokens", "words"), "tags": ("tags", "ner_tags", "labels")},
    Task.QUESTION_ANSWERING: {
        "question": ("question",),
        "context": ("context",),
        "answers": ("answers",),
        "answer_text": ("answer_text", "answer"),
        "answer_start": ("answer_start",),
    },
    Task.FILL_MASK: {"text": ("text", "sentence")},
    Task.MULTIPLE_CHOICE: {
        "text": ("text", "sent1", "prompt", "context"),
        "text_pair": ("text_pair", "sent2"),
        "choices": ("choices", "endings"),
        "label": ("label", "answer"),
    },
}
_OPTIONAL = {"text_pair", "soft_labels", "answers", "answer_text", "answer_start"}


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


@dataclass(frozen=True)
class TextExample:
    """A text or a pair; ``target`` is a label id, a value per label, or None; ``soft`` a teacher's logits [labels]."""

    text: str
    text_pair: str | None = None
    target: int | tuple[float, ...] | None = None
    soft: tuple[float, ...] | None = None


@dataclass(frozen=True)
class TaggedExample:
    """Words, each with the id of its tag."""

    tokens: tuple[str, ...]
    tags: tuple[int, ...]


@dataclass(frozen=True)
class QuestionExample:
    """A question with every accepted answer; starts count code points of the context; no answers: unanswerable."""

    question: str
    context: str
    answers: tuple[str, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True)
class ChoiceExample:
    """A text with its possible continuations and the index of the right one."""

    text: str
    choices: tuple[str, ...]
    target: int


Example = TextExample | TaggedExample | QuestionExample | ChoiceExample


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


@dataclass(frozen=True)
class Columns:
    """Which column plays which role for a task; built by `find_columns`."""

    task: Task
    names: Mapping[str, str]

    def get(self, row: Row, role: str) -> object:
        """The cell of a role, None where no column plays it."""
        name = self.names.get(role)
        return None if name is None else row.get(name)


def find_columns(table: Table, task: Task, chosen: Mapping[str, str]) -> Columns:
    """The columns of a table for ``task``: those that the user chose by role, else the usual names.

    Raises UsageError for a role that the task lacks, InputFileError for a column that the table lacks.
    """
    roles = _ROLES.get(task)
    if roles is None:
        raise UsageError("task", f"{task} has no labels to learn", fix="choose another task")
    for role in chosen.keys() - roles.keys():
        raise UsageError("column", f"{task} has no {role}", expected=", ".join(roles), fix=f"drop {role}=")
    names: dict[str, str] = {}
    for role, usual in roles.items():
        candidates = (chosen[role],) if role in chosen else usual
        present = next((name for name in candidates if name in table.columns), None)
        if present is not None:
            names[role] = present
        elif role in chosen or role not in _OPTIONAL:
            fix = f"pass --column {role}=NAME"
            found, expected = ", ".join(table.columns), " or ".join(candidates)
            raise InputFileError(table.name, f"has no column for {role}", found=found, expected=expected, fix=fix)
    return Columns(task, names)


def label_names(table: Table, columns: Columns) -> tuple[str, ...]:
    """The labels that the data itself names, declared by the data set or seen in the rows, sorted; () for numbers.

    Whole numbers are sorted by value, so that label n of a file gets id n.
    """
    role = "tags" if columns.task is Task.TOKEN_CLASSIFICATION else "label"
    column = columns.names.get(role)
    if column is None:
        return ()
    if column in table.class_names:
        return table.class_names[column]
    seen: set[str] = set()
    for row in table.rows:
        cell = row.get(column)
        seen.update(map(str, _as_list(cell)) if role == "tags" or isinstance(cell, list) else (str(cell),))
    if all(label.isdecimal() for label in seen):
        return tuple(f"LABEL_{index}" for index in range(max(map(int, seen)) + 1))
    return tuple(sorted(seen))


def examples(table: Table, columns: Columns, config: SqueezeBertConfig) -> tuple[Example, ...]:
    """Every row as an example of the task, labels by the names or ids that ``config`` has.

    Raises InputFileError with the row's number for a cell that does not fit.
    """
    result: list[Example] = []
    for number, row in enumerate(table.rows, 1):
        try:
            result.append(_example(row, columns, config))
        except _CellError as error:
            raise InputFileError(f"{table.name} row {number}", error.what, fix="correct that row") from None
    return tuple(result)


def _example(row: Row, columns: Columns, config: SqueezeBertConfig) -> Example:
    match columns.task:
        case Task.TOKEN_CLASSIFICATION:
            return _tagged_example(row, columns, config)
        case Task.QUESTION_ANSWERING:
            return _question_example(row, columns)
        case Task.MULTIPLE_CHOICE:
            return _choice_example(row, columns)
        case _:
            return _text_example(row, columns, config)


class _CellError(Exception):
    """What is wrong with a cell; `examples` adds the file and the row."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


def _text_example(row: Row, columns: Columns, config: SqueezeBertConfig) -> TextExample:
    text = _text(row, columns, "text")
    pair = _text(row, columns, "text_pair") if "text_pair" in columns.names else None
    if columns.task is Task.FILL_MASK:
        return TextExample(text, pair)
    soft = tuple(map(_number, _as_list(columns.get(row, "soft_labels")))) if "soft_labels" in columns.names else None
    if soft is not None and len(soft) != config.num_labels:
        raise _CellError(f"has {len(soft)} soft labels, not {config.num_labels}")
    return TextExample(text, pair, _target(columns.get(row, "label"), config), soft)


def _target(cell: object, config: SqueezeBertConfig) -> int | tuple[float, ...]:
    if config.problem_type == "regression":
        values = tuple(map(_number, _as_list(cell)))
        if len(values) != config.num_labels:
            raise _CellError(f"has {len(values)} values, not {config.num_labels}")
        return values
    if config.problem_type == "multi_label_classification":
        chosen = {label_id(label, config.id2label) for label in _as_list(cell)}
        return tuple(float(index in chosen) for index in range(config.num_labels))
    return label_id(cell, config.id2label)


def _tagged_example(row: Row, columns: Columns, config: SqueezeBertConfig) -> TaggedExample:
    tokens = tuple(map(str, _as_list(columns.get(row, "tokens"))))
    tags = tuple(label_id(tag, config.id2label) for tag in _as_list(columns.get(row, "tags")))
    if len(tokens) != len(tags) or not tokens:
        raise _CellError(f"has {len(tokens)} tokens and {len(tags)} tags")
    return TaggedExample(tokens, tags)


def _question_example(row: Row, columns: Columns) -> QuestionExample:
    question, context = _text(row, columns, "question"), _text(row, columns, "context")
    answers = columns.get(row, "answers")
    if isinstance(answers, str):
        answers = _parse_json(answers)
    if isinstance(answers, Mapping):
        texts, starts = _as_list(answers.get("text")), _as_list(answers.get("answer_start"))
    elif "answer_text" in columns.names and "answer_start" in columns.names:
        texts, starts = [columns.get(row, "answer_text")], [columns.get(row, "answer_start")]
    else:
        raise _CellError("has neither answers {text, answer_start} nor answer_text and answer_start")
    if len(texts) != len(starts):
        raise _CellError(f"has {len(texts)} answers and {len(starts)} starts")
    pairs = [(str(text), int(_number(start))) for text, start in zip(texts, starts, strict=True)]
    for text, start in pairs:
        if context[start : start + len(text)] != text:
            raise _CellError(f"has the answer {text[:60]!r}, which is not in the context at {start}")
    return QuestionExample(question, context, tuple(text for text, _ in pairs), tuple(start for _, start in pairs))


def _choice_example(row: Row, columns: Columns) -> ChoiceExample:
    cell = columns.get(row, "choices")
    choices = tuple(map(str, _as_list(_parse_json(cell) if isinstance(cell, str) else cell)))
    lead = columns.get(row, "text_pair")
    if lead:
        # SWAG: every ending continues the same half sentence.
        choices = tuple(f"{lead} {choice}" for choice in choices)
    target = label_id(columns.get(row, "label"), tuple(f"LABEL_{index}" for index in range(len(choices))))
    return ChoiceExample(_text(row, columns, "text"), choices, target)


def label_id(cell: object, labels: Sequence[str]) -> int:
    """The id that a cell means: a label's name, or a whole number below the number of labels."""
    if isinstance(cell, str) and cell in labels:
        return labels.index(cell)
    if isinstance(cell, (int, str)) and str(cell).isdecimal() and int(cell) < len(labels):
        return int(cell)
    shown = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
    raise _CellError(f"has the label {str(cell)[:60]!r}, which is not one of {shown}")


def _text(row: Row, columns: Columns, role: str) -> str:
    cell = columns.get(row, role)
    if not isinstance(cell, str):
        raise _CellError(f"has no text in {columns.names[role]}")
    return cell


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise _CellError(f"has {str(cell)[:60]!r} where a number belongs") from None


def _as_list(cell: object) -> list[object]:
    """The items of a list, of a string of words, or the one value itself."""
    if isinstance(cell, (list, tuple)):
        return list(cell)
    if isinstance(cell, str):
        return list(cell.split())
    return [] if cell is None else [cell]


def _parse_json(cell: str) -> object:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise _CellError(f"has {cell[:60]!r}, which is not JSON") from None
