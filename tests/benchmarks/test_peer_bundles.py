"""A peer as a sealed bundle: what is in it, where it is kept, and that nobody answers with it."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command import assert_error, run

from squeezebert_mobile.benchmarks import candidates, peer_bundles, peers
from squeezebert_mobile.benchmarks.peer_bundles import bundle_of
from squeezebert_mobile.benchmarks.peers import PAPER, TREATED, Form, Peer, PeerModel
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.errors import GateError, UsageError

SMALL = PeerModel(Peer.BERT_BASE, layers=1, hidden=32, max_length=64)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the bundle that most tests are about."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SQUEEZEBERT_MOBILE_CACHE", str(folder))
        bundle_of(SMALL, Form.PLAIN)
    return folder


@pytest.fixture(autouse=True)
def cache(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SQUEEZEBERT_MOBILE_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(exported, tmp_path / "cache"))


@pytest.mark.parametrize("peer", [Peer.BERT_BASE, Peer.DISTILBERT])
def test_the_golden_answers_are_the_models_own_in_pytorch(peer: Peer) -> None:
    import onnxruntime

    model = replace(SMALL, peer=peer)
    made = bundle_of(model, Form.PLAIN)
    cases = golden.of_bundle(made.read("golden.json"), "golden.json", made.manifest)
    assert [len(case.input_ids[0]) for case in cases] == [8, 32, 64]
    session = onnxruntime.InferenceSession(made.folder / made.artifact().path)
    for case in cases:
        batch = case.batch(2)
        with torch.inference_mode():
            own = peers.logits_of(model.build())(*map(torch.from_numpy, batch.arrays().values())).numpy()
        assert golden.difference(case.outputs[0], own) < 1e-6
        (found,) = session.run(None, batch.arrays())
        np.testing.assert_allclose(found, own, atol=1e-5)


@pytest.mark.parametrize(("form", "precision"), [(Form.PLAIN, "fp32"), (Form.DYNAMIC, "int8"), (Form.BEST, "fp32")])
def test_a_bundle_holds_the_file_of_the_desktop_under_its_digest(form: Form, precision: str) -> None:
    made = bundle_of(SMALL, form)
    artifact = made.artifact()
    assert (made.manifest.peer, made.manifest.source.name) == ("BERT-base", f"BERT-base, {form}")
    assert (artifact.runtime, artifact.precision) == ("onnx", precision)
    assert (made.folder / artifact.path).read_bytes() == peers.export_onnx(SMALL, form).read_bytes()


def test_a_bundle_is_made_once_and_again_where_it_was_damaged() -> None:
    made = bundle_of(SMALL, Form.PLAIN)
    file = made.folder / "golden.json"
    os.utime(file, ns=(1, 1))
    assert bundle_of(SMALL, Form.PLAIN).digest == made.digest and file.stat().st_mtime_ns == 1
    file.write_bytes(b"cut")
    assert bundle_of(SMALL, Form.PLAIN).digest == made.digest and file.stat().st_mtime_ns != 1


def test_a_file_that_answers_otherwise_is_not_sealed(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    other, kept = peers.export_onnx(replace(SMALL, num_labels=2, layers=2), Form.PLAIN), {*cache.rglob("*")}
    monkeypatch.setattr(peer_bundles, "export_onnx", lambda _model, _form: other)
    with pytest.raises(GateError, match="BERT-base, plain: output logits is not the reference's"):
        bundle_of(SMALL, Form.PLAIN)
    assert {path for path in {*cache.rglob("*")} - kept if path.is_dir()} == set()


@pytest.mark.slow
@pytest.mark.parametrize("peer", PAPER)
def test_every_form_of_the_papers_peers_can_be_sealed(peer: Peer) -> None:
    small = replace(SMALL, peer=peer, layers=2)
    forms = [form for _, _, form in candidates.forms({peer: None}, ("onnx",), best=True, shrink=small)]
    assert len(forms) == (5 if peer in TREATED else 3)
    assert len({bundle_of(small, form).digest for form in forms}) == len(forms)


@pytest.mark.parametrize("command", [["verify"], ["predict", "a text"], ["benchmark"], ["info"]])
def test_nothing_but_a_phone_takes_a_peers_bundle(command: list[str]) -> None:
    made = bundle_of(SMALL, Form.PLAIN)
    with pytest.raises(UsageError, match="is of BERT-base"):
        bundles.read(made.folder)
    name, *texts = command
    assert_error(run(name, made.folder, *texts), 2, "is of BERT-base, which phones measure and nobody answers with")
