"""ONNX Runtime's own operators for the exporter, which knows those of the standard only.

Source of every signature: docs/ContribOperators.md of onnxruntime, domain com.microsoft, version 1.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnx.defs import OpSchema
from onnxscript.values import Op, Opset

DOMAIN = "com.microsoft"
_ELEMENTS = {f"tensor({name})" for name in ("float", "uint8", "int8", "int32")}


def contrib(name: str, inputs: Sequence[str], attributes: Sequence[OpSchema.Attribute] = ()) -> Op:
    """The operator ``name`` of com.microsoft; an input whose name ends in ``?`` is optional."""
    parameters = [
        OpSchema.FormalParameter(
            key.rstrip("?"),
            f"T{index}",
            param_option=OpSchema.FormalParameterOption.Optional if key.endswith("?") else OpSchema.FormalParameterOption.Single,
        )
        for index, key in enumerate(inputs)
    ]
    constraints = [(parameter.type_str, sorted(_ELEMENTS), "") for parameter in parameters]
    output = [OpSchema.FormalParameter("y", "T")]
    schema = OpSchema(
        name,
        DOMAIN,
        1,
        inputs=parameters,
        outputs=output,
        type_constraints=[*constraints, ("T", sorted(_ELEMENTS), "")],
        attributes=list(attributes),
    )
    return Op(Opset(DOMAIN, 1), name, schema)


_GELU = contrib("Gelu", ["X"])


def _gelu(x: Any, approximate: str = "none") -> Any:
    from onnxscript import opset18 as op

    if approximate == "none":
        return _GELU(x)
    inner = op.Add(x, op.Mul(op.Mul(op.Mul(x, x), x), 0.044715))
    return op.Mul(op.Mul(x, 0.5), op.Add(op.Tanh(op.Mul(inner, 0.7978845608028654)), 1.0))


# Written as ONNX Runtime's operator, the exact Gelu does not hang on a fusion that a phone build may leave out.
TRANSLATIONS: dict[Any, Callable[..., Any]] = {torch.ops.aten.gelu.default: _gelu}
