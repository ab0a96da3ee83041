"""int8 for ExecuTorch: what it changes, what it leaves, and that the runtime computes what the form says."""

import numpy as np
import pytest
import torch
from pte_models import VOCAB, Program, make, reference, text, worst
from torch import nn

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.errors import UnsupportedModelError, UsageError
from squeezebert_mobile.export.calibration import calibrate
from squeezebert_mobile.export.quantization import Dynamic, Half, Ranges, Static, quantize_per_channel
from squeezebert_mobile.export.xnnpack.form import Maps, Products, XnnpackModel, convolve
from squeezebert_mobile.export.xnnpack.int8 import DynamicMaps, quantize
from squeezebert_mobile.export.xnnpack.lower import lower_pte
from squeezebert_mobile.tasks import Task

WIDE = {
    "hidden_size": 64,
    "embedding_size": 64,
    "num_attention_heads": 8,
    "intermediate_size": 128,
    "initializer_range": 0.05,
}


def int8_form(model, scheme: Dynamic | Static) -> XnnpackModel:
    form = convolved_form(model)
    quantize(form, scheme)
    return form


def convolved_form(model) -> XnnpackModel:
    form = XnnpackModel(model, model.config.max_position_embeddings).eval()
    convolve(form, model)
    return form


def run(form: XnnpackModel, ids: torch.Tensor, types: torch.Tensor) -> tuple[torch.Tensor, ...]:
    with torch.inference_mode():
        return form(ids, types)


@pytest.mark.parametrize("task", Task)
def test_int8_stays_close_to_the_reference(task):
    model = make(task, **WIDE)
    form = int8_form(model, Dynamic())
    for tokens in (1, 2, 33):
        ids, types = text(tokens)
        for found, expected in zip(run(form, ids, types), reference(model, ids, types), strict=True):
            # 20 dB, the gate of the parity step.
            assert float((found - expected).abs().mean()) < 0.1 * float(expected.abs().max())


def test_a_linear_map_gives_a_token_the_same_answer_whatever_the_others_are():
    """Per-token scales: another token's large values may not move this one's."""
    torch.manual_seed(0)
    maps = DynamicMaps(Maps([nn.Linear(16, 8)]))
    x = torch.randn(5, 16)
    with torch.inference_mode():
        alone, together = maps(x[:1]), maps(torch.cat([x, 100 * x]))
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 4])
def test_the_runtime_computes_what_the_form_says(bits):
    model = make(Task.FEATURE_EXTRACTION, **WIDE)
    scheme = Dynamic(embedding_bits=bits)
    form, program = int8_form(model, scheme), Program(lower_pte(model, scheme=scheme).data)
    for tokens in (1, 2, 31, 40):
        ids, types = text(tokens)
        # A value that rounds the other way moves by a 255th of its text's range.
        assert worst(program.forward([ids, types]), run(form, ids, types)) < 1e-2, tokens


def test_a_tied_int8_table_is_written_once():
    model = make(Task.FILL_MASK, **WIDE, num_hidden_layers=1, vocab_size=4001)
    data = lower_pte(model, scheme=Dynamic()).data
    table, _ = quantize_per_channel(model.get_submodule("cls.predictions.decoder").weight.detach())
    assert data.count(table.numpy().tobytes()) == 1


def test_every_parameter_is_accounted_for():
    model = make(Task.TEXT_CLASSIFICATION, **WIDE)
    form = convolved_form(model)
    dropped = sum(
        layer.attention.key.bias.numel() + layer.attention.value.bias.numel()
        for layer in model.transformer.encoder.layers
    )
    total = sum(parameter.numel() for parameter in model.parameters()) - dropped
    parts = quantize(form, Dynamic())
    assert sum(part.parameters for part in parts) == total
    assert {part.reason for part in parts if part.name.startswith("head.classifier")} == {
        "too small to pay for quantizing its input"
    }
    small = sum(part.parameters for part in parts if part.reason is None)
    assert small > 0.9 * total
    assert all(part.flops > 0 for part in parts if part.reason is None and part.name != "embeddings")


def test_units_that_are_kept_stay_float_and_are_named():
    model = make(Task.TEXT_CLASSIFICATION, **WIDE)
    form = convolved_form(model)
    parts = quantize(form, Dynamic(keep_float=frozenset(form.units()) - {"layers.1.feed_forward"}))
    quantized = {part.name.split(".maps")[0] for part in parts if part.reason is None}
    assert quantized == {"layers.1.feed_forward.wide", "layers.1.feed_forward.narrow"}


@pytest.mark.parametrize(("kept", "message"), [({"layers.7.attention"}, "names no unit"), (None, "leaves nothing")])
def test_units_that_cannot_be_kept_are_refused(kept, message):
    form = convolved_form(make(Task.FILL_MASK, **WIDE))
    with pytest.raises(UsageError, match=message):
        quantize(form, Dynamic(keep_float=frozenset(form.units() if kept is None else kept)))


