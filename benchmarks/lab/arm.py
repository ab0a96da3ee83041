"""A bundle on emulated 64-bit ARM: the same answers there, and executed instructions per inference.

`python -m squeezebert_mobile.benchmarks.lab.arm BUNDLE [--peers] [--tokens N]... [-o FILE]`

QEMU (Debian 12's qemu-user) runs the ARM wheels of onnxruntime and executorch from PyPI in Debian's ARM Python. The
first call fetches them into the cache folder. Counted instructions are free of noise, but no time: they know nothing of
caches or of what an instruction takes.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast

import numpy as np

from squeezebert_mobile import console
from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.batch import Float32
from squeezebert_mobile.benchmarks import candidates, environment, tables, workload
from squeezebert_mobile.benchmarks.candidates import BundleFile, Candidate, PlainFile
from squeezebert_mobile.benchmarks.lab import arm_guest, arm_machine
from squeezebert_mobile.benchmarks.lab.arm_machine import CPUS, Cpu, Machine
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.peers import Peer, PeerModel
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.benchmarks.results import Version
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.golden import GOLDEN_NAME, GoldenCase
from squeezebert_mobile.bundle.manifest import Record, Sha256, validated
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.tasks import Runtime

# Peers have no golden answers, and their counts need but one core: the one with dot product.
PEER_CPU = CPUS[1]
_PEERS = (Peer.SQUEEZEBERT, Peer.BERT_BASE, Peer.MOBILEBERT)
_VERDICTS = {True: "yes", False: "NO", None: "–"}


@dataclass(frozen=True)
class ArmOptions:
    """What to run. Empty tuples mean all; golden texts of more than ``golden_tokens`` tokens are left out.

    ``tokens`` are the lengths of the counted inferences; ``peers`` are counted beside the bundle.
    """

    bundle: Path
    cpus: tuple[Cpu, ...] = CPUS
    runtimes: tuple[Runtime, ...] = ()
    precisions: tuple[str, ...] = ()
    tokens: tuple[int, ...] = (128,)
    golden_tokens: int | None = None
    peers: tuple[PeerModel, ...] = ()


class Count(Record):
    """Executed instructions of one inference, batch 1, without padding."""

    tokens: int
    instructions: int


class Answer(Record):
    """A file on a CPU: the worst difference from the reference over some golden texts, what is allowed, and counts.

    The first three are None for a peer, which has no golden answers; ``counts`` is empty without a C compiler.
    """

    cpu: str
    name: str
    texts: int | None
    max_abs: float | None
    allowed: float | None
    counts: tuple[Count, ...]

    @property
    def holds(self) -> bool | None:
        """Whether the answers are those of the reference; None where there is none."""
        return None if self.max_abs is None or self.allowed is None else self.max_abs <= self.allowed


class ArmRun(Record):
    """All answers for one bundle, with the versions behind them."""

    record: Literal["arm"] = "arm"
    bundle_sha256: Sha256
    qemu: str
    versions: tuple[Version, ...]
    answers: tuple[Answer, ...]


def measure(options: ArmOptions, report: Report = lambda _: None) -> ArmRun:
    """Every file of a bundle on every CPU, and the peers' plain and int8 ONNX files on one.

    Raises EnvironmentFault where the machine cannot be set up or a file does not run on it, UsageError where no file
    is left.
    """
    bundle = bundles.read(options.bundle)
    chosen = candidates.from_bundle(bundle, runtimes=options.runtimes, precisions=options.precisions)
    runtimes = {cast("Runtime", candidate.runtime) for candidate in chosen}
    report("set up the machine")
    machine = arm_machine.set_up(sorted(runtimes | ({"onnx"} if options.peers else set())))
    answers = []
    for cpu in options.cpus:
        for candidate in chosen:
            report(f"{cpu.name}: {candidate.label}")
            answers.append(_answer(machine, cpu, bundle, candidate, options))
    for model in options.peers:
        plain = candidates.from_peers({model.peer: None}, ("onnx",), tokens=128, tokenizer=None, shrink=model)
        for candidate in plain:
            report(f"{PEER_CPU.name}: {candidate.label}")
            assert isinstance(candidate.source, PlainFile)
            inputs = _counted(candidate, options.tokens)
            _, counts = _run(machine, PEER_CPU, "onnx", candidate.source.path, "[]", inputs)
            none = {"texts": None, "max_abs": None, "allowed": None}
            answers.append(Answer(cpu=PEER_CPU.name, name=candidate.label, counts=counts, **none))
    versions = tuple(environment.versions())
    return ArmRun(
        bundle_sha256=bundle.digest, qemu=arm_machine.qemu_version(), versions=versions, answers=tuple(answers)
    )


def _answer(machine: Machine, cpu: Cpu, bundle: Bundle, candidate: Candidate, options: ArmOptions) -> Answer:
    """One artifact's golden answers on a CPU, and its counts."""
    assert isinstance(candidate.source, BundleFile)
    artifact = next(a for a in bundle.manifest.artifacts if a.path == candidate.source.artifact)
    rank = bundle.manifest.task.rank
    cases = _golden(bundle, options.golden_tokens)
    inputs = {f"{n}/{name}": array for n, case in enumerate(cases) for name, array in case.batch(rank).arrays().items()}
    inputs |= _counted(candidate, options.tokens)
    specs = json.dumps([spec.model_dump(mode="json") for spec in artifact.outputs])
    outputs, counts = _run(machine, cpu, artifact.runtime, bundle.folder / artifact.path, specs, inputs)
    worst = max(
        golden.difference(expected, outputs[f"{n}/{expected.name}"])
        for n, case in enumerate(cases)
        for expected in case.outputs
    )
    allowed = max(artifact.allowed_differences().values())
    return Answer(cpu=cpu.name, name=candidate.label, texts=len(cases), max_abs=worst, allowed=allowed, counts=counts)


