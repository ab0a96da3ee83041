"""Fine-tuning as numbered acts: data, model, features, training, and a checkpoint folder with its report."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter

import torch

from squeezebert_mobile import atomic
from squeezebert_mobile.atomic import staged_folder
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.checkpoint import sentence
from squeezebert_mobile.checkpoint.load import Checkpoint
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError, UnsupportedModelError, counted
from squeezebert_mobile.files import dump_json
from squeezebert_mobile.model import PreTrained, model_class
from squeezebert_mobile.sentence import SentenceModel
from squeezebert_mobile.tables.columns import find_columns, require_scores
from squeezebert_mobile.tables.files import open_table, read_table
from squeezebert_mobile.tasks import Activation, Pooling, Task, window_stride
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training import compression, heads, ranking_page, report
from squeezebert_mobile.training import data as dataset
from squeezebert_mobile.training.data import Example, Examples, Texts
from squeezebert_mobile.training.features import Feature, encoded, hide_some
from squeezebert_mobile.training.labels import numbered
from squeezebert_mobile.training.losses import Teacher
from squeezebert_mobile.training.metrics import null_threshold
from squeezebert_mobile.training.options import REPORT_NAME, FinetuneOptions, about_teacher, is_finetuned, row_length
from squeezebert_mobile.training.ranking import Ranking
from squeezebert_mobile.training.stored import StoredFeatures
from squeezebert_mobile.training.trainer import EvalSet, Evaluation, Trainer

RANKING_NAME = "ranking.json"


@dataclass(frozen=True)
class FinetuneResult:
    """Where the checkpoint is and how training went; ``initialised`` names the tensors that started at random.

    ``labels`` are the head's, in the order of their ids; empty for a task without any. ``null_threshold`` is what
    the checkpoint declares. ``layers`` are the teacher's that a student is made of, empty where it is made of none.
    """

    output_dir: Path
    task: Task
    labels: tuple[str, ...]
    examples: int
    steps: int
    best_step: int
    seconds: float
    final_loss: float
    metrics: dict[str, float]
    evaluations: tuple[Evaluation, ...]
    initialised: tuple[str, ...]
    null_threshold: float | None
    layers: tuple[int, ...]


@dataclass(frozen=True)
class _Origin:
    """The config that training starts from, its checkpoint if it has one, and whether the head is to be a new one."""

    config: SqueezeBertConfig
    checkpoint: Checkpoint | None
    needs_head: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the head that there is."""
        return () if self.needs_head else self.config.labels


@dataclass(frozen=True)
class _Start:
    """What training starts from; ``layers`` are the teacher's that a student's are made of or matched to."""

    model: PreTrained
    tokenizer: SqueezeBertTokenizerFast
    initialised: tuple[str, ...]
    layers: tuple[int, ...] = ()
    ranking: Ranking | None = None


def finetune(options: FinetuneOptions) -> FinetuneResult:
    """Train a SqueezeBERT on labelled data and write it as a checkpoint folder that transformers reads.

    The data may be larger than memory: its features lie on the disk of ``output_dir`` meanwhile. Runs in one
    process, or in each of those that `accelerate launch` starts. Raises UsageError, InputFileError,
    UnsupportedModelError, EnvironmentFault or, for a loss that is not finite, GateError.
    """
    started = perf_counter()
    # A target that is in the way is refused before the work.
    atomic.require_replaceable(options.output_dir, may_replace=is_finetuned, force=options.force)
    # 1. Read the data, and what training starts from.
    taught = _read_teacher(options)
    origin = _origin(options, taught)
    table = open_table(options.data, options.task, limit=options.max_samples)
    columns = find_columns(table, options.task, options.columns, labels=options.labels or origin.labels)
    head = (heads.new_head if origin.needs_head else heads.kept_head)(options, table, columns, origin.config)
    examples = Examples(table, columns, head)
    activation = _activation(options.task, origin, head)
    answered = _read_through(table.name, examples, activation)
    start = _start(options, origin, head, examples)
    start.model.activation = activation
    config, tokenizer = start.model.config, start.tokenizer
    teacher = _teacher(options, taught, config, tokenizer)
    # 2. Turn texts into features.
    eval_set = _eval_set(options, config, tokenizer)
    with closing(StoredFeatures(_features(options, examples, config, tokenizer), options.output_dir)) as features:
        if teacher is not None:
            student = compression.student_of(options, start.model, teacher.model.config, tokenizer, examples, features)
            teacher = replace(teacher, layers=student.layers)
            start = replace(start, model=student.model, layers=student.layers, ranking=student.ranking)
        # 3. Train.
        trainer = Trainer(
            start.model,
            tokenizer,
            features,
            options,
            options.state_folder,
            eval_set=eval_set,
            teacher=teacher,
        )
        trainer.run()
    threshold = _null_threshold(config, answered, trainer.state.best)
    start.model.config = replace(start.model.config, null_threshold=threshold)
    # 4. Write the checkpoint and its report in one rename.
    result = _result(options, trainer, start, len(features), perf_counter() - started)
    if trainer.is_main:
        _write(options, start, result, trainer.state.losses)
    trainer.forget()
    return result


