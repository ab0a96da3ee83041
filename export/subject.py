"""What an export is about, as far as a checkpoint tells without its tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

from squeezebert_mobile.checkpoint.described import Description
from squeezebert_mobile.config import CONFIG_NAME
from squeezebert_mobile.errors import UnsupportedModelError, UsageError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.signature import SHORTEST, checked_length
from squeezebert_mobile.run.predict import require_question_answering
from squeezebert_mobile.tasks import Activation, Pooling, Task
from squeezebert_mobile.tokenizer.declared import CONFIG_FILE as TOKENIZER_CONFIG
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast


@dataclass(frozen=True)
class Subject:
    """The task and its pooling, the tokenizer, the longest input, and what a reranker's logit goes through."""

    task: Task
    pooling: Pooling | None
    tokenizer: SqueezeBertTokenizerFast
    max_length: int
    activation: Activation | None


def describe(options: ExportOptions, checkpoint: Description) -> Subject:
    """What ``options`` make of a checkpoint. Raises UsageError and UnsupportedModelError where they do not fit it."""
    task = options.task or checkpoint.require_task()
    pooling = _pooling(options, checkpoint, task)
    require_question_answering(task, options.null_threshold)
    if options.min_agreement is not None and task is Task.FEATURE_EXTRACTION:
        raise UsageError("--min-agreement", "needs logits", found=str(task), fix="leave it out; --atol is for vectors")
    require_units(unit_names(checkpoint.config.num_hidden_layers), options.keep_float)
    tokenizer = checkpoint.tokenizer()
    if task is Task.FILL_MASK:
        _ = tokenizer.mask_token_id  # raises where there is none
    if task in (Task.QUESTION_ANSWERING, Task.MULTIPLE_CHOICE) and not tokenizer.reads_pairs:
        what, expected = "type_vocab_size is too small for this task", "2: the second text is of type 1"
        fix = "take a checkpoint that was trained on pairs, or export it for another --task"
        raise UnsupportedModelError(checkpoint.folder / CONFIG_NAME, what, found=1, expected=expected, fix=fix)
    limits = {
        f"max_position_embeddings in {CONFIG_NAME}": checkpoint.config.max_position_embeddings,
        f"model_max_length in {TOKENIZER_CONFIG}": tokenizer.model_max_length,
    }
    key, limit = min(limits.items(), key=lambda item: item[1])
    if limit < SHORTEST:
        what, expected = f"{key} leaves no room for a text", f"{SHORTEST} or more: [CLS], a token and [SEP]"
        raise UnsupportedModelError(checkpoint.folder, what, found=limit, expected=expected, fix="take a longer model")
    max_length = checked_length(options.max_seq_len, limit)
    scores = task is Task.TEXT_CLASSIFICATION and checkpoint.config.num_labels == 1
    activation = checkpoint.declared.activation() if scores else None
    return Subject(task, pooling, tokenizer, max_length, activation)


def unit_names(layers: int) -> tuple[str, ...]:
    """The names that ``keep_float`` takes, in the order of the data."""
    inner = [f"layers.{n}.{part}" for n in range(layers) for part in ("attention", "feed_forward")]
    return ("embeddings", *inner, "head")


def require_units(names: Sequence[str], keep_float: frozenset[str]) -> None:
    """Raise UsageError for a unit that does not exist."""
    unknown = sorted(keep_float - set(names))
    if unknown:
        expected = ", ".join(names)
        raise UsageError("--keep-float", "names no unit", found=unknown[0], expected=expected, fix="correct it")


def _pooling(options: ExportOptions, checkpoint: Description, task: Task) -> Pooling | None:
    """What the checkpoint declares, and the options in its place. Raises UsageError for another task."""
    if task is Task.FEATURE_EXTRACTION:
        return checkpoint.declared.pooling(options.pooling, options.normalize)
    for option, given in (("--pooling", options.pooling), ("--normalize", options.normalize)):
        if given is not None:
            fix = f"leave it out, or add --task {Task.FEATURE_EXTRACTION}"
            raise UsageError(option, f"has no meaning for {task}", found=given, fix=fix)
    return None