def _golden(bundle: Bundle, longest: int | None) -> list[GoldenCase]:
    path = bundle.folder / GOLDEN_NAME
    cases = golden.parse(path.read_bytes(), str(path))
    left = [case for case in cases if longest is None or max(map(len, case.input_ids)) <= longest]
    if not left:
        raise UsageError("--golden-tokens", "leaves no golden text", found=longest, fix="raise it")
    return left


def _counted(candidate: Candidate, lengths: Sequence[int]) -> dict[str, np.ndarray]:
    """The inputs whose second run is counted."""
    return {
        f"{arm_guest.COUNTED} {tokens}/{name}": array
        for tokens in (min(length, candidate.max_tokens) for length in lengths)
        for name, array in workload.ids(candidate, Protocol(tokens=tokens), tokens).arrays().items()
    }


def _run(
    machine: Machine, cpu: Cpu, runtime: Runtime, model: Path, specs: str, inputs: dict[str, np.ndarray]
) -> tuple[dict[str, Float32], tuple[Count, ...]]:
    """A file's outputs in the machine, and the instructions of its counted cases."""
    with tempfile.TemporaryDirectory() as scratch:
        given, answered = Path(scratch) / "inputs.npz", Path(scratch) / "outputs.npz"
        np.savez(given, **inputs)  # type: ignore[arg-type]
        program = Path(arm_guest.__file__)
        said = machine.run(cpu, runtime, program, model.resolve(), runtime, specs, given, answered)
        with np.load(answered) as found:
            outputs = {name: found[name].astype(np.float32) for name in found.files}
    cases = dict.fromkeys(name.partition("/")[0] for name in inputs)
    counted = [int(case.split()[1]) for case in cases if case.startswith(arm_guest.COUNTED)]
    found_counts = zip(counted, arm_machine.counts(said), strict=False)
    return outputs, tuple(Count(tokens=tokens, instructions=executed) for tokens, executed in found_counts)


def heads(run: ArmRun) -> tuple[str, ...]:
    """The names of the table's columns."""
    counts = (f"million instructions, {tokens} tokens" for tokens in _lengths(run))
    return ("CPU", "file", "golden texts", "max difference", "allowed", "same answers", *counts)


