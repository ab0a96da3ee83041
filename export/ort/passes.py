"""Graph passes over the exporter's model: each is one function with one reason."""

from collections.abc import Sequence

import onnx_ir as ir

from squeezebert_mobile.export.signature import Signature


def normalize_over_tokens(model: ir.Model) -> None:
    """Write the LayerNormalization of tokens as InstanceNormalization, tokens for its channels, a scale and a shift.

    ONNX Runtime's LayerNormalization is scalar on ARM: 16 cycles a value, 3 of the others together. Both normalize
    each row alone, so one token is as right as many. Where there is but one row a text, as in a last layer that serves
    token 0, more nodes cost more than they save.
    """
    texts = {str(dim) for dim in _shape(model.graph.inputs[0])[:-1]}
    norms = [node for node in model.graph if node.op_type == "LayerNormalization"]
    # A product of symbols is written as one.
    norms = [norm for norm in norms if set(str(_shape(norm.inputs[0])[-2]).split("*")) != texts]
    if not norms:
        return
    axis = ir.Value(name="token_axis", const_value=ir.tensor([0], ir.DataType.INT64))
    model.graph.register_initializer(axis)
    count = ir.node("Shape", norms[0].inputs[:1], {"start": -2, "end": -1})
    ones, zeros = (
        ir.node("ConstantOfShape", count.outputs, {"value": ir.tensor([value], ir.DataType.FLOAT)}) for value in (1, 0)
    )
    model.graph.insert_before(norms[0], [count, ones, zeros])
    for norm in norms:
        _normalize(model.graph, norm, [*ones.outputs, *zeros.outputs], axis)


def _shape(value: ir.Value | None) -> ir.Shape:
    assert value is not None and value.shape is not None
    return value.shape


def _normalize(graph: ir.Graph, norm: ir.Node, neutral: Sequence[ir.Value], axis: ir.Value) -> None:
    """Exchange the LayerNormalization of [T, C] or [1, T, C]; ``neutral`` are a scale and a shift [T] of the rows."""
    x, scale, shift = norm.inputs
    nodes = []

    def add(operator: str, *inputs: ir.Value | None, **attributes: float) -> ir.Value:
        nodes.append(ir.node(operator, inputs, attributes))
        return nodes[-1].outputs[0]

    flat = len(_shape(x)) == 2
    rows = add("Unsqueeze", x, axis) if flat else x
    normal = add("InstanceNormalization", rows, *neutral, epsilon=norm.attributes["epsilon"].as_float())
    scaled = add("Mul", add("Squeeze", normal, axis) if flat else normal, scale)
    result = add("Add", scaled, shift)
    graph.insert_after(norm, nodes)
    norm.outputs[0].replace_all_uses_with(result)
    graph.remove(norm, safe=True)


def keep_residuals_apart(model: ir.Model) -> None:
    """Write the Add before a LayerNormalization as Sum.

    ONNX Runtime fuses Add + LayerNormalization into SkipLayerNormalization, whose CPU kernel takes six times as long as
    the two apart (0.43 ms against 0.07 ms at 128 x 768); it knows no such fusion for Sum.
    """
    for node in model.graph:
        producer = node.inputs[0].producer() if node.op_type == "LayerNormalization" and node.inputs[0] else None
        if producer is not None and producer.op_type == "Add":
            producer.op_type = "Sum"


def skip_idle_masks(model: ir.Model) -> None:
    """Leave the mask out of attention while it hides nothing, which is so in every batch of one text.

    The Add before a Softmax reads and writes every score: 52 of an attention's 257 us (12 heads, 128 tokens, float
    scores of int8 products), against 8 for an If around the two.
    """
    whole: dict[ir.Value, ir.Value] = {}
    for softmax in [node for node in model.graph if node.op_type == "Softmax"]:
        scores = softmax.inputs[0]
        add = scores.producer() if scores is not None else None
        if add is None or add.op_type != "Add":
            continue
        mask = add.inputs[1]
        assert mask is not None
        if mask not in whole:
            whole[mask] = _hides_nothing(model.graph, mask)
        name, axis = softmax.outputs[0].name, {"axis": softmax.attributes["axis"].as_int()}
        plain = ir.node("Softmax", add.inputs[:1], axis)
        masked = ir.node("Add", add.inputs)
        softened = ir.node("Softmax", masked.outputs, axis)
        branches = {
            "then_branch": _branch(f"{name}_plain", [plain]),
            "else_branch": _branch(f"{name}_masked", [masked, softened]),
        }
        choice = ir.node("If", [whole[mask]], branches)
        model.graph.insert_after(softmax, choice)
        softmax.outputs[0].replace_all_uses_with(choice.outputs[0])
        model.graph.remove([softmax, add], safe=True)


def _hides_nothing(graph: ir.Graph, mask: ir.Value) -> ir.Value:
    """Whether an additive mask is all zeros, computed once behind what makes it."""
    producer = mask.producer()
    assert producer is not None
    least = ir.node("ReduceMin", [mask], {"keepdims": 0})
    hides = ir.node("Cast", least.outputs, {"to": ir.DataType.BOOL})
    nothing = ir.node("Not", hides.outputs)
    graph.insert_after(producer, [least, hides, nothing])
    return nothing.outputs[0]


def _branch(name: str, nodes: Sequence[ir.Node]) -> ir.Graph:
    """A branch of an If; its values need names that the outer graph does not have."""
    for index, node in enumerate(nodes):
        node.name = node.outputs[0].name = f"{name}_{index}"
    output = nodes[-1].outputs[0]
    output.type = ir.TensorType(ir.DataType.FLOAT)
    return ir.Graph([], [output], nodes=nodes, name=name)


def name_the_interface(model: ir.Model, interface: Signature) -> None:
    """Give inputs, outputs and their axes the names of ``interface``."""
    for values, specs in ((model.graph.inputs, interface.inputs), (model.graph.outputs, interface.outputs)):
        for value, spec in zip(values, specs, strict=True):
            value.name, value.shape = spec.name, ir.Shape(spec.axes)


def forget_the_origin(model: ir.Model) -> None:
    """Drop metadata, doc strings and symbols of the capture: they hold paths, and differ between equal runs."""
    model.producer_name, model.producer_version, model.doc_string, model.graph.name = None, None, None, "squeezebert"
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    interface = {*model.graph.inputs, *model.graph.outputs}
    for value in [*model.graph.inputs, *model.graph.initializers.values()]:
        _forget(value, keep_shape=True)
    for node in model.graph:
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            _forget(value, keep_shape=value in interface)


def _forget(value: ir.Value, *, keep_shape: bool) -> None:
    value.metadata_props.clear()
    value.doc_string = None
    if not keep_shape:
        value.shape, value.type = None, None
