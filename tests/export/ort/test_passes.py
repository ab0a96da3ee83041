"""The passes over the exporter's graph: what each rewrites, what it leaves alone, and that the export applies it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import tiny
import torch

from squeezebert_mobile.export.ort import passes
from squeezebert_mobile.export.ort.form import MASKED, compact
from squeezebert_mobile.export.ort.lower import lower_onnx
from squeezebert_mobile.export.signature import INPUT_NAMES, signature
from squeezebert_mobile.tasks import Task

HEADER = '<ir_version: 10, opset_import: ["" : 18]>'
NORM = "<float[4] scale = {1.0, 2.0, 0.5, 1.5}, float[4] bias = {0.0, 0.1, 0.2, 0.3}>"
RESIDUAL = f"""{HEADER}
residual (float[n, w, 4] x, float[n, w, 4] y) => (float[n, w, 4] z) {NORM} {{
  total = Add(x, y)
  z = LayerNormalization<axis = -1>(total, scale, bias)
}}"""
# Two softmaxes over different axes under one mask; a Softmax is never an output of the model.
ATTENTION = f"""{HEADER}
attention (float[n, 2, w, w] q, float[n, 2, w, w] k, float[n, 1, 1, w] hidden) => (float[n, 2, w, w] z)
<float strength = {{-10000.0}}> {{
  mask = Mul(hidden, strength)
  q_masked = Add(q, mask)
  q_shares = Softmax<axis = -1>(q_masked)
  k_masked = Add(k, mask)
  k_shares = Softmax<axis = 2>(k_masked)
  z = Sub(q_shares, k_shares)
}}"""
# An Add, a Softmax and a LayerNormalization, none of them as the passes look for them.
PLAIN = f"""{HEADER}
plain (float[n, w, 4] x, float[n, w, 4] y) => (float[n, w, 4] z) {NORM} {{
  total = Add(x, y)
  product = Mul(total, x)
  normal = LayerNormalization<axis = -1>(product, scale, bias)
  shares = Softmax<axis = -1>(normal)
  z = Mul(shares, x)
}}"""
# Tokens in both layouts, and one row a text, whose count is that of the input.
NORMS = f"""{HEADER}
norms (int64[n, w] ids, float[t, 4] x, float[1, t, 4] y, float[n, 4] first)
=> (float[t, 4] a, float[1, t, 4] b, float[n, 4] c) {NORM} {{
  m = LayerNormalization<axis = -1, epsilon = 0.001>(x, scale, bias)
  a = Neg(m)
  o = LayerNormalization<axis = -1, epsilon = 0.01>(y, scale, bias)
  b = Neg(o)
  c = LayerNormalization<axis = -1>(first, scale, bias)
}}"""
CLASSIFIER = f"""{HEADER}
classifier (int64[s0, s1] arg0, int64[s0, s1] arg1, int64[s0, s1] arg2) => (float[s0, s1] view) {{
  ids = Add(arg0, arg1)
  sum = Add(ids, arg2)
  view = Cast<to = 1>(sum)
}}"""
AXES = ("batch_size", "sequence_length")


def read(text: str) -> ir.Model:
    return ir.from_onnx_text(text)


def written(model: ir.Model) -> bytes:
    return ir.serde.serialize_model(model).SerializeToString(deterministic=True)


def operators(graph: ir.Graph) -> list[str]:
    return [node.op_type for node in graph]


def rewritten(apply: Callable[[ir.Model], None], text: str) -> ir.Model:
    model = read(text)
    apply(model)
    onnx.checker.check_model(written(model), full_check=True)
    return model


def run(data: bytes, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, inputs)
    return found


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def optimized(data: bytes, folder: Path) -> Counter[str]:
    """The operators that ONNX Runtime makes of a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3  # it warns that the file is for this machine
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


def name_a_classifier(model: ir.Model) -> None:
    passes.name_the_interface(model, signature(Task.TEXT_CLASSIFICATION, tiny.CONFIG, "onnx"))


def test_a_residual_is_written_as_sum_and_nothing_else_changes() -> None:
    model = rewritten(passes.keep_residuals_apart, RESIDUAL)
    assert written(model) == written(read(RESIDUAL.replace("Add(", "Sum(")))
    inputs = {"x": normal(2, 3, 4), "y": normal(2, 3, 4) + 1}
    np.testing.assert_array_equal(run(written(model), inputs), run(written(read(RESIDUAL)), inputs))


