"""What a bundle says of itself: the manifest, and the files that stand beside the artifacts."""

import dataclasses
import importlib.metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from squeezebert_mobile import __version__
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.bundle.card import CARD_NAME, card
from squeezebert_mobile.bundle.golden import GOLDEN_NAME
from squeezebert_mobile.bundle.manifest import (
    AddedToken,
    Artifact,
    FileEntry,
    Kind,
    Manifest,
    PoolingFacts,
    PostProcessing,
    Producer,
    RecommendedCall,
    Slot,
    Source,
    TokenizerFacts,
)
from squeezebert_mobile.checkpoint import sentence
from squeezebert_mobile.config import CONFIG_NAME, SqueezeBertConfig
from squeezebert_mobile.export import parity
from squeezebert_mobile.export.reference import Reference
from squeezebert_mobile.files import dump_json
from squeezebert_mobile.tasks import Activation, Task
from squeezebert_mobile.tokenizer import settings
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast


def describe(
    reference: Reference, artifacts: tuple[Artifact, ...], cases: tuple[parity.Case, ...]
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and the files that go with the artifacts by their path."""
    config = dataclasses.replace(reference.model.config, architectures=[reference.model.task.architecture])
    files = _tokenizer_files(reference.tokenizer, reference.max_length)
    files[CONFIG_NAME] = dump_json(config.to_dict() | sentence.score_keys(reference.activation))
    if pooling := reference.model.pooling:
        files |= sentence.declaration(pooling, hidden_size=config.hidden_size, max_length=reference.max_length)
    files[GOLDEN_NAME] = golden.dump(parity.golden_cases(cases, reference.max_length))
    described = _manifest(reference, artifacts)
    files[CARD_NAME] = card(described).encode()
    entries = tuple(bundles.entry(path, data) for path, data in sorted(files.items()))
    return described.model_copy(update={"files": entries}), files


def _tokenizer_files(tokenizer: SqueezeBertTokenizerFast, max_length: int) -> dict[str, bytes]:
    with TemporaryDirectory(prefix="squeezebert-mobile-") as folder:
        shortened = dataclasses.replace(tokenizer.settings, model_max_length=max_length)
        tokenizer.with_settings(shortened).save_pretrained(folder)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _manifest(reference: Reference, artifacts: tuple[Artifact, ...]) -> Manifest:
    task, config, source = reference.model.task, reference.model.config, reference.source
    return Manifest(
        schema_version=2,
        task=task,
        labels=config.labels if task.has_labels else (),
        postprocessing=_postprocessing(reference),
        tokenizer=_tokenizer_facts(reference.tokenizer, reference.max_length),
        files=(),
        artifacts=artifacts,
        recommended_call=RecommendedCall(batch=1, padding="none", threads=1),
        producer=producer(),
        source=Source(
            name=source.name,
            revision=source.revision,
            files=tuple(FileEntry(path=f.path, sha256=f.sha256, bytes=f.bytes) for f in source.files),
            digest=source.digest,
            notes=(*source.notes, *reference.notes),
        ),
        license=reference.license,
    )


def producer() -> Producer:
    """The installed versions."""
    packages = ("torch", "onnx", "onnxruntime", "executorch")
    return Producer(squeezebert_mobile=__version__, **{name: importlib.metadata.version(name) for name in packages})


def _postprocessing(reference: Reference) -> PostProcessing:
    task, config, pooling = reference.model.task, reference.model.config, reference.model.pooling
    return PostProcessing(
        kind=_kind(task, config, reference.activation),
        pooling=None if pooling is None else PoolingFacts(mode=pooling.mode, normalize=pooling.normalize),
        null_threshold=config.null_threshold if task is Task.QUESTION_ANSWERING else None,
    )


def _kind(task: Task, config: SqueezeBertConfig, activation: Activation | None) -> Kind:
    """What turns the logits into answers; one label means regression, as in transformers, unless it says otherwise."""
    match task:
        case Task.FEATURE_EXTRACTION:
            return "none"
        case Task.FILL_MASK:
            return "mask-fillings"
        case Task.TOKEN_CLASSIFICATION:
            return "entity-spans"
        case Task.QUESTION_ANSWERING:
            return "answer-span"
        case Task.MULTIPLE_CHOICE:
            return "choice"
        case Task.TEXT_CLASSIFICATION:
            if activation is not None:
                return "sigmoid" if activation == "sigmoid" else "regression"
            if config.is_regression:
                return "regression"
            return "sigmoid" if config.problem_type == "multi_label_classification" else "softmax"


def _tokenizer_facts(tokenizer: SqueezeBertTokenizerFast, max_length: int) -> TokenizerFacts:
    rows = tokenizer.settings.rows
    return TokenizerFacts(
        vocab_size=tokenizer.vocab_size,
        lowercase=tokenizer.do_lower_case,
        strip_accents=tokenizer.strip_accents,
        tokenize_chinese_chars=tokenizer.tokenize_chinese_chars,
        max_length=max_length,
        truncation_side=tokenizer.truncation_side,
        pad_token_id=tokenizer.id_of("pad_token"),
        unk_token_id=tokenizer.unk_token_id,
        cls_token_id=tokenizer.id_of("cls_token"),
        sep_token_id=tokenizer.id_of("sep_token"),
        mask_token_id=tokenizer.id_of("mask_token"),
        added_tokens=tuple(
            AddedToken(id=id_, **dataclasses.asdict(piece)) for id_, piece in tokenizer.added_tokens.items()
        ),
        single=_slots(tokenizer, rows.single),
        pair=_slots(tokenizer, rows.pair),
    )


def _slots(tokenizer: SqueezeBertTokenizerFast, row: tuple[settings.Slot, ...]) -> tuple[Slot, ...]:
    ids = [None if slot.token is None else tokenizer.convert_tokens_to_ids([slot.token])[0] for slot in row]
    places = zip(row, ids, strict=True)
    return tuple(Slot(sequence=slot.sequence, token_id=id_, type_id=slot.type_id) for slot, id_ in places)
