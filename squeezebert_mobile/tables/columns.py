"""Which columns play which role for a task."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from squeezebert_mobile.errors import InputFileError, UsageError, counted
from squeezebert_mobile.tables.cells import CellError, as_words, literal, shown
from squeezebert_mobile.tables.files import Row, Table
from squeezebert_mobile.tasks import Task

# Two texts of a row, by the names of public data sets: GLUE, SNLI, BoolQ, WikiQA, MS MARCO, sentence-transformers.
_PAIRS = (
    ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"), ("text1", "text2"),
    ("text_a", "text_b"), ("sentence_A", "sentence_B"), ("anchor", "positive"), ("query", "positive"),
    ("question", "sentence"), ("question", "passage"), ("question", "context"), ("question", "answer"),
    ("query", "passage"), ("query", "document"), ("query", "answer"),
)  # fmt: skip
# What the choices continue, and the half sentence or the question before each: SWAG, HellaSwag, RACE, COPA, LogiQA.
_LEADS = (
    ("sent1", "sent2"), ("ctx_a", "ctx_b"), ("article", "question"), ("passage", "question"), ("context", "question"),
    ("premise", "question"), ("context", "query"),
)  # fmt: skip
_SHAPES = {
    Task.FEATURE_EXTRACTION: _PAIRS,
    Task.TEXT_CLASSIFICATION: _PAIRS,
    Task.MULTIPLE_CHOICE: _LEADS,
}
# Per task, each role with the column names that are looked for unless the user names one or two texts have a shape:
# Hugging Face's task guides, GLUE, SQuAD, CoNLL and SWAG.
_ROLES: dict[Task, dict[str, tuple[str, ...]]] = {
    Task.FEATURE_EXTRACTION: {
        "text": ("text", "sentence", "sentence1", "anchor", "query", "question"),
        "text_pair": ("text_pair", "sentence2", "positive", "answer"),
        "negative": ("negative", "negatives"),
        "score": ("score", "similarity_score", "similarity", "relatedness_score", "label"),
    },
    Task.TEXT_CLASSIFICATION: {
        "text": ("text", "sentence", "sentence1", "question1", "premise", "question", "query"),
        "text_pair": ("text_pair", "sentence2", "question2", "hypothesis"),
        "label": ("label", "labels"),
        "soft_labels": ("soft_labels",),
    },
    Task.TOKEN_CLASSIFICATION: {"tokens": ("tokens", "words"), "tags": ("tags", "ner_tags", "labels")},
    Task.QUESTION_ANSWERING: {
        "question": ("question",),
        "context": ("context",),
        "answers": ("answers", "answer"),
        "answer_text": ("answer_text", "answer"),
        "answer_start": ("answer_start",),
        "is_impossible": ("is_impossible",),
    },
    Task.FILL_MASK: {"text": ("text", "sentence")},
    Task.MULTIPLE_CHOICE: {
        "text": (
            "text",
            "sent1",
            "prompt",
            "ctx",
            "context",
            "question",
            "question_stem",
            "premise",
            "goal",
            "sentence",
        ),
        "text_pair": ("text_pair", "sent2"),
        "choices": ("choices", "endings", "options", "answers", "candidates"),
        "label": ("label", "answer", "answerKey", "answer_key", "correct_option"),
    },
}
_OPTIONAL = {"text_pair", "negative", "score", "soft_labels", "answers", "answer_text", "answer_start", "is_impossible"}
# What training and evaluation read beside the texts.
_TARGETS = {
    "label",
    "negative",
    "score",
    "soft_labels",
    "tags",
    "answers",
    "answer_text",
    "answer_start",
    "is_impossible",
}
# Roles that several columns may share: one a choice, or one of 0 and 1 a label.
_SHARED = {"choices", "label", "negative"}
# Columns of a hard negative each, as sentence-transformers mines them.
_NEGATIVE = re.compile("negative[_-]?[0-9]+")
# Columns of a choice each: ending0, choice_1, optionA, sol1; the letters alone in capitals.
_CHOICE = re.compile(r"((?i:ending|choice|option|answer|candidate|sol|op))[ _-]?([0-9]|[A-Ha-h])|()([A-H])")


@dataclass(frozen=True)
class Columns:
    """Which columns play which role for a task, several for a role that they share; built by `find_columns`.

    ``absent`` are columns that would play one if they were there.
    """

    task: Task
    names: Mapping[str, tuple[str, ...]]
    absent: frozenset[str] = frozenset()

    def get(self, row: Row, role: str) -> object:
        """The cell of a role, a list of cells where columns share it, None where no column plays it."""
        names = self.names.get(role, ())
        return [row.get(name) for name in names] if self.shared(role) else row.get(names[0]) if names else None

    def require_known(self, row: Row) -> None:
        """Raise CellError for a row of a stream with a column that has a role, and that the first rows had not."""
        if late := self.absent & row.keys():
            raise CellError(f"has the column {min(late)}, which the first rows lack; give it to all of them")

    def shared(self, role: str) -> bool:
        """True where the role's cells stand in several columns."""
        return len(self.names.get(role, ())) > 1

    @property
    def are_lettered(self) -> bool:
        """True where each choice has a column that is called by its letter, answerA or B."""
        found = [_CHOICE.fullmatch(name) for name in self.names.get("choices", ())]
        return bool(found) and all(match is not None and (match[2] or match[4]).isalpha() for match in found)

    def text(self, row: Row, role: str) -> str:
        """The text of a role. Raises CellError where the cell holds none."""
        cell = self.get(row, role)
        if not isinstance(cell, str):
            raise CellError(f"has no text in {self.names[role][0]}")
        return cell

    def text_pair(self, row: Row) -> str | None:
        """The second text, None where the row has none: an empty cell is what CSV has for nothing."""
        return self.text(row, "text_pair") if self.get(row, "text_pair") not in (None, "") else None


