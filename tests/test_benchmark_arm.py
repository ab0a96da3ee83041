"""The ONNX files of a bundle on emulated 64-bit ARM."""

import shutil
from pathlib import Path

import pytest

from squeezebert_mobile import bundle as bundles
from squeezebert_mobile.benchmarks import arm
from squeezebert_mobile.benchmarks.arm import Answer
from squeezebert_mobile.benchmarks.peers import Peer, PeerModel
from squeezebert_mobile.errors import EnvironmentFault


def test_a_machine_without_qemu_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentFault, match="qemu-aarch64: is not installed; fix: apt-get install qemu-user"):
        arm.set_up()


def test_the_table_says_where_answers_differ() -> None:
    lines = arm.text(
        [
            Answer("cortex-a76", "onnx/model.onnx", 1e-6, 1e-4, 2_500_000),
            Answer("max", "onnx/model.onnx", 0.5, 1e-4, None),
            Answer("cortex-a76", "BERT-base plain", None, None, 9_000_000),
        ]
    ).splitlines()
    assert lines[1].split()[-2:] == ["yes", "2.5"]
    assert lines[2].split()[-2:] == ["NO", "–"]
    assert lines[3].split()[-2:] == ["–", "9.0"]


@pytest.mark.slow
def test_every_onnx_file_answers_on_arm_as_the_reference(tiny_onnx_bundle: Path) -> None:
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("needs QEMU: apt-get install qemu-user")
    small = PeerModel(Peer.BERT_BASE, layers=2, hidden=64)
    found = arm.measure(tiny_onnx_bundle, tokens=16, peers=[small])
    artifacts = {a.path for a in bundles.read(tiny_onnx_bundle).manifest.artifacts}
    assert {(a.cpu, a.name) for a in found if a.max_abs is not None} == {(c, p) for c in arm.CPUS for p in artifacts}
    assert all(answer.holds is not False for answer in found)
    assert all(answer.instructions is None or answer.instructions > 10_000 for answer in found)
    assert {answer.name for answer in found} > {"BERT-base plain", "BERT-base quantize_dynamic"}
