"""What a measuring process is told of a candidate, and what becomes of one that cannot be loaded."""

from pathlib import Path

import numpy as np
import pytest

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.benchmarks import children, worker
from squeezebert_mobile.benchmarks.candidates import BundleFile, Candidate, Checkpoint, PlainFile, Source
from squeezebert_mobile.benchmarks.children import Load, MeasuringProcess
from squeezebert_mobile.benchmarks.peers import Peer, PeerModel
from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.run.predict import Sample
from squeezebert_mobile.tasks import Task


def candidate(source: Source) -> Candidate:
    return Candidate(
        "m", "plain", "onnx", "fp32", source, 10, 8, task=Task.MULTIPLE_CHOICE, tokenizer=Path("words"), file_bytes=7
    )


@pytest.mark.parametrize(
    "source",
    [
        BundleFile(Path("bundle"), "onnx/model.onnx"),
        PlainFile(Path("x.onnx")),
        PlainFile(Path("x.pte"), 128),
        Checkpoint(Path("folder")),
        PeerModel(Peer.MOBILEBERT),
        PeerModel(Peer.BERT_BASE, Path("weights"), layers=2, hidden=32),
    ],
    ids=lambda source: type(source).__name__,
)
def test_a_candidate_of_any_source_arrives_as_it_was_sent(source: Source) -> None:
    sent = Load(candidate(source), 2, (Sample("a"), None, Sample("b", options=("c", "d")), Sample("e", "f")))
    found = children.LOAD.validate_json(children.LOAD.dump_json(sent))
    assert found == sent


def test_texts_and_ids_arrive_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Batch(*np.arange(6 * size).reshape(3, 2, size)) for size in (3, 5))
    sent = (first, Sample("a text", options=("x", "y")), second)
    process, served = MeasuringProcess.__new__(MeasuringProcess), worker.Worker()
    process._threads, process._labels = 1, {}
    monkeypatch.setattr(worker, "Loader", lambda *_: "loader")
    monkeypatch.setattr(worker, "_import_runtime", lambda *_: None)
    monkeypatch.setattr(process, "ask", lambda _file, _name, arguments, arrays: served.load(arrays, **arguments))
    process.load(4, candidate(PlainFile(Path("x.onnx"))), sent)
    _, (a, b, c) = served._loaded[4]
    assert b == sent[1]
    for batch, expected in ((a, first), (c, second)):
        for name, array in batch.arrays().items():
            np.testing.assert_array_equal(array, expected.arrays()[name])


def test_a_process_that_dies_is_reported_in_the_candidates_name(tmp_path: Path) -> None:
    lost = candidate(PlainFile(tmp_path / "lost.onnx"))
    with (
        MeasuringProcess(1) as process,
        pytest.raises(EnvironmentFault, match=r"^m, ONNX Runtime, fp32, plain: .* ended with 1: FileNotFoundError"),
    ):
        process.load(0, lost, (Sample("a text"),))
