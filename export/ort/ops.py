"""Quantized operators of ONNX Runtime as PyTorch operators, each with its arithmetic in eager mode and its translation.

Eager and runtime round alike (half to even, float32 scales, int32 sums), so a quantized form can be judged in PyTorch.
Sources: docs/ContribOperators.md of onnxruntime (domain com.microsoft, version 1) and the ONNX operator specification.
u8 activations go with s8 weights everywhere: MLAS has its fast kernels for that pair on both x86-64 and ARM.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnx.defs import OpSchema
from onnxscript import opset18 as op
from onnxscript.values import Op, Opset
from torch import Tensor

DOMAIN = "com.microsoft"
_ELEMENTS = [f"tensor({name})" for name in ("float", "int32", "int8", "uint8")]


def contrib(name: str, inputs: Sequence[str], attributes: Sequence[OpSchema.Attribute] = ()) -> Op:
    """The operator ``name`` of com.microsoft; an input whose name ends in ``?`` is optional."""
    kind = OpSchema.FormalParameterOption
    parameters = [
        OpSchema.FormalParameter(
            key.rstrip("?"), f"T{index}", param_option=kind.Optional if key.endswith("?") else kind.Single
        )
        for index, key in enumerate(inputs)
    ]
    schema = OpSchema(
        name,
        DOMAIN,
        1,
        inputs=parameters,
        outputs=[OpSchema.FormalParameter("y", "T")],
        type_constraints=[(t, _ELEMENTS, "") for t in [*(parameter.type_str for parameter in parameters), "T"]],
        attributes=list(attributes),
    )
    return Op(Opset(DOMAIN, 1), name, schema)


_GELU = contrib("Gelu", ["X"])
_FAST_GELU = contrib("FastGelu", ["X"])
_DYNAMIC_MATMUL = contrib("DynamicQuantizeMatMul", ["A", "B", "b_scale", "b_zero_point?", "bias?"])
_INTEGER_MATMUL = contrib(
    "MatMulIntegerToFloat", ["A", "B", "a_scale", "b_scale", "a_zero_point?", "b_zero_point?", "bias?"]
)
_CONV = contrib(
    "QLinearConv",
    ["x", "x_scale", "x_zero", "w", "w_scale", "w_zero", "y_scale", "y_zero", "B?"],
    [
        OpSchema.Attribute("channels_last", OpSchema.AttrType.INT, ""),
        OpSchema.Attribute("kernel_shape", OpSchema.AttrType.INTS, ""),
    ],
)
_SIGMOID = contrib("QLinearSigmoid", ["X", "X_scale", "X_zero", "Y_scale", "Y_zero?"])
_MUL = contrib("QLinearMul", ["A", "A_scale", "A_zero", "B", "B_scale", "B_zero", "C_scale", "C_zero?"])


@torch.library.custom_op("squeezebert_mobile::quantize", mutates_args=())
def quantize(x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """QuantizeLinear: float to the type of ``zero`` (uint8 or int8), scale and zero scalar."""
    return _saturate((x / scale).round() + zero, zero.dtype)


@torch.library.custom_op("squeezebert_mobile::dequantize", mutates_args=())
def dequantize(x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """DequantizeLinear: integers to float; scale and zero scalar."""
    return (x.to(torch.int32) - zero.to(torch.int32)) * scale


@torch.library.custom_op("squeezebert_mobile::dequantize_rows", mutates_args=())
def dequantize_rows(x: Tensor, scale: Tensor) -> Tensor:
    """DequantizeLinear of s8 rows [T, C] with a scale for each [T]."""
    return x.to(torch.float32) * scale[:, None]


@torch.library.custom_op("squeezebert_mobile::dynamic_matmul", mutates_args=())
def dynamic_matmul(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """DynamicQuantizeMatMul: float [T, in] by s8 [in, out], scale and bias [out]; one range for all of ``x``."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    x_scale = torch.tensor((high - low) / 255 or 1.0)
    zero = _saturate((-low / x_scale).round(), torch.uint8)
    return integer_matmul(quantize(x, x_scale, zero), weight, x_scale, scale, zero, bias)


@torch.library.custom_op("squeezebert_mobile::integer_matmul", mutates_args=())
def integer_matmul(
    a: Tensor, b: Tensor, a_scale: Tensor, b_scale: Tensor, a_zero: Tensor, bias: Tensor | None
) -> Tensor:
    """MatMulIntegerToFloat: u8 by s8 to float; ``b_scale`` and ``bias`` scalar or per column of ``b``."""
    product = _product(a, a_zero, b) * (a_scale * b_scale)
    return product if bias is None else product + bias


@torch.library.custom_op("squeezebert_mobile::qlinear_matmul", mutates_args=())
def qlinear_matmul(
    a: Tensor,
    a_scale: Tensor,
    a_zero: Tensor,
    b: Tensor,
    b_scale: Tensor,
    b_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
) -> Tensor:
    """QLinearMatMul: u8 by s8 to u8, all scales and zero points scalar."""
    product = _product(a, a_zero, b.to(torch.int32) - b_zero.to(torch.int32))
    return _saturate((product * (a_scale * b_scale / y_scale)).round() + y_zero, torch.uint8)


@torch.library.custom_op("squeezebert_mobile::qlinear_conv", mutates_args=())
def qlinear_conv(
    x: Tensor,
    x_scale: Tensor,
    x_zero: Tensor,
    weight: Tensor,
    w_scale: Tensor,
    w_zero: Tensor,  # noqa: ARG001  always 0
    y_scale: Tensor,
    y_zero: Tensor,
    bias: Tensor,
) -> Tensor:
    """QLinearConv, 1x1, channels last: u8 [1, T, in] by s8 [out, in, 1] to u8 [1, T, out]; bias int32 [out]."""
    sums = _product(x, x_zero, weight[:, :, 0].T).to(torch.int32) + bias
    return _saturate((sums * (x_scale * w_scale / y_scale)).round() + y_zero, torch.uint8)