def test_onnx_runtime_fuses_a_residual_and_leaves_a_rewritten_one_apart(tmp_path: Path) -> None:
    assert optimized(written(read(RESIDUAL)), tmp_path) == {"SkipLayerNormalization": 1}
    model = rewritten(passes.keep_residuals_apart, RESIDUAL)
    assert optimized(written(model), tmp_path) == {"Sum": 1, "LayerNormalization": 1}


def test_tokens_are_normalized_as_channels_and_token_zero_alone_stays_as_it_is() -> None:
    model = rewritten(passes.normalize_over_tokens, NORMS)
    counted = ["Shape", "ConstantOfShape", "ConstantOfShape"]
    flat = ["Unsqueeze", "InstanceNormalization", "Squeeze", "Mul", "Add", "Neg"]
    deep = ["InstanceNormalization", "Mul", "Add", "Neg"]
    assert operators(model.graph) == [*counted, *flat, *deep, "LayerNormalization"]
    epsilons = [n.attributes["epsilon"].as_float() for n in model.graph if n.op_type == "InstanceNormalization"]
    assert epsilons == pytest.approx([0.001, 0.01])


@pytest.mark.parametrize("tokens", [1, 2, 7])
def test_tokens_normalized_as_channels_give_the_same_answers(tokens: int) -> None:
    rows = {"x": normal(tokens, 4), "y": normal(1, tokens, 4) + 3, "first": normal(2, 4)}
    inputs = {"ids": np.ones((2, 3), np.int64), **rows}
    model = rewritten(passes.normalize_over_tokens, NORMS)
    for found, expected in zip(run(written(model), inputs), run(written(read(NORMS)), inputs), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-6, rtol=0)


def test_attention_reads_its_mask_only_in_a_branch() -> None:
    model = rewritten(passes.skip_idle_masks, ATTENTION)
    # One question for both softmaxes, asked where the mask is made.
    assert operators(model.graph) == ["Mul", "ReduceMin", "Cast", "Not", "If", "If", "Sub"]
    assert list(model.graph.initializers) == ["strength"]
    for choice, scores in zip(list(model.graph)[4:6], ("q", "k"), strict=True):
        plain, masked = (choice.attributes[name].as_graph() for name in ("then_branch", "else_branch"))
        assert operators(plain) == ["Softmax"]
        assert [value.name for value in plain[0].inputs] == [scores]
        assert operators(masked) == ["Add", "Softmax"]
        assert [value.name for value in masked[0].inputs] == [scores, "mask"]
        # The oldest runtime is not asked to infer what a branch gives.
        assert plain.outputs[0].dtype == masked.outputs[0].dtype == ir.DataType.FLOAT


@pytest.mark.parametrize(
    "hidden",
    [[[0, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0]], [[1, 1, 1], [0, 1, 0]]],
    ids=["nothing", "a token", "a whole text"],
)
def test_attention_gives_the_same_bits_whatever_the_mask_hides(hidden: list[list[int]]) -> None:
    mask = np.array(hidden, np.float32)[:, None, None]
    inputs = {"q": normal(2, 2, 3, 3), "k": normal(2, 2, 3, 3) + 1, "hidden": mask}
    model = rewritten(passes.skip_idle_masks, ATTENTION)
    np.testing.assert_array_equal(run(written(model), inputs), run(written(read(ATTENTION)), inputs))


@pytest.mark.parametrize(("hidden", "idle"), [([0, 0], True), ([0, 1], False), ([1, 1], False)])
def test_a_mask_is_idle_where_it_hides_nothing(hidden: list[int], idle: bool) -> None:
    model = rewritten(passes.skip_idle_masks, ATTENTION)
    (condition,) = {node.inputs[0] for node in model.graph if node.op_type == "If"}
    condition.type, condition.shape = ir.TensorType(ir.DataType.BOOL), ir.Shape([])
    model.graph.outputs.append(condition)
    mask = np.array(hidden, np.float32)[None, None, None]
    inputs = {"q": normal(1, 2, 2, 2), "k": normal(1, 2, 2, 2), "hidden": mask}
    assert run(written(model), inputs)[1] == idle


