"""What XNNPACK can do and ExecuTorch's partitioner does not know, taught to it for the length of one lowering.

These are private parts of ExecuTorch, so they are touched only in the releases that this was tried with
(`release.require_release`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from executorch.backends.xnnpack.operators.node_visitor import NodeVisitor
from executorch.backends.xnnpack.operators.quant_params import QuantParams
from executorch.backends.xnnpack.partition.config.gemm_configs import GEMMConfig
from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import XNNConv2d, XNNGraph, XNode
from torch.fx.passes.infra.pass_base import PassResult


class GroupedConvolutionConfig(GEMMConfig):  # type: ignore[misc]  # ExecuTorch has no types
    """Lets the operator into the delegate, with its filter and bias and, in int8, with what quantizes its input."""

    target_name = "grouped_convolution.default"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(weight_idx=1, bias_idx=2, act_idx=0, fused_acts=[], **kwargs)

    def supported_precision_types(self) -> list[ConfigPrecisionType]:
        """Float, and int8 with ranges that are found while the model runs."""
        return [ConfigPrecisionType.FP32, ConfigPrecisionType.DYNAMIC_QUANT]


class GroupedConvolutionVisitor(NodeVisitor):  # type: ignore[misc]
    """Writes the operator as XNNPACK's convolution."""

    # The name has to have "convolution" in it: so ExecuTorch knows that XNNPACK wants one range for all tokens.
    target = "squeezebert_mobile.grouped_convolution.default"

    def define_node(
        self, node: torch.fx.Node, xnn_graph: XNNGraph, vals_to_ids: dict[torch.fx.Node, int], debug_handle: int
    ) -> None:
        """Append the convolution to ``xnn_graph``, and its tensors where they are new."""
        x, weight, bias = node.all_input_nodes
        program = self.exported_program
        self.define_tensor(x, xnn_graph, vals_to_ids, quant_params=QuantParams.from_inputs(x, program))
        self.define_tensor(weight, xnn_graph, vals_to_ids, quant_params=QuantParams.from_weights(weight, program))
        for tensor in (bias, node):
            self.define_tensor(tensor, xnn_graph, vals_to_ids)
        out, _, _, inside = weight.meta["val"].shape
        groups = x.meta["val"].shape[-1] // inside
        convolution = XNNConv2d(
            input1_id=vals_to_ids[x],
            filter_id=vals_to_ids[weight],
            bias_id=vals_to_ids[bias],
            output_id=vals_to_ids[node],
            groups=groups,
            group_input_channels=inside,
            group_output_channels=out // groups,
            **{f"{kind}_{axis}": 1 for kind in ("kernel", "subsampling", "dilation") for axis in ("height", "width")},
            **{f"padding_{side}": 0 for side in ("top", "right", "bottom", "left")},
            adjustment_height=0,
            adjustment_width=0,
            flags=0,
        )
        xnn_graph.xnodes.append(XNode(xnode_union=convolution, debug_handle=debug_handle))


# XNNPACK reads a slice size of 0 as "to the end of this axis", whatever its length is in this call.
_TO_THE_END = 0


# Whether a pass finds anything: one that does not would trace the whole graph anew, for the same graph.
_Finds = Callable[[torch.fx.Graph], bool]
# Tensors that XNNPACK joins at once.
_JOINED = 5
_ELEMENTWISE = {f"{name}.Tensor" for name in ("add", "mul", "sub", "div")} | {"div.Tensor_mode", "minimum.default"}


def _name(node: torch.fx.Node) -> str:
    return getattr(node.target, "__name__", "")


def _calls(*names: str) -> _Finds:
    return lambda graph: any(_name(node) in names for node in graph.nodes)


def _gives(*kinds: type) -> _Finds:
    """Whether a number of one of these kinds is given where an operator takes a tensor."""

    def is_one(value: object) -> bool:
        return isinstance(value.meta.get("val") if isinstance(value, torch.fx.Node) else value, kinds)

    return lambda graph: any(
        isinstance(argument.type, torch.TensorType) and is_one(value)
        for node in graph.nodes
        if isinstance(node.target, torch._ops.OpOverload)
        for value, argument in zip(node.args, node.target._schema.arguments, strict=False)
    )


def _mixes_types(graph: torch.fx.Graph) -> bool:
    """Whether there is arithmetic of any other numbers than floats of one size."""
    operands = (node.all_input_nodes for node in graph.nodes if _name(node) in _ELEMENTWISE)
    kinds = ({getattr(operand.meta.get("val"), "dtype", None) for operand in own} for own in operands)
    return any(own not in ({torch.float32}, {torch.float16}) for own in kinds)


