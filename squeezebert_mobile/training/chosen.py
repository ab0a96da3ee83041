"""What of a bundle or a checkpoint an evaluation runs, told without torch."""

from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.checkpoint.described import Description
from squeezebert_mobile.errors import UnsupportedModelError, UsageError
from squeezebert_mobile.run.predict import require_question_answering
from squeezebert_mobile.tasks import Pooling, PoolingMode, Task
from squeezebert_mobile.training.options import EvaluateOptions


def artifacts(options: EvaluateOptions, bundle: Bundle) -> tuple[Artifact, ...]:
    """The files of a bundle that ``options`` ask for; none where they ask for PyTorch alone.

    Raises UsageError for options that are not for bundles, or not for this one.
    """
    manifest = bundle.manifest
    if options.model is None:
        options.refuse(options.source)
    if options.task not in (None, manifest.task):
        raise UsageError("--task", "is not the bundle's", found=options.task, expected=manifest.task, fix="drop it")
    if options.pooling is not None:
        raise UsageError("--pooling", "is for a checkpoint; a bundle's files have theirs", fix="drop it")
    if manifest.task is Task.FEATURE_EXTRACTION and manifest.postprocessing.pooling is None:
        fix = "export again with --pooling mean, cls or max"
        raise UsageError(bundle.folder, "has no vector of a text to compare", fix=fix)
    if options.model is None and "torch" in options.runtimes:
        raise UsageError("--runtime torch", "needs the checkpoint: a bundle holds no weights for it", fix="add --model")
    chosen = tuple(
        artifact
        for artifact in manifest.artifacts
        if (not options.runtimes or artifact.runtime in options.runtimes)
        and (not options.precisions or artifact.precision in options.precisions)
    )
    if not chosen and options.model is None:
        have = ", ".join(f"{a.runtime} {a.precision}" for a in manifest.artifacts)
        raise UsageError(bundle.folder, "has no such artifact", found=have, fix="ask for one that it has")
    return chosen


def require_torch_alone(options: EvaluateOptions) -> None:
    """Raise UsageError for options that mean nothing where a checkpoint is evaluated."""
    if options.model is not None:
        raise UsageError("--model", "stands beside a bundle", found=options.source, fix="drop it")
    if set(options.runtimes) - {"torch"} or set(options.precisions) - {"fp32"}:
        raise UsageError(options.source, "is a checkpoint, which runs in torch fp32 alone", fix="export it to a bundle")


def task_of(
    source: str, checkpoint: Description, chosen: Task | None, mode: PoolingMode | None
) -> tuple[Task, Pooling | None]:
    """What a checkpoint is evaluated on. Raises UsageError where it, or what was chosen, does not say it."""
    task = chosen or checkpoint.task
    if task is None:
        raise UsageError(source, "has no task with labels", found="none", fix="pass --task")
    if task is not Task.FEATURE_EXTRACTION:
        if mode is not None:
            raise UsageError("--pooling", f"has no meaning for {task}", fix="drop --pooling")
        return task, None
    pooling = checkpoint.declared.pooling(mode)
    if pooling is None:
        fix = "pass --pooling mean, cls or max"
        raise UsageError(source, "declares no pooling, so a text has no vector", fix=fix)
    return task, pooling


def require_task(options: EvaluateOptions, task: Task) -> None:
    """Raise UsageError for options that are about answers to questions alone, where ``task`` is another."""
    require_question_answering(task, options.null_threshold)
    if options.stride is not None and task is not Task.QUESTION_ANSWERING:
        raise UsageError("--stride", f"has no meaning for {task}", fix="drop --stride")


def require_same_model(checkpoint: Description, bundle: Bundle, source: str) -> None:
    """Raise UnsupportedModelError for a checkpoint of another vocabulary or other labels than the bundle's."""
    task, labels = bundle.manifest.task, bundle.manifest.labels
    other_labels = task.has_labels and checkpoint.config.labels != labels
    if other_labels or checkpoint.tokenizer().pieces != bundle.tokenizer().pieces:
        what = "is not the model of this bundle: its vocabulary or its labels differ"
        raise UnsupportedModelError(source, what, fix="give the checkpoint that was exported")