@pytest.mark.parametrize("apply", [passes.keep_residuals_apart, passes.skip_idle_masks])
def test_a_graph_without_the_pattern_is_left_alone(apply: Callable[[ir.Model], None]) -> None:
    assert written(rewritten(apply, PLAIN)) == written(read(PLAIN))


@pytest.mark.parametrize(
    ("apply", "text"),
    [
        (passes.normalize_over_tokens, NORMS),
        (passes.keep_residuals_apart, RESIDUAL),
        (passes.skip_idle_masks, ATTENTION),
        (name_a_classifier, CLASSIFIER),
        (passes.forget_the_origin, PLAIN),
    ],
)
def test_a_pass_finds_nothing_left_to_do_in_its_own_result(apply: Callable[[ir.Model], None], text: str) -> None:
    model = rewritten(apply, text)
    once = written(model)
    assert once != written(read(text))
    apply(model)
    assert written(model) == once


def test_the_interface_gets_its_names_and_the_graph_its_old_answers() -> None:
    model = rewritten(name_a_classifier, CLASSIFIER)
    inputs = [(value.name, tuple(map(str, value.shape or ()))) for value in model.graph.inputs]
    assert inputs == [(name, AXES) for name in ("input_ids", "attention_mask", "token_type_ids")]
    assert [(value.name, tuple(map(str, value.shape or ()))) for value in model.graph.outputs] == [
        ("logits", ("batch_size", "2"))
    ]
    assert operators(model.graph) == operators(read(CLASSIFIER).graph)
    arrays = [np.full((1, 2), n) for n in (1, 10, 100)]
    before = run(written(read(CLASSIFIER)), dict(zip(("arg0", "arg1", "arg2"), arrays, strict=True)))
    after = run(written(model), dict(zip(INPUT_NAMES, arrays, strict=True)))
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(("task", "text"), [(Task.QUESTION_ANSWERING, CLASSIFIER), (Task.TEXT_CLASSIFICATION, PLAIN)])
def test_a_graph_with_other_inputs_or_outputs_than_the_task_is_refused(task: Task, text: str) -> None:
    with pytest.raises(ValueError, match="longer"):
        passes.name_the_interface(read(text), signature(task, tiny.CONFIG, "onnx"))


def with_origin(text: str, home: str) -> ir.Model:
    """A graph as the capture leaves it: every part says where it came from, and values have symbols of that run."""
    model = read(text)
    model.producer_name, model.producer_version, model.doc_string, model.graph.name = "pytorch", "2", home, home
    model.metadata_props["source"] = model.graph.metadata_props["source"] = home
    values = [*model.graph.inputs, *model.graph.initializers.values(), *(v for n in model.graph for v in n.outputs)]
    for part in [*values, *model.graph]:
        part.metadata_props["source"], part.doc_string = home, home
    for value in values:
        if value.shape is None:
            value.shape, value.type = ir.Shape([home, 4]), ir.TensorType(ir.DataType.FLOAT)
    return model


def test_graphs_that_differ_in_their_origin_alone_become_the_same_bytes() -> None:
    found = []
    for home in ("/home/a", "/home/b"):
        model = with_origin(PLAIN, home)
        assert written(model).count(home.encode()) > len(list(model.graph))
        passes.forget_the_origin(model)
        found.append(written(model))
    assert found == [written(read(PLAIN.replace("plain (", "squeezebert (")))] * 2


def test_compaction_leaves_a_mask_that_hides_nothing_alone() -> None:
    rows = compact(torch.ones(2, 5, dtype=torch.int64))
    positions = torch.arange(5).expand(2, 5)
    assert (rows.n, rows.k) == (2, 5)
    assert torch.equal(rows.order, positions)
    assert torch.equal(rows.back, positions)
    assert rows.bias.shape == (2, 1, 1, 5)
    assert not rows.bias.any()


