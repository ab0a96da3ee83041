"""The readers of a bundle, Python's and the app's, asked about the same files.

python tests/helpers/corpus/readers.py --seconds 3600 --seed 0 [--keep FOLDER]

Makes cases for that long, and ends with 1 where a reader crashes, hangs, takes over 2 s or wants much memory, or where
the two disagree; what led to that is kept. Without Java and Maven it asks Python's readers alone.
"""

import argparse
import faulthandler
import json
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parents[1]))

from android_tools import load

from corpus import folders, goldens, manifests, texts, vocabularies, weights, zips
from corpus.cases import ACCEPTED, Case
from squeezebert_mobile.bundle import archive, golden, manifest
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.golden import GOLDEN_NAME
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME
from squeezebert_mobile.checkpoint import pickle, safetensors
from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.files import parse_json, sha256
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

SLOWEST_SECONDS = 2.0
_HUNG_SECONDS = 60
_BATCH = 400
# What a process of an app may have; and what Python may.
_JAVA_HEAP = "-Xmx192m"
_PYTHON_BYTES = 8 << 30


def _json(path: Path, _: Path) -> str:
    return _canonical(parse_json(path.read_bytes(), path))


def _canonical(value: object) -> str:
    """One way to write each value, as `Readers.java`: keys in order of UTF-16, floats by their bits."""
    match value:
        case dict():
            keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
            return "{" + "".join(_canonical(key) + _canonical(value[key]) for key in keys) + "}"
        case list():
            return "[" + "".join(map(_canonical, value)) + "]"
        case str():
            units = value.encode("utf-16-be")
            return "'" + "".join(f"{unit:x}," for unit in struct.unpack(f">{len(units) // 2}H", units))
        case float():
            return f"{int.from_bytes(struct.pack('>d', value)):x}d"
        case bool() | None:
            return json.dumps(value)
    return f"{value}i"


def _manifest(path: Path, _: Path) -> str:
    """As for a bundle that has exactly the files that it lists."""
    data = path.read_bytes()
    if len(data) > bundles.MAX_MANIFEST_BYTES:
        bundles.describe({MANIFEST_NAME: len(data)}, path.read_bytes, path)
    described = manifest.parse(data, path)
    sizes = {MANIFEST_NAME: len(data), **{entry.path: entry.bytes for entry in described.every_file()}}
    bundles.describe(sizes, path.read_bytes, path)
    return sha256(data)


def _golden(path: Path, _: Path) -> str:
    """The number of cases."""
    described = manifest.parse((path / MANIFEST_NAME).read_bytes(), path / MANIFEST_NAME)
    return str(len(golden.of_bundle((path / GOLDEN_NAME).read_bytes(), path / GOLDEN_NAME, described)))


def _tokenizer(path: Path, _: Path) -> str:
    """The number of tokens, once it has read a text."""
    words = SqueezeBertTokenizerFast.from_pretrained(path)
    words.rows("good badly", "bad", max_length=16, padding_side="right")
    return str(len(words))


def _folder(path: Path, _: Path) -> str:
    return sha256((bundles.read(path).folder / MANIFEST_NAME).read_bytes())


def _zip(path: Path, scratch: Path) -> str:
    """Nothing is left of an archive that is refused."""
    target = scratch / "unpacked"
    try:
        return sha256((archive.unpack(path, target).folder / MANIFEST_NAME).read_bytes())
    finally:
        shutil.rmtree(target, ignore_errors=True)
        assert not [*scratch.iterdir()]


def _weights(path: Path, _: Path) -> str:
    data = path.read_bytes()
    if data.startswith((b"PK", b"\x80")):
        return type(pickle.parse(path, data)).__name__
    return str(len(safetensors.parse(path, data)))


@dataclass(frozen=True)
class Kind:
    """A kind of file: its cases, Python's reader of a path (with a folder to work in), and whether the app has one."""

    cases: ModuleType
    read: Callable[[Path, Path], str]
    in_app: bool = True


KINDS = {
    "json": Kind(texts, _json),
    "manifest": Kind(manifests, _manifest),
    "golden": Kind(goldens, _golden),
    "folder": Kind(folders, _folder),
    "zip": Kind(zips, _zip),
    "tokenizer": Kind(vocabularies, _tokenizer, in_app=False),
    "weights": Kind(weights, _weights, in_app=False),
}


