"""From a checkpoint to a bundle: the only place that knows the order of the steps."""

import dataclasses
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from squeezebert_mobile import __version__, archive, checkpoint, golden, jsonfile, signing
from squeezebert_mobile import bundle as bundles
from squeezebert_mobile.bundle import Bundle
from squeezebert_mobile.card import CARD_NAME, card
from squeezebert_mobile.checkpoint import Checkpoint
from squeezebert_mobile.config import CONFIG_NAME, SqueezeBertConfig
from squeezebert_mobile.demo_model import DEMO_MODEL
from squeezebert_mobile.digest import sha256
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.export import parity
from squeezebert_mobile.export.inventory import Lowered
from squeezebert_mobile.export.onnx_lower import lower_onnx
from squeezebert_mobile.export.pte_lower import lower_pte
from squeezebert_mobile.export.scheme import Dynamic, Half, Scheme
from squeezebert_mobile.golden import GOLDEN_NAME
from squeezebert_mobile.manifest import (
    Artifact,
    FileEntry,
    Manifest,
    PostProcessing,
    Precision,
    Producer,
    RecommendedCall,
    Runtime,
    Source,
    TensorSpec,
    TokenizerFacts,
)
from squeezebert_mobile.model import PreTrained, model_class
from squeezebert_mobile.runtime import Session
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer import SqueezeBertTokenizerFast

Report = Callable[[str], None]

RUNTIMES: tuple[Runtime, ...] = ("onnx", "executorch")
PRECISIONS: tuple[Precision, ...] = ("fp32",)