def test_compaction_drops_hidden_tokens_and_masks_what_is_left_over() -> None:
    rows = compact(torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 1]]))
    assert (rows.n, rows.k) == (2, 3)
    assert rows.order.tolist() == [[0, 2, 3], [0, 4, 1]]
    # Token 0 stays for the heads, hidden though it is.
    assert rows.bias.squeeze().tolist() == [[0, 0, 0], [MASKED, 0, MASKED]]
    tokens = torch.arange(6.0)[:, None]  # three kept tokens of each row
    assert rows.first(tokens).flatten().tolist() == [0, 3]
    assert rows.expand(tokens)[..., 0].tolist() == [[0, 0, 1, 2, 2], [3, 3, 3, 3, 4]]


@pytest.fixture(scope="module")
def exported() -> onnx.ModelProto:
    with pytest.MonkeyPatch.context() as patch:
        checked: list[tuple[bytes, bool]] = []
        check = onnx.checker.check_model

        def watch(data: bytes, full_check: bool) -> None:
            check(data, full_check=full_check)
            checked.append((data, full_check))

        patch.setattr(onnx.checker, "check_model", watch)
        data = lower_onnx(tiny.model(Task.TEXT_CLASSIFICATION), max_seq_len=24).data
    assert checked == [(data, True)]
    return onnx.load_from_string(data)


def test_the_export_writes_its_residuals_as_sums(exported: onnx.ModelProto, tmp_path: Path) -> None:
    producers = {name: node for node in exported.graph.node for name in node.output}
    norms = [node for node in exported.graph.node if node.op_type == "LayerNormalization"]
    # Those of token 0 in the last layer.
    assert [producers[node.input[0]].op_type for node in norms] == ["Sum", "Sum"]
    assert not any("Skip" in name for name in optimized(exported.SerializeToString(), tmp_path))


def test_the_export_normalizes_tokens_as_channels(exported: onnx.ModelProto) -> None:
    found = Counter(node.op_type for node in exported.graph.node)
    assert found["InstanceNormalization"] == 1 + 2 * (tiny.CONFIG.num_hidden_layers - 1)
    # Counted once for all of them.
    assert found["ConstantOfShape"] == 2


def test_the_export_leaves_idle_masks_out(exported: onnx.ModelProto) -> None:
    found = Counter(node.op_type for node in exported.graph.node)
    # Each group of the first layer has its own heads; token 0 meets the second one with all heads at once.
    assert found["If"] == tiny.CONFIG.q_groups + 1
    assert found["ReduceMin"] == 1
    assert "Softmax" not in found


def test_the_export_names_its_interface(exported: onnx.ModelProto) -> None:
    values = [*exported.graph.input, *exported.graph.output]
    assert [value.name for value in values] == ["input_ids", "attention_mask", "token_type_ids", "logits"]
    axes = [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values]
    assert axes == [list(AXES)] * 3 + [["batch_size", 2]]


def test_the_export_forgets_its_origin(exported: onnx.ModelProto) -> None:
    assert exported.graph.name == "squeezebert"
    assert not exported.producer_name and not exported.metadata_props and not exported.graph.metadata_props
    assert not any(node.metadata_props or node.doc_string for node in exported.graph.node)
    # Shapes of what lies between hold symbols that differ between captures.
    assert {value.name for value in exported.graph.value_info} <= {value.name for value in exported.graph.initializer}


def test_the_export_writes_gelu_as_one_operator(exported: onnx.ModelProto) -> None:
    gelus = [node for node in exported.graph.node if node.op_type == "Gelu"]
    assert {node.domain for node in gelus} == {"com.microsoft"}
    assert len(gelus) == tiny.CONFIG.num_hidden_layers * tiny.CONFIG.intermediate_groups
    assert not any(node.op_type == "Erf" for node in exported.graph.node)


def test_the_export_drops_hidden_tokens_before_the_first_layer(exported: onnx.ModelProto) -> None:
    watched = onnx.ModelProto.FromString(exported.SerializeToString())
    norm = next(node for node in watched.graph.node if node.op_type == "InstanceNormalization")
    watched.graph.output.append(onnx.helper.make_tensor_value_info(norm.output[0], onnx.TensorProto.FLOAT, None))
    mask = np.array([[1, 1, 0, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]])
    arrays = (np.ones_like(mask), mask, np.zeros_like(mask))
    _, embedded = run(watched.SerializeToString(), dict(zip(INPUT_NAMES, arrays, strict=True)))
    # Both rows are as wide as the longer one.
    assert embedded.shape == (1, 2 * 3, tiny.CONFIG.hidden_size)
