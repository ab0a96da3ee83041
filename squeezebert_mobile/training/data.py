"""Labelled rows as typed examples of a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.tables.cells import CellError, as_list, number, parse_json
from squeezebert_mobile.tables.columns import Columns
from squeezebert_mobile.tables.files import Row, Table
from squeezebert_mobile.tasks import Task


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
        seen.update(map(str, as_list(cell)) if role == "tags" or isinstance(cell, list) else (str(cell),))
    if all(label.isdecimal() for label in seen):
        return tuple(f"LABEL_{index}" for index in range(max(map(int, seen)) + 1))
    return tuple(sorted(seen))


def examples(table: Table, columns: Columns, config: SqueezeBertConfig) -> tuple[Example, ...]:
    """Every row as an example of the task, labels by the names or ids that ``config`` has.

    Raises InputFileError with the row's number for a cell that does not fit.
    """
    result: list[Example] = []
    for index, row in enumerate(table.rows, 1):
        try:
            result.append(_example(row, columns, config))
        except CellError as error:
            raise InputFileError(f"{table.name} row {index}", error.what, fix="correct that row") from None
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


def _text_example(row: Row, columns: Columns, config: SqueezeBertConfig) -> TextExample:
    text = _text(row, columns, "text")
    pair = _text(row, columns, "text_pair") if "text_pair" in columns.names else None
    if columns.task is Task.FILL_MASK:
        return TextExample(text, pair)
    soft = tuple(map(number, as_list(columns.get(row, "soft_labels")))) if "soft_labels" in columns.names else None
    if soft is not None and len(soft) != config.num_labels:
        raise CellError(f"has {len(soft)} soft labels, not {config.num_labels}")
    return TextExample(text, pair, _target(columns.get(row, "label"), config), soft)


def _target(cell: object, config: SqueezeBertConfig) -> int | tuple[float, ...]:
    if config.problem_type == "regression":
        values = tuple(map(number, as_list(cell)))
        if len(values) != config.num_labels:
            raise CellError(f"has {len(values)} values, not {config.num_labels}")
        return values
    if config.problem_type == "multi_label_classification":
        chosen = {label_id(label, config.labels) for label in as_list(cell)}
        return tuple(float(index in chosen) for index in range(config.num_labels))
    return label_id(cell, config.labels)


def _tagged_example(row: Row, columns: Columns, config: SqueezeBertConfig) -> TaggedExample:
    tokens = tuple(map(str, as_list(columns.get(row, "tokens"))))
    tags = tuple(label_id(tag, config.labels) for tag in as_list(columns.get(row, "tags")))
    if len(tokens) != len(tags) or not tokens:
        raise CellError(f"has {len(tokens)} tokens and {len(tags)} tags")
    return TaggedExample(tokens, tags)


def _question_example(row: Row, columns: Columns) -> QuestionExample:
    question, context = _text(row, columns, "question"), _text(row, columns, "context")
    answers = columns.get(row, "answers")
    if isinstance(answers, str):
        answers = parse_json(answers)
    if isinstance(answers, Mapping):
        texts, starts = as_list(answers.get("text")), as_list(answers.get("answer_start"))
    elif "answer_text" in columns.names and "answer_start" in columns.names:
        texts, starts = [columns.get(row, "answer_text")], [columns.get(row, "answer_start")]
    else:
        raise CellError("has neither answers {text, answer_start} nor answer_text and answer_start")
    if len(texts) != len(starts):
        raise CellError(f"has {len(texts)} answers and {len(starts)} starts")
    pairs = [(str(text), int(number(start))) for text, start in zip(texts, starts, strict=True)]
    for text, start in pairs:
        if context[start : start + len(text)] != text:
            raise CellError(f"has the answer {text[:60]!r}, which is not in the context at {start}")
    return QuestionExample(question, context, tuple(text for text, _ in pairs), tuple(start for _, start in pairs))


def _choice_example(row: Row, columns: Columns) -> ChoiceExample:
    cell = columns.get(row, "choices")
    choices = tuple(map(str, as_list(parse_json(cell) if isinstance(cell, str) else cell)))
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
    raise CellError(f"has the label {str(cell)[:60]!r}, which is not one of {shown}")


def _text(row: Row, columns: Columns, role: str) -> str:
    cell = columns.get(row, role)
    if not isinstance(cell, str):
        raise CellError(f"has no text in {columns.names[role]}")
    return cell
