"""The distinct nodes of an ONNX file, each alone."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny

from squeezebert_mobile.benchmarks.lab import pieces
from squeezebert_mobile.errors import InputFileError


def test_every_piece_runs_alone_and_none_is_lost(static_file: Path) -> None:
    found = pieces.pieces(static_file, 8)
    for piece in found:
        session = onnxruntime.InferenceSession(piece.model, providers=["CPUExecutionProvider"])
        assert all(np.asarray(value).size for value in session.run(None, piece.feeds))
    heavy = {"QLinearConv", "QLinearMatMul", "InstanceNormalization", "QuantizeLinear"}
    nodes = [node.op_type for node in onnx.load(static_file).graph.node]
    for operator in heavy:
        assert sum(piece.times for piece in found if piece.name == operator) == nodes.count(operator)
    # 8 tokens of 48 channels as floats, read and written, and a scale and a shift for each token.
    norm = next(piece for piece in found if piece.name == "InstanceNormalization")
    assert norm.moved == 4 * (2 * 8 * tiny.CONFIG.hidden_size + 2 * 8)
    assert all(piece.moved == 0 for piece in found if piece.name == "Reshape")
    # Weights stay constants: the runtime packs only those ahead of time.
    assert all("int8" not in {str(value.dtype) for value in p.feeds.values()} for p in found if p.name == "QLinearConv")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(InputFileError, match="is not a model that ONNX Runtime takes"):
        pieces.pieces(tmp_path / "x.onnx", 8)