# By class: first those of `to_edge`, then those of the delegate.
_SEEKING: dict[str, _Finds] = {
    "NormalizeTransposePass": _calls("t.default"),
    "ReplaceBrokenOpsWithFunctionalOpsPass": lambda graph: any(
        getattr(node.target, "is_view", False) for node in graph.nodes
    ),
    "ScalarToTensorPass": _gives(int, float),
    "SymToTensorPass": _gives(torch.SymInt, torch.SymFloat, torch.SymBool),
    "RemoveMixedTypeOperators": _mixes_types,
    "ConvertToLinearPass": lambda graph: any(
        {"source_fn_stack", "torch_fn"} & node.meta.keys() for node in graph.nodes
    ),
    "FuseActivationPass": _calls("aten.relu.default", "aten.hardtanh.default"),
    "DecomposeConcatenate": lambda graph: any(
        _name(node) == "aten.cat.default" and len(node.args[0]) > _JOINED for node in graph.nodes
    ),
    "RemoveGetItemPass": _calls("aten.max.dim", "aten.max_pool2d_with_indices.default"),
    "RemoveRedundantCopyPass": _calls("aten._to_copy.default"),
}


@contextmanager
def needed_passes() -> Iterator[None]:
    """Skip passes that find nothing, and the delegate's for what the mobile form has not (images, SDPA).

    They would take most of the time.
    """
    from executorch.backends.xnnpack import _passes, xnnpack_preprocess
    from executorch.exir.program import _program

    needed = [
        _passes.XNNPACKRemoveCloneOpsTransform,
        _passes.DimOrderOpsRevertPass,
        _passes.ConvertToLinearPass,
        _passes.FuseActivationPass,
        _passes.DecomposeConcatenate,
        _passes.RemoveGetItemPass,
        _passes.RemoveRedundantCopyPass,
    ]
    edge_passes = _program._get_aten_to_edge_passes

    class Manager(_passes.XNNPACKPassManager):  # type: ignore[misc]
        def transform(self) -> Any:
            program = self.exported_program
            for kind in self.passes:
                if finds(kind.__name__, program.graph):
                    program = _passes.XNNPACKPassManager(program, passes=[kind]).transform()
            return program

    def manager(program: Any, passes: Any = None) -> Any:
        return Manager(program, passes=passes or needed)

    def seeking(run: Any) -> Any:
        # Most are functions around a pass, called as its class is written.
        name = getattr(run, "__name__", str(type(run))).removesuffix("'>").rpartition(".")[2]
        return lambda module: run(module) if finds(name, module.graph) else PassResult(module, False)

    def of_edge(config: Any) -> Any:
        before, after = edge_passes(config)
        return [seeking(run) for run in before], after

    with (
        patch.object(xnnpack_preprocess, "XNNPACKPassManager", manager),
        patch.object(_program, "_get_aten_to_edge_passes", of_edge),
    ):
        yield


def finds(name: str, graph: torch.fx.Graph) -> bool:
    """Whether a pass may change a graph; true of those that are not known here."""
    return name not in _SEEKING or _SEEKING[name](graph)


@contextmanager
def integer_products() -> Iterator[None]:
    """Let batched products of int8 tensors into the delegate; the second one must have no zero point."""
    from executorch.backends.xnnpack.partition.config.generic_node_configs import BMMConfig
    from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType

    def supported(_: Any) -> list[ConfigPrecisionType]:
        return [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]

    with patch.object(BMMConfig, "supported_precision_types", supported):
        yield


@contextmanager
def grouped_convolutions() -> Iterator[list[Any]]:
    """Let the grouped convolution into the delegate; gives what the partitioner has to be made of."""
    from executorch.backends.xnnpack.operators import node_visitor
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS

    with patch.dict(node_visitor._node_visitor_dict, {GroupedConvolutionVisitor.target: GroupedConvolutionVisitor}):
        yield [*ALL_PARTITIONER_CONFIGS, GroupedConvolutionConfig]


@contextmanager
def dynamic_slices() -> Iterator[None]:
    """Let slices of tensors with a free axis into the delegate; the free axis itself may be cut from its start only."""
    from executorch.backends.xnnpack.operators import op_slice_copy
    from executorch.backends.xnnpack.partition.config.generic_node_configs import SliceCopyConfig

    shape_of = op_slice_copy.get_shape

    def sizes(node: Any) -> list[int]:
        return [size if isinstance(size, int) else _TO_THE_END for size in shape_of(node)]

    def allowed(config: Any, node: Any, program: Any) -> bool:
        steps: Sequence[int] = node.args[4:5]
        return bool(config.check_common_constraints(node, program)) and list(steps) in ([], [1])

    with patch.object(SliceCopyConfig, "check_constraints", allowed), patch.object(op_slice_copy, "get_shape", sizes):
        yield
