"""A bundle's ONNX files on emulated 64-bit ARM: the same answers there, and executed instructions per inference.

`python -m squeezebert_mobile.benchmarks.arm BUNDLE [--peers] [--tokens N] [--json]`

QEMU (Debian 12's qemu-user) runs onnxruntime's ARM wheel from PyPI in Debian's ARM Python. The first call fetches both
into the cache folder. Counted instructions are free of noise, but no time: they know nothing of caches or of what an
instruction takes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from squeezebert_mobile import bundle as bundles
from squeezebert_mobile import console, golden
from squeezebert_mobile.atomic import staged_folder
from squeezebert_mobile.batch import Float32
from squeezebert_mobile.benchmarks import candidates, workload
from squeezebert_mobile.benchmarks.candidates import BundleFile, Candidate, PlainFile
from squeezebert_mobile.benchmarks.peers import Peer, PeerModel, cache_folder
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.bundle import Bundle
from squeezebert_mobile.errors import EnvironmentFault, SqueezeBertMobileError
from squeezebert_mobile.golden import GOLDEN_NAME
from squeezebert_mobile.manifest import Artifact
from squeezebert_mobile.tasks import Task

# An old core without dot product, one with it, and all that QEMU knows. Its SME gave ONNX Runtime 1.24 and newer wrong
# int8 products (0.97 relative error), so that one extension is off.
CPUS = ("cortex-a57", "cortex-a76", "max,sme=off")
# Newer ones crash at import under QEMU 7.2.
_ONNXRUNTIME = "onnxruntime==1.27.0"
_PACKAGES = (
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libsqlite3-0"),
    *("libssl3", "libuuid1", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"),
)
_WHEELS = ("--platform", "manylinux_2_28_aarch64", "--platform", "manylinux_2_27_aarch64")
_LIMIT_SECONDS = 550
_COUNTED = "counted"
_VERDICTS = {True: "yes", False: "NO", None: "–"}


@dataclass(frozen=True)
class Answer:
    """A file on a CPU: the worst difference from the reference, what is allowed, and instructions for one inference.

    The first two are None for a peer, which has no golden answers; ``instructions`` is None without a C compiler.
    """

    cpu: str
    name: str
    max_abs: float | None
    allowed: float | None
    instructions: int | None

    @property
    def holds(self) -> bool | None:
        """Whether the answers are those of the reference; None where there is none."""
        return None if self.max_abs is None or self.allowed is None else self.max_abs <= self.allowed


@dataclass(frozen=True)
class Machine:
    """An emulated machine in the cache folder: ``root`` is its file system, ``plugin`` counts instructions."""

    root: Path
    plugin: Path | None

    def run(self, cpu: str, *command: str | Path) -> str:
        """What a command in the machine writes to stderr. Raises EnvironmentFault where it fails."""
        counting = [] if self.plugin is None else ["-plugin", str(self.plugin)]
        emulator = ["qemu-aarch64", "-L", str(self.root), "-cpu", cpu, *counting]
        settings = {"PYTHONPATH": str(self.root / "site"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        python = self.root / "usr/bin/python3.11"
        try:
            done = subprocess.run(
                [*emulator, "-E", f"PYTHONHOME={self.root / 'usr'}", str(python), *map(str, command)],
                env={"PATH": os.environ["PATH"], **settings},
                capture_output=True,
                text=True,
                timeout=_LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            what = f"gave no answer in {_LIMIT_SECONDS} s"
            raise EnvironmentFault(f"emulated {cpu}", what, fix="measure a smaller model") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
            what = f"ended with {done.returncode}: {last}"
            raise EnvironmentFault(f"emulated {cpu}", what, fix="remove the cache folder's arm and set it up again")
        return done.stderr


def folder() -> Path:
    """Where the machine is kept."""
    return cache_folder() / "arm"


def set_up() -> Machine:
    """The machine, fetched where it is not in the cache. Raises EnvironmentFault with what is missing."""
    _require("qemu-aarch64", "apt-get install qemu-user")
    if not (folder() / "site").is_dir():
        for tool in ("apt-get", "dpkg-deb"):
            _require(tool, "run this on Debian 12")
        folder().parent.mkdir(parents=True, exist_ok=True)
        with staged_folder(folder(), may_replace=lambda _: False, force=False) as stage:
            _fetch_system(stage)
            wheels = ["--only-binary=:all:", *_WHEELS, "--python-version", "3.11", "--target", str(stage / "site")]
            _call([sys.executable, "-m", "pip", "install", "--quiet", *wheels, _ONNXRUNTIME])
    return Machine(folder(), _plugin())


def _fetch_system(stage: Path) -> None:
    """Debian's ARM Python under ``stage``, by an apt of its own: the host's package lists stay as they are."""
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch)
        (state / "lists/partial").mkdir(parents=True)
        (state / "archives/partial").mkdir(parents=True)
        (state / "status").touch()
        options = ["-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64", "-o", f"Dir::State={state}"]
        options += ["-o", f"Dir::State::status={state / 'status'}", "-o", f"Dir::Cache={state}"]
        options += ["-o", "APT::Sandbox::User=root"]
        _call(["apt-get", "-qq", *options, "update"])
        _call(["apt-get", "-qq", *options, "download", *_PACKAGES], cwd=state)
        for package in sorted(state.glob("*.deb")):
            _call(["dpkg-deb", "--extract", str(package), str(stage)])
    # Documentation is shared between packages by links, also into packages that are not taken.
    for path in stage.rglob("*"):
        if path.is_symlink() and not path.exists():
            path.unlink()


def _plugin() -> Path | None:
    """The compiled counter; None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    built = folder() / "icount.so"
    if not built.is_file() and compiler is not None:
        source = Path(__file__).with_name("icount.c")
        _call([compiler, "-O1", "-shared", "-fPIC", "-o", str(built), str(source)])
    return built if built.is_file() else None


