"""What a command can refuse before torch is imported: targets, missing files, columns and packages.

The libraries check all of it again; here a mistake costs no time.
"""

from pathlib import Path

from squeezebert_mobile import atomic, extras
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.tables.columns import find_columns, has_targets
from squeezebert_mobile.tables.files import DATA_SUFFIXES, TABLE_SUFFIXES, read_table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.options import EvaluateOptions, FinetuneOptions, is_finetuned


def export(options: ExportOptions) -> None:
    """Raise EnvironmentFault for a target that cannot be written, InputFileError for a missing file."""
    atomic.require_replaceable(options.output_dir, may_replace=bundles.is_bundle, force=options.force)
    if options.archive is not None:
        archive.require_free(options.archive, force=options.force)
        atomic.require_writable(options.archive)
    _require_files(options.golden, options.calibration, options.trim_vocab, options.sign_key, options.data)


def finetune(options: FinetuneOptions) -> None:
    """Raise EnvironmentFault for a target or a package, InputFileError for a missing file, or one without a text."""
    extras.require("finetune")
    atomic.require_replaceable(options.output_dir, may_replace=is_finetuned, force=options.force)
    _require_files(options.data, options.eval_data, options.from_scratch)
    for data in (options.data, options.eval_data):
        _require_texts(data, options.task, options.columns)


def evaluate(options: EvaluateOptions) -> None:
    """Raise EnvironmentFault for a package, InputFileError for a missing file, or one without a text."""
    extras.require("finetune")
    _require_files(options.data)
    if options.task is not None:
        _require_texts(options.data, options.task, options.columns)


def _require_files(*paths: str | Path | None) -> None:
    """Raise InputFileError for a file that is not there; a name without such a suffix may be a data set's."""
    for path in paths:
        is_file = isinstance(path, Path) or (path is not None and Path(path).suffix.lower() in DATA_SUFFIXES)
        if path is not None and is_file and not Path(path).exists():
            raise InputFileError(path, "is no such file", fix="check the path")


def _require_texts(data: str | None, task: Task, chosen: tuple[tuple[str, str], ...]) -> None:
    """Raise InputFileError for a file without the columns that hold texts; those of labels depend on the model."""
    if data is None or Path(data).suffix.lower() not in TABLE_SUFFIXES or task is Task.TOKEN_CLASSIFICATION:
        return
    texts = [(role, name) for role, name in chosen if not has_targets(role)]
    find_columns(read_table(data, task, limit=1), task, texts, with_targets=False)
