"""The checkpoint that everything exported is compared with: model, tokenizer and the longest input."""

from dataclasses import dataclass, replace
from pathlib import Path

from squeezebert_mobile import licences
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.checkpoint.source import Source
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.subject import describe
from squeezebert_mobile.export.trimming import trim_vocabulary
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.tasks import Activation
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast


@dataclass(frozen=True)
class Reference:
    """A model in eval mode with its tokenizer, the longest input to export for, its licence, and where it came from.

    ``notes`` says what was changed between the files and the model, ``activation`` what a reranker's logit goes
    through.
    """

    model: PreTrained
    tokenizer: SqueezeBertTokenizerFast
    max_length: int
    source: Source
    notes: tuple[str, ...]
    license: str
    activation: Activation | None = None


def load_reference(options: ExportOptions) -> Reference:
    """The verified checkpoint as a model. Raises as `checkpoint.load`, and where the parts do not fit each other."""
    loaded = checkpoint.read(options.source, options)
    subject = describe(options, loaded)
    fitted = checkpoint.load_model(loaded, subject.task, pooling=subject.pooling)
    fitted.model.activation = subject.activation
    if options.null_threshold is not None:
        fitted.model.config = replace(fitted.model.config, null_threshold=options.null_threshold)
    given, folder = options.license, loaded.declared.folder
    reference = Reference(
        model=fitted.model,
        tokenizer=subject.tokenizer,
        max_length=subject.max_length,
        source=loaded.source,
        notes=fitted.notes,
        license=licences.declared(folder) if given is None else licences.require_known(given),
        activation=subject.activation,
    )
    return reference if options.trim_vocab is None else _trimmed(reference, options.trim_vocab)


def _trimmed(reference: Reference, file: Path) -> Reference:
    trimmed = trim_vocabulary(reference.model, reference.tokenizer, file)
    trimmed.tokenizer.serve(reference.model.config.type_vocab_size)
    return replace(reference, model=trimmed.model, tokenizer=trimmed.tokenizer, notes=(*reference.notes, trimmed.note))