def by_hand() -> list[tuple[str, Case]]:
    return [(name, case) for name, kind in KINDS.items() for case in kind.cases.by_hand()]


def generated(rng: random.Random, count: int) -> list[tuple[str, Case]]:
    return [(name, KINDS[name].cases.generated(rng)) for name in rng.choices([*KINDS], k=count)]


def java_command() -> list[str]:
    """Compile the app's readers; what runs them."""
    return ["java", _JAVA_HEAP, "-cp", load("java_and_python").class_path(), "org.squeezebert.demo.desktop.Readers"]


def compare(cases: Iterable[tuple[str, Case]], java: list[str], corpus: Path) -> list[str]:
    """One line for each case of which a reader makes something else than it must, after writing all to ``corpus``.

    Without a command for ``java`` Python's readers are asked alone.
    """
    named: dict[str, Case] = {}
    for number, (kind, case) in enumerate(cases):
        (corpus / kind).mkdir(parents=True, exist_ok=True)
        case.write(corpus / kind / str(number))
        named[f"{kind}/{number}"] = case
    found = {name: _python(corpus, name) for name in named}
    apps = _app(corpus, java) if java else {}
    problems = ((name, _problem(case, found[name], apps.get(name))) for name, case in named.items())
    return [f"{name}: {problem}: {named[name].name}" for name, problem in problems if problem]


def _app(corpus: Path, java: list[str]) -> dict[str, str]:
    kinds = [kind.name for kind in corpus.iterdir() if KINDS[kind.name].in_app]
    with tempfile.TemporaryDirectory() as scratch:
        command = [*java, corpus, scratch, *kinds]
        done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    found = dict(line.split("\t") for line in done.stdout.splitlines())
    assert len(found) == sum(len([*(corpus / kind).iterdir()]) for kind in kinds)
    return found


def _problem(case: Case, python: str, java: str | None) -> str:
    for reader, verdict in (("Python", python), ("the app", java or python)):
        kind = verdict.split(" ")[0]
        if kind != ACCEPTED and not kind.isdigit():
            return f"{reader} {verdict}"
        if case.verdict is not None and kind != case.verdict:
            return f"{reader} says {verdict}, not {case.verdict}"
    agree = java in (None, python) or (case.several and python.isdigit() and str(java).isdigit())
    return "" if agree else f"Python says {python}, the app {java}"


def _python(corpus: Path, name: str) -> str:
    kind = KINDS[name.split("/", maxsplit=1)[0]]
    faulthandler.dump_traceback_later(_HUNG_SECONDS, exit=True)
    # The processor's seconds: the machine may be busy with others. Who waits is told by the dump.
    start = time.process_time()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            verdict = f"{ACCEPTED} {kind.read(corpus / name, Path(scratch))}"
    except SqueezeBertMobileError as error:
        line = str(error)
        whole = "; fix: " in line and line.isprintable()
        verdict = str(error.exit_code) if whole else f"crashes: says {line!r}"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        verdict = f"crashes: {type(error).__name__}: {error}"
    finally:
        faulthandler.cancel_dump_traceback_later()
    seconds = time.process_time() - start
    return verdict if seconds < SLOWEST_SECONDS else f"is slow: {seconds:.1f} s, then {verdict}"


def fuzz(seconds: float, rng: random.Random, java: list[str], keep: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of cases and the problems of each batch, first those by hand; files with a problem go to ``keep``."""
    end, cases = time.monotonic() + seconds, by_hand()
    while cases:
        with tempfile.TemporaryDirectory() as folder:
            problems = compare(cases, java, Path(folder))
            for line in problems:
                name = line.split(":")[0]
                target = keep / f"{name}-{time.time_ns()}"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(Path(folder) / name, target)
        yield len(cases), problems
        cases = generated(rng, _BATCH) if time.monotonic() < end else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    given = parser.parse_args()
    java = java_command() if shutil.which("java") and shutil.which("mvn") else []
    resource.setrlimit(resource.RLIMIT_AS, (_PYTHON_BYTES, _PYTHON_BYTES))
    count = found = 0
    for cases, problems in fuzz(given.seconds, random.Random(given.seed), java, given.keep):
        sys.stdout.write("".join(f"{line}\n" for line in problems))
        count, found = count + cases, found + len(problems)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    readers = "Python and the app" if java else "Python alone: java or mvn is missing"
    sys.stdout.write(f"{count} cases, {readers}; {found} problems; peak {peak} MiB\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
