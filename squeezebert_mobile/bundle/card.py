"""The README.md of a bundle, generated from its manifest."""

from squeezebert_mobile.bundle.manifest import Artifact, Manifest, PoolingFacts

CARD_NAME = "README.md"


def card(manifest: Manifest) -> str:
    """A model card in Markdown: what it is, how to call it, what was proven, where it came from."""
    source, call, pooling = manifest.source, manifest.recommended_call, manifest.postprocessing.pooling
    length = manifest.tokenizer.max_length
    revision = f" at revision {source.revision}" if source.revision else ""
    lines = [
        f"# SqueezeBERT for {manifest.task}",
        "",
        f"Exported from `{source.name}`{revision} by squeezebert-mobile {manifest.producer.squeezebert_mobile}.",
        "`bundle.json` describes every file; check all of it with `squeezebert-mobile verify FOLDER`.",
        "",
        *([f"Labels: {', '.join(manifest.labels)}.", ""] if manifest.labels else []),
        *([f"Its output `sentence_embedding` is the vector of the text: {_pooled(pooling)}.", ""] if pooling else []),
        *_null_answers(manifest),
        f"Call it with batch {call.batch}, padding {call.padding}, {call.threads} thread; texts up to {length} tokens.",
        "Run a text without padding: it is fastest, and a dynamic int8 file then answers by that text alone.",
        "",
        "| file | runtime | precision | MB | largest difference from the reference | same argmax |",
        "|---|---|---|---|---|---|",
        *(_row(artifact) for artifact in manifest.artifacts),
        "",
        "The differences are over the golden texts (`golden.json`), alone, padded and in batches.",
        "",
        "## Source",
        "",
        *(f"- `{file.path}` {file.bytes} bytes, sha256 {file.sha256}" for file in source.files),
        *(f"- note: {note}" for note in source.notes),
    ]
    return "\n".join(lines) + "\n"


def _pooled(pooling: PoolingFacts) -> str:
    of = {
        "mean": "the mean of the hidden states",
        "cls": "the first hidden state",
        "max": "the maximum of the hidden states",
    }
    return of[pooling.mode] + (", of length 1" if pooling.normalize else "")


def _null_answers(manifest: Manifest) -> list[str]:
    threshold = manifest.postprocessing.null_threshold
    if threshold is None:
        return []
    lead = f"the first token's start and end logits exceed the best span's by more than {threshold:g}"
    return [f"A context may not hold the answer: there is none where {lead}.", ""]


def _row(artifact: Artifact) -> str:
    worst = max(parity.max_abs for parity in artifact.parity)
    agreement = min(parity.argmax_agreement for parity in artifact.parity)
    size = f"{artifact.bytes / 1e6:.1f}"
    return f"| {artifact.path} | {artifact.runtime} | {artifact.precision} | {size} | {worst:g} | {agreement:.2%} |"
