"""Which versions of ONNX Runtime and ExecuTorch answer as the reference: each in a folder and a process of its own.

`python -m squeezebert_mobile.benchmarks.lab.runtimes BUNDLE... [-o FILE] [--runtime NAME] [--version V]...`

Without --version: the newest patch of every minor version on the package index since those that `FLOORS` names. Each
is installed for the length of its turn, without its dependencies, which this environment's packages stand in for.
"""

import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

from squeezebert_mobile import console
from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.benchmarks import environment, tables
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.results import Environment
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.golden import GOLDEN_NAME, GoldenCase
from squeezebert_mobile.bundle.manifest import Artifact, Record, Sha256, validated
from squeezebert_mobile.bundle.runtimes import NAMES, PACKAGES
from squeezebert_mobile.errors import EnvironmentFault, SqueezeBertMobileError
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.tasks import Precision, Runtime

# ExecuTorch 1.0 wants a torch of its own CUDA (2.9), and with a newer one a call in ten fails in its Python binding.
FLOORS: dict[Runtime, str] = {"onnx": "1.20", "executorch": "1.1"}
# Older ones are built against a torch whose symbols 2.13 has no longer.
_TORCH = {"1.1": "2.12.1", "1.2": "2.12.1", "1.3": "2.12.1"}
_CHECKOUT = Path(__file__).resolve().parents[2]
_VERSION = re.compile(r"\d+(?:\.\d+)+")


class Answer(Record):
    """A file in a version of its runtime: the worst difference from the reference over all golden texts.

    ``problem`` is why there is none. ``made_by`` are the releases of ExecuTorch and torch whose export wrote the bytes.
    """

    runtime: Runtime
    version: str
    model: str
    precision: Precision
    sha256: Sha256
    made_by: tuple[str, ...]
    texts: int
    max_abs: float | None
    allowed: float
    problem: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the answers are those of the reference."""
        return self.max_abs is not None and self.max_abs <= self.allowed


class RuntimesRun(Record):
    """All answers, with the day and the machine of the latest ones."""

    record: Literal["runtimes"] = "runtimes"
    day: str
    environment: Environment
    answers: tuple[Answer, ...]

    def held(self, runtime: Runtime, precision: Precision) -> tuple[str, ...]:
        """The versions after the last one where a file of this precision fails, oldest first."""
        answers = [a for a in self.answers if (a.runtime, a.precision) == (runtime, precision)]
        tried = sorted({a.version for a in answers}, key=_key)
        failed = {a.version for a in answers if not a.holds}
        return tuple(tried[max((n + 1 for n, version in enumerate(tried) if version in failed), default=0) :])


@dataclass(frozen=True)
class File:
    """An artifact, the golden texts that it is to answer, and the largest difference that a bundle with it allows."""

    bundle: Bundle
    artifact: Artifact
    cases: tuple[GoldenCase, ...]
    allowed: float
    made_by: tuple[str, ...]


def available(runtime: Runtime) -> tuple[str, ...]:
    """The newest patch of every minor version since the floor for which the index has a file for this Python.

    Raises EnvironmentFault where the index does not answer.
    """
    command = [sys.executable, "-m", "pip", "index", "versions", PACKAGES[runtime], "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    listed = done.stdout.partition("Available versions:")[2].partition("\n")[0].replace(",", " ").split()
    if not listed:
        what = "cannot be looked up on the package index"
        raise EnvironmentFault(PACKAGES[runtime], what, fix="pass --version, or try again with a network")
    newest: dict[str, str] = {}
    for version in listed:
        if _VERSION.fullmatch(version) and _key(version) >= _key(FLOORS[runtime]):
            minor = _minor(version)
            newest[minor] = max(version, newest.get(minor, version), key=_key)
    return tuple(sorted(newest.values(), key=_key))


def files(folders: Iterable[Path]) -> tuple[File, ...]:
    """The artifacts of bundles, those of equal bytes once, with all that made them."""
    found: dict[str, File] = {}
    for folder in folders:
        bundle = bundles.read(folder)
        path = bundle.folder / GOLDEN_NAME
        cases = golden.of_bundle(path.read_bytes(), path, bundle.manifest)
        producer = bundle.manifest.producer
        made_by = f"ExecuTorch {producer.executorch}, torch {producer.torch.partition('+')[0]}"
        for artifact in bundle.manifest.artifacts:
            allowed, known = max(golden.allowed_differences(artifact, cases).values()), found.get(artifact.sha256)
            if known is None:
                found[artifact.sha256] = File(bundle, artifact, cases, allowed, (made_by,))
            else:
                makers = tuple(sorted({*known.made_by, made_by}))
                found[artifact.sha256] = replace(known, allowed=max(allowed, known.allowed), made_by=makers)
    return tuple(found.values())


def measure(
    chosen: Sequence[File], versions: Sequence[tuple[Runtime, str]], report: Report = lambda _: None
) -> RuntimesRun:
    """Every file in every version of its runtime. Raises EnvironmentFault where one cannot be installed."""
    answers = []
    for runtime, version in versions:
        report(f"{NAMES[runtime]} {version}")
        mine = [file for file in chosen if file.artifact.runtime == runtime]
        with _installed(runtime, version) as (python, path):
            answers += [_answer(file, version, python, path) for file in mine]
    return RuntimesRun(
        day=datetime.now(UTC).date().isoformat(), environment=environment.describe(), answers=tuple(answers)
    )


@contextmanager
def _installed(runtime: Runtime, version: str) -> Iterator[tuple[Path, str]]:
    """An interpreter that sees a version, and the PYTHONPATH it needs for that."""
    wanted = [f"{PACKAGES[runtime]}=={version}"]
    if runtime == "executorch" and (torch := _TORCH.get(_minor(version))):
        wanted.append(f"torch=={torch}")
    with tempfile.TemporaryDirectory(prefix="squeezebert-mobile-runtimes-") as name:
        folder = Path(name)
        venv.create(folder / "python", with_pip=False, symlinks=True)
        packages = folder / "packages"
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-config", "--no-deps"]
        done = subprocess.run(
            [*uv, "--python", sys.executable, "--target", str(packages), *wanted],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            what = f"cannot be installed: {done.stderr.strip()[-300:]}"
            raise EnvironmentFault(" ".join(wanted), what, fix="leave it out with --version")
        # The runtimes look for torch beside themselves. Nothing of the installed ExecuTorch may be among the others:
        # its parts are found in every folder of a path.
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            is_runtime = entry.name.startswith(tuple(PACKAGES.values()))
            if not is_runtime and entry.suffix != ".pth" and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
        yield folder / "python/bin/python", f"{packages}:{_CHECKOUT}"


def _answer(file: File, version: str, python: Path, path: str) -> Answer:
    """One file's golden answers in a version."""
    artifact, manifest = file.artifact, file.bundle.manifest
    max_abs, problem = None, None
    try:
        with Session(file.bundle.folder, artifact, environment={"PYTHONPATH": path}, python=python) as session:
            max_abs = max(
                golden.difference(expected, outputs.get(expected.name))
                for case in file.cases
                for outputs in (session.run(case.batch(manifest.task.rank)),)
                for expected in case.outputs
            )
    except SqueezeBertMobileError as error:
        problem = error.what
    return Answer(
        runtime=artifact.runtime,
        version=version,
        model=_model(file.bundle),
        precision=artifact.precision,
        sha256=artifact.sha256,
        made_by=file.made_by,
        texts=len(file.cases),
        max_abs=max_abs,
        allowed=file.allowed,
        problem=problem,
    )