@torch.library.custom_op("squeezebert_mobile::qlinear_sigmoid", mutates_args=())
def qlinear_sigmoid(x: Tensor, x_scale: Tensor, x_zero: Tensor, y_scale: Tensor, y_zero: Tensor) -> Tensor:
    """QLinearSigmoid, u8 to u8."""
    y = torch.sigmoid((x.to(torch.float32) - x_zero) * x_scale)
    return _saturate((y / y_scale).round() + y_zero, torch.uint8)


@torch.library.custom_op("squeezebert_mobile::clip", mutates_args=())
def clip(x: Tensor, top: Tensor) -> Tensor:
    """Clip of u8 from above; `torch.clamp` would become Min, which ONNX Runtime 1.20 has not for u8."""
    return x.minimum(top)


@torch.library.custom_op("squeezebert_mobile::qlinear_mul", mutates_args=())
def qlinear_mul(
    a: Tensor,
    a_scale: Tensor,
    a_zero: Tensor,
    b: Tensor,
    b_scale: Tensor,
    b_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
) -> Tensor:
    """QLinearMul, u8 by u8 to u8, element by element."""
    y = (a.to(torch.float32) - a_zero) * a_scale * ((b.to(torch.float32) - b_zero) * b_scale)
    return _saturate((y / y_scale).round() + y_zero, torch.uint8)


# What capture knows of a result: its shape and type.
quantize.register_fake(lambda x, _scale, zero: torch.empty_like(x, dtype=zero.dtype))
dequantize.register_fake(lambda x, *_: torch.empty_like(x, dtype=torch.float32))
dequantize_rows.register_fake(lambda x, _scale: torch.empty_like(x, dtype=torch.float32))
dynamic_matmul.register_fake(lambda x, weight, *_: x.new_empty((*x.shape[:-1], weight.shape[-1])))
integer_matmul.register_fake(lambda a, b, *_: a.new_empty((*a.shape[:-1], b.shape[-1]), dtype=torch.float32))
qlinear_matmul.register_fake(lambda a, _scale, _zero, b, *_: a.new_empty((*a.shape[:-1], b.shape[-1])))
qlinear_conv.register_fake(lambda x, _scale, _zero, weight, *_: x.new_empty((*x.shape[:-1], weight.shape[0])))
qlinear_sigmoid.register_fake(lambda x, *_: torch.empty_like(x))
clip.register_fake(lambda x, _top: torch.empty_like(x))
qlinear_mul.register_fake(lambda a, *_: torch.empty_like(a))


def _product(a: Tensor, a_zero: Tensor, b: Tensor) -> Tensor:
    """The integer product; doubles hold every sum exactly, and torch has no u8 by s8 product."""
    return ((a.to(torch.float64) - a_zero) @ b.to(torch.float64)).to(torch.float32)


def _saturate(x: Tensor, kind: torch.dtype) -> Tensor:
    limits = torch.iinfo(kind)
    return x.clamp(limits.min, limits.max).to(kind)


# onnxscript's values have no public type.
Value = Any


def _onnx_gelu(x: Value, approximate: str = "none") -> Value:
    return _GELU(x) if approximate == "none" else _FAST_GELU(x)


def _onnx_quantize(x: Value, scale: Value, zero: Value) -> Value:
    return op.QuantizeLinear(x, scale, zero)


def _onnx_dequantize(x: Value, scale: Value, zero: Value) -> Value:
    return op.DequantizeLinear(x, scale, zero)


def _onnx_dequantize_rows(x: Value, scale: Value) -> Value:
    return op.DequantizeLinear(x, scale, axis=0)


def _onnx_dynamic_matmul(x: Value, weight: Value, scale: Value, bias: Value) -> Value:
    return _DYNAMIC_MATMUL(x, weight, scale, None, bias)


def _onnx_integer_matmul(
    a: Value, b: Value, a_scale: Value, b_scale: Value, a_zero: Value, bias: Value = None
) -> Value:
    return _INTEGER_MATMUL(a, b, a_scale, b_scale, a_zero, None, bias)


def _onnx_qlinear_matmul(*inputs: Value) -> Value:
    return op.QLinearMatMul(*inputs)


def _onnx_qlinear_conv(*inputs: Value) -> Value:
    return _CONV(*inputs, channels_last=1, kernel_shape=[1])


def _onnx_qlinear_sigmoid(*inputs: Value) -> Value:
    return _SIGMOID(*inputs)


def _onnx_clip(x: Value, top: Value) -> Value:
    return op.Clip(x, None, top)


def _onnx_qlinear_mul(*inputs: Value) -> Value:
    return _MUL(*inputs)


_OURS = torch.ops.squeezebert_mobile
# Written as ONNX Runtime's operators, Gelu does not hang on a fusion that a phone build may leave out.
TRANSLATIONS: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.gelu.default: _onnx_gelu,
    _OURS.quantize.default: _onnx_quantize,
    _OURS.dequantize.default: _onnx_dequantize,
    _OURS.dequantize_rows.default: _onnx_dequantize_rows,
    _OURS.dynamic_matmul.default: _onnx_dynamic_matmul,
    _OURS.integer_matmul.default: _onnx_integer_matmul,
    _OURS.qlinear_matmul.default: _onnx_qlinear_matmul,
    _OURS.qlinear_conv.default: _onnx_qlinear_conv,
    _OURS.qlinear_sigmoid.default: _onnx_qlinear_sigmoid,
    _OURS.clip.default: _onnx_clip,
    _OURS.qlinear_mul.default: _onnx_qlinear_mul,
}
