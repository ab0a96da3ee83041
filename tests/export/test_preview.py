"""`export --dry-run` says what an export would make, and its refusals are the export's."""

import json
from pathlib import Path

import pytest
from command import assert_error, run
from tiny import checkpoint

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.preview import preview
from squeezebert_mobile.tasks import Task


def test_a_preview_names_the_files_that_the_export_makes(tiny_bundle: Path, tmp_path: Path) -> None:
    model = tiny_bundle.with_name("tiny_bundle.model")
    made = bundles.read(tiny_bundle).manifest
    found = preview(ExportOptions(tmp_path / "new", model, precisions=("fp32",)))
    assert [file.path for file in found.files] == [artifact.path for artifact in made.artifacts]
    assert (found.task, found.max_length) == (made.task, made.tokenizer.max_length)
    assert all(file.seconds > 0 for file in found.files) and found.seconds > 0
    for file, artifact in zip(found.files, made.artifacts, strict=True):
        assert 0.5 < file.megabytes / (artifact.bytes / 1e6) < 2
    assert list(tmp_path.iterdir()) == []


def test_int8_is_smaller_and_says_what_stays_float(tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION)
    fp32, int8 = preview(
        ExportOptions(tmp_path / "new", model, runtimes=("onnx",), keep_float=frozenset({"head"}))
    ).files
    assert int8.megabytes < fp32.megabytes and fp32.stays_float == () and "head" in int8.stays_float


def test_the_command_shows_it_writes_nothing_and_refuses_what_the_export_does(tmp_path: Path) -> None:
    shown = run("export", "-o", tmp_path / "far" / "new", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "onnx/model_quantized.onnx" in shown.stdout and "nothing was written" in shown.stdout
    assert max(map(len, shown.stdout.splitlines()[1:-1])) <= 80
    found = json.loads(run("export", "-o", tmp_path / "new", "--dry-run", "--json").stdout)
    assert {file["precision"] for file in found["files"]} == {"fp32", "int8"}
    assert list(tmp_path.iterdir()) == []
    for arguments, code, words in ((("-o", tmp_path), 2, "exists"), (("-o", tmp_path / "n", "-m", "no"), 3, "no such")):
        assert_error(run("export", *arguments, "--dry-run"), code, words)


@pytest.mark.parametrize("heavy", ["torch", "onnx"])
def test_a_preview_imports_nothing_heavy(heavy: str) -> None:
    import subprocess
    import sys

    code = f"import sys, squeezebert_mobile.export.preview; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