def _model(bundle: Bundle) -> str:
    """A model by its task and size."""
    config = bundle.config()
    return f"{bundle.manifest.task}, {config.num_hidden_layers} x {config.hidden_size}"


PRECISIONS: tuple[Precision, ...] = get_args(Precision)
HEADS = ("runtime", "model", *PRECISIONS)


def rows(run: RuntimesRun) -> list[tuple[str, ...]]:
    """A line for each version and model: the difference in each precision, or NO where it is not allowed."""
    by_line: dict[tuple[str, str], dict[str, str]] = {}
    for answer in run.answers:
        line = by_line.setdefault((f"{NAMES[answer.runtime]} {answer.version}", answer.model), {})
        shown = "NO" if answer.max_abs is None else f"{answer.max_abs:.2g}"
        line[answer.precision] = shown if answer.holds or answer.max_abs is None else f"NO ({shown})"
    return [(*line, *(cells.get(precision, "–") for precision in PRECISIONS)) for line, cells in by_line.items()]


def text(run: RuntimesRun) -> str:
    """The answers as a table, with the day, and why there is none where there is none."""
    problems = {
        f"{NAMES[answer.runtime]} {answer.version}, {answer.precision}: {answer.problem}"
        for answer in run.answers
        if answer.problem
    }
    return "\n".join([*tables.lines(HEADS, rows(run)), "", f"tried on {run.day}", *sorted(problems)])


def read(path: Path) -> RuntimesRun:
    """A kept run. Raises IntegrityError for a file that is not one."""
    return validated(RuntimesRun, path.read_bytes(), path, "a run of runtimes", fix="measure again")


def write(path: Path, run: RuntimesRun) -> None:
    """Keep a run; a file that is there is added to, new answers in the places of those that they repeat.

    Raises EnvironmentFault where it cannot be written.
    """
    old = read(path).answers if path.exists() else ()
    answers = {(a.runtime, a.version, a.sha256): a for a in (*old, *run.answers)}
    order = sorted(answers.values(), key=lambda a: (a.runtime == "executorch", _key(a.version), a.model))
    replace_file(path, run.model_copy(update={"answers": tuple(order)}).model_dump_json(indent=1).encode() + b"\n")


def _key(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def main() -> None:
    """Run bundles in every version; exit 6 where a file answers otherwise in one."""
    import typer

    def command(
        folders: Annotated[list[Path], typer.Argument(metavar="BUNDLE...")],
        runtime: Annotated[list[str] | None, typer.Option(help="repeatable; default: both")] = None,
        version: Annotated[list[str] | None, typer.Option(help="repeatable; default: all on the index")] = None,
        output: Annotated[
            Path | None, typer.Option("-o", "--output", help="keep the run as JSON, added to what is there")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        asked = [name for name in FLOORS if not runtime or name in runtime]
        versions = [(name, found) for name in asked for found in (version or available(name))]
        screen = console.Screen(as_json=as_json)
        with screen.progress("trying", len(versions)) as step:
            found = measure(files(folders), versions, step)
        if output is not None:
            write(output, found)
        screen.show(found, text)
        raise typer.Exit(0 if all(answer.holds for answer in found.answers) else 6)

    console.run(command)


if __name__ == "__main__":
    main()
