"""Every artifact of a bundle on labelled data: the task's metrics, how far they fall below fp32, and the time."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from squeezebert_mobile import archive, bundle, checkpoint
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import GateError, UnsupportedModelError, UsageError
from squeezebert_mobile.export import bootstrap, dataset, masking
from squeezebert_mobile.export.bootstrap import Interval
from squeezebert_mobile.export.dataset import Example
from squeezebert_mobile.export.features import Feature, encode
from squeezebert_mobile.export.inference import Predict, observations
from squeezebert_mobile.export.progress import Advance, progress_bar
from squeezebert_mobile.export.scores import Float64, Metric, metrics
from squeezebert_mobile.export.torch_session import TorchSession
from squeezebert_mobile.model import model_class
from squeezebert_mobile.runtime import Session
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer import SqueezeBertTokenizerFast


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate on what.

    ``source`` is a bundle or a checkpoint; ``model`` a checkpoint to run in PyTorch beside a bundle's artifacts. Empty
    ``runtimes`` and ``precisions`` mean all. ``max_accuracy_drop`` is in the leading metric's own unit.
    """

    source: str | Path
    data: str
    model: str | None = None
    task: Task | None = None
    columns: tuple[tuple[str, str], ...] = ()
    runtimes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    max_samples: int | None = None
    stride: int = 32
    batch_size: int = 1
    threads: int = 1
    resamples: int = 1000
    seed: int = 0
    max_accuracy_drop: float | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "threads", "resamples"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')}", "is below 1", fix="give 1 or more")


@dataclass(frozen=True)
class Evaluated:
    """One artifact, or the checkpoint in PyTorch, on the data.

    ``interval`` and ``drop`` are of the leading metric; ``drop`` is against ``baseline``, positive where this one is
    worse, and its interval is of the paired bootstrap.
    """

    name: str
    runtime: str
    precision: str
    metrics: dict[str, float]
    interval: Interval
    milliseconds: float  # median per snippet
    baseline: str | None = None
    drop: float | None = None
    drop_interval: Interval | None = None


@dataclass(frozen=True)
class EvaluateResult:
    """All artifacts side by side; the first metric of each leads."""

    source: str
    data: str
    task: Task
    examples: int
    metric: str
    rows: tuple[Evaluated, ...]


@dataclass(frozen=True)
class Candidate:
    """Something that answers batches."""

    name: str
    runtime: str
    precision: str
    predict: Predict


@dataclass(frozen=True)
class Scored:
    """The metrics of one candidate, and the seconds of each feature's call."""

    metrics: tuple[Metric, ...]
    seconds: Float64


@dataclass(frozen=True)
class _Subject:
    """What is evaluated: candidates with what they have in common."""

    task: Task
    config: SqueezeBertConfig
    tokenizer: SqueezeBertTokenizerFast
    max_length: int
    candidates: tuple[Candidate, ...]


