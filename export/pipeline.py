"""From a checkpoint to a bundle: the only place that knows the order of the steps."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from squeezebert_mobile import licences
from squeezebert_mobile.batch import Batch
from squeezebert_mobile.bundle import archive, runtimes, signing
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.doubts import doubts
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact, Manifest, folder_digest
from squeezebert_mobile.export import description, parity, schemes
from squeezebert_mobile.export import plan as planned
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
from squeezebert_mobile.export.parts import one_thread
from squeezebert_mobile.export.processes import Work, run_each
from squeezebert_mobile.export.quantization import Dynamic, Scheme, Static
from squeezebert_mobile.export.reference import Reference, load_reference
from squeezebert_mobile.export.signature import signature
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.steps import Steps
from squeezebert_mobile.tasks import POOLER_OUTPUT, SENTENCE_EMBEDDING, Precision, Runtime, Task

__all__ = ["ExportOptions", "export"]

Note = Callable[[str], None]

_LOWERINGS: dict[Runtime, str] = {
    "onnx": "squeezebert_mobile.export.ort.lower",
    "executorch": "squeezebert_mobile.export.xnnpack.lower",
    "coreai": "squeezebert_mobile.export.coreai.lower",
}


def export(options: ExportOptions, steps: Steps | None = None, note: Note = lambda _: None) -> Bundle:
    """Export a checkpoint, prove every artifact equal to the reference, and write the bundle in one rename.

    Each artifact is made in a process of its own, several at once. With ``archive`` the bundle is also packed into
    that zip file. ``steps`` are planned and followed, ``note`` gets what is worth keeping.

    Raises what reading the checkpoint raises; UsageError for an option that cannot be honoured; GateError where an
    artifact misses a gate; EnvironmentFault where the target cannot be written or a process dies. Nothing is written
    then.
    """
    steps = steps or Steps()
    if options.archive is not None:
        archive.require_free(options.archive, force=options.force)
    if options.sign_key is not None:
        signing.require_private_key(options.sign_key)
    with _no_caches(), bundles.staged(options.output_dir, force=options.force) as stage:
        described = _build(stage, options, steps, note)
        if options.sign_key is not None:
            signing.sign(stage, options.sign_key)
    if options.archive is not None:
        steps.begin(planned.PACK)
        archive.pack(options.output_dir, options.archive, force=options.force)
    steps.end()
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


@dataclass(frozen=True)
class Exported:
    """A bundle that was just written, with the artifact to take of it."""

    folder: Path
    manifest: Manifest
    recommended: str

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """What `export` returned."""
        return cls(bundle.folder, bundle.manifest, bundle.recommended().path)


@dataclass(frozen=True)
class _Subject:
    """What every artifact is made of and compared with."""

    options: ExportOptions
    reference: Reference
    cases: tuple[parity.Case, ...]
    gate: AccuracyGate | None
    stage: Path
    scratch: Path


@dataclass(frozen=True)
class _Made:
    """A proven artifact, and the file with all of its units in int8 where ``returned`` ones went back to float."""

    artifact: Artifact
    returned: int = 0
    throughout: Path | None = None


def _build(stage: Path, options: ExportOptions, steps: Steps, note: Note) -> Manifest:
    """Fill ``stage`` with the bundle."""
    # 1. The reference, and what it answers
    steps.begin(planned.READ)
    reference = load_reference(options)
    config, jobs = reference.model.config, planned.jobs(options, reference.model.config)
    steps.plan(planned.plan(options, config), lanes=jobs)
    steps.begin(planned.REFERENCE)
    with one_thread():
        cases = parity.build_cases(reference.model, reference.tokenizer, reference.max_length)
    if options.golden is not None:
        parity.check_reference(reference.model, options.golden)
    # 2. What each precision is to be
    gate = None
    if options.max_accuracy_drop is not None:
        steps.begin(planned.BASELINE)
        gate = AccuracyGate(options, reference.model, reference.tokenizer, reference.max_length)
    chosen = schemes.resolve(options, reference, [case.batch for case in cases], gate, steps.begin)
    steps.end()
    returned = [precision for precision, scheme in chosen.items() if _returned(scheme, options)]
    steps.plan(planned.making(options, config, returned), lanes=jobs)
    # 3. Lower and prove
    with TemporaryDirectory(prefix="squeezebert-mobile-") as scratch:
        subject = _Subject(options, reference, cases, gate, stage, Path(scratch))
        made = _make_all(subject, chosen, jobs, steps)
        for one in made:
            if one.throughout is not None:
                steps.begin(planned.COST)
                settled = (stage / one.artifact.path).read_bytes()
                batch = _snippet(reference)
                note(cost_report(one.throughout.read_bytes(), settled, one.artifact, one.returned, batch))
    artifacts = tuple(one.artifact for one in made)
    if options.size_budget is not None:
        require_small(artifacts, options.size_budget)
    if options.require_faster:
        steps.begin(planned.SPEED)
        require_faster(artifacts, stage, _snippet(reference))
    # 4. Describe and write
    steps.begin(planned.WRITE)
    described, files = description.describe(reference, artifacts, cases)
    for warning in (*doubts(described), *_lacks(described)):
        note(f"warning: {warning}")
    bundles.fill(stage, files, described)
    return described


def _lacks(described: Manifest) -> Iterator[str]:
    """What a bundle would need for all that is done with one."""
    if described.license == licences.UNKNOWN:
        yield "the licence of the model is unknown: its card names none; pass --license, such as Apache-2.0"
    outputs = {output.name for output in described.artifacts[0].outputs}
    if described.task == Task.FEATURE_EXTRACTION and not outputs & {POOLER_OUTPUT, SENTENCE_EMBEDDING}:
        yield "no output is the vector of a text, which predict and the app need; pass --pooling mean, cls or max"


def _make_all(
    subject: _Subject, chosen: Mapping[Precision, Scheme | None], jobs: int, steps: Steps
) -> tuple[_Made, ...]:
    """All artifacts in the manifest's order, each made in a process of its own, those that take longest first."""
    seconds = planned.seconds_by_lane(steps.planned)
    wanted = planned.files(subject.options)
    longest_first = sorted(wanted, key=lambda one: -seconds[planned.lane(*one)])
    found = run_each(_works(subject, chosen, longest_first), jobs, steps)
    return tuple(found[planned.lane(*one)] for one in wanted)


