"""From a checkpoint to a bundle: the only place that knows the order of the steps."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.bundle import archive, runtimes, signing
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.doubts import doubts
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact, Manifest
from squeezebert_mobile.export import description, parity, schemes
from squeezebert_mobile.export.gates import (
    AccuracyGate,
    cost_report,
    require_agreement,
    require_faster,
    require_small,
    snippet,
)
from squeezebert_mobile.export.inventory import Lowered
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.ort.lower import lower_onnx
from squeezebert_mobile.export.quantization import Dynamic, Scheme, Static
from squeezebert_mobile.export.reference import Reference, load_reference
from squeezebert_mobile.export.signature import signature
from squeezebert_mobile.export.xnnpack.lower import lower_pte
from squeezebert_mobile.files import sha256
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.tasks import Precision, Runtime, Task

__all__ = ["ExportOptions", "count_steps", "export"]

Report = Callable[[str], None]

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


def export(options: ExportOptions, report: Report = lambda _: None, note: Report = lambda _: None) -> Bundle:
    """Export a checkpoint, prove every artifact equal to the reference, and write the bundle in one rename.

    With ``archive`` the bundle is also packed into that zip file. ``report`` gets each step at its start, ``note``
    what is worth keeping.

    Raises what reading the checkpoint raises; UsageError for an option that cannot be honoured; GateError where an
    artifact misses a gate; EnvironmentFault where the target cannot be written. Nothing is written then.
    """
    if options.archive is not None:
        archive.require_free(options.archive, force=options.force)
    if options.sign_key is not None:
        signing.require_private_key(options.sign_key)
    with _no_caches(), bundles.staged(options.output_dir, force=options.force) as stage:
        described = _build(stage, options, report, note)
        if options.sign_key is not None:
            signing.sign(stage, options.sign_key)
    if options.archive is not None:
        archive.pack(options.output_dir, options.archive, force=options.force)
    return Bundle(options.output_dir, described)


@contextmanager
def _no_caches() -> Iterator[None]:
    """Remove the empty folder that torch's compiler makes for itself where it is imported, and that nothing uses."""
    try:
        yield
    finally:
        folder = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR", ""))
        if folder.name.startswith("torchinductor_"):
            with suppress(OSError):
                folder.rmdir()


def count_steps(options: ExportOptions) -> int:
    """How often `export` reports, but for calibration and the units of a sensitivity ranking."""
    return 3 + 2 * len(options.runtimes) * len(options.precisions)


def _build(stage: Path, options: ExportOptions, report: Report, note: Report) -> Manifest:
    """Fill ``stage`` with the bundle."""
    # 1. The reference, and what it answers
    report("Reading the checkpoint")
    reference = load_reference(options)
    report("Running the reference on the golden texts")
    cases = parity.build_cases(reference.model, reference.tokenizer, reference.max_length)
    if options.golden is not None:
        parity.check_reference(reference.model, options.golden)
    # 2. What each precision is to be
    gate = None
    if options.max_accuracy_drop is not None:
        gate = AccuracyGate(options, reference.model, reference.tokenizer, reference.max_length)
    chosen = schemes.resolve(options, reference, [case.batch for case in cases], gate, report)
    # 3. Lower and prove
    artifacts: list[Artifact] = []
    content: dict[str, bytes] = {}
    for runtime in options.runtimes:
        for precision, scheme in chosen.items():
            report(f"Exporting {runtime} {precision}")
            lowered = _lower(reference, runtime, scheme, options)
            report(f"Checking {runtime} {precision} against the reference")
            back = scheme.keep_float - options.keep_float if isinstance(scheme, (Dynamic, Static)) else frozenset()
            artifact = _prove(reference, runtime, precision, lowered, cases, options.atol, gate, back)
            artifacts.append(artifact)
            content[artifact.path] = lowered.data
            if options.min_agreement is not None:
                require_agreement(artifact, options.min_agreement)
            if back and isinstance(scheme, (Dynamic, Static)):
                report(f"Measuring what float units cost in {runtime} {precision}")
                throughout = _lower(reference, runtime, replace(scheme, keep_float=options.keep_float), options)
                note(cost_report(throughout.data, lowered.data, artifact, len(back), _snippet(reference)))
    if options.size_budget is not None:
        require_small(artifacts, options.size_budget)
    if options.require_faster:
        require_faster(artifacts, content, _snippet(reference))
    # 4. Describe and write
    report("Writing the bundle")
    described, files = description.describe(reference, tuple(artifacts), cases)
    for doubt in doubts(described):
        note(f"warning: {doubt}")
    bundles.fill(stage, {**content, **files}, described)
    return described


def _lower(reference: Reference, runtime: Runtime, scheme: Scheme | None, options: ExportOptions) -> Lowered:
    if runtime == "onnx":
        return lower_onnx(reference.model, scheme=scheme, opset=options.opset, max_seq_len=reference.max_length)
    return lower_pte(reference.model, scheme=scheme, max_seq_len=reference.max_length)


def _prove(
    reference: Reference,
    runtime: Runtime,
    precision: Precision,
    lowered: Lowered,
    cases: tuple[parity.Case, ...],
    atol: float | None,
    gate: AccuracyGate | None,
    back: frozenset[str],
) -> Artifact:
    """The artifact's entry for the manifest, after its bytes answered every golden case in a child process."""
    path = _PATHS[runtime, precision]
    model = reference.model
    interface = signature(model.task, model.config, runtime, model.output_names)
    artifact = Artifact(
        path=path,
        sha256=sha256(lowered.data),
        bytes=len(lowered.data),
        runtime=runtime,
        precision=precision,
        version=lowered.version,
        batch=None if runtime == "onnx" else 1,
        max_length=reference.max_length,
        inputs=interface.inputs,
        outputs=interface.outputs,
        inventory=lowered.inventory,
        parity=(),
        oldest_runtime=runtimes.known().tried[runtime].oldest[precision],
    )
    with TemporaryDirectory(prefix="squeezebert-mobile-") as folder:
        file = Path(folder) / path
        file.parent.mkdir()
        file.write_bytes(lowered.data)
        with Session(Path(folder), artifact) as session:
            measured = parity.measure(
                session.run,
                cases,
                tolerance=parity.tolerance_of(precision, atol),
                file=path,
                pad_to=reference.max_length,
                batched=runtime == "onnx" and model.task is not Task.MULTIPLE_CHOICE,
            )
            accuracy = None if gate is None else gate.require(session.run, path, back)
    return artifact.model_copy(update={"parity": measured, "accuracy": accuracy})


def _snippet(reference: Reference) -> Batch:
    return snippet(reference.model.task, reference.model.config.vocab_size, reference.max_length)