def _require(tool: str, fix: str) -> None:
    if shutil.which(tool) is None:
        raise EnvironmentFault(tool, "is not installed", fix=fix)


def _call(command: Sequence[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise EnvironmentFault(command[0], f"failed: {said}", fix="check the network, then again")


def measure(folder: Path, *, tokens: int = 128, peers: Sequence[PeerModel] = ()) -> tuple[Answer, ...]:
    """Every ONNX file of a bundle on every CPU, and the peers' plain and int8 files on the middle one.

    Raises EnvironmentFault where the machine cannot be set up or a file does not run on it.
    """
    machine = set_up()
    bundle = bundles.read(folder)
    found = []
    chosen = candidates.from_bundle(bundle, runtimes=("onnx",))
    for cpu in CPUS:
        for candidate in chosen:
            assert isinstance(candidate.source, BundleFile)
            artifact = next(a for a in bundle.manifest.artifacts if a.path == candidate.source.artifact)
            found.append(_answer(machine, cpu, bundle, artifact, candidate, tokens))
    for model in peers:
        plain = candidates.from_peers({model.peer: None}, ("onnx",), tokens=tokens, tokenizer=None, shrink=model)
        for candidate in plain:
            assert isinstance(candidate.source, PlainFile)
            inputs = _counted(candidate, tokens)
            _, instructions = _run(machine, CPUS[1], candidate.source.path, inputs)
            found.append(Answer(CPUS[1], f"{model.peer} {candidate.form}", None, None, instructions))
    return tuple(found)


def _answer(
    machine: Machine, cpu: str, bundle: Bundle, artifact: Artifact, candidate: Candidate, tokens: int
) -> Answer:
    """One artifact's golden answers on a CPU, and its count on ids of ``tokens`` tokens."""
    data = (bundle.folder / GOLDEN_NAME).read_bytes()
    cases = golden.parse(data, str(bundle.folder / GOLDEN_NAME))
    rank = 3 if bundle.manifest.task is Task.MULTIPLE_CHOICE else 2
    inputs = {f"{n}/{name}": array for n, case in enumerate(cases) for name, array in case.batch(rank).arrays().items()}
    inputs |= _counted(candidate, tokens)
    outputs, instructions = _run(machine, cpu, bundle.folder / artifact.path, inputs)
    worst = max(
        golden.difference(expected, outputs[f"{n}/{expected.name}"])
        for n, case in enumerate(cases)
        for expected in case.outputs
    )
    # As `verify` allows for another build of the runtime.
    allowed = max(max(2 * parity.max_abs, parity.atol or 1e-4) for parity in artifact.parity)
    return Answer(cpu, artifact.path, worst, allowed, instructions)


def _counted(candidate: Candidate, tokens: int) -> dict[str, np.ndarray]:
    """The case whose second run is counted, which is the last."""
    batch = workload.ids(candidate, Protocol(tokens=tokens), min(tokens, candidate.max_tokens))
    return {f"{_COUNTED}/{name}": array for name, array in batch.arrays().items()}


def _run(
    machine: Machine, cpu: str, model: Path, inputs: dict[str, np.ndarray]
) -> tuple[dict[str, Float32], int | None]:
    """A file's outputs in the machine, and the instructions of its last case."""
    with tempfile.TemporaryDirectory() as scratch:
        given, answered = Path(scratch) / "inputs.npz", Path(scratch) / "outputs.npz"
        np.savez(given, **inputs)  # type: ignore[arg-type]
        guest = Path(__file__).with_name("arm_guest.py")
        said = machine.run(cpu, guest, model.resolve(), given, answered)
        with np.load(answered) as found:
            outputs = {name: found[name].astype(np.float32) for name in found.files}
    counts = [int(line.split()[1]) for line in said.splitlines() if line.startswith("icount ")]
    return outputs, counts[1] - counts[0] if len(counts) == 2 else None


def text(found: Sequence[Answer]) -> str:
    """The answers as a table."""
    rows = [
        (
            answer.cpu,
            answer.name,
            "–" if answer.max_abs is None else f"{answer.max_abs:.2g}",
            "–" if answer.allowed is None else f"{answer.allowed:.2g}",
            _VERDICTS[answer.holds],
            "–" if answer.instructions is None else f"{answer.instructions / 1e6:.1f}",
        )
        for answer in found
    ]
    header = ("CPU", "file", "max difference", "allowed", "same answers", "million instructions")
    return console.table(header, rows)


def main() -> None:
    """Measure a bundle; exit 6 where a file answers otherwise on ARM."""
    import typer

    def command(
        bundle: Path,
        tokens: Annotated[int, typer.Option(min=1, max=512)] = 128,
        peers: Annotated[bool, typer.Option("--peers", help="count BERT-base and MobileBERT too")] = False,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        models = [PeerModel(Peer.BERT_BASE), PeerModel(Peer.MOBILEBERT)] if peers else []
        found = measure(bundle, tokens=tokens, peers=models)
        console.emit(found, lambda: text(found), as_json=as_json)
        raise typer.Exit(0 if all(answer.holds is not False for answer in found) else 6)

    try:
        typer.run(command)
    except SqueezeBertMobileError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
