"""The README.md of a bundle, generated from its manifest."""

from squeezebert_mobile.bundle import runtimes
from squeezebert_mobile.bundle.doubts import doubts
from squeezebert_mobile.bundle.manifest import Artifact, Manifest, PoolingFacts, Range
from squeezebert_mobile.tasks import Runtime

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
        *_accuracies(manifest),
        *(f"> Warning: {doubt}.\n" for doubt in doubts(manifest)),
        "## Runtimes",
        "",
        *_runtimes(manifest),
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


def _accuracies(manifest: Manifest) -> list[str]:
    """What an accuracy gate measured, empty where there was none."""
    measured = [(a.path, a.accuracy) for a in manifest.artifacts if a.accuracy is not None]
    if not measured:
        return []
    _, first = measured[0]
    beside = "" if first.chance is None else f"; the commonest label alone would reach {first.chance:.4f}"
    return [
        "## Accuracy",
        "",
        f"Measured on {first.rows} rows of `{first.data}` (SHA-256 of the rows: {first.data_sha256}),",
        f"with 95 % intervals of a bootstrap. The checkpoint reaches {first.checkpoint:.4f}{beside}.",
        "",
        f"| file | {first.metric} | 95 % | falls by | 95 % |",
        "|---|---|---|---|---|",
        *(
            f"| {path} | {own.value:.4f} | {_ends(own.interval)} | {own.drop:.4f} | {_ends(own.drop_interval)} |"
            for path, own in measured
        ),
        "",
        *(
            f"Back in float for it in `{path}`: {', '.join(own.float_units)}.\n"
            for path, own in measured
            if own.float_units
        ),
    ]


def _ends(ends: Range) -> str:
    return f"{ends.low:.4f} to {ends.high:.4f}"


def _runtimes(manifest: Manifest) -> list[str]:
    """The versions that the files may be run with, and those that they may not."""
    precisions: dict[tuple[Runtime, str], list[str]] = {}
    for artifact in manifest.artifacts:
        precisions.setdefault((artifact.runtime, artifact.oldest_runtime), []).append(artifact.precision)
    lines = [
        f"- {runtimes.NAMES[runtime]} {oldest} or newer, tried to {runtimes.known().tried[runtime].newest}: "
        f"{', '.join(found)}"
        for (runtime, oldest), found in precisions.items()
    ]
    chosen = dict.fromkeys(runtime for runtime, _ in precisions)
    return lines + [f"- {fault}" for runtime in chosen for fault in runtimes.faults(runtime)]


def _row(artifact: Artifact) -> str:
    worst = max(parity.max_abs for parity in artifact.parity)
    agreement = "-" if artifact.agreement is None else f"{artifact.agreement:.2%}"
    size = f"{artifact.bytes / 1e6:.1f}"
    return f"| {artifact.path} | {artifact.runtime} | {artifact.precision} | {size} | {worst:g} | {agreement} |"
