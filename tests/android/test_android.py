"""The Android demo: its tables and vectors are current, its three builds agree, and its JVM tests pass."""

import dataclasses
import json
import math
import random
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import tiny
from android_tools import DEMO, JVM, TOOLS, building, load, maven_properties, require
from checkout import ROOT
from corpus import manifests, readers
from tiny import SAMPLES, SMALL
from tokenizers import AddedToken

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import manifest
from squeezebert_mobile.export.pipeline import ExportOptions, export
from squeezebert_mobile.run.postprocess import AnswerSpan, Choice, Embedding, Entity, LabelScore, Result, Similarity
from squeezebert_mobile.run.predict import Sample, predict
from squeezebert_mobile.tasks import PoolingMode, Task


@pytest.mark.slow
def test_the_character_tables_are_the_librarys() -> None:
    command = [sys.executable, TOOLS / "wordpiece_tables.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["answer_vectors", "tokenizer_vectors", "validity_vectors"])
def test_the_shared_vectors_are_current(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(name)
    committed = module.OUTPUT.read_bytes()
    monkeypatch.setattr(module, "OUTPUT", tmp_path / "vectors.json")
    module.main()
    assert (tmp_path / "vectors.json").read_bytes() == committed, f"run {TOOLS / name}.py"


def core_paths() -> list[str | Path]:
    """What javac needs to compile against the sources of the library."""
    require(mvn=JVM["mvn"])
    inputs = load("apk_inputs")
    return ["-cp", inputs.maven(inputs.JSPECIFY), "-sourcepath", DEMO / "core/src/main/java"]


SNIPPET = """
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.nio.file.Paths;
import org.squeezebert.*;

class Snippet {
    interface Assets { InputStream open(String path) throws IOException; }

    void run(Path files, Path downloaded, Path scratch, InputStream document, Assets assets) {
%s
    }
}
"""


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK")
@pytest.mark.parametrize("page", ["README.md", "docs/phones.md", "docs/releases.md"])
def test_the_java_of_the_pages_compiles(page: str, tmp_path: Path) -> None:
    snippets = re.findall(r"```java\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert snippets and all(snippet.count("\n") <= 10 for snippet in snippets)
    for snippet in snippets:
        (tmp_path / "Snippet.java").write_text(SNIPPET % snippet, encoding="utf-8")
        command = ["javac", "-d", tmp_path, *core_paths(), tmp_path / "Snippet.java"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_nothing_in_the_app_may_reach_the_network() -> None:
    declared = (DEMO / "app/src/main/AndroidManifest.xml").read_text()
    for permission in ("INTERNET", "ACCESS_NETWORK_STATE"):
        assert f'android.permission.{permission}" tools:node="remove"' in declared
    assert '<provider android:name="ai.onnxruntime.TelemetryInitializer" tools:node="remove"/>' in declared
    sources = "\n".join(path.read_text() for path in DEMO.rglob("src/main/java/**/*.java"))
    assert not re.search(r"java\.net\.|HttpURLConnection|android\.net\.(?!Uri)", sources)


APK = {"npm": "npm", "aapt": "aapt", "dexdump": "dexdump", "readelf": "binutils"}


def maven(*arguments: str) -> None:
    with building():
        command = ["mvn", "-q", "-B", "-ntp", "-T1", "test", *arguments]
        result = subprocess.run(command, cwd=DEMO, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-5000:]


@pytest.mark.slow
def test_the_jvm_tests_pass_on_a_bundle(tiny_onnx_bundle: Path) -> None:
    require(**JVM)
    maven(f"-Dbundle.dir={tiny_onnx_bundle}")
    reports = [ET.parse(path).getroot() for path in DEMO.glob("*/target/surefire-reports/TEST-*.xml")]
    assert sum(int(report.get("tests", "0")) for report in reports) > 90
    assert all(report.get("skipped") == "0" for report in reports)


def strings() -> dict[str, str]:
    """The app's own words by their names."""
    resources = ET.parse(DEMO / "app/src/main/res/values/strings.xml").getroot()
    return {element.attrib["name"]: element.text or "" for element in resources.iter("string")}


def shown(result: Result, sample: Sample) -> tuple[list[tuple[str, float]], list[str]]:
    """The rows of the Classify screen for an answer of Python's, in the units of the screen, and the texts it marks."""
    match result:
        case Similarity(score, (first, _)):
            rows, _ = shown(Embedding(first), sample)
            return [("similarity", score), *rows], []
        case Embedding(vector):
            facts = [("dimensions", len(vector)), ("length of the vector", math.hypot(*vector))]
            return [*facts, *((f"[{i}]", value) for i, value in enumerate(vector[:8]))], []
        case AnswerSpan(has_answer=False):
            return [(strings()["no_answer"], 100 * result.score)], []
        case AnswerSpan(text, score):
            return [(text, 100 * score)], [text]
        case Choice(_, scores):
            ranked = sorted(zip(sample.options, scores, strict=True), key=lambda option: -option[1])
            return [(option, 100 * score) for option, score in ranked], []
    rows, marked = [], []
    for number, item in enumerate(result, 1):
        match item:
            case LabelScore(label, score):
                rows.append((label, 100 * score))
            case Entity(label, score, _, _, text):
                rows.append((f"{label}: {text}", 100 * score))
                marked.append(text)
            case fillings:
                rows += [(f"{number}: {filling.token}", 100 * filling.score) for filling in fillings]
    return rows, marked


@pytest.mark.slow
def test_the_screen_of_every_task_shows_what_python_answers(tmp_path: Path) -> None:
    require(**JVM)
    expected = {}
    samples = SAMPLES | {Task.FEATURE_EXTRACTION: Sample("A quiet film.", "It stays with you.")}
    cases = [(str(task), task, sample, None) for task, sample in samples.items()]
    # A threshold that every lead of "no answer" is above.
    cases.append(("no-answer", Task.QUESTION_ANSWERING, samples[Task.QUESTION_ANSWERING], -1e6))
    for name, task, sample, threshold in cases:
        model = tiny.checkpoint(tmp_path / "models" / name, task, SMALL)
        pooling: PoolingMode | None = "mean" if task is Task.FEATURE_EXTRACTION else None
        options = ExportOptions(tmp_path / name, model, runtimes=("onnx",), precisions=("fp32",), pooling=pooling)
        export(dataclasses.replace(options, null_threshold=threshold))
        (answer,) = predict(tmp_path / name, [sample])
        rows, marked = shown(answer.result, sample)
        second = "\n".join(sample.options) or sample.text_pair or ""
        expected[name] = {
            "task": task, "text": sample.text, "second": second, "rows": rows, "marked": marked, "tokens": answer.tokens
        }  # fmt: skip
    (tmp_path / "expected.json").write_text(json.dumps(expected), encoding="utf-8")
    maven("-pl", "app", "-am", "-Dtest=EveryTask", "-Dsurefire.failIfNoSpecifiedTests=false", f"-Dtasks.dir={tmp_path}")


@pytest.fixture(scope="module")
def java_readers() -> list[str]:
    """The command of the app's readers of bundles."""
    require(java=JVM["java"], mvn=JVM["mvn"])
    with building():
        return readers.java_command()


@pytest.mark.slow
def test_the_app_and_python_make_the_same_of_each_case(java_readers: list[str], tmp_path: Path) -> None:
    cases = [*readers.by_hand(), *readers.generated(random.Random(0), 400)]
    with building():
        assert readers.compare(cases, java_readers, tmp_path) == []


@pytest.mark.slow
def test_the_app_and_python_take_the_same_of_all_manifests_with_one_change(
    java_readers: list[str], tmp_path: Path
) -> None:
    cases = [("manifest", case) for case in manifests.everywhere()]
    assert len(cases) > 6000
    with building():
        assert readers.compare(cases, java_readers, tmp_path) == []


ADDED = ("covid19", "[USER]", "quiet", "a b")
ADDED_TEXTS = ("[USER] a good covid19 film", "COVID19covid19 [user]", "the quiet a b.", "[MASK] [CLS] a  b quietly", "")
IDS = """
package org.squeezebert.internal;

public final class Ids {
    public static void main(String[] arguments) throws Exception {
        WordPieceTokenizer tokenizer = Bundle.open(java.nio.file.Paths.get(arguments[0])).tokenizer();
        for (int i = 1; i < arguments.length; i++) {
            System.out.println(Json.write(tokenizer.encode(arguments[i], null, 16).ids));
        }
    }
}
"""


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK")
def test_the_app_finds_the_added_tokens_of_schema_1_where_python_does(tmp_path: Path) -> None:
    kept = bundles.read(ROOT / "tests/data/bundle_v1")
    tokenizer = kept.tokenizer()
    assert tokenizer.add_tokens([ADDED[0], AddedToken(ADDED[2], single_word=True), ADDED[3]]) == 3
    assert tokenizer.add_special_tokens({"extra_special_tokens": [ADDED[1]]}) == 1
    shutil.copytree(kept.folder, tmp_path / "bundle")
    tokenizer.save_pretrained(tmp_path / "bundle")
    files = tuple(bundles.entry(e.path, (tmp_path / "bundle" / e.path).read_bytes()) for e in kept.manifest.files)
    changed = kept.manifest.model_copy(update={"files": files})
    (tmp_path / "bundle/bundle.json").write_bytes(manifest.dump(changed))
    opened = bundles.read(tmp_path / "bundle")
    assert (opened.manifest.schema_version, opened.manifest.tokenizer.added_tokens) == (1, ())
    (tmp_path / "Ids.java").write_text(IDS, encoding="utf-8")
    core = DEMO / "core/src/main"
    compiled = ["javac", "-d", tmp_path / "classes", *core_paths(), tmp_path / "Ids.java"]
    subprocess.run(compiled, check=True, capture_output=True)
    places = f"{tmp_path / 'classes'}:{core / 'resources'}"
    asked = ["java", "-cp", places, "org.squeezebert.internal.Ids", tmp_path / "bundle", *ADDED_TEXTS]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    expected = [opened.tokenizer().rows(text, max_length=16).input_ids[0].tolist() for text in ADDED_TEXTS]
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected
    assert {tokenizer.convert_tokens_to_ids(token) for token in ADDED} <= {id_ for row in expected for id_ in row}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "holds"), [("java.util.Arrays.asList(1)", True), ("StackWalker.getInstance()", False)]
)
def test_api_that_android_8_lacks_is_refused(call: str, holds: bool, tmp_path: Path) -> None:
    require(**JVM)
    (tmp_path / "Newer.java").write_text(f"package org.squeezebert.demo; class Newer {{ Object made = {call}; }}\n")
    subprocess.run(["javac", "-d", tmp_path / "classes", tmp_path / "Newer.java"], check=True)
    build = load("build_apk")
    with nullcontext() if holds else pytest.raises(SystemExit, match=r"Undefined reference: .*StackWalker"):
        build.require_api_level(tmp_path / "classes", (), tmp_path)


@pytest.mark.slow
def test_an_apk_of_each_runtime_is_built_and_holds(tiny_bundle: Path, tmp_path: Path) -> None:
    """The only place where the ExecuTorch engine is compiled, and where Android's own tools read what was built."""
    require(**JVM, **APK, zipalign="zipalign", apksigner="apksigner")
    build = [sys.executable, TOOLS / "build_apk.py", "--bundle", tiny_bundle, "--out", tmp_path]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    runtimes = re.split(r"^(\w+):\n", done.stdout, flags=re.MULTILINE)
    assert runtimes[1::2] == ["onnx", "executorch"]
    for name, said in zip(runtimes[1::2], runtimes[2::2], strict=True):
        checks = [line.split(":")[0].strip() for line in said.splitlines()]
        assert checks[:-1] == [
            "API level",
            "signature",
            "alignment",
            "manifest",
            "dex",
            "providers that libraries bring, removed from the manifest",
            "bundle",
            "libraries",
            "core",
        ]
        assert (tmp_path / f"squeezebert-demo-{name}.apk").stat().st_size > 10_000_000, said
        runtime = {"onnx": ".onnx", "executorch": ".pte"}[name]
        with zipfile.ZipFile(tmp_path / f"squeezebert-demo-{name}.apk") as apk:
            models = {Path(entry).suffix for entry in apk.namelist() if Path(entry).suffix in {".onnx", ".pte"}}
        assert models == {runtime}
    with zipfile.ZipFile(tmp_path / "squeezebert-demo-onnx.apk") as apk:
        library = apk.read("lib/arm64-v8a/libonnxruntime.so")
    assert f"VERS_{maven_properties()['onnxruntime.version']}".encode() in library
    assert b"ORT_DISABLE_TELEMETRY" in library, "the switch that the app sets is the one that the library reads"
