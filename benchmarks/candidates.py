"""What can be measured: an artifact of a bundle, a peer in a form of its own, or a checkpoint in PyTorch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from squeezebert_mobile.benchmarks import environment, peers
from squeezebert_mobile.benchmarks.peers import TREATED, Form, Peer, PeerModel
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.benchmarks.results import Case, label
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.files import sha256_file
from squeezebert_mobile.tasks import Task, Timed
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

_AS_SAVED = ReadOptions()


@dataclass(frozen=True)
class BundleFile:
    """An artifact by its path in a bundle."""

    folder: Path
    artifact: str


@dataclass(frozen=True)
class PlainFile:
    """A peer's exported file; a .pte takes ``fixed_tokens`` tokens and no others."""

    path: Path
    fixed_tokens: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A SqueezeBERT checkpoint, run by the reference model, and how it is read."""

    folder: Path
    how: ReadOptions = _AS_SAVED


Source = BundleFile | PlainFile | Checkpoint | PeerModel


@dataclass(frozen=True)
class Candidate:
    """A model that a child process can load, with what its `Case` says of it.

    ``tokenizer`` is the folder of the tokenizer that reads texts for a source that has none of its own; without one
    only ids are measured. Ids below ``vocab_size`` are legal.
    """

    model: str
    form: str
    runtime: Timed
    precision: str
    source: Source
    vocab_size: int
    max_tokens: int
    task: Task = Task.TEXT_CLASSIFICATION
    tokenizer: Path | None = None
    file_sha256: str | None = None
    file_bytes: int | None = None
    bundle_sha256: str | None = None
    agreement: float | None = None

    @property
    def label(self) -> str:
        """Model, runtime, precision and form: what a table's row is called."""
        return label(self.model, self.runtime, self.precision, self.form)

    @property
    def fixed_tokens(self) -> int | None:
        """The one length that the file takes, None where it takes any."""
        return self.source.fixed_tokens if isinstance(self.source, PlainFile) else None

    @property
    def any_batch(self) -> bool:
        """False for ExecuTorch, whose programs take one row."""
        return self.runtime != "executorch"

    def case(self, protocol: Protocol) -> Case:
        """The line of the result file for this candidate under ``protocol``."""
        return Case(
            name=f"{self.label}, {protocol.conditions}",
            model=self.model,
            form=self.form,
            runtime=self.runtime,
            runtime_version=environment.runtime_version(self.runtime),
            precision=self.precision,
            protocol=protocol,
            file_sha256=self.file_sha256,
            file_bytes=self.file_bytes,
            bundle_sha256=self.bundle_sha256,
            agreement=self.agreement,
        )


def from_bundle(
    bundle: Bundle, *, model: str = "SqueezeBERT", runtimes: Sequence[str] = (), precisions: Sequence[str] = ()
) -> list[Candidate]:
    """The artifacts of a bundle that are timed; empty sequences mean all. Raises UsageError where none is left."""
    config = bundle.config()
    return [
        Candidate(
            model=model,
            form="bundle",
            runtime=runtime,
            precision=a.precision,
            source=BundleFile(bundle.folder, a.path),
            vocab_size=config.vocab_size,
            max_tokens=a.max_length,
            task=bundle.manifest.task,
            tokenizer=bundle.folder,
            file_sha256=a.sha256,
            file_bytes=a.bytes,
            bundle_sha256=bundle.digest,
            agreement=min((parity.argmax_agreement for parity in a.parity), default=None),
        )
        for runtime, a in timed(bundle, runtimes, precisions)
    ]


def timed(bundle: Bundle, runtimes: Sequence[str], precisions: Sequence[str]) -> list[tuple[Timed, Artifact]]:
    """The artifacts that are timed, with their runtimes. Raises UsageError where there is none."""
    asked = runtimes or get_args(Timed)
    found: list[tuple[Timed, Artifact]] = [
        (a.runtime, a) for a in bundle.artifacts(asked, precisions) if a.runtime != "coreai"
    ]
    if not found:
        fix = "take another runtime, and time this one on an iPhone"
        raise UsageError("--runtime coreai", "is not timed here: its runtime for processors is slow", fix=fix)
    return found


def from_bundles(
    folders: Sequence[Path], *, runtimes: Sequence[str] = (), precisions: Sequence[str] = ()
) -> list[Candidate]:
    """The artifacts of several bundles, which are told apart by their folders' names."""
    found = []
    for folder in folders:
        model = "SqueezeBERT" if len(folders) == 1 else f"SqueezeBERT {folder.name}"
        found += from_bundle(bundles.read(folder), model=model, runtimes=runtimes, precisions=precisions)
    return found


