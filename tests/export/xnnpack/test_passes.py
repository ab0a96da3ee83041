"""The rewrites on the way to XNNPACK: what each changes, what it leaves alone, and that the export applies it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import tiny
import torch
from pte_models import Program
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.export.quantization import Dynamic, Half
from squeezebert_mobile.export.weights import Grouped, base_model
from squeezebert_mobile.export.xnnpack import lower as xnnpack_lower
from squeezebert_mobile.export.xnnpack import patches
from squeezebert_mobile.export.xnnpack.form import (
    ConvAttention,
    ConvFeedForward,
    GroupConv,
    Maps,
    XnnpackModel,
    convolve,
    grouped_convolution,
)
from squeezebert_mobile.export.xnnpack.int8 import DynamicMaps
from squeezebert_mobile.export.xnnpack.lower import deduplicate_constants
from squeezebert_mobile.tasks import Task

Teaching = Callable[[], AbstractContextManager[Any]]
TEACHINGS: tuple[Teaching, ...] = (
    patches.grouped_convolutions,
    patches.dynamic_slices,
    patches.integer_products,
    patches.needed_passes,
)
TOKENS = 16


@dataclass(frozen=True)
class Lowered:
    """A .pte and the graphs that XNNPACK got."""

    data: bytes
    graphs: Sequence[Any]

    def inside(self) -> list[Any]:
        """The operators of the delegates."""
        return [node.xnode_union for graph in self.graphs for node in graph.xnodes]

    def kinds(self) -> Counter[str]:
        return Counter(type(node).__name__ for node in self.inside())

    def outside(self) -> Counter[str]:
        """The calls of operators outside of the delegates."""
        from executorch.exir.schema import KernelCall

        (plan,) = program_of(self.data).execution_plan
        calls = [instruction.instr_args for chain in plan.chains for instruction in chain.instructions]
        return Counter(plan.operators[call.op_index].name for call in calls if isinstance(call, KernelCall))


def program_of(data: bytes) -> Any:
    from executorch.exir._serialize._flatbuffer_program import _flatbuffer_to_program

    return _flatbuffer_to_program(data[: header_of(data).program_size])


def header_of(data: bytes) -> Any:
    from executorch.exir._serialize._program import _get_extended_header

    return _get_extended_header(data[:64])


@contextmanager
def watched() -> Iterator[list[Any]]:
    """The graphs that XNNPACK gets meanwhile."""
    from executorch.backends.xnnpack import xnnpack_preprocess

    graphs: list[Any] = []
    serialize = xnnpack_preprocess.serialize_xnnpack_binary

    def watch(graph: Any, constants: bytearray) -> bytes:
        graphs.append(graph)
        return serialize(graph, constants)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xnnpack_preprocess, "serialize_xnnpack_binary", watch)
        yield graphs


def lower(module: nn.Module, *example: Tensor, axes: Sequence[int] = (), teachings: Sequence[Teaching] = ()) -> Lowered:
    """``module`` for XNNPACK by ExecuTorch as it is, but for ``teachings``; ``axes`` of the inputs are free."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge

    free = tuple({axis: torch.export.Dim("tokens", min=1, max=TOKENS)} for axis in axes) or None
    with ExitStack() as stack, torch.no_grad(), watched() as graphs:
        configs = [stack.enter_context(teaching()) for teaching in teachings]
        partitioner = XnnpackPartitioner(next(filter(None, configs), None))
        program = torch.export.export(module.eval(), example, dynamic_shapes=free)
        whole, _ = partitioner.ops_to_not_decompose(program)
        config = EdgeCompileConfig(_check_ir_validity=False, preserve_ops=list(whole))
        edge = to_edge(program, compile_config=config).to_backend(partitioner)
        return Lowered(bytes(edge.to_executorch().buffer), graphs)


def answer(data: bytes, *inputs: Tensor) -> list[Tensor]:
    return Program(data).forward(list(inputs))


class Plain(nn.Module):
    """A layer of fixed length in float: slices, products and maps that ExecuTorch knows what to do with."""

    def __init__(self) -> None:
        super().__init__()
        self.map, self.norm = nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        # More parts than XNNPACK joins at once, and an activation that fuses with its map.
        parts = [F.relu(self.map(x))[:, n : n + 1] for n in range(6)]
        y = torch.cat([*parts, x[:, 6:]], -1) + x
        heads = y.view(-1, 2, 4).permute(1, 0, 2)
        shares = torch.bmm(heads, heads.permute(0, 2, 1)).softmax(-1)
        joined: Tensor = self.norm(torch.bmm(shares, heads).permute(1, 0, 2).contiguous().view(-1, 8))
        return joined


