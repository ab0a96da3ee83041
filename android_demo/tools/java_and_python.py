"""The app's Java against Python on real sentences: ids, logits and time of every ONNX artifact of a bundle.

python android_demo/tools/java_and_python.py BUNDLE SENTENCES [--rounds 5]

SENTENCES holds one a line. Java, Python with the same ONNX Runtime as the app and Python with the installed one take
turns; a turn is a fresh process that goes through all sentences. Needs Java 17, Maven, uv and, at first, a network.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from apk_inputs import CACHE, ONNXRUNTIME_VERSION

from squeezebert_mobile import console
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.run.engines import OnnxEngine

DEMO = Path(__file__).parents[1]
JAVA, SAME, NEWEST = "Java", f"Python, ONNX Runtime {ONNXRUNTIME_VERSION}", "Python, the installed ONNX Runtime"


@dataclass(frozen=True)
class Answer:
    """One sentence: its ids, its logits and the nanoseconds of the inference."""

    ids: tuple[int, ...]
    logits: tuple[float, ...]
    ns: int


@dataclass(frozen=True)
class Difference:
    """Java against one Python, over all sentences: medians in ms, and the largest difference of a logit."""

    artifact: str
    against: str
    sentences: int
    ids_equal: int
    argmax_equal: int
    max_abs: float
    java_ms: float
    python_ms: float


def class_path() -> str:
    """Compile the desktop side with Maven; what `java -cp` takes."""
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
    modules = ("-pl", "core,bench,engine-ort,desktop")
    command = ["mvn", "-q", "-B", "-ntp", *modules, "test-compile", goal, "-Dmdep.outputFile=target/class-path.txt"]
    subprocess.run(command, cwd=DEMO, check=True, capture_output=True)
    return f"{DEMO}/desktop/target/classes:{(DEMO / 'desktop/target/class-path.txt').read_text().strip()}"


def same_runtime() -> Path:
    """A folder with the app's version of ONNX Runtime for Python, kept in the cache folder."""
    folder = CACHE / f"onnxruntime-{ONNXRUNTIME_VERSION}-{sys.version_info.minor}"
    if not folder.is_dir():
        made = folder.with_name(f"{folder.name}.{os.getpid()}")
        install = [sys.executable, "-m", "uv", "pip", "install", "-q", "--target", str(made)]
        subprocess.run([*install, f"onnxruntime=={ONNXRUNTIME_VERSION}", f"numpy=={np.__version__}"], check=True)
        made.rename(folder)
    return folder


def compare(folder: Path, sentences: Path, rounds: int) -> list[Difference]:
    """Every ONNX artifact of the bundle in ``folder`` on the sentences."""
    path, runtime = class_path(), same_runtime()
    found = []
    for artifact in bundles.read(folder).manifest.artifacts:
        if artifact.runtime != "onnx":
            continue
        arguments = [str(folder), artifact.path, str(sentences)]
        python = [sys.executable, __file__, "--worker", *arguments]
        sides: dict[str, Callable[[], list[Answer]]] = {
            JAVA: lambda: _call(["java", "-cp", path, "org.squeezebert.demo.desktop.Logits", *arguments]),  # noqa: B023
            SAME: lambda: _call(python, PYTHONPATH=str(runtime)),  # noqa: B023
            NEWEST: lambda: _call(python),  # noqa: B023
        }
        turns: dict[str, list[list[Answer]]] = {name: [] for name in sides}
        for turn in range(rounds):
            for name in list(sides)[:: 1 if turn % 2 == 0 else -1]:
                turns[name].append(sides[name]())
        found += [_difference(artifact.path, turns, against) for against in (SAME, NEWEST)]
    return found


def _call(command: Sequence[str], **variables: str) -> list[Answer]:
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"} | variables
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    rows = map(json.loads, done.stdout.splitlines())
    return [Answer(tuple(row["ids"]), tuple(row["logits"]), row["ns"]) for row in rows]


def _difference(artifact: str, turns: Mapping[str, list[list[Answer]]], against: str) -> Difference:
    pairs = list(zip(turns[JAVA][0], turns[against][0], strict=True))
    # Java writes the shortest decimals of a float, Python all of them.
    java, python = (np.array([side.logits for side in sides], np.float32) for sides in zip(*pairs, strict=True))

    def ms(name: str) -> float:
        return median(answer.ns for turn in turns[name] for answer in turn) / 1e6

    return Difference(
        artifact=artifact,
        against=against,
        sentences=len(pairs),
        ids_equal=sum(one.ids == other.ids for one, other in pairs),
        argmax_equal=int((java.argmax(1) == python.argmax(1)).sum()),
        max_abs=float(np.abs(java - python).max()),
        java_ms=ms(JAVA),
        python_ms=ms(against),
    )


def work(folder: Path, path: str, sentences: Path) -> None:
    """Python's side: one JSON line for each sentence, as `Logits.java` prints them."""
    import time

    bundle = bundles.read(folder)
    artifact = next(a for a in bundle.manifest.artifacts if a.path == path)
    tokenizer, engine = bundle.tokenizer(), OnnxEngine((folder / path).read_bytes(), 1)
    for text in sentences.read_text(encoding="utf-8").splitlines():
        rows = tokenizer.rows(text, max_length=artifact.max_length)
        batch = rows.batch()
        start = time.perf_counter_ns()
        logits = engine.run(batch)["logits"][0]
        ns = time.perf_counter_ns() - start
        print(json.dumps({"ids": rows.input_ids[0].tolist(), "logits": logits.tolist(), "ns": ns}))


def main() -> None:
    """Compare and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    if "--worker" in sys.argv:
        parser.add_argument("--worker", action="store_true")
        parser.add_argument("path")
    parser.add_argument("sentences", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if "worker" in given:
        work(given.bundle, given.path, given.sentences)
        return
    header = ("artifact", "Java against", "sentences", "ids equal", "argmax equal", "max abs", "Java ms", "Python ms")
    rows = [
        (
            found.artifact,
            found.against,
            *map(str, (found.sentences, found.ids_equal, found.argmax_equal)),
            f"{found.max_abs:.2g}",
            *(f"{value:.3f}" for value in (found.java_ms, found.python_ms)),
        )
        for found in compare(given.bundle, given.sentences, given.rounds)
    ]
    print(console.table(header, rows))


if __name__ == "__main__":
    main()