def evaluate(options: EvaluateOptions) -> EvaluateResult:
    """Run every chosen artifact on the data and compare each with fp32.

    The baseline is the checkpoint in PyTorch where it takes part, else the fp32 artifact of the same runtime. Raises
    what reading bundle, checkpoint and data raises; UsageError where nothing is left to run; GateError where the
    leading metric falls by more than ``max_accuracy_drop``.
    """
    with _open(options) as subject:
        table = dataset.read_table(options.data, limit=options.max_samples)
        columns = dataset.find_columns(table, subject.task, dict(options.columns))
        examples = dataset.examples(table, columns, subject.config)
        stride = min(options.stride, subject.max_length // 4)
        features = encode(examples, subject.tokenizer, max_length=subject.max_length, stride=stride)
        if subject.task is Task.FILL_MASK:
            hidden_id = subject.tokenizer.mask_token_id
            features = [row for feature in features for row in masking.hide_each(feature, hidden_id)]
        total = len(features) * len(subject.candidates)
        with progress_bar("evaluating", total, quiet=options.quiet) as advance:
            scored = [
                (each, _score(subject, each, examples, features, options, advance)) for each in subject.candidates
            ]
    rows = compare(scored, resamples=options.resamples, seed=options.seed)
    result = EvaluateResult(
        str(options.source), options.data, subject.task, len(examples), scored[0][1].metrics[0].name, rows
    )
    require_drop(result, options.max_accuracy_drop)
    return result


def _score(
    subject: _Subject,
    candidate: Candidate,
    examples: Sequence[Example],
    features: Sequence[Feature],
    options: EvaluateOptions,
    advance: Advance,
) -> Scored:
    return score(
        subject.task,
        subject.config,
        candidate.predict,
        examples,
        features,
        batch_size=options.batch_size,
        pad_token_id=subject.tokenizer.pad_token_id,
        advance=advance,
    )


def score(
    task: Task,
    config: SqueezeBertConfig,
    predict: Predict,
    examples: Sequence[Example],
    features: Sequence[Feature],
    *,
    batch_size: int = 1,
    pad_token_id: int = 0,
    advance: Advance = lambda _steps, _status: None,
) -> Scored:
    """The metrics of ``predict`` on encoded examples; a pure function of both but for the seconds."""
    observed: list[Float64] = [np.empty(0)] * len(features)
    seconds = np.zeros(len(features))
    found = observations(task, predict, features, batch_size=batch_size, pad_token_id=pad_token_id)
    for number, observation, duration in found:
        observed[number], seconds[number] = observation, duration
        advance(1, "")
    return Scored(metrics(task, config, examples, features, observed), seconds)


def compare(scored: Sequence[tuple[Candidate, Scored]], *, resamples: int, seed: int) -> tuple[Evaluated, ...]:
    """Rows with intervals, and with the drop against the baseline of each candidate that has one."""
    drawn = [bootstrap.replicates(own.metrics[0], resamples, seed) for _, own in scored]
    rows = []
    for number, (candidate, own) in enumerate(scored):
        row = Evaluated(
            name=candidate.name,
            runtime=candidate.runtime,
            precision=candidate.precision,
            metrics={metric.name: metric.value for metric in own.metrics},
            interval=bootstrap.interval(drawn[number]),
            milliseconds=float(np.median(own.seconds)) * 1000,
        )
        base = _baseline([other for other, _ in scored], candidate)
        if base is not None:
            first, better = own.metrics[0], own.metrics[0].higher_is_better
            fall = scored[base][1].metrics[0].value - first.value
            paired = bootstrap.drop(drawn[base], drawn[number], higher_is_better=better)
            row = replace(
                row,
                baseline=scored[base][0].name,
                drop=fall if better else -fall,
                drop_interval=bootstrap.interval(paired),
            )
        rows.append(row)
    return tuple(rows)


def _baseline(candidates: Sequence[Candidate], own: Candidate) -> int | None:
    """PyTorch for all others, else the fp32 artifact of the same runtime for its lower precisions."""
    for number, other in enumerate(candidates):
        same = other.runtime == own.runtime and other.precision == "fp32"
        if other is not own and (other.runtime == "torch" or (same and candidates[0].runtime != "torch")):
            return number
    return None


def require_drop(result: EvaluateResult, largest: float | None) -> None:
    """Raise GateError for the artifact that falls furthest below its baseline, where that is more than ``largest``.

    Raises UsageError where there is nothing to compare with.
    """
    if largest is None:
        return
    drops = [(row.drop, row) for row in result.rows if row.drop is not None]
    if not drops:
        fix = "evaluate an fp32 artifact too, or give the checkpoint with --model"
        raise UsageError("--max-accuracy-drop", "has no baseline to compare with", fix=fix)
    worst, row = max(drops, key=lambda pair: pair[0])
    if worst > largest:
        what = f"{result.metric} falls by {worst:.4f} against {row.baseline}"
        fix = "ship the fp32 artifact, or export with static calibration"
        raise GateError(row.name, what, found=f"{row.metrics[result.metric]:.4f}", expected=f"-{largest}", fix=fix)


@contextmanager
def _open(options: EvaluateOptions) -> Iterator[_Subject]:
    source = Path(options.source)
    if bundle.is_bundle(source) or source.suffix == ".zip":
        with archive.opened(source) as opened, ExitStack() as sessions:
            yield _bundle_subject(opened, options, sessions)
    else:
        if options.model is not None:
            raise UsageError("--model", "stands beside a bundle", found=str(source), fix="drop it")
        if set(options.runtimes) - {"torch"} or set(options.precisions) - {"fp32"}:
            raise UsageError(source, "is a checkpoint, which runs in torch fp32 alone", fix="export it to a bundle")
        yield _checkpoint_subject(str(source), options.task)


def _bundle_subject(opened: bundle.Bundle, options: EvaluateOptions, sessions: ExitStack) -> _Subject:
    manifest = opened.manifest
    if options.task not in (None, manifest.task):
        raise UsageError("--task", "is not the bundle's", found=options.task, expected=manifest.task, fix="drop it")
    chosen = [
        artifact
        for artifact in manifest.artifacts
        if (not options.runtimes or artifact.runtime in options.runtimes)
        and (not options.precisions or artifact.precision in options.precisions)
    ]
    candidates: list[Candidate] = []
    if options.model is not None:
        reference = _checkpoint_subject(options.model, manifest.task)
        if reference.tokenizer.pieces != opened.tokenizer().pieces or reference.config.id2label != manifest.labels:
            what = "is not the model of this bundle: its vocabulary or its labels differ"
            raise UnsupportedModelError(options.model, what, fix="give the checkpoint that was exported")
        candidates += reference.candidates
    elif "torch" in options.runtimes:
        raise UsageError("--runtime torch", "needs the checkpoint: a bundle holds no weights for it", fix="add --model")
    if not chosen and not candidates:
        have = ", ".join(f"{a.runtime} {a.precision}" for a in manifest.artifacts)
        raise UsageError(opened.folder, "has no such artifact", found=have, fix="ask for one that it has")
    for artifact in chosen:
        session = sessions.enter_context(Session(opened.folder, artifact, threads=options.threads))
        candidates.append(Candidate(artifact.path, artifact.runtime, artifact.precision, session.run))
    length = min(artifact.max_length for artifact in manifest.artifacts)
    return _Subject(manifest.task, opened.config(), opened.tokenizer(), length, tuple(candidates))


def _checkpoint_subject(source: str, chosen: Task | None) -> _Subject:
    loaded = checkpoint.load(source)
    task = chosen or loaded.task
    if task is None or task is Task.FEATURE_EXTRACTION:
        raise UsageError(source, "has no task with labels", found=task or "none", fix="pass --task")
    model = model_class(task)(loaded.config)
    model.load_state_dict(checkpoint.state_dict_for(loaded, model))
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(loaded.folder)
    tokenizer.check_against(loaded.config.vocab_size)
    length = min(loaded.config.max_position_embeddings, tokenizer.model_max_length)
    candidate = Candidate(source, "torch", "fp32", TorchSession(model).run)
    return _Subject(task, loaded.config, tokenizer, length, (candidate,))