def _read_teacher(options: FinetuneOptions) -> Checkpoint | None:
    """The teacher's checkpoint. Raises as `FinetuneOptions.require_fitting`."""
    if options.teacher is None:
        return None
    with about_teacher():
        loaded = checkpoint.read(options.teacher, options.reading_teacher())
    options.require_fitting(loaded)
    return loaded


def _origin(options: FinetuneOptions, taught: Checkpoint | None) -> _Origin:
    if options.from_scratch is not None:
        return _Origin(SqueezeBertConfig.from_json_file(options.from_scratch), None, needs_head=True)
    loaded = taught if options.model is None else checkpoint.read(options.model, options)
    assert loaded is not None, "the options see to that"
    # Tasks share the name of a tensor: a head of another one would fit, and know nothing.
    is_other = loaded.task not in (None, options.task)
    return _Origin(loaded.config, loaded, needs_head=options.init_head or is_other)


def _start(options: FinetuneOptions, origin: _Origin, head: SqueezeBertConfig, examples: Examples) -> _Start:
    torch.manual_seed(options.seed)
    loaded = origin.checkpoint
    if loaded is None:
        length = row_length(options.max_length, head.max_position_embeddings)
        tokenizer = SqueezeBertTokenizerFast.train(Texts(examples), options.vocab_size, model_max_length=length)
        config = replace(head, vocab_size=len(tokenizer), pad_token_id=0)
        pooling = _pooling(options, None)
        made = (
            model_class(options.task)(config) if pooling is None else SentenceModel(config, pooling, has_pooler=False)
        )
        return _Start(made, tokenizer, ("all",))
    tokenizer = loaded.tokenizer()
    body = loaded.without_head() if origin.needs_head else loaded
    pooling = _pooling(options, loaded)
    fitted = checkpoint.load_model(body, options.task, config=head, pooling=pooling, init_head=options.init_head)
    return _Start(fitted.model, tokenizer, fitted.initialised)


def _pooling(options: FinetuneOptions, loaded: Checkpoint | None) -> Pooling | None:
    """What was asked for, else what the checkpoint declares, else sentence-transformers' default; None for a head."""
    if options.task is not Task.FEATURE_EXTRACTION:
        return None
    if options.pooling is None and loaded is not None and loaded.declared.embeds:
        return loaded.declared.pooling(normalize=options.normalize)
    mode = options.pooling or "mean"
    return loaded.declared.pooling(mode, options.normalize) if loaded else Pooling(mode, bool(options.normalize))


def _activation(task: Task, origin: _Origin, head: SqueezeBertConfig) -> Activation | None:
    """What one output goes through: as its checkpoint declares, else nothing, where it learns values; else None.

    Said outright, since sentence-transformers takes a sigmoid for what is not said.
    """
    if head.num_labels > 1 or task is not Task.TEXT_CLASSIFICATION:
        return None
    declared = None if origin.checkpoint is None or origin.needs_head else origin.checkpoint.declared.activation()
    return declared or ("identity" if head.is_regression else None)


def _read_through(name: str, examples: Examples, activation: Activation | None) -> bool | None:
    """Whether every question has an answer, None where the rows are no questions.

    Raises InputFileError for scores that no cosine, or no sigmoid, can reach.
    """
    answered = None
    for example in examples:
        match example:
            case dataset.QuestionExample(answers=answers):
                answered = answered is not False and bool(answers)
                continue
            case dataset.PairExample(score=float() as score) if not -1 <= score <= 1:
                what, expected = "has scores that are no cosines", "-1 to 1"
            case dataset.TextExample(target=(score,)) if activation == "sigmoid" and not 0 <= score <= 1:
                what, expected = "has scores that the model's sigmoid cannot reach", "0 to 1"
            case _:
                continue
        fix = "divide all scores by the largest, as STS-B's by 5"
        raise InputFileError(name, what, found=score, expected=expected, fix=fix)
    return answered


def _features(
    options: FinetuneOptions,
    examples: Iterable[Example],
    config: SqueezeBertConfig,
    tokenizer: SqueezeBertTokenizerFast,
) -> Iterator[Feature]:
    length = row_length(options.max_length, config.max_position_embeddings, tokenizer.model_max_length)
    stride = window_stride(length) if options.stride is None else options.stride
    return encoded(examples, tokenizer, max_length=length, stride=stride)


def _eval_set(
    options: FinetuneOptions, config: SqueezeBertConfig, tokenizer: SqueezeBertTokenizerFast
) -> EvalSet | None:
    if options.eval_data is None:
        return None
    table = read_table(options.eval_data, options.task)
    columns = find_columns(table, options.task, options.columns, labels=config.labels)
    require_scores(table, columns)
    examples = dataset.examples(table, columns, config)
    features = list(_features(options, examples, config, tokenizer))
    if options.task is Task.FILL_MASK:
        features = hide_some(features, tokenizer.mask_token_id, options.mask_probability, options.seed)
    return EvalSet(examples, features)


