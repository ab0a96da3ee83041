"""Where an ONNX file executes its instructions on emulated 64-bit ARM: a count for each kind of operator.

`python -m squeezebert_mobile.benchmarks.lab.arm_operators FILE.onnx [--tokens N] [--cpu NAME]`

The file is optimized as ONNX Runtime optimizes it, and every distinct node (operator, attributes, shapes) becomes a
model of its own, with the values that it sees in an inference, which is counted alone.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from squeezebert_mobile import console
from squeezebert_mobile.batch import Batch
from squeezebert_mobile.benchmarks.lab import arm_machine, arm_operators_guest
from squeezebert_mobile.benchmarks.lab.arm import PEER_CPU
from squeezebert_mobile.benchmarks.lab.arm_machine import CPUS, Cpu
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.errors import EnvironmentFault, InputFileError

Values = dict[str, NDArray[np.generic]]
_IDS = 100  # All below are in any vocabulary worth counting.


@dataclass(frozen=True)
class Piece:
    """One node as a model, the values of its inputs, how to name it, and how often the file has it."""

    model: bytes
    feeds: Values
    name: str
    shapes: str
    times: int


@dataclass(frozen=True)
class OperatorCount:
    """Instructions of one node of a kind, and how many such nodes an inference executes."""

    operator: str
    shapes: str
    times: int
    instructions: int

    @property
    def total(self) -> int:
        """Instructions of all of them."""
        return self.times * self.instructions


def measure(
    path: Path, *, tokens: int = 128, cpu: Cpu = PEER_CPU, report: Report = lambda _: None
) -> list[OperatorCount]:
    """The counts of a file's operators for one text of ``tokens`` tokens, the largest total first.

    Raises EnvironmentFault where the machine cannot be set up or count, InputFileError for a file that is no model.
    """
    report("split the file")
    found = pieces(path, tokens)
    report("set up the machine")
    machine = arm_machine.set_up(("onnx",))
    if machine.plugin is None:
        raise EnvironmentFault("a C compiler", "is not installed, and counts need one", fix="apt-get install gcc")
    report(f"count {len(found)} operators")
    with tempfile.TemporaryDirectory() as scratch:
        for number, piece in enumerate([_nothing(), *found]):
            (Path(scratch) / f"{number}.onnx").write_bytes(piece.model)
            np.savez(Path(scratch) / f"{number}.npz", **piece.feeds)  # type: ignore[arg-type]  # see arm_guest
        said = machine.run(cpu, "onnx", Path(arm_operators_guest.__file__), scratch, str(1 + len(found)))
    call, *counts = arm_machine.counts(said)
    measured = [
        OperatorCount(piece.name, piece.shapes, piece.times, max(count - call, 0))
        for piece, count in zip(found, counts, strict=True)
    ]
    return sorted(measured, key=lambda each: -each.total)


def _nothing() -> Piece:
    """A model that does nothing, for what a call itself takes."""
    given, made = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1,)) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "nothing", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return Piece(model.SerializeToString(), {"x": np.zeros(1, np.float32)}, "Identity", "", 0)


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
    shapes = ", ".join(_shape(values[name]) for name in names)
    return Piece(_alone(model, node, held, feeds), feeds, node.op_type, shapes, len(nodes))


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


def text(counts: Sequence[OperatorCount]) -> str:
    """The counts as a table, a line for each kind, and their sum."""
    whole = sum(each.total for each in counts)
    rows = [
        (
            each.operator,
            each.shapes[:60],
            str(each.times),
            f"{each.instructions / 1e6:.3f}",
            f"{each.total / whole:.1%}",
        )
        for each in counts
        if each.total >= 0.001 * whole
    ]
    heads = ("operator", "inputs", "nodes", "million instructions each", "share")
    return console.table(heads, rows) + f"\nall operators: {whole / 1e6:.1f} million instructions"


def main() -> None:
    """Count and print."""
    import typer

    def command(
        file: Path,
        tokens: Annotated[int, typer.Option(min=1, max=512)] = 128,
        cpu: Annotated[str, typer.Option(help=f"of {', '.join(each.name for each in CPUS)}")] = PEER_CPU.name,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        core = arm_machine.cpu_named(cpu)
        screen = console.Screen(as_json=as_json)
        with screen.progress("emulating") as step:
            found = measure(file, tokens=tokens, cpu=core, report=step)
        screen.show(found, text)

    console.run(command)


if __name__ == "__main__":
    main()
