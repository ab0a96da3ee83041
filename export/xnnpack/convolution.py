"""The grouped convolution of `pte_conv_form`, as ExecuTorch's lowering writes it for XNNPACK.

ExecuTorch's own translation takes channels first, and turns the axes before and after. Source:
xnn_define_convolution_2d of xnnpack.h: channels come last, and a filter is [out, height, width, in / groups].
"""

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
            kernel_height=1,
            kernel_width=1,
            subsampling_height=1,
            subsampling_width=1,
            dilation_height=1,
            dilation_width=1,
            padding_top=0,
            padding_right=0,
            padding_bottom=0,
            padding_left=0,
            adjustment_height=0,
            adjustment_width=0,
            flags=0,
        )
        xnn_graph.xnodes.append(XNode(xnode_union=convolution, debug_handle=debug_handle))