def from_peer(model: PeerModel, runtime: Timed, form: Form, *, tokens: int, tokenizer: Path | None) -> Candidate:
    """A peer, exported where its file is not in the cache. ``tokens`` is the length of a .pte that takes as many."""
    tokens = min(tokens, model.max_length)
    fixed = tokens if runtime == "executorch" else None
    candidate = Candidate(
        model=str(model.peer),
        form=str(form),
        runtime=runtime,
        precision=form.precision,
        source=model,
        vocab_size=model.vocab_size,
        max_tokens=fixed or model.max_length,
        tokenizer=tokenizer,
    )
    match runtime:
        case "torch":
            return candidate
        case "onnx":
            path = peers.export_onnx(model, form)
        case "executorch":
            path = peers.export_pte(model, tokens)
    source = PlainFile(path, fixed)
    return replace(candidate, source=source, file_sha256=sha256_file(path), file_bytes=path.stat().st_size)


def from_checkpoint(folder: Path, how: ReadOptions) -> Candidate:
    """A SqueezeBERT checkpoint in PyTorch eager, as the reference runs it."""
    from squeezebert_mobile.checkpoint.sentence import SentenceFolder
    from squeezebert_mobile.config import SqueezeBertConfig

    declared = SentenceFolder.open(folder.parent if folder.is_file() else folder)
    config = SqueezeBertConfig.from_pretrained(declared.transformer, revision=how.revision)
    named = None if declared.embeds else Task.from_architectures(config.architectures)
    task = named or Task.FEATURE_EXTRACTION
    reads_texts = how.tokenizer is not None and task is Task.TEXT_CLASSIFICATION
    return Candidate(
        model=f"SqueezeBERT {folder.name}",
        form="checkpoint",
        runtime="torch",
        precision="fp32",
        source=Checkpoint(folder, how),
        vocab_size=config.vocab_size,
        max_tokens=config.max_position_embeddings,
        task=task,
        tokenizer=Path(str(how.tokenizer)) if reads_texts else None,
    )


def from_peers(
    asked: Mapping[Peer, Path | None],
    runtimes: Sequence[str] = (),
    precisions: Sequence[str] = (),
    *,
    tokens: int,
    tokenizer: Path | None,
    best: bool = False,
    shrink: PeerModel | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Candidate]:
    """Each peer in every form that its users have today, with the weights of a folder or random ones.

    ``best`` adds the forms with our treatment, ``shrink`` gives layers and hidden size to all of them, for tests.
    """
    found = []
    for model, runtime, form in forms(asked, runtimes, precisions, best=best, shrink=shrink):
        report(f"export {model.peer}, {runtime}, {form}")
        words = tokenizer if _reads(model, tokenizer) else None
        found.append(from_peer(model, runtime, form, tokens=tokens, tokenizer=words))
    return found


def forms(
    asked: Mapping[Peer, Path | None],
    runtimes: Sequence[str] = (),
    precisions: Sequence[str] = (),
    *,
    best: bool = False,
    shrink: PeerModel | None = None,
) -> list[tuple[PeerModel, Timed, Form]]:
    """What `from_peers` exports, before it does."""
    wanted: list[tuple[Timed, Form]] = [("torch", Form.PLAIN), ("executorch", Form.PLAIN), ("onnx", Form.PLAIN)]
    wanted += [("onnx", Form.DYNAMIC), ("onnx", Form.DYNAMIC_UNSIGNED)]
    treated: list[tuple[Timed, Form]] = [("onnx", Form.BEST), ("onnx", Form.BEST_INT8)] if best else []
    found = []
    for peer, weights in asked.items():
        model = replace(shrink or PeerModel(peer), peer=peer, weights=weights)
        if weights is not None:
            model = replace(model, max_length=peers.size_of(weights, "max_position_embeddings"))
        found += [
            (model, runtime, form)
            for runtime, form in wanted + (treated if peer in TREATED else [])
            if (not runtimes or runtime in runtimes) and (not precisions or form.precision in precisions)
        ]
    return found


def _reads(model: PeerModel, tokenizer: Path | None) -> bool:
    """False for a tokenizer with more words than the model; ids alone are measured then."""
    return tokenizer is not None and len(SqueezeBertTokenizerFast.from_pretrained(tokenizer)) <= model.vocab_size
