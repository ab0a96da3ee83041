"""The card alone: what it says is there, and its programs run as they stand and give the reference's answers."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import android_tools
import numpy as np
import pytest
import tiny
from checkout import ROOT

from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.pipeline import export
from squeezebert_mobile.tasks import Task

TEXT = "A warm, funny film that I would watch again tomorrow."
CORE = ROOT / "android_demo/core/src/main/java"


def blocks(folder: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (folder / "README.md").read_text(), flags=re.DOTALL)


def run(code: str, folder: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module", params=list(Task))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Task, Path]:
    folder, task = tmp_path_factory.mktemp("card"), request.param
    model = tiny.checkpoint(folder / "model", task, tiny.SMALL)
    export(ExportOptions(folder / "my-bundle", model, precisions=("fp32",)))
    return task, folder / "my-bundle"


@pytest.mark.slow
def test_the_python_of_the_card_answers_as_the_reference(made: tuple[Task, Path]) -> None:
    """Both runtimes print one answer; where a golden text is asked, its outputs are the golden ones."""
    task, folder = made
    codes = blocks(folder, "python")
    assert len(codes) == 2
    first, second = (run(code, folder)[-1] for code in codes)
    if task is Task.TEXT_CLASSIFICATION:
        cases = json.loads((folder / "golden.json").read_bytes())["cases"]
        (logits,) = (np.array(case["outputs"][0]["values"]) for case in cases if case["texts"] == [TEXT])
        expected = np.exp(logits) / np.exp(logits).sum()
        for line in (first, second):
            np.testing.assert_allclose([*json.loads(line.replace("'", '"')).values()], expected, atol=1e-5)
    elif task is Task.MULTIPLE_CHOICE:
        values = [json.loads(line.partition("]")[0] + "]") for line in (first, second)]
        np.testing.assert_allclose(*values, atol=1e-4)
    else:
        assert first == second


@pytest.mark.skipif(shutil.which("javac") is None or shutil.which("mvn") is None, reason="needs a JDK and Maven")
@pytest.mark.slow
def test_the_java_of_the_card_compiles(made: tuple[Task, Path], tmp_path: Path) -> None:
    codes = blocks(made[1], "java")
    assert len(codes) == 2
    head = "import java.nio.file.Paths;\nimport java.util.Arrays;\nimport org.squeezebert.*;\n"
    for number, code in enumerate(codes):
        body = f"{head}class Card{number} {{ static void call() throws Exception {{\n{code}}} }}\n"
        (tmp_path / f"Card{number}.java").write_text(body)
    files = sorted(tmp_path.glob("*.java"))
    annotations = android_tools.load("apk_inputs")
    paths = ["-cp", str(annotations.maven(annotations.JSPECIFY)), "-sourcepath", str(CORE)]
    command = ["javac", "-encoding", "UTF-8", "-nowarn", "-d", str(tmp_path / "out"), *paths]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_hub_and_a_reader_find_what_they_need(tiny_onnx_bundle: Path) -> None:
    card = (tiny_onnx_bundle / "README.md").read_text()
    assert card.startswith("---\nlicense: unknown\npipeline_tag: text-classification\ntags:\n- squeezebert\n")
    for words in (
        "Take `onnx/model_quantized.onnx` for ONNX Runtime.",
        "| onnx | input | `input_ids` | int64 | batch_size x sequence_length |",
        "lower-case",
        "[SEP] ",
        "softmax over the logits",
        "iOS: there is no client",
        "```js",
    ):
        assert words in card


def test_only_a_runtime_that_the_bundle_has_is_called(tiny_onnx_bundle: Path) -> None:
    assert len(blocks(tiny_onnx_bundle, "python")) == len(blocks(tiny_onnx_bundle, "java")) == 1