# Where transformers.js and optimum look, and what ExecuTorch's users name their files.
_PATHS: dict[tuple[Runtime, Precision], str] = {
    ("onnx", "fp32"): "onnx/model.onnx",
    ("onnx", "fp16"): "onnx/model_fp16.onnx",
    ("onnx", "int8"): "onnx/model_quantized.onnx",
    ("onnx", "int8-static"): "onnx/model_int8_static.onnx",
    ("executorch", "fp32"): "executorch/model_xnnpack_fp32.pte",
    ("executorch", "fp16"): "executorch/model_xnnpack_fp16.pte",
    ("executorch", "int8"): "executorch/model_xnnpack_int8.pte",
    ("executorch", "int8-static"): "executorch/model_xnnpack_int8_static.pte",
}
# The oldest versions that the tests load every artifact with.
_OLDEST: dict[Runtime, str] = {"onnx": "1.20.0", "executorch": "1.4.0"}


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    None means: the demo model for ``model``, what config.json says for ``task``, all positions of the model for
    ``max_seq_len``, each precision's own gate for ``atol``. ``golden`` is a golden.json that the checkpoint itself must
    answer, such as one from an earlier bundle of the same model.
    """

    output_dir: Path
    model: str | Path | None = None
    revision: str | None = None
    task: Task | None = None
    runtimes: tuple[Runtime, ...] = RUNTIMES
    precisions: tuple[Precision, ...] = PRECISIONS
    max_seq_len: int | None = None
    opset: int = 18
    atol: float | None = None
    golden: Path | None = None
    state_key: str | None = None
    strip_prefix: str | None = None
    archive: Path | None = None
    sign_key: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class _Reference:
    """The checkpoint as a model in eval mode, with its tokenizer and the longest input to export for."""

    loaded: Checkpoint
    model: PreTrained
    tokenizer: SqueezeBertTokenizerFast
    max_length: int


def export(options: ExportOptions, report: Report = lambda _: None) -> Bundle:
    """Export a checkpoint, prove every artifact equal to the reference, and write the bundle in one rename.

    With ``archive`` the bundle is also packed into that zip file.

    Raises what reading the checkpoint raises; UsageError for an option that cannot be honoured; GateError where an
    artifact misses its tolerance; EnvironmentFault where the target cannot be written. Nothing is written then.
    """
    if options.archive is not None:
        archive.require_free(options.archive, force=options.force)
    if options.sign_key is not None:
        signing.require_private_key(options.sign_key)
    with bundles.staged(options.output_dir, force=options.force) as stage:
        described = _build(stage, options, report)
        if options.sign_key is not None:
            signing.sign(stage, options.sign_key)
    if options.archive is not None:
        archive.pack(options.output_dir, options.archive, force=options.force)
    return Bundle(options.output_dir, described)


def count_steps(options: ExportOptions) -> int:
    """How often `export` reports."""
    return 3 + 2 * len(options.runtimes) * len(options.precisions)


def _build(stage: Path, options: ExportOptions, report: Report) -> Manifest:
    """Fill ``stage`` with the bundle."""
    report("Reading the checkpoint")
    reference = _load(options)
    report("Running the reference on the golden texts")
    cases = parity.build_cases(reference.model, reference.tokenizer, reference.max_length)
    if options.golden is not None:
        parity.check_reference(reference.model, options.golden)
    artifacts: list[Artifact] = []
    content: dict[str, bytes] = {}
    for runtime in options.runtimes:
        for precision in options.precisions:
            report(f"Exporting {runtime} {precision}")
            lowered = _lower(reference, runtime, precision, options)
            report(f"Checking {runtime} {precision} against the reference")
            artifact = _prove(reference, runtime, precision, lowered, cases, options.atol)
            artifacts.append(artifact)
            content[artifact.path] = lowered.data
    report("Writing the bundle")
    described, files = _describe(reference, tuple(artifacts), cases)
    bundles.fill(stage, {**content, **files}, described)
    return described


def _load(options: ExportOptions) -> _Reference:
    """The verified checkpoint as the reference model. Raises as `checkpoint.load`, and where the parts do not fit."""
    source = DEMO_MODEL if options.model is None else options.model
    loaded = checkpoint.load(
        source, revision=options.revision, state_key=options.state_key, strip_prefix=options.strip_prefix
    )
    model = model_class(options.task or loaded.require_task())(loaded.config)
    model.load_state_dict(checkpoint.state_dict_for(loaded, model))
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(loaded.folder)
    tokenizer.check_against(loaded.config.vocab_size)
    limit = min(loaded.config.max_position_embeddings, tokenizer.model_max_length)
    max_length = limit if options.max_seq_len is None else options.max_seq_len
    if not 3 <= max_length <= limit:
        raise UsageError(
            "--max-seq-len",
            "does not fit the model",
            found=max_length,
            expected=f"3 to {limit}",
            fix="choose one in that range",
        )
    return _Reference(loaded, model.eval(), tokenizer, max_length)


def _lower(reference: _Reference, runtime: Runtime, precision: Precision, options: ExportOptions) -> Lowered:
    scheme = _scheme(precision)
    if runtime == "onnx":
        return lower_onnx(reference.model, scheme=scheme, opset=options.opset, max_seq_len=reference.max_length)
    return lower_pte(reference.model, scheme=scheme, max_seq_len=reference.max_length)


def _scheme(precision: Precision) -> Scheme | None:
    match precision:
        case "fp32":
            return None
        case "fp16":
            return Half()
        case "int8":
            return Dynamic()
        case "int8-static":
            raise UsageError("--precision", "int8-static needs calibration", fix="pass --calibration FILE")


def _prove(
    reference: _Reference,
    runtime: Runtime,
    precision: Precision,
    lowered: Lowered,
    cases: tuple[parity.Case, ...],
    atol: float | None,
) -> Artifact:
    """The artifact's entry for the manifest, after its bytes answered every golden case in a child process."""
    path = _PATHS[runtime, precision]
    config, task = reference.model.config, reference.model.task
    artifact = Artifact(
        path=path,
        sha256=sha256(lowered.data),
        bytes=len(lowered.data),
        runtime=runtime,
        precision=precision,
        version=lowered.version,
        batch=None if runtime == "onnx" else 1,
        max_length=reference.max_length,
        inputs=_inputs(runtime, task),
        outputs=_outputs(runtime, task, config),
        inventory=lowered.inventory,
        parity=(),
        oldest_runtime=_OLDEST[runtime],
    )
    tolerance = parity.default_tolerance(precision) if atol is None else parity.Tolerance(atol, None)
    with TemporaryDirectory() as folder:
        file = Path(folder) / path
        file.parent.mkdir()
        file.write_bytes(lowered.data)
        with Session(Path(folder), artifact) as session:
            measured = parity.measure(
                session.run,
                cases,
                tolerance=tolerance,
                file=path,
                pad_to=reference.max_length,
                batched=runtime == "onnx" and task is not Task.MULTIPLE_CHOICE,
            )
    return artifact.model_copy(update={"parity": measured})


