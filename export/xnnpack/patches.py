"""What XNNPACK can do and ExecuTorch's partitioner does not know, taught to it for the length of one lowering.

These are private parts of ExecuTorch, so they are touched only in the releases that this was tried with
(`release.require_release`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from executorch.backends.xnnpack.operators.node_visitor import NodeVisitor
from executorch.backends.xnnpack.partition.config.generic_node_configs import GenericNodePartitionerConfig
from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import XNNConv2d, XNNGraph, XNode
from torch.export import ExportedProgram


class GroupedConvConfig(GenericNodePartitionerConfig):  # type: ignore[misc]  # ExecuTorch has no types
    """Lets the operator into the delegate, with its filter and bias."""

    target_name = "grouped_conv.default"

    def supported_precision_types(self) -> list[ConfigPrecisionType]:
        """Float alone."""
        return [ConfigPrecisionType.FP32]

    def get_node_and_deps(self, node: torch.fx.Node, ep: ExportedProgram) -> list[torch.fx.Node]:  # noqa: ARG002
        """The operator and its constants; without these they would be inputs of the delegate."""
        return [node, *node.all_input_nodes[1:]]


class GroupedConvVisitor(NodeVisitor):  # type: ignore[misc]
    """Writes the operator as XNNPACK's convolution."""

    target = "squeezebert_mobile.grouped_conv.default"

    def define_node(
        self, node: torch.fx.Node, xnn_graph: XNNGraph, vals_to_ids: dict[torch.fx.Node, int], debug_handle: int
    ) -> None:
        """Append the convolution to ``xnn_graph``, and its tensors where they are new."""
        x, weight, bias = node.all_input_nodes
        for tensor in (x, weight, bias, node):
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


@contextmanager
def needed_passes() -> Iterator[None]:
    """Skip the delegate's passes for what the mobile form has not (images, SDPA); they take most of the time."""
    from executorch.backends.xnnpack import _passes, xnnpack_preprocess

    needed = [
        _passes.XNNPACKRemoveCloneOpsTransform,
        _passes.DimOrderOpsRevertPass,
        _passes.ConvertToLinearPass,
        _passes.FuseActivationPass,
        _passes.DecomposeConcatenate,
        _passes.RemoveGetItemPass,
        _passes.RemoveRedundantCopyPass,
    ]

    def manager(program: Any, passes: Any = None) -> Any:
        return _passes.XNNPACKPassManager(program, passes=passes or needed)

    with patch.object(xnnpack_preprocess, "XNNPACKPassManager", manager):
        yield


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

    with patch.dict(node_visitor._node_visitor_dict, {GroupedConvVisitor.target: GroupedConvVisitor}):
        yield [*ALL_PARTITIONER_CONFIGS, GroupedConvConfig]


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
