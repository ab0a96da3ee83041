"""Instructions by operator on emulated ARM."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
from arm_runs import require_qemu
from onnx_models import MAX, ranges

from squeezebert_mobile.benchmarks.lab import arm, arm_machine, arm_operators
from squeezebert_mobile.benchmarks.lab.arm_operators import OperatorCount
from squeezebert_mobile.errors import EnvironmentFault, InputFileError
from squeezebert_mobile.export.ort.lower import lower_onnx
from squeezebert_mobile.export.quantization import Static
from squeezebert_mobile.tasks import Task


@pytest.fixture(scope="module")
def static_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    task = Task.TEXT_CLASSIFICATION
    path = tmp_path_factory.mktemp("operators") / "static.onnx"
    path.write_bytes(lower_onnx(tiny.model(task), scheme=Static(ranges(task)), max_seq_len=MAX).data)
    return path


def test_every_piece_runs_alone_and_none_is_lost(static_file: Path) -> None:
    pieces = arm_operators.pieces(static_file, 8)
    for piece in pieces:
        session = onnxruntime.InferenceSession(piece.model, providers=["CPUExecutionProvider"])
        assert all(np.asarray(value).size for value in session.run(None, piece.feeds))
    heavy = {"QLinearConv", "QLinearMatMul", "InstanceNormalization", "QuantizeLinear"}
    nodes = [node.op_type for node in onnx.load(static_file).graph.node]
    for operator in heavy:
        assert sum(piece.times for piece in pieces if piece.name == operator) == nodes.count(operator)
    # Weights stay constants: the runtime packs only those ahead of time.
    assert all(
        "int8" not in {str(value.dtype) for value in p.feeds.values()} for p in pieces if p.name == "QLinearConv"
    )


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(InputFileError, match="is not a model that ONNX Runtime takes"):
        arm_operators.pieces(tmp_path / "x.onnx", 8)


def test_without_a_compiler_there_is_nothing_to_count_with(static_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm_machine, "set_up", lambda _: arm_machine.Machine(Path(), None))
    with pytest.raises(EnvironmentFault, match="apt-get install gcc"):
        arm_operators.measure(static_file, tokens=8)


def test_the_table_gives_shares_and_leaves_crumbs_out() -> None:
    counts = [OperatorCount("Gelu", "float32[1, 8]", 4, 2_000_000), OperatorCount("Add", "", 1, 100)]
    lines = arm_operators.text(counts).splitlines()
    assert lines[1].split()[-3:] == ["4", "2.000", "100.0%"]
    assert lines[2] == "all operators: 8.0 million instructions"


@pytest.mark.slow
def test_the_operators_add_up_to_the_file(static_file: Path) -> None:
    require_qemu()
    machine = arm_machine.set_up(("onnx",))
    if machine.plugin is None:
        pytest.skip("needs a C compiler to count instructions: apt-get install gcc")
    ids = np.ones((1, 8), np.int64)
    inputs = {f"counted 8/{name}": ids for name in ("input_ids", "attention_mask", "token_type_ids")}
    _, (whole,) = arm._run(machine, arm.PEER_CPU, "onnx", static_file, "[]", inputs)
    parts = sum(each.total for each in arm_operators.measure(static_file, tokens=8))
    assert 0.5 * whole.instructions < parts < 1.5 * whole.instructions