def _teacher(
    options: FinetuneOptions,
    loaded: Checkpoint | None,
    config: SqueezeBertConfig,
    tokenizer: SqueezeBertTokenizerFast,
) -> Teacher | None:
    """The teacher. Raises UnsupportedModelError where its vocabulary, its labels or the sizes to match are others."""
    if options.teacher is None or loaded is None:
        return None
    with about_teacher():
        pieces = loaded.tokenizer().pieces
    if pieces != tokenizer.pieces:
        fix = "take a teacher with the student's vocabulary, or give its logits in a soft_labels column"
        raise UnsupportedModelError(options.teacher, "has another vocabulary than the student", fix=fix)
    theirs, ours, nameless = loaded.config.labels, config.labels, numbered(config.num_labels)
    if options.task.has_labels and theirs != ours and (len(theirs) != len(ours) or nameless not in (theirs, ours)):
        found, expected, fix = ", ".join(theirs), ", ".join(ours), "take a teacher that was trained on these labels"
        raise UnsupportedModelError(options.teacher, "has other labels", found=found, expected=expected, fix=fix)
    for key, weight in (("hidden_size", options.state_weight), ("num_attention_heads", options.attention_weight)):
        theirs, ours = getattr(loaded.config, key), getattr(config, key)
        if weight and theirs != ours:
            fix = "set --hidden-weight and --attention-weight to 0"
            what = f"has another {key} than the student, whose layers are to be matched"
            raise UnsupportedModelError(options.teacher, what, found=theirs, expected=ours, fix=fix)
    model = checkpoint.load_model(loaded, options.task, pooling=_pooling(options, loaded)).model
    return Teacher(model, (), options.state_weight, options.attention_weight)


def _null_threshold(config: SqueezeBertConfig, answered: bool | None, best: Evaluation | None) -> float | None:
    """What the new checkpoint declares: the threshold that the evaluation found best, of questions of both kinds.

    None where the model saw no unanswerable question, neither here nor before; ``answered`` as in `_read_through`.
    """
    declared = None if answered is None else null_threshold(config.null_threshold, [answered])
    if declared is None or best is None or not {"HasAns_f1", "NoAns_f1"} <= best.metrics.keys():
        return declared
    return best.metrics["best_f1_thresh"]


def _result(options: FinetuneOptions, trainer: Trainer, start: _Start, examples: int, seconds: float) -> FinetuneResult:
    state = trainer.state
    return FinetuneResult(
        output_dir=options.output_dir,
        task=options.task,
        labels=start.model.config.labels if options.task.has_labels else (),
        examples=examples,
        steps=state.step,
        best_step=state.best_step or state.step,
        seconds=seconds,
        final_loss=state.losses[-1],
        metrics=state.best.metrics if state.best else {},
        evaluations=tuple(state.evaluations),
        initialised=start.initialised,
        null_threshold=start.model.config.null_threshold,
        layers=start.layers if options.makes_student else (),
    )


def _write(options: FinetuneOptions, start: _Start, result: FinetuneResult, losses: list[float]) -> None:
    with staged_folder(options.output_dir, may_replace=is_finetuned, force=options.force) as stage:
        checkpoint.save(stage, start.model)
        start.tokenizer.save_pretrained(stage)
        _declare(stage, start)
        found = {"options": _plain(asdict(options)), "result": _plain(asdict(result)), "losses": losses}
        (stage / REPORT_NAME).write_bytes(dump_json(found))
        report.write(_history(options, result, losses), stage)
        if start.ranking is not None:
            ranking_page.write(start.ranking, stage / RANKING_NAME, result.layers)


def _history(options: FinetuneOptions, result: FinetuneResult, losses: list[float]) -> report.History:
    """What the pictures show; with --patience a run may have had fewer epochs than were asked for."""
    epochs = result.evaluations[-1].epoch if result.evaluations else options.epochs
    title = f"{result.task}, {counted(result.examples, 'row')} of {Path(options.data).name}"
    return report.History(title, epochs, losses, result.evaluations, result.best_step, result.seconds)


def _declare(stage: Path, start: _Start) -> None:
    """Write what makes the folder one of sentence-transformers', where the model gives the vector of a text."""
    pooling = start.model.pooling
    if pooling is None:
        return
    config = start.model.config
    length = min(config.max_position_embeddings, start.tokenizer.model_max_length)
    for name, data in sentence.declaration(pooling, hidden_size=config.hidden_size, max_length=length).items():
        (stage / name).parent.mkdir(exist_ok=True)
        (stage / name).write_bytes(data)


def _plain(values: dict[str, object]) -> dict[str, object]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