@dataclass(frozen=True)
class Choices:
    """What a row offers: the texts, what an answer calls them, empty where nothing does, and the words before each."""

    texts: tuple[str, ...]
    names: tuple[str, ...]
    lead: str | None

    @property
    def continued(self) -> tuple[str, ...]:
        """The texts with the words before them."""
        return self.texts if self.lead is None else tuple(f"{self.lead} {text}" for text in self.texts)


def choices_of(row: Row, columns: Columns) -> Choices:
    """The texts to choose from. Raises CellError where there are not two or more."""
    cell = columns.get(row, "choices")
    match literal(cell.strip()) if isinstance(cell, str) else cell:
        # ARC and CommonsenseQA, as `datasets` has them and as they were published.
        case {"text": texts, "label": names}:
            pass
        case [{"text": _, "label": _}, *_] as choices:
            texts, names = ([_entry(choice, key) for choice in choices] for key in ("text", "label"))
        case found:
            texts, names = found, _names(columns)
    texts, names = tuple(as_words(texts)), tuple(as_words(names))
    if len(texts) < 2:
        raise CellError(f"has {counted(len(texts), 'choice')}: two or more are needed")
    if names and len(names) != len(texts):
        raise CellError(f"has {counted(len(texts), 'choice')} and {counted(len(names), 'name')} of them")
    return Choices(texts, names, columns.text_pair(row))


def _entry(choice: object, key: str) -> object:
    if not isinstance(choice, Mapping):
        raise CellError(f"has the choice {shown(choice)}, which has no {key}")
    return choice.get(key)


def _names(columns: Columns) -> list[str]:
    """What an answer calls choices in columns of their own: option1 is 1 for an answer; a label counts from 0."""
    found = [_CHOICE.fullmatch(name) for name in columns.names["choices"]]
    if columns.names.get("label") in (None, ("label",)) or None in found:
        return []
    return [match[2] or match[4] for match in found if match]


