"""An ONNX file in pieces: of the graph that ONNX Runtime executes each distinct node, with the values that it sees."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.errors import InputFileError

Values = dict[str, NDArray[np.generic]]
# They move nothing: the runtime gives their output the memory of their input.
_VIEWS = {"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
_IDS = 100  # All below are in any vocabulary worth counting.


@dataclass(frozen=True)
class Piece:
    """One node as a model, the values of its inputs, how to name it, how often the file has it, the bytes it moves."""

    model: bytes
    feeds: Values
    name: str
    times: int
    moved: int


def nothing() -> Piece:
    """A model that does nothing, for what a call itself takes."""
    given, made = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1,)) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "nothing", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return Piece(model.SerializeToString(), {"x": np.zeros(1, np.float32)}, "Identity", 0, 0)


def pieces(path: Path, tokens: int) -> list[Piece]:
    """The distinct nodes of a file, in its order, for one text."""
    model = _optimized(path)
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    values = _values(model, tokens) | constants
    kinds: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        kinds[_kind(node, values, constants)].append(node)
    return [_piece(model, nodes, values, constants) for nodes in kinds.values()]


def _kind(node: onnx.NodeProto, values: Values, constants: Values) -> str:
    """What nodes that execute the same instructions have in common."""
    reads = [(_shape(values[name]), name in constants) for name in _reads(node)]
    # Branches of an If have names of their own.
    attributes = [] if _branches(node) else node.attribute
    return repr((node.op_type, reads, sorted(each.SerializeToString(deterministic=True) for each in attributes)))


def _piece(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], values: Values, constants: Values) -> Piece:
    """The first of some nodes of a kind, alone in a model."""
    node = nodes[0]
    names = list(_reads(node))
    held = {name: values[name] for name in names}
    feeds = {name: value for name, value in held.items() if name not in constants}
    touched = [] if node.op_type in _VIEWS else [*names, *filter(None, node.output)]
    moved = sum(values[name].nbytes for name in touched)
    return Piece(_alone(model, node, held, feeds), feeds, node.op_type, len(nodes), moved)


def _optimized(path: Path) -> onnx.ModelProto:
    """The graph that ONNX Runtime executes, but for what hangs on the processor."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as scratch:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(scratch) / "optimized.onnx")
        options.log_severity_level = 3
        try:
            onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  the runtime's own errors have no base class
            what = f"is not a model that ONNX Runtime takes: {str(error).splitlines()[0][:200]}"
            raise InputFileError(path, what, fix="give the ONNX file of a bundle") from None
        return onnx.load(options.optimized_model_filepath)


def _values(model: onnx.ModelProto, tokens: int) -> Values:
    """Every value of an inference by name, inputs included."""
    import onnxruntime

    ids = np.random.default_rng(0).integers(0, _IDS, (1, tokens), dtype=np.int64)
    known = Batch.of_ids(ids).arrays()
    feeds: Values = {value.name: known[value.name] for value in model.graph.input}
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    names = [name for node in model.graph.node for name in node.output if name]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return feeds | dict(zip(names, session.run(names, feeds), strict=True))


def _branches(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """The values from outside that a node and its branches read."""
    yield from filter(None, node.input)
    for graph in _branches(node):
        made = {name for inner in graph.node for name in inner.output}
        yield from (name for inner in graph.node for name in _reads(inner) if name not in made)


def _shape(value: NDArray[np.generic]) -> str:
    return f"{value.dtype}{list(value.shape)}"


def _alone(model: onnx.ModelProto, node: onnx.NodeProto, held: Values, feeds: Values) -> bytes:
    """A model of one node; what was constant in the file is so here, for the runtime packs it ahead of time."""
    given = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()
    ]
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in held.items() if name not in feeds]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], "alone", given, outputs, constants)
    alone = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(alone.SerializeToString())
