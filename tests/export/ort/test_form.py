"""ONNX files of the fp32 form: equal to the reference in ONNX Runtime, well-formed, the same bytes every time."""

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from onnx_models import MAX, batch, run_oldest, worst

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.export.inventory import Lowered
from squeezebert_mobile.export.ort.lower import IR_VERSION, lower_onnx
from squeezebert_mobile.run.engines import OnnxEngine
from squeezebert_mobile.tasks import Task

TOLERANCE = 1e-5


@cache
def lowered(task: Task) -> Lowered:
    return lower_onnx(tiny.model(task), max_seq_len=MAX)


@cache
def engine(task: Task) -> OnnxEngine:
    return OnnxEngine(lowered(task).data, threads=1)


@pytest.mark.parametrize("task", list(Task))
@settings(max_examples=10)
@given(n=st.integers(1, 4), w=st.integers(1, MAX), seed=st.integers(0, 2**31))
def test_equals_the_reference(task: Task, n: int, w: int, seed: int) -> None:
    given_batch = batch(task, n, w, seed)
    assert worst(task, given_batch, engine(task).run(given_batch)) < TOLERANCE


def test_padding_does_not_move_the_answer() -> None:
    task = Task.TEXT_CLASSIFICATION
    short = batch(task, 1, 5, 0)
    short = Batch(short.input_ids, np.ones_like(short.attention_mask), short.token_type_ids)
    padded = Batch(*(np.pad(array, ((0, 0), (0, MAX - 5))) for array in short.arrays().values()))
    # Compaction gives the same tensors, so the same bits.
    assert np.array_equal(engine(task).run(short)["logits"], engine(task).run(padded)["logits"])


@pytest.mark.parametrize("task", [Task.TEXT_CLASSIFICATION, Task.MULTIPLE_CHOICE, Task.FEATURE_EXTRACTION])
def test_the_file_is_well_formed(task: Task) -> None:
    model = onnx.load_from_string(lowered(task).data)
    assert model.ir_version == IR_VERSION
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 18, "com.microsoft": 1}
    assert [value.name for value in model.graph.input] == ["input_ids", "attention_mask", "token_type_ids"]
    assert [value.name for value in model.graph.output] == list(task.output_names)
    axes = [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch_size", *(["num_choices"] if task is Task.MULTIPLE_CHOICE else []), "sequence_length"]
    assert not model.metadata_props and not model.doc_string and not model.functions
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert str(Path.cwd()).encode() not in lowered(task).data


def test_nothing_dead_or_constant_is_left() -> None:
    graph = onnx.load_from_string(lowered(Task.TEXT_CLASSIFICATION).data).graph
    constants = {value.name for value in graph.initializer}
    branches = [node for outer in graph.node for attribute in outer.attribute for node in attribute.g.node]
    used = {name for node in [*graph.node, *branches] for name in node.input} | {value.name for value in graph.output}
    for node in graph.node:
        assert any(name and name not in constants for name in node.input), node
        assert any(name in used for name in node.output), node
    assert constants <= used
    # Sum, because ONNX Runtime's SkipLayerNormalization is slow.
    norms = {node.input[0] for node in graph.node if node.op_type == "LayerNormalization"}
    assert not any(node.op_type == "Add" and node.output[0] in norms for node in graph.node)


def test_every_weight_is_there_once() -> None:
    model = tiny.model(Task.FILL_MASK)
    graph = onnx.load_from_string(lowered(Task.FILL_MASK).data).graph
    table = model.get_submodule("transformer").embeddings.word_embeddings.weight.detach().numpy()  # type: ignore[union-attr]
    arrays = [numpy_helper.to_array(value) for value in graph.initializer]
    assert (
        sum(
            array.size == table.size and np.array_equal(np.sort(array.ravel()), np.sort(table.ravel()))
            for array in arrays
        )
        == 1
    )


def test_the_same_model_gives_the_same_bytes() -> None:
    assert (
        lower_onnx(tiny.model(Task.TEXT_CLASSIFICATION), max_seq_len=MAX).data == lowered(Task.TEXT_CLASSIFICATION).data
    )


def test_the_inventory_accounts_for_every_parameter() -> None:
    inventory = lowered(Task.TEXT_CLASSIFICATION).inventory
    assert len(inventory.fast) == 2 * tiny.CONFIG.num_hidden_layers
    assert inventory.quantized.parameters == 0
    names = [kept.name for kept in inventory.kept_float]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("length", [2, 161])
def test_a_length_that_the_model_cannot_take_is_refused(length: int) -> None:
    with pytest.raises(UsageError, match="--max-length"):
        lower_onnx(tiny.model(Task.TEXT_CLASSIFICATION), max_seq_len=length)


def test_an_opset_that_phones_do_not_know_is_refused() -> None:
    with pytest.raises(UsageError, match="--opset"):
        lower_onnx(tiny.model(Task.TEXT_CLASSIFICATION), opset=25)


@pytest.mark.slow
def test_the_oldest_runtime_agrees(oldest_runtime: Path, tmp_path: Path) -> None:
    files = {task.value: (lowered(task).data, batch(task, 1, 9, 3)) for task in Task}
    for name, found in run_oldest(oldest_runtime, tmp_path, files).items():
        task = Task(name)
        newest = engine(task).run(files[name][1])[task.output_names[0]]
        np.testing.assert_allclose(found, newest, atol=TOLERANCE, rtol=0)
