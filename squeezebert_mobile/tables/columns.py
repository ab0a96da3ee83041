"""Which column plays which role for a task."""

from collections.abc import Mapping
from dataclasses import dataclass

from squeezebert_mobile.errors import InputFileError, UsageError
from squeezebert_mobile.tables.files import Row, Table
from squeezebert_mobile.tasks import Task

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