def cells(run: ArmRun, answer: Answer) -> tuple[str, ...]:
    """The texts of a row, one for each of the table's heads."""
    counts = {count.tokens: f"{count.instructions / 1e6:.1f}" for count in answer.counts}
    return (
        answer.cpu,
        answer.name,
        "–" if answer.texts is None else str(answer.texts),
        "–" if answer.max_abs is None else f"{answer.max_abs:.2g}",
        "–" if answer.allowed is None else f"{answer.allowed:.2g}",
        _VERDICTS[answer.holds],
        *(counts.get(tokens, "–") for tokens in _lengths(run)),
    )


def _lengths(run: ArmRun) -> list[int]:
    return sorted({count.tokens for answer in run.answers for count in answer.counts}, reverse=True)


def text(run: ArmRun) -> str:
    """The answers as a table."""
    return console.table(heads(run), [cells(run, answer) for answer in run.answers])


def markdown(run: ArmRun) -> str:
    """The answers as a Markdown table."""
    return "\n".join(tables.lines(heads(run), [cells(run, answer) for answer in run.answers])) + "\n"


def write(path: Path, run: ArmRun) -> None:
    """Keep a run. A file that is there is added to: full-size files take hours, so they may be run one by one.

    Raises UsageError where that file is of another bundle, emulator or version, EnvironmentFault where it cannot be
    written.
    """
    merged = _merged(path, read(path), run) if path.exists() else run
    replace_file(path, merged.model_dump_json(indent=1).encode() + b"\n")


def _merged(path: Path, old: ArmRun, new: ArmRun) -> ArmRun:
    """Both runs' answers, the new ones in the places of those that they repeat."""
    if (old.bundle_sha256, old.qemu, old.versions) != (new.bundle_sha256, new.qemu, new.versions):
        fix = "give another file"
        raise UsageError(path, "was made with another bundle or other versions", found=old.bundle_sha256, fix=fix)
    answers = {(answer.cpu, answer.name): answer for answer in (*old.answers, *new.answers)}
    order = [cpu.name for cpu in CPUS]
    found = sorted(answers.values(), key=lambda answer: (answer.texts is None, order.index(answer.cpu)))
    return new.model_copy(update={"answers": tuple(found)})


def read(path: Path) -> ArmRun:
    """A kept run. Raises IntegrityError for a file that is not one."""
    return validated(ArmRun, path.read_bytes(), path, "a run on ARM", fix="measure again")


def main() -> None:
    """Measure a bundle; exit 6 where a file answers otherwise on ARM."""
    import typer

    names = [cpu.name for cpu in CPUS]

    def command(
        bundle: Path,
        cpu: Annotated[list[str] | None, typer.Option(help=f"repeatable; of {', '.join(names)}")] = None,
        runtime: Annotated[list[str] | None, typer.Option(help="repeatable; default: all")] = None,
        precision: Annotated[list[str] | None, typer.Option(help="repeatable; default: all")] = None,
        tokens: Annotated[list[int] | None, typer.Option(min=1, max=512, help="repeatable; default: 128")] = None,
        golden_tokens: Annotated[int | None, typer.Option(min=1, help="leave out longer golden texts")] = None,
        peers: Annotated[bool, typer.Option("--peers", help="count the plain models and their int8 files")] = False,
        output: Annotated[
            Path | None, typer.Option("-o", "--output", help="keep the run as JSON, added to what is there")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        chosen = [arm_machine.cpu_named(name) for name in sorted(cpu or ())]
        options = ArmOptions(
            bundle=bundle,
            cpus=tuple(known for known in CPUS if not chosen or known in chosen),
            runtimes=cast("tuple[Runtime, ...]", tuple(runtime or ())),
            precisions=tuple(precision or ()),
            tokens=tuple(tokens or (128,)),
            golden_tokens=golden_tokens,
            peers=tuple(map(PeerModel, _PEERS)) if peers else (),
        )
        screen = console.Screen(as_json=as_json)
        with screen.progress("emulating") as step:
            found = measure(options, step)
        if output is not None:
            write(output, found)
        screen.show(found, text)
        raise typer.Exit(0 if all(answer.holds is not False for answer in found.answers) else 6)

    console.run(command)


if __name__ == "__main__":
    main()