def test_four_bits_need_a_width_that_they_divide():
    with pytest.raises(UnsupportedModelError, match="found 48, expected a multiple of 64"):
        quantize(convolved_form(make(Task.FILL_MASK)), Dynamic(embedding_bits=4))


def test_a_zero_row_does_not_divide_by_zero():
    model = make(Task.FEATURE_EXTRACTION, **WIDE)
    with torch.no_grad():
        model.get_submodule("encoder.layers.0.intermediate.conv1d").weight[3] = 0
    outputs = run(int8_form(model, Dynamic()), *text(3))
    assert all(np.isfinite(output.numpy()).all() for output in outputs)


def ranges(model) -> Ranges:
    rows = [np.random.default_rng(n).integers(0, VOCAB, (1, 20)) for n in range(8)]
    return calibrate(model, [Batch(ids, np.ones_like(ids), np.zeros_like(ids)) for ids in rows])


@pytest.mark.parametrize("task", [Task.TEXT_CLASSIFICATION, Task.TOKEN_CLASSIFICATION])
def test_static_products_stay_close_and_are_accounted_for(task):
    model = make(task, **WIDE)
    form = convolved_form(model)
    parts = {part.name: part for part in quantize(form, Static(ranges(model)))}
    reads_first = task is Task.TEXT_CLASSIFICATION
    assert parts["layers.0.attention.products"].reason is None
    assert (parts["layers.1.attention.products"].reason is None) is not reads_first
    for tokens in (1, 2, 33):
        ids, types = text(tokens)
        for found, expected in zip(run(form, ids, types), reference(model, ids, types), strict=True):
            assert float((found - expected).abs().mean()) < 0.1 * float(expected.abs().max())


def test_an_attention_that_is_kept_has_float_products():
    model = make(Task.TOKEN_CLASSIFICATION, **WIDE)
    form = convolved_form(model)
    parts = quantize(form, Static(ranges(model), keep_float=frozenset({"layers.0.attention"})))
    (reason,) = {part.reason for part in parts if part.name.startswith("layers.0.attention")}
    assert reason == "kept float as asked"
    assert isinstance(form.get_submodule("layers.0.attention.products"), Products)


def test_ranges_of_another_model_are_refused():
    model = make(Task.TOKEN_CLASSIFICATION, **WIDE)
    other = make(Task.TOKEN_CLASSIFICATION, **WIDE, num_hidden_layers=1)
    with pytest.raises(UnsupportedModelError, match=r"layers\.1\.attention"):
        quantize(convolved_form(model), Static(ranges(other)))


@pytest.mark.slow
def test_static_products_multiply_integers(monkeypatch):
    from executorch.backends.xnnpack.operators.node_visitor import get_node_visitors
    from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import XNNQuantizedTensorValue

    visitor = type(get_node_visitors(None, None, None)["aten.bmm.default"])
    written = visitor.define_node
    kinds: list[type] = []

    def watch(self, node, graph, ids, handle):
        written(self, node, graph, ids, handle)
        product = graph.xnodes[-1].xnode_union
        kinds.extend(type(graph.xvalues[n].xvalue_union) for n in (product.input1_id, product.input2_id))

    monkeypatch.setattr(visitor, "define_node", watch)
    model = make(Task.TOKEN_CLASSIFICATION, **WIDE)
    lower_pte(model, scheme=Static(ranges(model)))
    assert set(kinds) == {XNNQuantizedTensorValue}


@pytest.mark.slow
def test_static_products_run_inside_the_delegate_and_compute_what_the_form_says():
    model = make(Task.FEATURE_EXTRACTION, **WIDE)
    scheme = Static(ranges(model))
    form = int8_form(model, scheme)
    data = lower_pte(model, scheme=scheme).data
    assert b"aten::bmm" not in data
    program = Program(data)
    for tokens in (1, 2, 31, 40):
        ids, types = text(tokens)
        # A rounding that falls the other way moves an attention share by a 255th.
        assert worst(program.forward([ids, types]), run(form, ids, types)) < 2e-2, tokens


@pytest.mark.slow
@pytest.mark.parametrize("task", [Task.TEXT_CLASSIFICATION, Task.FILL_MASK])
def test_half_is_half_the_size_and_close(task):
    model = make(task, **WIDE)
    whole, half = lower_pte(model), lower_pte(model, scheme=Half())
    assert half.inventory.quantized.parameters == 0
    assert len(half.data) < 0.8 * len(whole.data)
    program = Program(half.data)
    for tokens in (1, 2, 31, 40):
        ids, types = text(tokens)
        for found, expected in zip(program.forward([ids, types]), reference(model, ids, types), strict=True):
            assert found.dtype == torch.float32
            assert float((found - expected).abs().max()) < 0.02 * float(expected.abs().max())