def _works(
    subject: _Subject, chosen: Mapping[Precision, Scheme | None], order: Sequence[tuple[Runtime, Precision]]
) -> Iterator[tuple[str, Work[_Made]]]:
    """What each process does. Its modules are imported here, once for all, while others are at work."""
    for runtime, precision in order:
        import_module(_LOWERINGS[runtime])
        yield planned.lane(runtime, precision), partial(_make, subject, runtime, precision, chosen[precision])


@one_thread()
def _make(
    subject: _Subject, runtime: Runtime, precision: Precision, scheme: Scheme | None, report: Callable[[str], None]
) -> _Made:
    """One artifact in the staging folder: lowered, and proven there."""
    options, reference = subject.options, subject.reference
    report(planned.exporting(runtime, precision))
    lowered = _lower(reference, runtime, scheme, options)
    path = planned.PATHS[runtime, precision]
    parts = {path: lowered.data} if isinstance(lowered.data, bytes) else _inside(path, lowered.data)
    for name, data in parts.items():
        (subject.stage / name).parent.mkdir(parents=True, exist_ok=True)
        (subject.stage / name).write_bytes(data)
    report(planned.checking(runtime, precision))
    back = _returned(scheme, options)
    artifact = _prove(subject, runtime, precision, lowered, parts, back)
    if options.min_agreement is not None:
        require_agreement(artifact, options.min_agreement)
    if not back:
        return _Made(artifact)
    report(planned.costing(runtime, precision))
    assert isinstance(scheme, (Dynamic, Static))
    throughout = subject.scratch / f"{runtime} {precision}"
    whole = _lower(reference, runtime, replace(scheme, keep_float=options.keep_float), options).data
    assert isinstance(whole, bytes), "a folder has no int8"
    throughout.write_bytes(whole)
    return _Made(artifact, len(back), throughout)


def _inside(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": data for name, data in files.items()}


def _returned(scheme: Scheme | None, options: ExportOptions) -> frozenset[str]:
    """The units that went back to float for their accuracy."""
    return scheme.keep_float - options.keep_float if isinstance(scheme, (Dynamic, Static)) else frozenset()


def _lower(reference: Reference, runtime: Runtime, scheme: Scheme | None, options: ExportOptions) -> Lowered:
    if runtime == "onnx":
        from squeezebert_mobile.export.ort.lower import lower_onnx

        return lower_onnx(reference.model, scheme=scheme, opset=options.opset, max_seq_len=reference.max_length)
    if runtime == "coreai":
        from squeezebert_mobile.export.coreai.lower import lower_coreai

        assert not isinstance(scheme, (Dynamic, Static))
        return lower_coreai(reference.model, scheme=scheme, max_seq_len=reference.max_length)
    from squeezebert_mobile.export.xnnpack.lower import lower_pte

    return lower_pte(reference.model, scheme=scheme, max_seq_len=reference.max_length)


def _prove(
    subject: _Subject,
    runtime: Runtime,
    precision: Precision,
    lowered: Lowered,
    parts: Mapping[str, bytes],
    back: frozenset[str],
) -> Artifact:
    """The artifact's entry for the manifest, after its ``parts`` answered every golden case in a child process."""
    path = planned.PATHS[runtime, precision]
    model, length = subject.reference.model, subject.reference.max_length
    interface = signature(model.task, model.config, runtime, model.output_names)
    files = tuple(bundles.entry(name, data) for name, data in sorted(parts.items()))
    artifact = Artifact(
        path=path,
        sha256=folder_digest(files) if path not in parts else files[0].sha256,
        bytes=sum(entry.bytes for entry in files),
        files=files if path not in parts else (),
        runtime=runtime,
        precision=precision,
        version=lowered.version,
        batch=None if runtime == "onnx" else 1,
        max_length=length,
        inputs=interface.inputs,
        outputs=interface.outputs,
        inventory=lowered.inventory,
        parity=(),
        oldest_runtime=runtimes.known().tried[runtime].oldest[precision],
    )
    with Session(subject.stage, artifact) as session:
        measured = parity.measure(
            session.run,
            subject.cases,
            tolerance=parity.tolerance_of(precision, subject.options.atol),
            file=path,
            pad_to=length,
            batched=runtime == "onnx" and model.task is not Task.MULTIPLE_CHOICE,
        )
        accuracy = None if subject.gate is None else subject.gate.require(session.run, path, back)
    return artifact.model_copy(update={"parity": measured, "accuracy": accuracy})


def _snippet(reference: Reference) -> Batch:
    return snippet(reference.model.task, reference.model.config.vocab_size, reference.max_length)
