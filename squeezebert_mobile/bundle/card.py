"""The README.md of a bundle, generated from its manifest."""

import json
import re

from squeezebert_mobile import licences
from squeezebert_mobile.bundle import runtimes, snippets
from squeezebert_mobile.bundle.doubts import doubts
from squeezebert_mobile.bundle.manifest import Artifact, Kind, Manifest, PoolingFacts, Range
from squeezebert_mobile.errors import counted
from squeezebert_mobile.tasks import Runtime, Task

CARD_NAME = "README.md"
_ANSWERS: dict[Kind, str] = {
    "none": "the outputs themselves",
    "softmax": "softmax over the logits, one label is right",
    "sigmoid": "the sigmoid of each logit, any number of labels is right",
    "regression": "the logits themselves are the values",
    "entity-spans": "the largest logit of each token is its tag; tags of one entity that follow each other are joined",
    "answer-span": "the span of context tokens with the largest sum of its start and end logits",
    "mask-fillings": "softmax over the logits at the place of the mask token, the largest first",
    "choice": "a logit for each choice, softmax over them",
}

_OWN_FORMAT = (
    "A .ort file is the .onnx as ONNX Runtime optimizes it, in its own format, and answered bit by bit as that did:",
    "builds of ONNX Runtime with no more than the operators of `runtime/required_operators.config` run it.",
)


