"""The labels of a head that is fine-tuned: the model's own, or those of a new head; never one taken for the other."""

from dataclasses import replace

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError, UsageError, counted
from squeezebert_mobile.tables.cells import is_bracketed
from squeezebert_mobile.tables.columns import Columns
from squeezebert_mobile.tables.files import Table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.labels import Labels, labels_of, numbered, value_of
from squeezebert_mobile.training.options import FinetuneOptions

_SINGLE_LABEL, _MULTI_LABEL = "single_label_classification", "multi_label_classification"
_NEW = "pass --init-head to start a new head"


def new_head(options: FinetuneOptions, table: Table, columns: Columns, config: SqueezeBertConfig) -> SqueezeBertConfig:
    """The config of a head that starts at random: its labels are those asked for, else the data's.

    Lists of labels make a multi-label problem. Raises InputFileError where the data has one label alone.
    """
    config = replace(config, null_threshold=None)  # the head that knew "no answer" is gone
    if not options.task.has_labels:
        return config
    problem: str | None = options.problem_type or (config.problem_type if options.from_scratch else None)
    if problem == "regression":
        return replace(config, id2label=dict(enumerate(options.labels or ("value",))), problem_type=problem)
    seen = labels_of(table, columns, several=problem == _MULTI_LABEL, known=options.labels)
    is_text = options.task is Task.TEXT_CLASSIFICATION
    if problem is None and is_text and seen.several:
        problem = _MULTI_LABEL
    names = options.labels or seen.names
    if len(names) < 2 and is_text and problem != _MULTI_LABEL:
        found, fix = ", ".join(names) or "none", "give rows of another label, or the names with --labels"
        raise InputFileError(table.name, "has not two labels to tell apart", found=found, fix=fix)
    return replace(config, id2label=dict(enumerate(names or config.labels)), problem_type=problem)


def kept_head(options: FinetuneOptions, table: Table, columns: Columns, config: SqueezeBertConfig) -> SqueezeBertConfig:
    """The config of the checkpoint's own head, which is to be trained on.

    Raises UsageError where other labels or another problem are asked for, InputFileError where the data has others.
    """
    if not options.task.has_labels:
        return config
    is_values = options.task is Task.TEXT_CLASSIFICATION and config.is_regression
    own = "regression" if is_values else config.problem_type
    problem = options.problem_type or own
    if own not in (None, problem) or (own is None and problem == "regression"):
        raise UsageError(
            "--problem-type", "is not that of the model's head", found=problem, expected=own or _SINGLE_LABEL, fix=_NEW
        )
    labels, nameless = config.labels, config.labels == numbered(config.num_labels)
    if options.labels and options.labels != labels:
        if not nameless or len(options.labels) != len(labels):
            found, expected = ", ".join(options.labels), ", ".join(labels)
            raise UsageError("--labels", "are not those of the model's head", found=found, expected=expected, fix=_NEW)
        labels = options.labels
    elif problem == "regression":
        _require_values(table, columns)
    elif not options.labels:
        _require_known(table, columns, labels, several=problem == _MULTI_LABEL)
    return replace(config, id2label=dict(enumerate(labels)), problem_type=problem)


def _require_values(table: Table, columns: Columns) -> None:
    """Raise InputFileError where the data has names, and the head gives values."""
    for cell in (columns.get(row, "label") for row in table.rows):
        if isinstance(value_of(cell), str) and not is_bracketed(str(cell).strip()):
            what, fix = "has labels where the model's head gives values", f"{_NEW} on the labels of the data"
            raise InputFileError(table.name, what, found=repr(cell), expected="numbers", fix=fix)


def _require_known(table: Table, columns: Columns, labels: tuple[str, ...], *, several: bool) -> None:
    """Raise InputFileError where the data names other labels than the head, or counts to another number of them.

    Numbers say little: 0 and 1 of one task are not the first two of another's three.
    """
    seen, own = labels_of(table, columns, several=several, known=labels if several else ()), Labels(labels)
    if seen.written and None not in map(own.named, seen.written):
        return
    expected, nameless = ", ".join(labels), labels == numbered(len(labels))
    are_numbers = all(isinstance(value_of(text), (bool, float)) for text in seen.written)
    if not own.has_ids or not (are_numbers or (seen.ids and nameless)):
        unknown = ", ".join(text for text in seen.written if own.named(text) is None)
        what, fix = "has labels that the model's head has not", f"{_NEW} on the labels of the data"
        raise InputFileError(table.name, what, found=unknown, expected=expected, fix=fix)
    if seen.ids > len(labels) or (seen.ids < len(labels) and not nameless):
        what = "numbers its labels, and the model's head has not as many"
        fix = f"name the labels in the data, {_NEW}, or pass --labels {','.join(labels)} to keep this one"
        raise InputFileError(table.name, what, found=counted(seen.ids, "label"), expected=expected, fix=fix)
