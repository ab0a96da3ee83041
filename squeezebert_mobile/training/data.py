"""Labelled rows as typed examples of a task."""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.console import to_json
from squeezebert_mobile.errors import InputFileError, UsageError, counted
from squeezebert_mobile.parts import Counted
from squeezebert_mobile.tables.cells import CellError, as_list, as_words, is_bracketed, literal, number, shown
from squeezebert_mobile.tables.columns import Choices, Columns, choices_of
from squeezebert_mobile.tables.files import Row, Table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.labels import Labels, are_vectors, is_binary, value_of


@dataclass(frozen=True)
class TextExample:
    """A text or a pair; ``target`` is a label id, a value per label, or None; ``soft`` a teacher's logits [labels]."""

    text: str
    text_pair: str | None = None
    target: int | tuple[float, ...] | None = None
    soft: tuple[float, ...] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text of the example, for a new vocabulary."""
        return (self.text, self.text_pair or "")


@dataclass(frozen=True)
class TaggedExample:
    """Words, each with the id of its tag."""

    tokens: tuple[str, ...]
    tags: tuple[int, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The words in a row."""
        return (" ".join(self.tokens),)


@dataclass(frozen=True)
class QuestionExample:
    """A question with every accepted answer; starts count code points of the context; no answers: unanswerable."""

    question: str
    context: str
    answers: tuple[str, ...]
    starts: tuple[int, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Question and context."""
        return (self.question, self.context)


@dataclass(frozen=True)
class ChoiceExample:
    """A text with its possible continuations and the index of the right one."""

    text: str
    choices: tuple[str, ...]
    target: int

    @property
    def texts(self) -> tuple[str, ...]:
        """The text and its continuations."""
        return (self.text, " ".join(self.choices))


@dataclass(frozen=True)
class PairExample:
    """Two texts that belong together, and others near them that do not; or two, with a score of how alike they are."""

    text: str
    text_pair: str
    score: float | None = None
    negatives: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them."""
        return (self.text, self.text_pair, *self.negatives)


Example = TextExample | TaggedExample | QuestionExample | ChoiceExample | PairExample


@dataclass(frozen=True)
class Texts:
    """Every text of examples that is not empty."""

    examples: Iterable[Example]

    def __iter__(self) -> Iterator[str]:
        return (text for example in self.examples for text in example.texts if text)


class Digested(Counted[Example]):
    """Examples as they are read, with their number and their digest so far."""

    def __init__(self, items: Iterable[Example]) -> None:
        super().__init__(items)
        self._digest = hashlib.sha256()

    def __iter__(self) -> Iterator[Example]:
        for example in super().__iter__():
            self._digest.update(f"{to_json(example)}\n".encode())
            yield example

    def hexdigest(self) -> str:
        """SHA-256 of the examples as JSON lines: that of the data, whatever format or column names hold them."""
        return self._digest.hexdigest()

    @property
    def facts(self) -> Mapping[str, object]:
        """What is known of all examples once they are read."""
        return {"data_sha256": self.hexdigest()}


def digest(examples: Sequence[Example]) -> str:
    """The digest of examples that are there."""
    read = Digested(examples)
    deque(read, maxlen=0)
    return read.hexdigest()


@dataclass(frozen=True)
class Examples:
    """`stream`, which each loop reads anew."""

    table: Table
    columns: Columns
    config: SqueezeBertConfig

    def __iter__(self) -> Iterator[Example]:
        return stream(self.table, self.columns, self.config)


def examples(table: Table, columns: Columns, config: SqueezeBertConfig) -> tuple[Example, ...]:
    """All of `stream`."""
    return tuple(stream(table, columns, config))


def stream(table: Table, columns: Columns, config: SqueezeBertConfig) -> Iterator[Example]:
    """Every row as an example of the task, labels by the names or ids that ``config`` has.

    Raises InputFileError with the row's number for a cell that does not fit.
    """
    read = _reader(table, columns, config)

    def known(row: Row) -> Example:
        columns.require_known(row)
        return read(row)

    found = table.stream(known)
    return _alike(table, found) if columns.task is Task.FEATURE_EXTRACTION else found


def _reader(table: Table, columns: Columns, config: SqueezeBertConfig) -> Callable[[Row], Example]:
    match columns.task:
        case Task.TOKEN_CLASSIFICATION:
            labels = _labels(table, columns, "tags", config)
            return lambda row: _tagged_example(row, columns, labels)
        case Task.QUESTION_ANSWERING:
            return lambda row: _question_example(row, columns)
        case Task.MULTIPLE_CHOICE:
            first = _first_place(table, columns)
            return lambda row: _choice_example(row, columns, first)
        case Task.FEATURE_EXTRACTION:
            return lambda row: _pair_example(row, columns)
        case Task.FILL_MASK:
            return lambda row: TextExample(columns.text(row, "text"))
    target = _target(table, columns, config)
    return lambda row: _text_example(row, columns, config, target(row))


def _alike(table: Table, found: Iterator[Example]) -> Iterator[Example]:
    """A batch is one array: raise InputFileError for the first row with another number of negatives."""
    first = None
    for index, example in enumerate(found, 1):
        assert isinstance(example, PairExample)
        own = len(example.negatives)
        first = own if first is None else first
        if own != first:
            what = "has another number of negatives than row 1"
            fix = "give all rows as many, or leave the others out"
            raise InputFileError(f"{table.name} row {index}", what, found=own, expected=first, fix=fix)
        yield example


def _labels(table: Table, columns: Columns, role: str, config: SqueezeBertConfig) -> Labels:
    return Labels(config.labels, table.class_names.get(columns.names[role][0], ()))


def _text_example(
    row: Row, columns: Columns, config: SqueezeBertConfig, target: int | tuple[float, ...]
) -> TextExample:
    soft = tuple(map(number, as_list(columns.get(row, "soft_labels")))) if "soft_labels" in columns.names else None
    if soft is not None and len(soft) != config.num_labels:
        raise CellError(f"has {counted(len(soft), 'soft label')}, not {config.num_labels}")
    return TextExample(columns.text(row, "text"), columns.text_pair(row), target, soft)


def _target(table: Table, columns: Columns, config: SqueezeBertConfig) -> Callable[[Row], int | tuple[float, ...]]:
    """What reads the target of a row, as the problem type has it."""
    labels = _labels(table, columns, "label", config)
    if config.is_regression:
        return lambda row: _values(columns.get(row, "label"), config.num_labels)
    if config.problem_type == "multi_label_classification":
        if set(columns.names["label"]) & set(config.labels) or columns.shared("label"):
            return _marked(columns, labels)
        return _several(table, columns, labels)
    return lambda row: _one(labels.listed(columns.get(row, "label")), labels)


def _values(cell: object, count: int) -> tuple[float, ...]:
    values = tuple(map(number, as_list(cell)))
    if len(values) != count:
        raise CellError(f"has {counted(len(values), 'value')}, not {count}")
    return values


def _one(cell: object, labels: Labels) -> int:
    if isinstance(cell, list) or len(labels.parted(cell) or ()) > 1:
        raise CellError(f"has the list {shown(cell)} where one label belongs; several are a multi-label problem")
    return labels.id(cell)


def _several(table: Table, columns: Columns, labels: Labels) -> Callable[[Row], tuple[float, ...]]:
    """Lists of labels; or lists of 0 and 1 for each label, where every row has such a list."""
    count = len(labels.names)
    vectors = binary = True
    for items in table.stream(lambda row: labels.items(columns.get(row, "label"))):
        vectors = vectors and are_vectors([items], count)
        binary = binary and all(map(is_binary, items))
    # Where nothing but 0 and 1 occurs, two of them may be ids or a vector that is too short.
    most = 1 if labels.has_ids and binary else count

    def read(row: Row) -> tuple[float, ...]:
        items = labels.items(columns.get(row, "label"))
        return tuple(float(value_of(item) or 0) for item in items) if vectors else _vector(items, labels, most)

    return read


def _vector(items: list[object], labels: Labels, most: int) -> tuple[float, ...]:
    ids = [labels.id(item) for item in items]
    if len(set(ids)) < len(ids) or len(ids) > most:
        what = f"has {shown(items)}, which are neither different labels nor 0 or 1 for each of {len(labels.names)}"
        raise CellError(what)
    return tuple(float(index in ids) for index in range(len(labels.names)))


def _marked(columns: Columns, labels: Labels) -> Callable[[Row], tuple[float, ...]]:
    """0 or 1 in a column of each label."""
    names = columns.names["label"]
    if sorted(names) != sorted(labels.names):
        found, expected = ", ".join(names), ", ".join(labels.names)
        fix = f"pass --column label={','.join(labels.names)}"
        raise UsageError("--column", "needs a column for each label", found=found, expected=expected, fix=fix)
    return lambda row: tuple(_mark(row.get(name), name) for name in labels.names)


def _mark(cell: object, name: str) -> float:
    if not is_binary(cell):
        raise CellError(f"has {shown(cell)} in {name}, where 0 or 1 belongs")
    return float(value_of(cell) or 0)


def _tagged_example(row: Row, columns: Columns, labels: Labels) -> TaggedExample:
    tokens = tuple(as_words(columns.get(row, "tokens")))
    tags = tuple(map(labels.id, labels.items(columns.get(row, "tags"))))
    if len(tokens) != len(tags) or not tokens:
        raise CellError(f"has {counted(len(tokens), 'token')} and {counted(len(tags), 'tag')}")
    return TaggedExample(tokens, tags)


def _question_example(row: Row, columns: Columns) -> QuestionExample:
    question, context = columns.text(row, "question"), columns.text(row, "context")
    impossible = value_of(columns.get(row, "is_impossible")) in (True, 1.0)
    answers = [] if impossible else [answer for answer in _answers(row, columns) if answer[0]]
    for text, start in answers:
        if start < 0 or context[start : start + len(text)] != text:
            raise CellError(f"has the answer {shown(text)}, which is not in the context at {start}")
    return QuestionExample(question, context, tuple(text for text, _ in answers), tuple(start for _, start in answers))


def _answers(row: Row, columns: Columns) -> list[tuple[str, int]]:
    """Every answer with its start, from SQuAD's list of objects, `datasets`' object of lists, or two plain columns."""
    cell: Any = columns.get(row, "answers")
    if isinstance(cell, str) and is_bracketed(cell.strip()):
        cell = literal(cell.strip())
    match cell:
        case {"text": texts, "answer_start": starts}:
            pass
        case [{"text": _, "answer_start": _}, *_]:
            texts, starts = ([answer.get(key) for answer in cell] for key in ("text", "answer_start"))
        case str() | [str(), *_] if cell and "answer_start" in columns.names:
            texts, starts = cell, columns.get(row, "answer_start")
        case None | "" if "answer_text" in columns.names and "answer_start" in columns.names:
            texts, starts = columns.get(row, "answer_text"), columns.get(row, "answer_start")
        case [] | None | "" if "answers" in columns.names:
            return []
        case _:
            raise CellError("has neither answers {text, answer_start} nor answer_text and answer_start")
    texts, starts = (value if isinstance(value, list) else [value] for value in (texts, starts))
    if len(texts) != len(starts):
        raise CellError(f"has {counted(len(texts), 'answer')} and {counted(len(starts), 'start')}")
    return [(str(text), _whole(start)) for text, start in zip(texts, starts, strict=True) if text not in (None, "")]


def _whole(cell: object) -> int:
    value = number(cell)
    if not value.is_integer():
        raise CellError(f"has {shown(cell)} where a whole number belongs")
    return int(value)


def _pair_example(row: Row, columns: Columns) -> PairExample:
    has_negatives = "negative" in columns.names
    if has_negatives and "score" in columns.names:
        raise CellError("has a score and a negative, of which one says what to learn")
    score = number(columns.get(row, "score")) if "score" in columns.names else None
    negatives = _negatives(columns.get(row, "negative")) if has_negatives else ()
    return PairExample(columns.text(row, "text"), columns.text(row, "text_pair"), score, negatives)


def _negatives(cell: object) -> tuple[str, ...]:
    """The hard negatives in a cell or in several: a text by itself, or a list of them."""
    listed = literal(cell.strip()) if isinstance(cell, str) and is_bracketed(cell.strip()) else cell
    texts = listed if isinstance(listed, list) else [listed]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise CellError("has a negative without text")
    return tuple(map(str, texts))


def _choice_example(row: Row, columns: Columns, first: int) -> ChoiceExample:
    choices = choices_of(row, columns)
    right = _right(columns.get(row, "label"), choices, first)
    return ChoiceExample(columns.text(row, "text"), choices.continued, right)


def _first_place(table: Table, columns: Columns) -> int:
    """What numbers count the first choice as: 0, unless no row has a 0 and one has the number of its choices.

    Of lettered choices, as those of SocialIQA, it is 1 unless a row has a 0.
    """
    from_one = columns.are_lettered
    for cell, choices in table.stream(lambda row: (columns.get(row, "label"), choices_of(row, columns))):
        value = value_of(cell) if _named(cell, choices) is None else None
        if value == 0:
            return 0
        from_one = from_one or value == len(choices.texts)
    return int(from_one)


def _named(cell: object, choices: Choices) -> int | None:
    """The place of the choice that an answer calls by its own name, 1 and 1.0 and "1" being one."""
    return Labels(choices.names).named(cell)


def _right(cell: object, choices: Choices, first: int) -> int:
    """The place of the right choice: by its own name, by its number from ``first``, by its letter, or by its text."""
    if (named := _named(cell, choices)) is not None:
        return named
    written, places = str(cell).strip(), range(len(choices.texts))
    if not isinstance(value := value_of(cell), str):
        if any(isinstance(value_of(name), float) for name in choices.names):
            raise CellError(f"has the answer {shown(cell)}, which is none of {', '.join(choices.names)}")
        if value is None or value - first not in places:
            last = first + places[-1]
            raise CellError(f"has the answer {shown(cell)}, where a place from {first} to {last} belongs")
        return int(value - first)
    letter = re.fullmatch(r"\(?([A-Za-z])[.)]?", written)
    at = ord(letter[1].upper()) - ord("A") if letter else -1
    found = {at} & set(places) if not choices.names else set()
    found |= {place for place, text in enumerate(choices.texts) if text.strip() == written}
    if len(found) != 1:
        what = "is more than one of the choices" if found else "is none of the choices, nor a place among them"
        raise CellError(f"has the answer {shown(cell)}, which {what}")
    return found.pop()
