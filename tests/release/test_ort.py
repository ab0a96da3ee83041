"""A pack of graphs in ONNX Runtime's own format: the same answers to the last bit, told and proven as such."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from command import run

from squeezebert_mobile import load
from squeezebert_mobile.bundle import archive, manifest
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.errors import GateError, InputFileError, IntegrityError, UsageError
from squeezebert_mobile.release import operators
from squeezebert_mobile.release.operators import Made
from squeezebert_mobile.release.options import PackOptions
from squeezebert_mobile.release.pack import pack
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.run.verify import verify

ALL = ("onnx/model.onnx", "onnx/model_quantized.onnx")


@pytest.fixture(scope="module")
def own(tiny_onnx_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("own") / "pack"
    pack(PackOptions(tiny_onnx_bundle, target, "sentiment", "1.0.0", artifacts=ALL, ort=True))
    return target


def test_each_graph_is_in_that_format_and_keeps_its_proof(own: Path, tiny_onnx_bundle: Path) -> None:
    before, after = (bundles.read(folder).manifest.artifacts for folder in (tiny_onnx_bundle, own))
    assert [artifact.path for artifact in after] == ["onnx/model.ort", "onnx/model_quantized.ort"]
    for plain, made in zip(before, after, strict=True):
        assert (made.form, made.runtime, made.parity, made.inventory) == ("ort", "onnx", plain.parity, plain.inventory)
        assert (own / made.path).read_bytes()[4:8] == b"ORTM"
        assert made.version.startswith(f"{plain.version}, optimized by ONNX Runtime 1.")
    assert not [*own.rglob("*.onnx")]
    card = (own / "README.md").read_text()
    assert "library_name: onnxruntime" in card
    assert "in its own format, and answered bit by bit as that did" in card
    assert "transformers.js" not in card


def test_verify_predict_load_and_evaluate_take_it_and_answer_alike(
    own: Path, tiny_onnx_bundle: Path, tmp_path: Path
) -> None:
    assert [check.path for check in verify(own).artifacts] == ["onnx/model.ort", "onnx/model_quantized.ort"]
    with load(own) as packed, load(tiny_onnx_bundle) as bundle:
        assert packed("good films").result == bundle("good films").result
    data = tmp_path / "dev.tsv"
    data.write_text("sentence\tlabel\n" + "good\tnegative\nbad\tpositive\n" * 3, encoding="utf-8")
    ours, theirs = (
        json.loads(run("evaluate", folder, "--data", data, "--json").stdout) for folder in (own, tiny_onnx_bundle)
    )
    assert [row["metrics"] for row in ours["rows"]] == [row["metrics"] for row in theirs["rows"]]


def test_it_can_be_packed_again_to_the_same_bytes(own: Path, tmp_path: Path) -> None:
    paths = tuple(artifact.path for artifact in bundles.read(own).manifest.artifacts)
    for number, is_ort in enumerate((True, False)):
        target = tmp_path / str(number)
        pack(PackOptions(own, target, "sentiment", "1.0.0", artifacts=paths, ort=is_ort))
        assert bundles.read(target).digest == bundles.read(own).digest


def test_one_that_answers_otherwise_is_not_packed(
    tiny_onnx_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = operators.make(bundles.read(tiny_onnx_bundle), bundles.read(tiny_onnx_bundle).manifest.artifacts)
    swapped = Made(made.lists, {ALL[1]: made.graphs[ALL[0]]})
    monkeypatch.setattr(operators, "make", lambda *_: swapped)
    with pytest.raises(GateError, match=r"model_quantized\.ort: answers otherwise than onnx/model_quantized\.onnx"):
        pack(PackOptions(tiny_onnx_bundle, tmp_path / "pack", "sentiment", "1.0.0", ort=True))
    assert not (tmp_path / "pack").exists()


def test_without_a_graph_there_is_none_to_convert(tiny_bundle: Path, tmp_path: Path) -> None:
    path = ("executorch/model_xnnpack_fp32.pte",)
    with pytest.raises(UsageError, match=r"^--ort: is for ONNX files \(found executorch/model_xnnpack_fp32\.pte\)"):
        pack(PackOptions(tiny_bundle, tmp_path / "pack", "sentiment", "1.0.0", artifacts=path, ort=True))


def test_bytes_of_another_format_than_the_manifest_names_are_not_run(own: Path, tiny_onnx_bundle: Path) -> None:
    plain, made = bundles.read(tiny_onnx_bundle).artifact(), bundles.read(own).artifact()
    renamed = {"path": plain.path, "sha256": plain.sha256}
    with pytest.raises(InputFileError, match="is not in ONNX Runtime's own format"):
        Session(tiny_onnx_bundle, made.model_copy(update=renamed))
    with pytest.raises(InputFileError, match="is in ONNX Runtime's own format, not ONNX"):
        Session(own, made.model_copy(update={"form": None}))


def test_the_form_is_onnx_runtimes_alone_and_of_schema_2(own: Path) -> None:
    values = json.loads((own / "bundle.json").read_text())
    values.pop("seal")
    old = values | {"schema_version": 1, "postprocessing": "softmax"}
    del old["release"]
    with pytest.raises(IntegrityError, match="it says what schema_version 1 cannot"):
        manifest.parse(manifest.sealed(old), "bundle.json")
    values["artifacts"][0]["runtime"] = "executorch"
    with pytest.raises(IntegrityError, match="which has no form ort"):
        manifest.parse(manifest.sealed(values), "bundle.json")


def test_a_damaged_one_is_refused_in_a_process_of_its_own(own: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(own, tmp_path / "copy"))
    artifact = bundles.read(copy).artifact()
    data = bytearray((copy / artifact.path).read_bytes())
    generator = np.random.default_rng(0)
    for _ in range(4):
        damaged = bytearray(data)
        for place in generator.integers(8, len(data), 200):
            damaged[place] ^= 0xFF
        (copy / artifact.path).write_bytes(damaged)
        entry = bundles.entry(artifact.path, bytes(damaged))
        with suppress(InputFileError):  # a change that says nothing to the runtime may pass
            Session(copy, artifact.model_copy(update={"sha256": entry.sha256})).close()


def test_the_command_makes_a_zip_of_it(tiny_onnx_bundle: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    done = run("pack", tiny_onnx_bundle, "-o", target, "--name", "a", "--version", "1.0.0", "--ort", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["artifacts"] == ["onnx/model_quantized.ort"]
    with archive.opened(target) as packed:
        assert packed.manifest.artifacts[0].form == "ort"
