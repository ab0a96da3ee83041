"""int8 and fp16 for ONNX Runtime: right, accounted for, and the same in PyTorch as in the runtime."""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_models import MAX, batch, ranges, run_oldest, worst
from torch import nn
from torch.nn import functional

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.errors import InputFileError, UnsupportedModelError, UsageError
from squeezebert_mobile.export.calibration import Observer, calibrate
from squeezebert_mobile.export.inventory import Lowered
from squeezebert_mobile.export.options import GeluApproximation
from squeezebert_mobile.export.ort import ops as onnx_ops
from squeezebert_mobile.export.ort.form import OrtModel
from squeezebert_mobile.export.ort.int8 import TANH_ERROR, ApproximateGelu
from squeezebert_mobile.export.ort.lower import lower_onnx
from squeezebert_mobile.export.ort.quantize import quantize
from squeezebert_mobile.export.quantization import Dynamic, Half, QRange, Ranges, Scheme, Static, quantize_per_channel
from squeezebert_mobile.run.engines import OnnxEngine
from squeezebert_mobile.tasks import Task


def scheme(name: str, task: Task) -> Scheme:
    return {"dynamic": Dynamic(), "static": Static(ranges(task)), "half": Half()}[name]


@cache
def lowered(name: str, task: Task = Task.TEXT_CLASSIFICATION) -> Lowered:
    return lower_onnx(tiny.model(task), scheme=scheme(name, task), max_seq_len=MAX)


# Random weights: eight bits move activations by 1/255 of their range a layer, sixteen by 1/2048 of a value.
@pytest.mark.parametrize(("name", "tolerance"), [("dynamic", 0.05), ("static", 0.05), ("half", 5e-3)])
@pytest.mark.parametrize("task", [Task.TEXT_CLASSIFICATION, Task.FILL_MASK])
def test_is_near_the_reference(name: str, tolerance: float, task: Task) -> None:
    given_batch = batch(task, 3, 20, 100)
    found = OnnxEngine(lowered(name, task).data, threads=1).run(given_batch)
    assert worst(task, given_batch, found) < tolerance


@pytest.mark.parametrize("name", ["dynamic", "static", "half"])
def test_pytorch_computes_what_the_runtime_computes(name: str) -> None:
    task = Task.TEXT_CLASSIFICATION
    form = OrtModel(tiny.model(task), MAX).eval()
    quantize(form, scheme(name, task))
    given_batch = batch(task, 1, 20, 7)
    with torch.inference_mode():
        ours = form(*(torch.from_numpy(array) for array in given_batch.arrays().values()))[0]
    found = OnnxEngine(lowered(name).data, threads=1).run(given_batch)["logits"]
    # One activation rounded the other way is a step of a range through the rest of the model.
    np.testing.assert_allclose(found, ours.numpy(), atol=2e-3, rtol=0)


def unpadded(tokens: int, seed: int) -> Batch:
    row = batch(Task.TEXT_CLASSIFICATION, 1, tokens, seed)
    return Batch(row.input_ids, np.ones_like(row.attention_mask), row.token_type_ids)


def padded(row: Batch, width: int) -> Batch:
    spare = width - row.input_ids.shape[1]
    return Batch(*(np.pad(array, ((0, 0), (0, spare))) for array in row.arrays().values()))


@cache
def engine(name: str) -> OnnxEngine:
    return OnnxEngine(lowered(name).data, threads=1)


