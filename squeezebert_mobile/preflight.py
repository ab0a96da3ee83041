"""What a command can refuse before torch is imported: targets, options, the headers of files, packages, room.

The libraries check all of it again, with the same functions; here a mistake costs no time.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from squeezebert_mobile import atomic, extras
from squeezebert_mobile.benchmarks import candidates, peers
from squeezebert_mobile.benchmarks.benchmark import require_consistent
from squeezebert_mobile.benchmarks.options import BenchmarkOptions, ReproduceOptions, require_phone
from squeezebert_mobile.bundle import archive, signing
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.checkpoint.described import look
from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.export import plan, subject, texts
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.xnnpack.release import require_release
from squeezebert_mobile.files import MAX_BYTES, require_plain
from squeezebert_mobile.tables.columns import find_columns, has_targets, require_scores
from squeezebert_mobile.tables.files import DATA_SUFFIXES, TABLE_SUFFIXES, Table, read_table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training import chosen
from squeezebert_mobile.training.options import (
    EvaluateOptions,
    FinetuneOptions,
    RankOptions,
    about_teacher,
    is_finetuned,
    row_length,
)

# What training keeps beside the weights: gradients' two moments and the best weights, each twice while it is saved.
_TRAINING = 8
Asked = Sequence[tuple[str, str]]

# Rows of a file that are looked at: objects may leave out what they have not.
_ROWS = 50


def export(options: ExportOptions) -> None:
    """Raise for a target, an option, a file or a checkpoint that `pipeline.export` would refuse."""
    if "executorch" in options.runtimes:
        require_release()
    if "coreai" in options.runtimes:
        extras.require("coreai")
    atomic.require_replaceable(options.output_dir, may_replace=bundles.is_bundle, force=options.force)
    if options.archive is not None:
        archive.require_free(options.archive, force=options.force)
        atomic.require_writable(options.archive)
    if options.sensitivity is not None:
        atomic.require_writable(options.sensitivity)
    _require_files(options.golden, options.calibration, options.trim_vocab, options.sign_key, options.data)
    if options.sign_key is not None:
        extras.require("sign")
    described = look(options.source, options)
    if described is None:
        return
    asked = subject.describe(options, described)
    for file in (options.calibration, options.trim_vocab):
        if file is not None:
            texts.require_rows(file, asked.task)
    _require_columns(options.data, asked.task, options.columns, described.config.labels, scores=True)
    if options.sign_key is not None:
        signing.require_private_key(options.sign_key)
    sizes = [plan.file_bytes(options, described.config, precision) for _, precision in plan.files(options)]
    atomic.require_room(options.output_dir, sum(sizes) * (1 if options.archive is None else 2))


def finetune(options: FinetuneOptions) -> None:
    """Raise for a target, a package, a file or a checkpoint that `finetune.finetune` would refuse."""
    extras.require("finetune")
    atomic.require_replaceable(options.output_dir, may_replace=is_finetuned, force=options.force)
    options.require_resumable()
    _require_files(options.data, options.eval_data, options.from_scratch)
    described = None if options.model is None else look(options.model, options)
    if options.teacher is not None:
        with about_teacher():
            taught = look(options.teacher, options.reading_teacher())
        if taught is not None:
            options.require_fitting(taught)
        if options.makes_student:
            described = taught
    if options.from_scratch is not None:
        config = SqueezeBertConfig.from_json_file(options.from_scratch)
    elif described is not None:
        config = described.config
        described.tokenizer()
    else:
        _require_texts(options.data, options.task, options.columns)
        _require_texts(options.eval_data, options.task, options.columns)
        return
    is_new = options.init_head or described is None or described.task not in (None, options.task)
    labels = options.labels or (() if is_new else config.labels)
    _require_columns(options.data, options.task, options.columns, labels)
    _require_columns(options.eval_data, options.task, options.columns, labels, scores=True)
    row_length(options.max_length, config.max_position_embeddings)
    atomic.require_room(options.output_dir, 4 * config.body_parameters * _TRAINING)


def rank(options: RankOptions) -> None:
    """Raise for a target, a package, a file or a checkpoint that `rank.rank` would refuse."""
    extras.require("finetune")
    if options.output is not None:
        atomic.require_writable(options.output)
    _require_files(options.data)
    described = look(options.source, options)
    if described is None:
        return
    task, _ = chosen.task_of(options.source, described, options.task, options.pooling)
    described.tokenizer()
    row_length(options.max_length, described.config.max_position_embeddings)
    _require_columns(options.data, task, options.columns, described.config.labels, scores=True)


def evaluate(options: EvaluateOptions) -> None:
    """Raise for a package, a file, a bundle or a checkpoint that `evaluate.evaluate` would refuse."""
    extras.require("finetune")
    _require_files(options.data)
    source = Path(options.source)
    if archive.is_bundle(source):
        with archive.opened(source) as bundle:
            chosen.artifacts(options, bundle)
            other = None if options.model is None else look(options.model, options)
            if other is not None:
                chosen.require_same_model(other, bundle, str(options.model))
            task, labels = bundle.manifest.task, bundle.manifest.labels
    else:
        chosen.require_torch_alone(options)
        described = look(source, options)
        if described is None:
            return
        task, _ = chosen.task_of(str(source), described, options.task, options.pooling)
        labels = described.config.labels
        described.tokenizer()
    chosen.require_task(options, task)
    _require_columns(options.data, task, options.columns, labels, scores=True)


def benchmark(options: BenchmarkOptions) -> None:
    """Raise for an option, a package, a bundle or a checkpoint that `benchmark.benchmark` would refuse."""
    require_consistent(options)
    _require_files(options.texts)
    if found := peers.parse(options.peers):
        extras.require("benchmark")
        for weights in filter(None, found.values()):
            peers.size_of(weights, "vocab_size")
    with ExitStack() as stack:
        for path in options.bundles:
            opened = stack.enter_context(archive.opened(path))
            candidates.from_bundle(opened, runtimes=options.runtimes, precisions=options.precisions)
    for folder in options.checkpoints:
        look(folder, options.reading())


def reproduce(options: ReproduceOptions) -> None:
    """Raise for a package, a bundle or an option that `paper.reproduce` would refuse."""
    require_phone(options.device, options.cool_down)
    extras.require("benchmark")
    if options.bundle is not None:
        with archive.opened(options.bundle) as opened:
            candidates.from_bundle(opened, runtimes=("onnx",))


def info(source: Path, how: ReadOptions) -> None:
    """Raise for a checkpoint that `info.info` would refuse."""
    if not archive.is_bundle(source):
        look(source, how)


def _require_files(*paths: str | Path | None) -> None:
    """Raise InputFileError for a file that is not there; a name without such a suffix may be a data set's.

    What is no name of data is to be a file, which can be read more than once and has an end.
    """
    for path in paths:
        is_file = isinstance(path, Path) or (path is not None and Path(path).suffix.lower() in DATA_SUFFIXES)
        if path is not None and is_file and not Path(path).exists():
            raise InputFileError(path, "is no such file", fix="check the path")
        if isinstance(path, Path):
            require_plain(path, max_bytes=MAX_BYTES)


def _require_columns(
    data: str | None, task: Task, asked: Asked, labels: Sequence[str], *, scores: bool = False
) -> None:
    """Raise InputFileError for a file that cannot be read, or without the columns of ``task``, as ``labels`` may be.

    With ``scores`` pairs of texts need theirs.
    """
    table = _table(data, task)
    if table is None:
        return
    columns = find_columns(table, task, asked, labels=labels)
    if scores:
        require_scores(table, columns)


def _require_texts(data: str | None, task: Task, asked: Asked) -> None:
    """Raise InputFileError for a file without the columns that hold texts; those of labels depend on the model."""
    table = _table(data, task)
    if table is not None and task is not Task.TOKEN_CLASSIFICATION:
        find_columns(table, task, [(role, name) for role, name in asked if not has_targets(role)], with_targets=False)


def _table(data: str | None, task: Task) -> Table | None:
    """The first rows of a file with columns, None for a data set of the hub and for a pipe, which is read but once."""
    if data is None:
        return None
    path = Path(data)
    suffix = path.suffix.lower()
    if suffix in DATA_SUFFIXES and path.is_fifo():
        return None
    return read_table(data, task, limit=_ROWS) if path.exists() or suffix in TABLE_SUFFIXES else None
