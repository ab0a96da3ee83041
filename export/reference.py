"""The checkpoint that everything exported is compared with: model, tokenizer and the longest input."""

from dataclasses import dataclass, replace
from pathlib import Path

from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.checkpoint.source import DEMO_MODEL, Source
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.signature import checked_length
from squeezebert_mobile.export.trimming import trim_vocabulary
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast


@dataclass(frozen=True)
class Reference:
    """A model in eval mode with its tokenizer, the longest input to export for, and where it came from.

    ``notes`` says what was changed between the files and the model.
    """

    model: PreTrained
    tokenizer: SqueezeBertTokenizerFast
    max_length: int
    source: Source
    notes: tuple[str, ...]


def load_reference(options: ExportOptions) -> Reference:
    """The verified checkpoint as a model. Raises as `checkpoint.load`, and where the parts do not fit each other."""
    source = DEMO_MODEL if options.model is None else options.model
    loaded = checkpoint.load(
        source, revision=options.revision, state_key=options.state_key, strip_prefix=options.strip_prefix
    )
    fitted = checkpoint.load_model(loaded, options.task)
    tokenizer = loaded.tokenizer()
    limit = min(loaded.config.max_position_embeddings, tokenizer.model_max_length)
    max_length = checked_length(options.max_seq_len, limit)
    reference = Reference(fitted.model, tokenizer, max_length, loaded.source, fitted.notes)
    return reference if options.trim_vocab is None else _trimmed(reference, options.trim_vocab)


def _trimmed(reference: Reference, file: Path) -> Reference:
    trimmed = trim_vocabulary(reference.model, reference.tokenizer, file)
    return replace(reference, model=trimmed.model, tokenizer=trimmed.tokenizer, notes=(*reference.notes, trimmed.note))
