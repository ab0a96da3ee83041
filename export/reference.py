"""The checkpoint that everything exported is compared with: model, tokenizer and the longest input."""

from dataclasses import dataclass, replace
from pathlib import Path

from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.checkpoint.load import Checkpoint
from squeezebert_mobile.checkpoint.sentence import Activation
from squeezebert_mobile.checkpoint.source import DEMO_MODEL, Source
from squeezebert_mobile.config import CONFIG_NAME
from squeezebert_mobile.errors import UnsupportedModelError, UsageError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.signature import SHORTEST, checked_length
from squeezebert_mobile.export.trimming import trim_vocabulary
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.run.predict import require_question_answering
from squeezebert_mobile.tasks import Pooling, Task
from squeezebert_mobile.tokenizer.declared import CONFIG_FILE as TOKENIZER_CONFIG
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast


@dataclass(frozen=True)
class Reference:
    """A model in eval mode with its tokenizer, the longest input to export for, and where it came from.

    ``notes`` says what was changed between the files and the model, ``activation`` what a reranker's logit goes
    through.
    """

    model: PreTrained
    tokenizer: SqueezeBertTokenizerFast
    max_length: int
    source: Source
    notes: tuple[str, ...]
    activation: Activation | None = None


def load_reference(options: ExportOptions) -> Reference:
    """The verified checkpoint as a model. Raises as `checkpoint.load`, and where the parts do not fit each other."""
    source = DEMO_MODEL if options.model is None else options.model
    loaded = checkpoint.read(source, options)
    task = options.task or loaded.require_task()
    fitted = checkpoint.load_model(loaded, task, pooling=_pooling(options, loaded, task))
    require_question_answering(task, options.null_threshold)
    if options.null_threshold is not None:
        fitted.model.config = replace(fitted.model.config, null_threshold=options.null_threshold)
    tokenizer = loaded.tokenizer()
    if fitted.model.task is Task.FILL_MASK:
        _ = tokenizer.mask_token_id  # raises where there is none
    if fitted.model.task in (Task.QUESTION_ANSWERING, Task.MULTIPLE_CHOICE) and not tokenizer.reads_pairs:
        what, expected = "type_vocab_size is too small for this task", "2: the second text is of type 1"
        fix = "take a checkpoint that was trained on pairs, or export it for another --task"
        raise UnsupportedModelError(loaded.folder / CONFIG_NAME, what, found=1, expected=expected, fix=fix)
    limits = {
        f"max_position_embeddings in {CONFIG_NAME}": loaded.config.max_position_embeddings,
        f"model_max_length in {TOKENIZER_CONFIG}": tokenizer.model_max_length,
    }
    key, limit = min(limits.items(), key=lambda item: item[1])
    if limit < SHORTEST:
        what, expected = f"{key} leaves no room for a text", f"{SHORTEST} or more: [CLS], a token and [SEP]"
        raise UnsupportedModelError(loaded.folder, what, found=limit, expected=expected, fix="take a longer model")
    max_length = checked_length(options.max_seq_len, limit)
    scores = task is Task.TEXT_CLASSIFICATION and loaded.config.num_labels == 1
    activation = loaded.declared.activation() if scores else None
    reference = Reference(fitted.model, tokenizer, max_length, loaded.source, fitted.notes, activation)
    return reference if options.trim_vocab is None else _trimmed(reference, options.trim_vocab)


def _pooling(options: ExportOptions, loaded: Checkpoint, task: Task) -> Pooling | None:
    """What the checkpoint declares, and the options in its place. Raises UsageError for another task."""
    if task is Task.FEATURE_EXTRACTION:
        return loaded.declared.pooling(options.pooling, options.normalize)
    for option, given in (("--pooling", options.pooling), ("--normalize", options.normalize)):
        if given is not None:
            fix = f"leave it out, or add --task {Task.FEATURE_EXTRACTION}"
            raise UsageError(option, f"has no meaning for {task}", found=given, fix=fix)
    return None


def _trimmed(reference: Reference, file: Path) -> Reference:
    trimmed = trim_vocabulary(reference.model, reference.tokenizer, file)
    trimmed.tokenizer.serve(reference.model.config.type_vocab_size)
    return replace(reference, model=trimmed.model, tokenizer=trimmed.tokenizer, notes=(*reference.notes, trimmed.note))
