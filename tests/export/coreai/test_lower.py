"""Core AI assets: six tasks and vectors against the reference, the same bytes each time; checked bytes alone run."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import sentences
import tiny
from command import run

from squeezebert_mobile import errors, preflight
from squeezebert_mobile.benchmarks import candidates
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import manifest
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME
from squeezebert_mobile.export import plan
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.pipeline import export
from squeezebert_mobile.run.engines import load_engine
from squeezebert_mobile.run.predict import predict
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.run.verify import verify
from squeezebert_mobile.tasks import Task

pytest.importorskip("coreai_torch", reason="needs the extra coreai, for Linux on x86-64 and macOS")


def exported(folder: Path, model: Path, *precisions: str) -> bundles.Bundle:
    return export(ExportOptions(folder, model, runtimes=("coreai",), precisions=precisions))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bundles.Bundle:
    folder = tmp_path_factory.mktemp("coreai")
    model = tiny.checkpoint(folder / "model", Task.TEXT_CLASSIFICATION, tiny.SMALL)
    chosen = ExportOptions(folder / "bundle", model, runtimes=("onnx", "coreai"), precisions=("fp32", "fp16"))
    return export(chosen)


@pytest.mark.slow
@pytest.mark.parametrize("task", Task)
def test_every_task_answers_as_the_reference_and_predicts_as_onnx_does(task: Task, tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model", task, tiny.SMALL)
    chosen = ExportOptions(tmp_path / "bundle", model, runtimes=("onnx", "coreai"), precisions=("fp32",))
    found = {artifact.runtime: artifact for artifact in export(chosen).manifest.artifacts}
    assert all(parity.max_abs < 1e-5 for parity in found["coreai"].parity)
    assert found["coreai"].batch == 1
    ours, theirs = (
        next(iter(predict(tmp_path / "bundle", [tiny.SAMPLES[task]], runtime=runtime)))
        for runtime in ("coreai", "onnx")
    )
    assert ours.milliseconds is None, "no time of this runtime is shown"
    assert scores(ours.result) == pytest.approx(scores(theirs.result), rel=1e-3)


def scores(answer: object) -> list[float]:
    """Every number of an answer that its model computed, whatever the task."""
    if isinstance(answer, float):
        return [answer]
    if isinstance(answer, list | tuple):
        return [score for one in answer for score in scores(one)]
    found = [score for name in ("score", "scores", "vector") for score in scores(vars(answer).get(name, ()))]
    assert found, answer
    return found


@pytest.mark.slow
def test_the_vector_of_a_text_is_that_of_sentence_transformers(tmp_path: Path) -> None:
    model = sentences.folder(tmp_path / "model")
    exported(tmp_path / "bundle", model, "fp32")
    expected = np.asarray(sentences.opened(model).encode(list(sentences.TEXTS)))
    found = predict(tmp_path / "bundle", [tiny.Sample(text) for text in sentences.TEXTS])
    np.testing.assert_allclose([one.result.vector for one in found], expected, atol=1e-5)  # type: ignore[union-attr]


def test_verify_counts_and_runs_the_files_of_a_folder(bundle: bundles.Bundle) -> None:
    checked = verify(bundle.folder)
    assert [check.path for check in checked.artifacts][2:] == ["coreai/model_fp32.aimodel", "coreai/model_fp16.aimodel"]
    assert checked.files == sum(path.is_file() for path in bundle.folder.rglob("*"))


def test_fp16_is_half_of_fp32_and_answers_within_its_gate(bundle: bundles.Bundle) -> None:
    whole, half = bundle.artifacts(["coreai"])
    assert 0.45 < half.bytes / whole.bytes < 0.75, "what it says of its operators is as long"
    assert half.parity[0].psnr_db is not None and half.parity[0].psnr_db > 40
    assert [spec.dtype for spec in half.inputs] == ["int32", "int32"]


def test_no_day_and_no_path_of_this_machine_is_told(bundle: bundles.Bundle) -> None:
    asset = bundle.folder / "coreai/model_fp32.aimodel"
    assert json.loads((asset / "metadata.json").read_text())["creationDate"].startswith("19700101")
    program = (asset / "main.mlirb").read_bytes()
    assert str(Path(os.__file__).parent).encode() not in program
    assert b".py" not in program


def test_the_same_checkpoint_has_the_same_bytes_in_any_process(bundle: bundles.Bundle, tmp_path: Path) -> None:
    for name, precisions in (("one", "fp32"), ("both", "fp32,fp16")):
        options = ("--runtime", "coreai", "--precision", precisions, "--license", "mit", "--quiet")
        done = run("export", "-m", bundle.folder.parent / "model", "-o", tmp_path / name, *options)
        assert done.returncode == 0, done.stderr
    mine, theirs = bundle.artifacts(["coreai"]), bundles.read(tmp_path / "both").manifest.artifacts
    assert mine == theirs
    assert bundles.read(tmp_path / "one").manifest.artifacts == theirs[:1]


def test_the_asset_holds_the_digest_of_its_program(bundle: bundles.Bundle) -> None:
    asset = bundle.folder / "coreai/model_fp32.aimodel"
    assert (asset / "main.hash").read_bytes() == hashlib.sha256((asset / "main.mlirb").read_bytes()).digest()


def test_other_bytes_never_reach_the_runtime(bundle: bundles.Bundle) -> None:
    program = bundle.folder / "coreai/model_fp32.aimodel/main.mlirb"
    sound = program.read_bytes()
    try:
        program.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        with pytest.raises(errors.IntegrityError, match=r"main\.mlirb: SHA-256 mismatch"):
            bundles.read(bundle.folder)
        with pytest.raises(errors.IntegrityError, match=r"main\.mlirb: SHA-256 mismatch"):
            Session(bundle.folder, bundle.artifact("coreai"))
    finally:
        program.write_bytes(sound)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"files": []}, "where a folder is Core AI's"),
        ({"runtime": "onnx"}, "where a folder is Core AI's"),
        ({"sha256": "0" * 64}, "is not what its files make"),
        ({"bytes": 1}, "is not what its files make"),
        ({"path": "coreai/other.aimodel"}, "has files outside of it"),
    ],
)
def test_a_folder_that_its_files_do_not_make_is_refused(
    bundle: bundles.Bundle, change: dict[str, object], said: str
) -> None:
    values = json.loads((bundle.folder / MANIFEST_NAME).read_text())
    values.pop("seal")
    values["artifacts"][2] |= change
    with pytest.raises(errors.IntegrityError, match=said):
        manifest.parse(manifest.sealed(values), MANIFEST_NAME)


def test_nothing_temporary_is_left_by_a_session(
    bundle: bundles.Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Session(bundle.folder, bundle.artifact("coreai")) as session:
        assert session.run(tiny.tokenizer(tiny.SMALL).rows(["a film"], None, max_length=8).batch())
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_evaluate_scores_it_as_onnx_and_shows_no_time_of_it(bundle: bundles.Bundle, tmp_path: Path) -> None:
    data = tmp_path / "dev.tsv"
    data.write_text("sentence\tlabel\n" + "good films\tnegative\nno wit\tpositive\n" * 5, encoding="utf-8")
    done = run("evaluate", bundle.folder, "--data", data, "--precision", "fp32", "--resamples", "10", "--json")
    assert done.returncode == 0, done.stderr
    onnx, coreai = json.loads(done.stdout)["rows"]
    assert (onnx["runtime"], coreai["runtime"]) == ("onnx", "coreai")
    assert coreai["metrics"] == pytest.approx(onnx["metrics"], abs=1e-6)
    assert onnx["milliseconds"] > 0 and coreai["milliseconds"] is None
    shown = run("evaluate", bundle.folder, "--data", data, "--runtime", "coreai", "--resamples", "10")
    assert shown.returncode == 0, shown.stderr
    rows = [line.split()[-1] for line in shown.stdout.splitlines() if line.startswith("coreai fp")]
    assert rows[:2] == ["-", "-"], "before the drops"
    part = tmp_path / "part.jsonl"
    kept = run("evaluate", bundle.folder, "--data", data, "--precision", "fp32", "--resamples", "10", "-o", part)
    assert kept.returncode == 0, kept.stderr
    merged = json.loads(run("merge", part, "--json").stdout)
    assert [row["metrics"] for row in merged["rows"]] == [onnx["metrics"], coreai["metrics"]]
    assert merged["rows"][1]["milliseconds"] is None


def test_no_time_of_it_is_taken(bundle: bundles.Bundle) -> None:
    assert [one.runtime for one in candidates.from_bundle(bundle)] == ["onnx", "onnx"]
    with pytest.raises(errors.UsageError, match="is not timed here"):
        candidates.from_bundle(bundle, runtimes=("coreai",))
    with pytest.raises(errors.UsageError, match="is not timed here"):
        load_engine("coreai", b"", 1, ())
    with pytest.raises(errors.UsageError, match="cannot time Core AI"):
        ExportOptions(Path("b"), runtimes=("onnx", "coreai"), require_faster=True)


def test_it_has_fp32_and_fp16_beside_what_others_have() -> None:
    with pytest.raises(errors.UsageError, match="fix: pass --precision fp32,fp16"):
        ExportOptions(Path("b"), runtimes=("coreai",))
    both = ExportOptions(Path("b"), runtimes=("onnx", "coreai"), precisions=("fp16", "int8"))
    assert plan.files(both) == [("onnx", "fp16"), ("onnx", "int8"), ("coreai", "fp16")]


def test_a_missing_package_is_named_before_torch_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    def missing(name: str) -> importlib.metadata.Distribution:
        if name.startswith("coreai"):
            raise importlib.metadata.PackageNotFoundError(name)
        return importlib.metadata.Distribution.from_name(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    chosen = ExportOptions(tmp_path / "bundle", runtimes=("coreai",), precisions=("fp32",))
    with pytest.raises(
        errors.EnvironmentFault, match=r"^coreai-core: is not installed; .*pip install coreai-core==1\.0\.0b3"
    ):
        preflight.export(chosen)