@cache
def plain() -> Lowered:
    torch.manual_seed(0)
    return lower(Plain(), torch.ones(TOKENS, 8))


def test_a_module_with_nothing_new_in_it_is_left_alone_by_every_teaching() -> None:
    torch.manual_seed(0)
    assert lower(Plain(), torch.ones(TOKENS, 8), teachings=TEACHINGS).data == plain().data


class Slices(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3] + x[:, 3:6] + x[:, 1:7:2]


def test_slices_beside_a_free_axis_enter_the_delegate() -> None:
    before = lower(Slices(), torch.ones(TOKENS, 8), axes=[0])
    after = lower(Slices(), torch.ones(TOKENS, 8), axes=[0], teachings=[patches.dynamic_slices])
    assert before.outside() == {"aten::slice_copy": 3}
    # XNNPACK has no steps.
    assert after.outside() == {"aten::slice_copy": 1}
    slices = [node for node in after.inside() if type(node).__name__ == "XNNStaticSlice"]
    assert [(node.offsets, node.sizes[1]) for node in slices] == [([0, 0], 3), ([0, 3], 3)]
    for tokens in (1, 7, TOKENS):
        x = torch.randn(tokens, 8)
        for lowered in (before, after):
            assert torch.equal(answer(lowered.data, x)[0], Slices()(x))


