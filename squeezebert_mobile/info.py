"""What a bundle or a checkpoint is, without running it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.manifest import Manifest
from squeezebert_mobile.checkpoint.options import ReadOptions

_AS_SAVED = ReadOptions()


@dataclass(frozen=True)
class Information:
    """Facts by name, as JSON has them: lists, numbers, null; and the manifest where it is a bundle."""

    facts: dict[str, object]
    manifest: Manifest | None


def info(source: str | Path, how: ReadOptions = _AS_SAVED) -> Information:
    """The facts of a bundle or its archive (verified by its digests) or of a checkpoint (completely read).

    Raises as `archive.opened` or `checkpoint.read`, and UsageError for an option that a bundle has no use for.
    """
    path = Path(source)
    if archive.is_bundle(path):
        how.refuse(source)
        with archive.opened(path) as bundle:
            return _of_bundle(str(source), bundle)
    return _of_checkpoint(source, how)


def _of_bundle(name: str, bundle: bundles.Bundle) -> Information:
    source = bundle.manifest.source
    answers = bundle.manifest.postprocessing
    facts: dict[str, object] = {
        "bundle": name,
        "digest": bundle.digest,
        "task": str(bundle.manifest.task),
        "labels": list(bundle.manifest.labels),
        "postprocessing": answers.kind,
        "pooling": None if answers.pooling is None else answers.pooling.model_dump(),
        "null_threshold": answers.null_threshold,
        "license": bundle.manifest.license,
        "source": source.name,
        "revision": source.revision,
        "source_digest": source.digest,
        "notes": list(source.notes),
        "recommended": bundle.recommended().path,
        "inputs": [f"{spec.dtype} {spec.name}" for spec in bundle.manifest.artifacts[0].inputs],
        "outputs": [f"{spec.dtype} {spec.name}" for spec in bundle.manifest.artifacts[0].outputs],
        "oldest_runtimes": {a.runtime: a.oldest_runtime for a in bundle.manifest.artifacts},
    }
    return Information(facts, bundle.manifest)


def _of_checkpoint(source: str | Path, how: ReadOptions) -> Information:
    from squeezebert_mobile.checkpoint import load as checkpoint

    loaded = checkpoint.read(source, how)
    facts: dict[str, object] = {
        "checkpoint": loaded.source.name,
        "revision": loaded.source.revision,
        "digest": loaded.source.digest,
        "task": None if loaded.task is None else str(loaded.task),
        "modules": [module.kind for module in loaded.declared.modules],
        "tensors": len(loaded.tensors),
        "parameters": sum(tensor.numel() for tensor in loaded.tensors.values()),
        "tokens": None if how.tokenizer is None else len(loaded.tokenizer()),
        "notes": list(loaded.source.notes),
    }
    return Information(facts | asdict(loaded.config), None)
