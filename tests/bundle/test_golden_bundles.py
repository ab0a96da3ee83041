"""One bundle of each schema version is kept for ever: what was once exported stays readable and keeps its answers."""

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
DIGESTS = {1: "8910ad53a85fc1b91542ebba0e1f6f89198f57459410b707d04828f220039316"}


def test_there_is_one_for_each_schema_version_before_the_present() -> None:
    assert sorted(path.name for path in DATA.glob("bundle_v*")) == [f"bundle_v{version}" for version in DIGESTS]
    assert [*DIGESTS] == [*range(1, manifest.SCHEMA_VERSION)]


@pytest.mark.parametrize("version", DIGESTS)
def test_it_is_unchanged_small_and_still_right(version: int) -> None:
    folder = DATA / f"bundle_v{version}"
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 200_000
    result = verify(folder)
    assert result.digest == DIGESTS[version]
    assert {check.runtime for check in result.artifacts} == {"onnx", "executorch"}
    assert all(check.max_abs < 1e-5 for check in result.artifacts)


@pytest.mark.parametrize("version", DIGESTS)
def test_its_archive_is_verified_like_the_folder(version: int, tmp_path: Path) -> None:
    pack(DATA / f"bundle_v{version}", tmp_path / "bundle.zip")
    result = verify(tmp_path / "bundle.zip", run=False)
    assert (result.folder, result.digest) == (str(tmp_path / "bundle.zip"), DIGESTS[version])


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