class Products(nn.Module):
    """A product of int8 tensors, to int8."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return stored(torch.bmm(stored(x, 0.02, 0), stored(y, 0.03, 0)), 0.1, 3)


def stored(x: Tensor, scale: float, zero: int) -> Tensor:
    operators = torch.ops.quantized_decomposed
    integers = operators.quantize_per_tensor.default(x, scale, zero, -128, 127, torch.int8)
    floats: Tensor = operators.dequantize_per_tensor.default(integers, scale, zero, -128, 127, torch.int8)
    return floats


def test_products_of_integers_are_multiplied_as_integers() -> None:
    example = (torch.ones(2, TOKENS, 4), torch.ones(2, 4, TOKENS))
    before = lower(Products(), *example, axes=[1, 2])
    after = lower(Products(), *example, axes=[1, 2], teachings=[patches.integer_products])
    # Three to int8, and before also three back to float.
    assert before.kinds() == {"XNNBatchMatrixMultiply": 1, "XNNConvert": 6}
    assert after.kinds() == {"XNNBatchMatrixMultiply": 1, "XNNConvert": 3}
    assert factor_kinds(before) == {"XNNTensorValue"}
    assert factor_kinds(after) == {"XNNQuantizedTensorValue"}
    x, y = torch.randn(2, 5, 4), torch.randn(2, 4, 5)
    # A sum may round the other way.
    torch.testing.assert_close(answer(after.data, x, y)[0], Products()(x, y), atol=0.1001, rtol=0)


def factor_kinds(lowered: Lowered) -> set[str]:
    (graph,) = lowered.graphs
    values = [value.xvalue_union for value in graph.xvalues]
    (product,) = [node for node in lowered.inside() if type(node).__name__ == "XNNBatchMatrixMultiply"]
    return {type(values[index]).__name__ for index in (product.input1_id, product.input2_id)}


class Convolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Buffer(torch.randn(12, 1, 1, 4)), nn.Buffer(torch.randn(12))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = grouped_convolution(x, self.weight, self.bias)
        return y


def test_a_grouped_convolution_becomes_one_of_xnnpack() -> None:
    module, example = Convolution(), torch.ones(1, 1, TOKENS, 8)
    with pytest.raises(RuntimeError, match="grouped_convolution"):
        lower(module, example, axes=[2])
    after = lower(module, example, axes=[2], teachings=[patches.grouped_convolutions])
    assert after.outside() == {}
    (node,) = after.inside()
    assert type(node).__name__ == "XNNConv2d"
    assert (node.groups, node.group_input_channels, node.group_output_channels) == (2, 4, 6)
    for tokens in (1, 7, TOKENS):
        x = torch.randn(1, 1, tokens, 8)
        torch.testing.assert_close(answer(after.data, x)[0], module(x))


def test_a_grouped_convolution_is_the_maps_of_its_groups() -> None:
    weights = Grouped(torch.randn(2, 6, 4), torch.randn(2, 6))
    x = torch.randn(7, 8)
    expected = [F.linear(part, w, b) for part, w, b in zip(x.chunk(2, -1), weights.weight, weights.bias, strict=True)]
    torch.testing.assert_close(GroupConv(weights)(x[None, None]), torch.cat(expected, -1)[None, None])


def test_an_int8_map_is_one_convolution_of_integers_with_one_range_for_all_tokens() -> None:
    torch.manual_seed(0)
    module = DynamicMaps(Maps([GroupConv(Grouped(torch.randn(2, 6, 4), torch.randn(2, 6)))]))
    after = lower(module, torch.ones(1, 1, TOKENS, 8), axes=[2], teachings=[patches.grouped_convolutions])
    assert after.outside() == {}
    assert after.kinds() == {"XNNConvert": 1, "XNNConv2d": 1}
    (graph,) = after.graphs
    quantized = [value.xvalue_union for value in graph.xvalues if hasattr(value.xvalue_union, "quant_params")]
    # XNNPACK's convolution reads the range of the first row alone, so all of its rows have to be in that one.
    assert [getattr(value.quant_params, "num_nonbatch_dims", None) for value in quantized] == [3, None]
    for tokens in (1, 7, TOKENS):
        x = torch.randn(1, 1, tokens, 8) * torch.arange(1, tokens + 1)[:, None]
        torch.testing.assert_close(answer(after.data, x)[0], module(x), rtol=0, atol=float(x.abs().max()) / 50)


def test_grouped_maps_are_convolved_and_nothing_else() -> None:
    model = tiny.model(Task.TEXT_CLASSIFICATION)
    form = XnnpackModel(model, TOKENS).eval()
    inputs = (torch.ones(1, 5, dtype=torch.int64), torch.zeros(1, 5, dtype=torch.int64))
    before, (expected,) = dict(form.named_modules()), form(*inputs)
    convolve(form, model)
    exchanged = {name: module for name, module in form.named_modules() if before.get(name) is not module}
    units = {
        name: type(module) for name, module in exchanged.items() if isinstance(module, ConvAttention | ConvFeedForward)
    }
    # The last layer reads token 0 alone, and its attention multiplies nothing that is W tokens tall.
    assert units == {
        "layers.0.attention": ConvAttention,
        "layers.0.feed_forward": ConvFeedForward,
        "layers.1.feed_forward": ConvFeedForward,
    }
    assert all(name.startswith(tuple(units)) for name in exchanged)
    torch.testing.assert_close(form(*inputs)[0], expected)


def test_passes_that_somebody_asks_for_are_kept() -> None:
    from executorch.backends.xnnpack import _passes, xnnpack_preprocess

    with patches.needed_passes():
        manager = xnnpack_preprocess.XNNPACKPassManager(None, passes=[_passes.ConvertToSDPAPass])
        assert manager.passes == [_passes.ConvertToSDPAPass]


@pytest.mark.parametrize(
    ("changes", "scheme", "found"),
    [
        ({}, Dynamic(), {"ConvertToLinearPass"}),
        pytest.param({"hidden_act": "relu"}, None, {"FuseActivationPass"}, marks=pytest.mark.slow),
        pytest.param({"hidden_size": 64, "embedding_size": 64, "num_attention_heads": 8, "q_groups": 8, "k_groups": 8,
                      "v_groups": 8}, Half(), {"DecomposeConcatenate"}, marks=pytest.mark.slow),
        pytest.param({"hidden_size": 64, "embedding_size": 64, "num_attention_heads": 4}, Dynamic(embedding_bits=4),
                     {"ScalarToTensorPass"}, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_pass_that_is_skipped_would_have_changed_no_byte(
    changes: dict[str, Any], scheme: Any, found: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.model(Task.TEXT_CLASSIFICATION, replace(tiny.CONFIG, num_hidden_layers=1, **changes))
    finds = patches.finds
    needed: set[str] = set()
    skipped: set[str] = set()

    def note(name: str, graph: torch.fx.Graph) -> bool:
        (needed if finds(name, graph) else skipped).add(name)
        return finds(name, graph)

    monkeypatch.setattr(patches, "finds", note)
    data = xnnpack_lower.lower_pte(model, scheme=scheme, max_seq_len=24).data
    assert {"NormalizeTransposePass", "RemoveGetItemPass"} <= skipped
    assert found <= needed
    monkeypatch.setattr(patches, "finds", lambda *_: True)
    assert xnnpack_lower.lower_pte(model, scheme=scheme, max_seq_len=24).data == data


class Tables(nn.Module):
    """A small table (1 KiB) and a large one (8 KiB), each read by rows outside of the delegate and as a map in it."""

    def __init__(self) -> None:
        super().__init__()
        # The small one lies first, so that the large one lies at some offset.
        self.small, self.large = nn.Embedding(16, 16), nn.Embedding(64, 32)
        self.between = nn.Linear(32, 32)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        small, large = torch.tanh(self.small(ids)), torch.tanh(self.between(self.large(ids)))
        return F.linear(small, self.small.weight), F.linear(large, self.large.weight)


def segments(data: bytes) -> dict[str, bytes]:
    """What a .pte holds outside of its program, by name."""
    program, start = program_of(data), header_of(data).segment_base_offset
    parts = [data[start + part.offset :][: part.size] for part in program.segments]
    delegates = [delegate.processed.index for plan in program.execution_plan for delegate in plan.delegates]
    named = {named.key: parts[named.segment_index] for named in program.named_data}
    constants = {"constants": parts[program.constant_segment.segment_index]}
    return {**named, **constants, **{f"delegate {n}": parts[index] for n, index in enumerate(delegates)}}


def test_a_large_table_that_is_there_twice_is_written_once() -> None:
    module, ids = Tables(), torch.tensor([0, 3, 15])
    before = lower(module, torch.zeros(TOKENS, dtype=torch.int64), axes=[0])
    after = Lowered(deduplicate_constants(before.data), before.graphs)
    large, small = (table.weight.detach().numpy().tobytes() for table in (module.large, module.small))
    assert [data.count(large) for data in (before.data, after.data)] == [2, 1]
    # Not worth the search.
    assert [data.count(small) for data in (before.data, after.data)] == [2, 2]
    assert len(before.data) - len(after.data) >= len(large)
    assert segments(after.data) == segments(before.data)
    header, program = header_of(after.data), program_of(after.data)
    assert header.segment_base_offset + header.segment_data_size == len(after.data)
    constants = program.segments[program.constant_segment.segment_index]
    assert all(part.offset % 128 == 0 for part in program.segments if part.offset >= constants.size)
    assert after.outside() == before.outside()
    for found, expected in zip(answer(after.data, ids), answer(before.data, ids), strict=True):
        assert torch.equal(found, expected)
    assert deduplicate_constants(after.data) == after.data


def test_a_pte_without_repeats_is_left_alone() -> None:
    assert deduplicate_constants(plain().data) is plain().data


def test_a_capture_keeps_nothing_but_values() -> None:
    class Sum(nn.Module):
        def forward(self, ids: Tensor, types: Tensor) -> Tensor:
            return ids + types

    program = xnnpack_lower._capture(Sum(), 8)
    assert {key for node in program.graph.nodes for key in node.meta} == {"val"}


@dataclass(frozen=True)
class Export:
    """The tiny model's .pte, the passes that the delegate ran and the weight of the pooler."""

    lowered: Lowered
    passes: frozenset[str]
    pooler: bytes