@pytest.mark.parametrize("name", ["dynamic", "static"])
@given(tokens=st.integers(1, MAX), width=st.integers(1, MAX), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_padding_does_not_move_the_answer(name: str, tokens: int, width: int, seed: int) -> None:
    row = unpadded(tokens, seed)
    alone, wide = engine(name).run(row), engine(name).run(padded(row, max(tokens, width)))
    np.testing.assert_allclose(wide["logits"], alone["logits"], atol=1e-4, rtol=0)


@given(lengths=st.lists(st.integers(1, MAX), min_size=2, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_company_does_not_move_the_answer_of_static_scales(lengths: list[int], seed: int) -> None:
    rows = [unpadded(tokens, seed + number) for number, tokens in enumerate(lengths)]
    wide = [padded(row, max(lengths)).arrays().values() for row in rows]
    together = engine("static").run(Batch(*(np.concatenate(arrays) for arrays in zip(*wide, strict=True))))
    for number, row in enumerate(rows):
        alone = engine("static").run(row)["logits"][0]
        np.testing.assert_allclose(together["logits"][number], alone, atol=1e-4, rtol=0)


def test_static_uses_fast_operators_only() -> None:
    operators = Counter(node.op_type for node in onnx.load_from_string(lowered("static").data).graph.node)
    assert operators["QLinearConv"] == 9  # qkv and narrow of four groups, and one projection; token 0 has its own
    assert operators["QLinearMatMul"] == 1
    assert not {"ConvInteger", "MatMulInteger", "Conv"} & set(operators)


@pytest.mark.slow
@pytest.mark.parametrize(("gate", "words"), [("sigmoid", "sigmoid(1.702 x)"), ("clip", "clip(x / 3 + 1/2, 0, 1)")])
def test_an_approximate_gelu_is_in_the_inventory_and_near_the_exact_one(gate: GeluApproximation, words: str) -> None:
    task = Task.TEXT_CLASSIFICATION
    approximate = lower_onnx(tiny.model(task), scheme=Static(ranges(task), approximate_gelu=gate), max_seq_len=MAX)
    (unit,) = approximate.inventory.fallbacks
    assert unit.name == "layers.0.feed_forward" and words in unit.reason
    given_batch = batch(task, 3, 20, 100)
    found = OnnxEngine(approximate.data, threads=1).run(given_batch)
    assert worst(task, given_batch, found) < 0.05
    exact = OnnxEngine(lowered("static").data, threads=1).run(given_batch)
    assert not np.array_equal(found["logits"], exact["logits"])


GATES = {"sigmoid": lambda x: torch.sigmoid(1.702 * x), "clip": lambda x: (x / 3 + 1 / 2).clamp(0, 1)}


@given(high=st.floats(0.1, 30), low=st.floats(-30, -0.1), gate=st.sampled_from(["sigmoid", "clip"]))
def test_a_gate_is_what_it_says_for_any_range(high: float, low: float, gate: GeluApproximation) -> None:
    identity = nn.Linear(64, 64)
    identity.weight.data, identity.bias.data = torch.eye(64), torch.zeros(64)
    x = QRange(low, high)
    reached = torch.linspace(low, high, 64).repeat(64, 1)
    scale, zero = x.unsigned()
    given_x = onnx_ops.quantize(reached[None], scale, zero)
    exact = onnx_ops.dequantize(given_x, scale, zero)
    y = QRange(-1, max(high, 1))
    y_scale, y_zero = y.unsigned()
    found = onnx_ops.dequantize(ApproximateGelu(identity, x, x, y, gate)(given_x), y_scale, y_zero)
    # Half a step each of what the map gives, of the gate's 255th and of the result.
    step = (max(high, 1.5) - min(low, -1.5)) / 255
    torch.testing.assert_close(found, exact * GATES[gate](exact), atol=1.5 * step + max(high, -low) / 255, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(("high", "operator"), [(3.0, "FastGelu"), (0.5, "Gelu")])
def test_gelu_takes_its_tanh_form_where_rounding_hides_the_difference(high: float, operator: str) -> None:
    task = Task.TEXT_CLASSIFICATION
    found = ranges(task)
    stretched = found.by_name | {"layers.0.feed_forward.narrow.input": (-0.17, high)}
    lowered = lower_onnx(tiny.model(task), scheme=Static(Ranges(stretched, "minmax", 8)), max_seq_len=MAX)
    operators = Counter(node.op_type for node in onnx.load_from_string(lowered.data).graph.node)
    assert operators[operator] >= 4
    named = [unit.name for unit in lowered.inventory.fallbacks if "tanh" in unit.reason]
    assert named == (["layers.0.feed_forward"] if operator == "FastGelu" else [])


def test_the_tanh_form_is_as_near_to_gelu_as_the_inventory_says() -> None:
    x = torch.linspace(-8, 8, 100_001, dtype=torch.float64)
    assert (functional.gelu(x, approximate="tanh") - functional.gelu(x)).abs().max() < TANH_ERROR


def test_an_approximate_gelu_that_finds_none_is_refused() -> None:
    task = Task.TEXT_CLASSIFICATION
    kept = frozenset({"layers.0.feed_forward"})
    with pytest.raises(UsageError, match="finds no Gelu"):
        lower_onnx(tiny.model(task), scheme=Static(ranges(task), kept, approximate_gelu="clip"), max_seq_len=MAX)


def test_the_inventory_says_what_stayed_float() -> None:
    dynamic, static = lowered("dynamic").inventory, lowered("static").inventory
    assert static.quantized.flops > dynamic.quantized.flops  # the products inside attention
    assert static.quantized.parameters == dynamic.quantized.parameters > 9 * static.floating.parameters
    reasons = {kept.name: kept.reason for kept in dynamic.kept_float}
    assert "softmax" in reasons["layers.0.attention.products"]
    assert "too small" in reasons["head.classifier"]
    assert {entry.name for entry in static.ranges} == set(ranges(Task.TEXT_CLASSIFICATION).by_name)


def test_units_can_be_kept_float() -> None:
    form = OrtModel(tiny.model(Task.TEXT_CLASSIFICATION), MAX).eval()
    parts = quantize(form, Dynamic(keep_float=frozenset({"layers.0.attention", "embeddings"})))
    kept = {part.name for part in parts if part.reason == "kept float as asked"}
    assert "embeddings" in kept
    assert all(name == "embeddings" or name.startswith("layers.0.attention.") for name in kept)
    with pytest.raises(UsageError, match=r"layers\.9\.attention"):
        quantize(OrtModel(tiny.model(Task.TEXT_CLASSIFICATION), MAX), Dynamic(frozenset({"layers.9.attention"})))


def test_a_scheme_that_changes_nothing_is_refused() -> None:
    everything = frozenset(
        {"embeddings", "head", *(f"layers.{n}.{u}" for n in (0, 1) for u in ("attention", "feed_forward"))}
    )
    with pytest.raises(UsageError, match="nothing to quantize"):
        quantize(OrtModel(tiny.model(Task.TEXT_CLASSIFICATION), MAX), Dynamic(everything))


def test_ranges_of_another_model_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="another model"):
        quantize(OrtModel(tiny.model(Task.TEXT_CLASSIFICATION), MAX), Static(Ranges({}, "minmax", 1)))


def test_small_rows_take_half_the_table() -> None:
    full = OrtModel(tiny.model(Task.TEXT_CLASSIFICATION), MAX).eval()
    quantize(full, Dynamic(embedding_bits=4))
    assert full.embeddings.words.shape == (tiny.CONFIG.vocab_size, tiny.CONFIG.hidden_size // 2)
    assert full.embeddings.words.dtype is torch.uint8


@given(st.integers(1, 5), st.integers(1, 9), st.sampled_from([4, 8]), st.integers(0, 1000))
def test_rows_come_back_within_half_a_step(rows: int, width: int, bits: int, seed: int) -> None:
    weight = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    weight[0] = 0  # a constant channel has no range of its own
    integers, scale = quantize_per_channel(weight, bits)
    assert ((integers * scale[:, None] - weight).abs() <= scale[:, None] * 0.5001).all()


def test_calibration_leaves_padding_out() -> None:
    task = Task.TEXT_CLASSIFICATION
    row = batch(task, 1, 6, 0)
    row = Batch(row.input_ids, np.ones_like(row.attention_mask), row.token_type_ids)
    padded = Batch(*(np.pad(array, ((0, 0), (0, 9))) for array in row.arrays().values()))
    model = tiny.model(task)
    assert calibrate(model, [row]).by_name == calibrate(model, [padded]).by_name
    with pytest.raises(InputFileError, match="empty"):
        calibrate(model, [])


def test_an_outlier_widens_the_range_of_minmax_alone() -> None:
    values = torch.cat([torch.randn(100_000, generator=torch.Generator().manual_seed(0)), torch.tensor([50.0])])
    observer = Observer()
    observer.see_extremes(values)
    observer.see_values(values)
    assert observer.range("minmax", 0)[1] == 50
    assert 3 < observer.range("percentile", 99.99)[1] < 6


def test_a_constant_activation_has_a_range() -> None:
    observer = Observer()
    observer.see_extremes(torch.ones(4))
    observer.see_values(torch.ones(4))
    assert observer.range("minmax", 0) == observer.range("percentile", 99) == (1, 1)


@pytest.mark.slow
def test_the_oldest_runtime_agrees(oldest_runtime: Path, tmp_path: Path) -> None:
    task = Task.TEXT_CLASSIFICATION
    files = {name: (lowered(name).data, batch(task, 1, 9, 3)) for name in ("dynamic", "static", "half")}
    for name, found in run_oldest(oldest_runtime, tmp_path, files).items():
        newest = OnnxEngine(files[name][0], threads=1).run(files[name][1])["logits"]
        np.testing.assert_allclose(found, newest, atol=2e-3, rtol=0)
