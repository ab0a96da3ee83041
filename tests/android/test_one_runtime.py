"""The bundle that is built into an APK."""

import re
from pathlib import Path

import pytest
from android_tools import load
from checkout import ROOT

from squeezebert_mobile.bundle import folder as bundles

one_runtime = load("one_runtime")


@pytest.mark.parametrize("runtime", ["onnx", "executorch"])
def test_an_apk_carries_int8_alone_and_its_card_names_nothing_else(tmp_path: Path, runtime: str) -> None:
    whole = ROOT / "tests/data/bundle_v2"
    made = bundles.read(one_runtime.write(whole, runtime, tmp_path / "one"))
    (artifact,) = made.manifest.artifacts
    assert (artifact.runtime, artifact.precision) == (runtime, "int8")
    files = re.compile(r"(?:onnx|executorch)/[\w./]+\.(?:onnx|pte)")
    assert set(files.findall((made.folder / "README.md").read_text())) == {artifact.path}
    assert set(files.findall((whole / "README.md").read_text())) > {artifact.path}
