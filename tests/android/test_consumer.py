"""An app of somebody else's takes the installed jars, as they are and through R8, and its inference runs in both."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from android_tools import DEMO, JVM, building, load, require

from squeezebert_mobile.run.postprocess import LabelScore
from squeezebert_mobile.run.predict import Sample, predict

CONSUMER = DEMO / "consumer"
LIBRARIES = "core,engine-ort"
TEXT = "A quiet film that stays with you for days."


def call(*command: str | Path, cwd: Path) -> str:
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
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


def answers(class_path: list[Path], bundle: Path, work: Path) -> str:
    (work / "broken.onnx").write_bytes(b"no model")
    main = "com.example.consumer.Main"
    return call(
        "java", "-cp", os.pathsep.join(map(str, class_path)), main, bundle, TEXT, work / "broken.onnx", cwd=work
    )


def require_pythons(said: str, bundle: Path) -> None:
    *rows, refused = said.splitlines()
    (answer,) = predict(bundle, [Sample(TEXT)])
    expected = {item.label: item.score for item in answer.result if isinstance(item, LabelScore)}
    found = dict(row.rsplit(" ", 1) for row in rows)
    assert {label: float(score) for label, score in found.items()} == pytest.approx(expected, abs=1e-4)
    assert refused.startswith("refused: ") and "ONNX Runtime" in refused and "does not load it" in refused


@pytest.mark.slow
def test_an_app_on_the_installed_jars_answers_as_python(
    class_path: list[Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    require_pythons(answers(class_path, tiny_bundle, tmp_path), tiny_bundle)


@pytest.mark.slow
def test_the_app_answers_the_same_when_r8_has_minified_it(
    class_path: list[Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    minified = tmp_path / "minified.jar"
    classes = Path(shutil.make_archive(str(tmp_path / "classes"), "zip", class_path[0])).rename(
        tmp_path / "classes.jar"
    )
    javac = shutil.which("javac")
    assert javac is not None
    r8 = ("java", "-Xmx2g", "-cp", load("apk_inputs").maven("com.android.tools:r8:8.13.25"), "com.android.tools.r8.R8")
    options = ("--release", "--classfile", "--lib", Path(javac).resolve().parents[1], "--output", minified)
    call(*r8, *options, "--pg-conf", CONSUMER / "consumer.pro", classes, *class_path[1:], cwd=tmp_path)
    require_pythons(answers([minified], tiny_bundle, tmp_path), tiny_bundle)
