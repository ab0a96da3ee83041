"""An app of somebody else's on the installed jars, as they are and through R8, answers each task as Python does."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from android_tools import DEMO, JVM, building, load, require
from tiny import SAMPLES, SMALL

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import manifest
from squeezebert_mobile.export.pipeline import ExportOptions, export
from squeezebert_mobile.run.postprocess import AnswerSpan, Choice, Embedding, Entity, LabelScore, Result
from squeezebert_mobile.run.predict import Sample, predict
from squeezebert_mobile.tasks import PoolingMode, Task

CONSUMER = DEMO / "consumer"
LIBRARIES = "core,engine-ort"
# One code point that is two units of a Java string, before all that has a place in the text.
WIDE = "\U0001f600 "
ASKED = SAMPLES | {
    Task.TOKEN_CLASSIFICATION: Sample(WIDE + SAMPLES[Task.TOKEN_CLASSIFICATION].text),
    Task.QUESTION_ANSWERING: Sample("Who met Bob?", WIDE + (SAMPLES[Task.QUESTION_ANSWERING].text_pair or "")),
}
Row = tuple[str | float, ...]


def call(*command: str | Path, cwd: Path) -> str:
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout


def local_repository(folder: Path) -> Path:
    """A local repository with the files of the usual one, in which an install leaves no trace."""
    usual = Path.home() / ".m2/repository"
    (folder / "org").mkdir(parents=True)
    for path in [*usual.glob("*"), *usual.glob("org/*")]:
        if path.name != "squeezebert" and path != usual / "org":
            (folder / path.relative_to(usual)).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The consumer's classes and the jars that it depends on."""
    require(java=JVM["java"], mvn=JVM["mvn"])
    work = tmp_path_factory.mktemp("consumer")
    maven = ("mvn", "-q", "-B", "-ntp", f"-Dmaven.repo.local={local_repository(work / 'repository')}")
    project = shutil.copytree(CONSUMER, work / "project", ignore=shutil.ignore_patterns("target"))
    with building():
        call(*maven, "install", "-DskipTests", "-pl", LIBRARIES, "-am", cwd=DEMO)
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
    call(*maven, "compile", goal, "-Dmdep.outputFile=class-path.txt", cwd=project)
    jars = (project / "class-path.txt").read_text(encoding="utf-8").strip().split(os.pathsep)
    return [project / "target/classes", *map(Path, jars)]


@pytest.fixture(scope="module")
def minified(class_path: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same app and what it needs of the jars, as R8's full mode leaves them."""
    work = tmp_path_factory.mktemp("minified")
    classes = Path(shutil.make_archive(str(work / "classes"), "zip", class_path[0])).rename(work / "classes.jar")
    javac = shutil.which("javac")
    assert javac is not None
    r8 = ("java", "-Xmx2g", "-cp", load("apk_inputs").maven("com.android.tools:r8:8.13.25"), "com.android.tools.r8.R8")
    options = ("--release", "--classfile", "--lib", Path(javac).resolve().parents[1], "--output", work / "minified.jar")
    call(*r8, *options, "--pg-conf", CONSUMER / "consumer.pro", classes, *class_path[1:], cwd=work)
    return [work / "minified.jar"]


@pytest.fixture(scope="module")
def of_each_task(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, Path]:
    folder = tmp_path_factory.mktemp("tasks")
    for task in Task:
        model = tiny.checkpoint(folder / f"{task}-model", task, SMALL)
        pooling: PoolingMode | None = "mean" if task is Task.FEATURE_EXTRACTION else None
        export(ExportOptions(folder / task, model, runtimes=("onnx",), precisions=("fp32",), pooling=pooling))
    return {task: folder / task for task in Task}


def unit(text: str, code_points: int) -> float:
    """Where a code point is in a string of Java's."""
    return len(text[:code_points].encode("utf-16-le")) / 2


def rows(result: Result, sample: Sample) -> Iterator[Row]:
    """The lines of the consumer for an answer of Python's."""
    match result:
        case Embedding(vector):
            yield from ((value,) for value in vector)
        case AnswerSpan(text, score, start, end, has_answer):
            context = sample.text_pair or ""
            yield (str(has_answer).lower(), text, unit(context, start), unit(context, end), score)
        case Choice(_, scores):
            yield from sorted(zip(sample.options, scores, strict=True), key=lambda option: -option[1])
        case _:
            for item in result:
                match item:
                    case LabelScore(label, score):
                        yield (label, score)
                    case Entity(label, score, start, end, text):
                        yield (label, text, unit(sample.text, start), unit(sample.text, end), score)
                    case fillings:
                        yield from ((filling.token, filling.score) for filling in fillings)


def said(class_path: list[Path], bundle: Path, sample: Sample, work: Path) -> list[list[str]]:
    texts = [sample.text, *filter(None, [sample.text_pair]), *sample.options]
    main = ("java", "-cp", os.pathsep.join(map(str, class_path)), "com.example.consumer.Main")
    return [line.split("\t") for line in call(*main, bundle, *texts, cwd=work).splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["class_path", "minified"])
def test_an_app_on_the_installed_jars_answers_every_task_as_python(
    form: str, request: pytest.FixtureRequest, of_each_task: dict[Task, Path], tmp_path: Path
) -> None:
    app = request.getfixturevalue(form)
    for task, bundle in of_each_task.items():
        sample = ASKED[task]
        (answer,) = predict(bundle, [sample])
        *found, verdict = said(app, bundle, sample, tmp_path)
        expected = list(rows(answer.result, sample))
        assert expected and len(found) == len(expected), task
        for row, wanted in zip(found, expected, strict=True):
            for field, value in zip(row, wanted, strict=True):
                same = field == value if isinstance(value, str) else abs(float(field) - value) < 1e-4
                assert same, (task, row, wanted)
        assert verdict[0] == "self-test" and verdict[1].startswith("passed, ")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["class_path", "minified"])
def test_what_the_runtimes_native_code_throws_reaches_the_app_as_a_sentence(
    form: str, request: pytest.FixtureRequest, of_each_task: dict[Task, Path], tmp_path: Path
) -> None:
    """A sealed bundle whose file is no model: only the runtime can find that out."""
    whole = bundles.read(of_each_task[Task.TEXT_CLASSIFICATION])
    broken = shutil.copytree(whole.folder, tmp_path / "broken")
    (artifact,) = whole.manifest.artifacts
    (broken / artifact.path).write_bytes(b"no model")
    entry = bundles.entry(artifact.path, b"no model")
    changed = artifact.model_copy(update={"sha256": entry.sha256, "bytes": entry.bytes})
    (broken / "bundle.json").write_bytes(manifest.dump(whole.manifest.model_copy(update={"artifacts": (changed,)})))
    ((kind, fault, words),) = said(request.getfixturevalue(form), broken, Sample("A film."), tmp_path)
    assert (kind, fault) == ("refused", "UNSUPPORTED")
    assert "ONNX Runtime" in words and "does not load it" in words
