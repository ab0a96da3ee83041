"""`export --dry-run` says what an export would make, and its refusals are the export's."""

import json
from pathlib import Path

import pytest
from checkout import ROOT
from command import assert_error, run
from tiny import checkpoint

from squeezebert_mobile import atomic, preflight
from squeezebert_mobile.benchmarks import results
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.export import plan
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


@pytest.mark.parametrize("name", ["bundle_v2", "bundle_v2_sentences"])
def test_sizes_of_tiny_files_are_about_right(name: str, tmp_path: Path) -> None:
    kept = bundles.read(ROOT / "tests/data" / name)
    for made in kept.manifest.artifacts:
        estimate = plan.file_bytes(ExportOptions(tmp_path / "new"), kept.config(), made.precision)
        assert 0.45 < estimate / made.bytes < 1.5, made.path


@pytest.mark.parametrize("name", ["latency-1.jsonl", "reproduce.jsonl"])
def test_sizes_of_whole_models_are_right(name: str, tmp_path: Path) -> None:
    cases = [case for case in results.read(ROOT / "benchmarks/results" / name).cases if case.bundle_sha256]
    assert {case.precision for case in cases} == {"fp32", "int8", "int8-static"}
    for case in cases:
        estimate = plan.file_bytes(ExportOptions(tmp_path / "new"), SqueezeBertConfig(), case.precision)
        assert case.file_bytes is not None and 0.98 < estimate / case.file_bytes < 1.02, case.name


def test_the_room_that_an_export_asks_for_is_what_its_preview_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(atomic, "require_room", lambda _, size: asked.append(size))
    model = checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION)
    options = ExportOptions(tmp_path / "new", model)
    preflight.export(options)
    assert asked == [pytest.approx(1e6 * preview(options).megabytes)]


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