def _inputs(runtime: Runtime, task: Task) -> tuple[TensorSpec, ...]:
    if runtime == "executorch":
        return tuple(
            TensorSpec(name=name, dtype="int64", axes=(1, "sequence_length"))
            for name in ("input_ids", "token_type_ids")
        )
    choices = ("num_choices",) if task is Task.MULTIPLE_CHOICE else ()
    axes = ("batch_size", *choices, "sequence_length")
    names = ("input_ids", "attention_mask", "token_type_ids")
    return tuple(TensorSpec(name=name, dtype="int64", axes=axes) for name in names)


def _outputs(runtime: Runtime, task: Task, config: SqueezeBertConfig) -> tuple[TensorSpec, ...]:
    """Name and axes of every output; a .pte answers one row, or one option of a choice."""
    batch: str | int = "batch_size" if runtime == "onnx" else 1
    per_token = (batch, "sequence_length")
    match task:
        case Task.FEATURE_EXTRACTION:
            axes = [(*per_token, config.hidden_size), (batch, config.hidden_size)]
        case Task.FILL_MASK:
            axes = [(*per_token, config.vocab_size)]
        case Task.TOKEN_CLASSIFICATION:
            axes = [(*per_token, config.num_labels)]
        case Task.QUESTION_ANSWERING:
            axes = [per_token, per_token]
        case Task.TEXT_CLASSIFICATION:
            axes = [(batch, config.num_labels)]
        case Task.MULTIPLE_CHOICE:
            axes = [(batch, "num_choices" if runtime == "onnx" else 1)]
    return tuple(
        TensorSpec(name=name, dtype="float32", axes=shape) for name, shape in zip(task.output_names, axes, strict=True)
    )


def _describe(
    reference: _Reference, artifacts: tuple[Artifact, ...], cases: tuple[parity.Case, ...]
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and the files that go with the artifacts by their path."""
    config = dataclasses.replace(reference.model.config, architectures=(reference.model.task.architecture,))
    files = _tokenizer_files(reference.tokenizer, reference.max_length)
    files[CONFIG_NAME] = jsonfile.dump(config.to_dict())
    files[GOLDEN_NAME] = golden.dump(parity.golden_cases(cases, reference.max_length))
    described = _manifest(reference, artifacts)
    files[CARD_NAME] = card(described).encode()
    entries = tuple(bundles.entry(path, data) for path, data in sorted(files.items()))
    return described.model_copy(update={"files": entries}), files


def _tokenizer_files(tokenizer: SqueezeBertTokenizerFast, max_length: int) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        settings = dataclasses.replace(tokenizer.settings, model_max_length=max_length)
        SqueezeBertTokenizerFast(tokenizer.pieces, settings).save_pretrained(folder)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _manifest(reference: _Reference, artifacts: tuple[Artifact, ...]) -> Manifest:
    task, config, source = reference.model.task, reference.model.config, reference.loaded.source
    return Manifest(
        schema_version=1,
        task=task,
        labels=config.id2label if task.has_labels else (),
        postprocessing=_postprocessing(task, config),
        tokenizer=_tokenizer_facts(reference.tokenizer, reference.max_length),
        files=(),
        artifacts=artifacts,
        recommended_call=RecommendedCall(batch=1, padding="none", threads=1),
        producer=Producer(
            squeezebert_mobile=__version__,
            **{name: importlib.metadata.version(name) for name in ("torch", "onnx", "onnxruntime", "executorch")},
        ),
        source=Source(
            name=source.name,
            revision=source.revision,
            files=tuple(FileEntry(path=f.path, sha256=f.sha256, bytes=f.bytes) for f in source.files),
            digest=source.digest,
            notes=source.notes,
        ),
    )


def _postprocessing(task: Task, config: SqueezeBertConfig) -> PostProcessing:
    """What turns the logits into answers; one label means regression, as in transformers."""
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
            if config.problem_type == "regression" or (config.problem_type is None and config.num_labels == 1):
                return "regression"
            return "sigmoid" if config.problem_type == "multi_label_classification" else "softmax"


def _tokenizer_facts(tokenizer: SqueezeBertTokenizerFast, max_length: int) -> TokenizerFacts:
    return TokenizerFacts(
        vocab_size=tokenizer.vocab_size,
        lowercase=tokenizer.do_lower_case,
        strip_accents=tokenizer.strip_accents,
        tokenize_chinese_chars=tokenizer.tokenize_chinese_chars,
        max_length=max_length,
        pad_token_id=tokenizer.pad_token_id,
        unk_token_id=tokenizer.unk_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        mask_token_id=tokenizer.mask_token_id,
    )