@pytest.fixture(scope="module")
def exported() -> Export:
    from executorch.backends.xnnpack import _passes

    model = tiny.model(Task.TEXT_CLASSIFICATION)
    base = base_model(model)
    pooler, size = base.pooler.dense.weight, tiny.CONFIG.hidden_size
    # A repeat, as a decoder tied to its table is one.
    with torch.no_grad():
        pooler.copy_(base.embeddings.word_embeddings.weight[:size])
    ran: set[str] = set()
    transform = _passes._transform

    def watch(program: Any, step: Any) -> Any:
        ran.add(type(step).__name__)
        return transform(program, step)

    with pytest.MonkeyPatch.context() as patch, watched() as graphs:
        patch.setattr(_passes, "_transform", watch)
        data = xnnpack_lower.lower_pte(model, max_seq_len=24).data
    return Export(Lowered(data, graphs), frozenset(ran), pooler.detach().numpy().tobytes())


def test_the_export_has_a_convolution_for_every_grouped_map(exported: Export) -> None:
    # Query, key, value and output of the first layer; wide and narrow of both.
    assert exported.lowered.kinds()["XNNConv2d"] == 4 + 2 + 2


def test_the_export_leaves_to_other_kernels_what_xnnpack_has_not(exported: Export) -> None:
    outside = exported.lowered.outside()
    views = {"executorch_prim::et_view", "aten::sym_size"}
    assert outside.keys() == {*views, "aten::embedding", "aten::slice_copy", "aten::native_layer_norm"}
    # Of the table of positions, as far as there are tokens.
    assert outside["aten::slice_copy"] == 1
    assert exported.lowered.kinds()["XNNStaticSlice"] > 0


def test_the_export_keeps_whole_what_xnnpack_knows(exported: Export) -> None:
    kinds = exported.lowered.kinds()
    assert kinds["XNNGelu"] == tiny.CONFIG.num_hidden_layers
    assert not kinds.keys() & {"XNNMultiply", "XNNExp"}


def test_the_export_runs_the_needed_passes_alone(exported: Export) -> None:
    assert "ConvertToLinearPass" in exported.passes
    assert not exported.passes & {"ConvertToSDPAPass", "FuseBatchNormPass", "ChannelsLastTaggedReshapePass"}


def test_the_export_writes_a_repeat_once(exported: Export) -> None:
    assert exported.lowered.data.count(exported.pooler) == 1