def card(manifest: Manifest) -> str:
    """A model card in Markdown for who gets only the bundle: which file, how to call it, what was proven, whence."""
    source = manifest.source
    revision = f" at revision {source.revision}" if source.revision else ""
    lines = [
        *_front_matter(manifest),
        f"# SqueezeBERT for {manifest.task}",
        "",
        *_release(manifest),
        f"Exported from `{source.name}`{revision} by squeezebert-mobile {manifest.producer.squeezebert_mobile}.",
        "`bundle.json` describes every file; check all of it with `squeezebert-mobile verify FOLDER`, after",
        "`hf download` without what that adds: `rm -rf FOLDER/.cache FOLDER/.gitattributes`.",
        f"The licence of the model is {manifest.license}."
        + (" Ask its makers before you ship it." if manifest.license == licences.UNKNOWN else ""),
        "",
        *_files(manifest),
        *_accuracies(manifest),
        *(f"> Warning: {doubt}.\n" for doubt in doubts(manifest)),
        *_inputs(manifest),
        *_calls(manifest),
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


def _front_matter(manifest: Manifest) -> list[str]:
    """What a hub reads; its pipelines do not know multiple choice."""
    known = [] if manifest.task is Task.MULTIPLE_CHOICE else [f"pipeline_tag: {manifest.task}"]
    source = manifest.source
    base = [f"base_model: {source.name}"] if re.fullmatch(r"[\w.-]+/[\w.-]+", source.name) and source.revision else []
    tags = ["squeezebert", "squeezebert-mobile", *dict.fromkeys(a.runtime for a in manifest.artifacts)]
    return [
        "---",
        *licences.front_matter(manifest.license),
        *base,
        *known,
        "tags:",
        *(f"- {tag}" for tag in tags),
        f"library_name: {_library(manifest)}",
        *_model_index(manifest),
        "---",
        "",
    ]


def _library(manifest: Manifest) -> str:
    """By what the hub says that a model is opened."""
    own = {"onnx": "onnxruntime", "executorch": "executorch", "coreai": "coreai"}
    plain = any(artifact.runtime == "onnx" and artifact.form is None for artifact in manifest.artifacts)
    return "transformers.js" if plain else own[manifest.artifacts[0].runtime]


def _model_index(manifest: Manifest) -> list[str]:
    """What the hub shows as evaluation results: the figures of the accuracy gate, as JSON, which YAML contains."""
    results = [
        {
            "task": {"type": str(manifest.task)},
            "dataset": {"name": own.data, "type": own.data},
            "metrics": [{"type": own.metric, "value": own.value, "name": f"{own.metric} of {artifact.path}"}],
        }
        for artifact in manifest.artifacts
        if (own := artifact.accuracy) is not None
    ]
    name = manifest.source.name if manifest.release is None else manifest.release.name
    return [f"model-index: {json.dumps([{'name': name, 'results': results}])}"] if results else []


def _release(manifest: Manifest) -> list[str]:
    release = manifest.release
    if release is None:
        return []
    return [
        f"Pack `{release.name}` {release.version}. An app takes the newest version by semantic versioning whose bytes",
        "and self-test (golden.json) are sound; where it fails, the last one that passed stays.",
        "",
    ]


def _files(manifest: Manifest) -> list[str]:
    taken = [file for runtime in runtimes.NAMES if (file := snippets.file_for(manifest, runtime))]
    return [
        "Take " + ", ".join(f"`{file.path}` for {runtimes.NAMES[file.runtime]}" for file in taken) + ".",
        "",
        "| file | runtime | precision | MB | largest difference from the reference | same argmax |",
        "|---|---|---|---|---|---|",
        *(_row(artifact) for artifact in manifest.artifacts),
        "",
        "The differences are over the golden texts (`golden.json`), alone, padded and in batches.",
        *(_OWN_FORMAT if any(artifact.form == "ort" for artifact in manifest.artifacts) else ()),
        "",
    ]


def _inputs(manifest: Manifest) -> list[str]:
    """From a text to an answer, for who writes it anew."""
    facts, call, answers = manifest.tokenizer, manifest.recommended_call, manifest.postprocessing
    flags = {
        "lower-case": facts.lowercase,
        "without accents": facts.strip_accents,
        "Chinese characters apart": facts.tokenize_chinese_chars,
    }
    how = [name for name, on in flags.items() if on]
    specials = {"[CLS]": facts.cls_token_id, "[SEP]": facts.sep_token_id, "[PAD]": facts.pad_token_id,
                "[UNK]": facts.unk_token_id, "[MASK]": facts.mask_token_id}  # fmt: skip
    tensors = [f"| {file.runtime} | {kind} | `{spec.name}` | {spec.dtype} | {' x '.join(map(str, spec.axes))} |"
               for file in {a.runtime: a for a in manifest.artifacts}.values()
               for kind, specs in (("input", file.inputs), ("output", file.outputs)) for spec in specs]  # fmt: skip
    return [
        "## Inputs and outputs",
        "",
        "| runtime | | name | type | shape |",
        "|---|---|---|---|---|",
        *tensors,
        "",
        f"- WordPiece over `vocab.txt`, {', '.join(how) or 'letters as they stand'}.",
        f"- Ids: {', '.join(f'{name} {id_}' for name, id_ in specials.items() if id_ is not None)}; one text is",
        "  `[CLS] text [SEP]`, two are `[CLS] text [SEP] second [SEP]` with type 1 for the second and its [SEP],",
        "  unless `tokenizer.single` and `tokenizer.pair` in bundle.json say otherwise.",
        f"- At most {counted(facts.max_length, 'token')}, cut on the {facts.truncation_side}.",
        f"- Call it with batch {call.batch}, padding {call.padding}, {counted(call.threads, 'thread')}: it is fastest,",
        "  and a dynamic int8 file then answers by that text alone.",
        f"- Answers: {_ANSWERS[answers.kind]}.",
        *([f"- Labels, in the order of the logits: {', '.join(manifest.labels)}."] if manifest.labels else []),
        *(
            [f"- `sentence_embedding` is the vector of the text: {_pooled(answers.pooling)}."]
            if answers.pooling
            else []
        ),
        *_null_answers(manifest),
        "",
    ]


def _calls(manifest: Manifest) -> list[str]:
    """Programs for every platform."""
    onnx, pte = (snippets.file_for(manifest, runtime) for runtime in ("onnx", "executorch"))
    parts: list[tuple[str, str, str | None]] = []
    if onnx is not None:
        parts.append(("Python, ONNX Runtime (in this folder)", "python", snippets.python_onnx(manifest, onnx)))
    if pte is not None:
        parts.append(("Python, ExecuTorch (in this folder)", "python", snippets.python_executorch(manifest, pte)))
    for file, module in ((onnx, "squeezebert-ort"), (pte, "squeezebert-et")):
        if file is not None:
            title = f"Android, Java or Kotlin, with the library `{module}` of squeezebert-mobile's android_demo"
            parts.append((title, "java", snippets.java(manifest, file)))
    parts.append(("JavaScript, transformers.js (beside this folder, my-bundle)", "js", snippets.javascript(manifest)))
    lines = ["## Calls", ""]
    for title, language, code in parts:
        lines += [f"{title}:", "", f"```{language}", code, "```", ""] if code else []
    return [*lines, *_ios(manifest)]


def _ios(manifest: Manifest) -> list[str]:
    """What there is for Swift, and what of it was checked."""
    file = snippets.file_for(manifest, "coreai")
    if file is None:
        return ["iOS: there is no client; tokenizer and post-processing above would have to be written.", ""]
    return [
        f"Swift, Core AI (iOS 27), with `{file.path}`: one text without padding, its ids and types as int32.",
        "Apple's runtime for processors (coreai-core) answered all golden texts with it; what GPU and Neural Engine do",
        "and when, only a device can tell. So let each device answer them once before it answers others.",
        "**This was written from Apple's documentation: nobody has compiled or run it.**",
        "",
        "```swift",
        snippets.swift(file),
        "```",
        "",
        "There is no tokenizer for Swift: swift-transformers 1.3.3, by its sources, refuses this one's class; called",
        "BertTokenizer, it takes no pair, cuts nothing, keeps control characters. Compare its ids with `golden.json`.",
        "",
    ]


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
    return [f"- A context may not hold the answer: there is none where {lead}."]


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
        f"Measured on {counted(first.rows, 'row')} of `{first.data}` (SHA-256 of the rows: {first.data_sha256}),",
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
    names = runtimes.NAMES | {"coreai": "Core AI of iOS 27; here coreai-core"}
    lines = [
        f"- {names[runtime]} {oldest} or newer, tried to {runtimes.known().tried[runtime].newest}: {', '.join(found)}"
        for (runtime, oldest), found in precisions.items()
    ]
    chosen = dict.fromkeys(runtime for runtime, _ in precisions)
    return lines + [f"- {fault}" for runtime in chosen for fault in runtimes.faults(runtime)]


def _row(artifact: Artifact) -> str:
    worst = max(parity.max_abs for parity in artifact.parity)
    agreement = "-" if artifact.agreement is None else f"{artifact.agreement:.2%}"
    size = f"{artifact.bytes / 1e6:.1f}"
    return f"| {artifact.path} | {artifact.runtime} | {artifact.precision} | {size} | {worst:g} | {agreement} |"
