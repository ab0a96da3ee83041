"""Bundles of each schema version are kept for ever: what was once exported stays readable and keeps its answers.

Those of schema 2 are exports of random models: a question answering with a threshold for "no answer" and the figures of
an accuracy gate, and a sentence embedding.
"""

import json
import shutil
from pathlib import Path

import handmade
import pytest
from checkout import ROOT

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import manifest
from squeezebert_mobile.bundle.archive import opened, pack
from squeezebert_mobile.errors import GateError, InputFileError, IntegrityError
from squeezebert_mobile.run.verify import verify

DATA = ROOT / "tests/data"
DIGESTS = {
    "bundle_v1": "8910ad53a85fc1b91542ebba0e1f6f89198f57459410b707d04828f220039316",
    "bundle_v2": "72d2e87489c1168f7b75caa9faea77262fad030e0e86d5fafa30ee075a517a2f",
    "bundle_v2_sentences": "511770348ddbbe29bb039588d7d5c55b959db1c4d193e19d2669dce0e0085539",
}


def test_there_is_one_for_each_schema_version() -> None:
    assert sorted(path.name for path in DATA.glob("bundle_v*")) == sorted(DIGESTS)
    versions = {bundles.read(DATA / name).manifest.schema_version for name in DIGESTS}
    assert versions == {*range(1, manifest.SCHEMA_VERSION + 1)}


@pytest.mark.parametrize("name", DIGESTS)
def test_it_is_unchanged_small_and_still_right(name: str) -> None:
    folder = DATA / name
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 400_000
    result = verify(folder)
    assert result.digest == DIGESTS[name]
    assert {check.runtime for check in result.artifacts} == {"onnx", "executorch"}
    assert all(check.max_abs < 1e-5 for check in result.artifacts if check.precision == "fp32")


def test_what_schema_2_says_of_answers_is_read() -> None:
    words, sentences = (bundles.read(DATA / name) for name in ("bundle_v2", "bundle_v2_sentences"))
    assert words.manifest.postprocessing.null_threshold == 0.5
    assert {artifact.accuracy is None for artifact in words.manifest.artifacts} == {False}
    assert words.manifest.tokenizer.pair and words.manifest.tokenizer.added_tokens
    pooling = sentences.manifest.postprocessing.pooling
    assert pooling is not None and (pooling.mode, pooling.normalize) == ("mean", True)


@pytest.mark.parametrize("name", DIGESTS)
def test_its_archive_is_verified_like_the_folder(name: str, tmp_path: Path) -> None:
    pack(DATA / name, tmp_path / "bundle.zip")
    result = verify(tmp_path / "bundle.zip", run=False)
    assert (result.folder, result.digest) == (str(tmp_path / "bundle.zip"), DIGESTS[name])


def test_a_model_that_answers_otherwise_misses_the_gate(tmp_path: Path) -> None:
    model = handmade.onnx_model()
    model.graph.node[-1].op_type = "Sub"
    with pytest.raises(GateError, match=r"onnx/model\.onnx: output logits for golden text 'a sentence' differs"):
        verify(handmade.write(tmp_path / "bundle", model.SerializeToString()))


def test_a_tokenizer_that_gives_other_ids_misses_the_gate(tmp_path: Path) -> None:
    content, described = handmade.contents(b"")
    cases = json.loads(content["golden.json"])
    cases["cases"][0]["input_ids"][0][1] += 1
    content["golden.json"] = json.dumps(cases).encode()
    files = tuple(bundles.entry(e.path, content[e.path]) for e in described.files)
    with bundles.staged(tmp_path / "bundle", force=False) as stage:
        bundles.fill(stage, content, described.model_copy(update={"files": files}))
    with pytest.raises(GateError, match="the tokenizer gives other ids for the golden text 'a sentence'"):
        verify(tmp_path / "bundle", run=False)


def test_a_copy_with_one_changed_byte_is_refused(tmp_path: Path) -> None:
    for path in sorted((DATA / "bundle_v1").rglob("*")):
        if path.is_dir():
            continue
        copy = tmp_path / path.name
        shutil.copytree(DATA / "bundle_v1", copy)
        changed = copy / path.relative_to(DATA / "bundle_v1")
        data = bytearray(changed.read_bytes())
        data[len(data) // 2] ^= 1
        changed.write_bytes(data)
        # A changed bundle.json may be no JSON any more.
        with pytest.raises((IntegrityError, InputFileError), match=path.name), opened(copy):
            pass