def find_columns(
    table: Table,
    task: Task,
    chosen: Iterable[tuple[str, str]] = (),
    *,
    labels: Sequence[str] = (),
    with_targets: bool = True,
) -> Columns:
    """The columns of a table for ``task``: those that the user chose by role, else the usual names.

    A role is given to several columns as ``NAME,NAME`` or one by one. Where no column has a usual name for the label,
    columns of 0 and 1 that are named as all of ``labels`` have it. Without targets the texts are enough. Raises
    UsageError for a role that the task lacks, InputFileError for a column that the table lacks.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for role, value in chosen:
        names = (value,) if value in table.columns else tuple(name.strip() for name in value.split(","))
        wanted[role] = (*wanted.get(role, ()), *names)
    roles = {role: usual for role, usual in _ROLES[task].items() if with_targets or role not in _TARGETS}
    has_words = "tokens" in wanted or bool(set(roles.get("tokens", ())) & set(table.columns))
    if task is Task.TOKEN_CLASSIFICATION and not with_targets and not has_words:
        roles = _ROLES[Task.FILL_MASK]  # a text is tagged as its words are
    for role in wanted.keys() - roles.keys():
        raise UsageError("--column", f"{task} has no {role} here", expected=", ".join(roles), fix=f"drop {role}=")
    taken = {name for names in wanted.values() for name in names}
    shape = {} if {"text", "text_pair"} & {*wanted, *table.columns} else _shape(table, task, taken, labels)
    found: dict[str, tuple[str, ...]] = {}
    for role, usual in roles.items():
        if role in wanted:
            present = _chosen(table, role, wanted[role])
        else:
            present = shape.get(role) or _usual(table, role, usual, labels)
        compares = with_targets and task is Task.FEATURE_EXTRACTION and role == "text_pair"
        if present:
            found[role] = present
        elif role not in _OPTIONAL or compares:
            _refuse(table, role, usual)
    absent = {name for role, usual in roles.items() if role not in found for name in usual}
    return Columns(task, found, frozenset(absent - set(table.columns)))


def has_targets(role: str) -> bool:
    """True for a role of what is to be learned, false for one of texts."""
    return role in _TARGETS


def require_scores(table: Table, columns: Columns) -> None:
    """Raise InputFileError for pairs of texts that nothing is measured by: neither scores nor hard negatives."""
    if columns.task is Task.FEATURE_EXTRACTION and not {"score", "negative"} & columns.names.keys():
        _refuse(table, "score", _ROLES[columns.task]["score"])


def _chosen(table: Table, role: str, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in table.columns:
            _refuse(table, role, (name,))
    if len(names) > 1 and role not in _SHARED:
        raise UsageError("--column", f"gives {role} several columns", found=", ".join(names), fix="name one of them")
    return names


def _shape(table: Table, task: Task, taken: set[str], labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The columns of two texts that belong together; one of labels is no text."""
    for first, second in _SHAPES.get(task, ()):
        free = {first, second} <= set(table.columns) - taken
        if free and not all(str(row.get(second)).strip() in labels for row in table.rows):
            return {"text": (first,), "text_pair": (second,)}
    return {}


def _usual(table: Table, role: str, usual: tuple[str, ...], labels: Sequence[str]) -> tuple[str, ...]:
    present = tuple(name for name in usual if name in table.columns)[:1]
    if not present and role == "choices":
        return _numbered(table)
    if role == "negative":
        return (*present, *(name for name in table.columns if _NEGATIVE.fullmatch(name)))
    if not present and role == "label" and labels and all(label in table.columns for label in labels):
        return tuple(labels)
    return present


def _numbered(table: Table) -> tuple[str, ...]:
    """ending0, ending1 and so on, as SWAG has them, or A, B and so on."""
    series: dict[str, dict[int, str]] = {}
    for name in table.columns:
        if match := _CHOICE.fullmatch(name):
            sign = match[2] or match[4]
            place = int(sign) if sign.isdigit() else ord(sign.upper()) - ord("A")
            series.setdefault((match[1] or "").lower(), {})[place] = name
    for found in series.values():
        places = sorted(found)
        if len(places) > 1 and places[0] in (0, 1) and places[-1] - places[0] == len(places) - 1:
            return tuple(found[place] for place in places)
    return ()


def _refuse(table: Table, role: str, candidates: Sequence[str]) -> None:
    found, expected = ", ".join(table.columns), " or ".join(candidates)
    fix = f"pass --column {role}=NAME; a .csv or .tsv starts with a line of the names"
    if role == "tokens":
        fix += ", and a file of a token and its tag a line is a .conll"
    raise InputFileError(table.name, f"has no column for {role}", found=found, expected=expected, fix=fix)
