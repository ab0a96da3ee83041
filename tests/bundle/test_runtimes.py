"""What is known of the runtimes: the versions of the kept matrix, and upstream's faults where they are installed."""

from pathlib import Path

import handmade
import pytest
from checkout import ROOT

from squeezebert_mobile import doctor, render
from squeezebert_mobile.benchmarks.lab import runtimes as matrix
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import runtimes
from squeezebert_mobile.bundle.card import card
from squeezebert_mobile.run.verify import verify
from squeezebert_mobile.tasks import Runtime

KEPT = ROOT / "benchmarks" / "results" / "runtimes.json"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an ONNX Runtime that upstream knows to be bad."""
    versions = {"onnxruntime": "1.25.1", "executorch": "1.5.1+cpu", "coreai-core": "1.0.0b3"}
    monkeypatch.setattr(runtimes.importlib.metadata, "version", versions.__getitem__)


@pytest.mark.parametrize("runtime", matrix.FLOORS)
def test_the_oldest_and_newest_versions_are_those_of_the_kept_matrix(runtime: Runtime) -> None:
    run, tried = matrix.read(KEPT), runtimes.known().tried[runtime]
    held = {precision: run.held(runtime, precision) for precision in matrix.PRECISIONS}
    assert tried.oldest == {precision: versions[0] for precision, versions in held.items()}
    assert {versions[-1] for versions in held.values()} == {tried.newest}


def test_a_version_of_the_kept_matrix_that_fails_is_known_to_be_bad() -> None:
    failed = {(answer.runtime, answer.version) for answer in matrix.read(KEPT).answers if not answer.holds}
    assert failed
    assert not [pair for pair in failed if not runtimes.faults(*pair)]


@pytest.mark.parametrize(
    ("version", "count"),
    [
        ("1.22.1", 0), ("1.23.0", 1), ("1.24.3", 2), ("1.24.4", 1), ("1.26.0", 1), ("1.27.0", 1), ("1.27.1", 1),
        ("1.28.0", 0), ("1.32.0", 0), ("1.32.0.dev20261101", 0), ("1.25.1+cpu", 1), ("1.100.0", 0),
    ],
)  # fmt: skip
def test_a_version_has_the_faults_from_their_first_release_to_before_the_fixed_one(version: str, count: int) -> None:
    assert len(runtimes.faults("onnx", version)) == count


def test_every_fault_says_who_says_so_and_the_newest_release_has_none() -> None:
    for fault in runtimes.known().faults:
        assert fault.sources
        assert fault.hits(fault.since)
        assert not fault.hits(fault.fixed)
        assert runtimes.faults(fault.runtime, runtimes.known().tried[fault.runtime].newest) == ()


def test_nothing_is_said_of_runtimes_that_are_sound_or_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtimes.warnings(runtimes.PACKAGES) == ()

    def missing(name: str) -> str:
        raise runtimes.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(runtimes.importlib.metadata, "version", missing)
    assert runtimes.warnings(runtimes.PACKAGES) == ()


@pytest.mark.usefixtures("installed")
def test_doctor_tells_of_an_installed_runtime_that_is_known_to_be_bad() -> None:
    (found,) = doctor._faults()
    assert not found.works
    assert not found.needed
    assert "ONNX Runtime 1.24.0 to before 1.27.0 is known to be bad on ARM processors with SME" in found.advice
    assert "microsoft/onnxruntime#28231" in found.advice
    assert found.advice.endswith("installed is 1.25.1, take 1.27.0")


@pytest.mark.usefixtures("installed")
def test_verify_tells_of_it_where_that_runtime_answered(tmp_path: Path) -> None:
    content, whole = handmade.contents(handmade.onnx_model().SerializeToString())
    target = tmp_path / "bundle"
    with bundles.staged(target, force=False) as stage:
        bundles.fill(stage, content, whole)
    found = verify(target)
    assert [line.rpartition("; ")[2] for line in found.warnings] == ["installed is 1.25.1, take 1.27.0"]
    assert f"warning: {found.warnings[0]}" in render.verification(found).splitlines()
    assert verify(target, run=False).warnings == ()


def test_the_card_names_the_versions_to_run_a_file_with_and_those_not_to() -> None:
    _, whole = handmade.contents(b"")
    lines = card(whole).splitlines()
    first = lines.index("## Runtimes") + 2
    newest = runtimes.known().tried["onnx"].newest
    assert lines[first] == f"- ONNX Runtime {whole.artifacts[0].oldest_runtime} or newer, tried to {newest}: fp32"
    assert lines[first + 1 : first + 4] == [f"- {fault}" for fault in runtimes.faults("onnx")]


def test_the_app_knows_the_same_faults() -> None:
    source = ROOT / "android_demo/core/src/main/java/org/squeezebert/internal/KnownFaults.java"
    text = source.read_text(encoding="utf-8")
    rows = [
        f'{{"{f.runtime}", "{f.since}", "{f.fixed}", "{f.processors}: {f.what}"}},' for f in runtimes.known().faults
    ]
    assert [row for row in rows if row not in text] == []
    assert text.count("        {") == len(rows)
