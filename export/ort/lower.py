"""From the reference model to the bytes of an ONNX file: mobile form, int8, capture, translation, passes, check."""

from collections.abc import Sequence

import onnx
import onnx_ir as ir
import torch

from squeezebert_mobile.bundle.manifest import TensorSpec
from squeezebert_mobile.console import quiet
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.export.inventory import Lowered, summarize
from squeezebert_mobile.export.ort import passes as onnx_passes
from squeezebert_mobile.export.ort.form import OrtModel
from squeezebert_mobile.export.ort.ops import TRANSLATIONS
from squeezebert_mobile.export.ort.quantize import approximate_units, float_parts, quantize
from squeezebert_mobile.export.quantization import Scheme, Static
from squeezebert_mobile.export.signature import checked_length, signature
from squeezebert_mobile.export.weights import fallback_notes
from squeezebert_mobile.model import PreTrained

# LayerNormalization came with 17; the exporter translates to 18 and newer. ONNX Runtime 1.20, the oldest that artifacts
# are tried with, knows opset 21 and IR 10.
OPSETS = range(18, 22)
IR_VERSION = 10


def lower_onnx(
    model: PreTrained,
    *,
    scheme: Scheme | None = None,
    opset: int = 18,
    max_seq_len: int | None = None,
) -> Lowered:
    """The ONNX file of ``model`` in the precision of ``scheme`` (None: fp32), for any batch and 1..max_seq_len tokens.

    Raises UsageError for an opset or length outside of what the runtimes and the model take.
    """
    length = checked_length(max_seq_len, model.config.max_position_embeddings)
    interface = signature(model.task, model.config, "onnx", model.output_names)
    if opset not in OPSETS:
        raise UsageError(
            "--opset", "is not supported", found=opset, expected=f"{OPSETS[0]} to {OPSETS[-1]}", fix="leave --opset out"
        )
    # 1. Rewrite, and quantize in place
    form = OrtModel(model, length).eval()
    parts = float_parts(form, "fp32 was asked for") if scheme is None else quantize(form, scheme)
    approximated = approximate_units(form)
    if isinstance(scheme, Static) and scheme.approximate_gelu and not approximated:
        what = "finds no Gelu in integers to replace"
        raise UsageError("--approximate-gelu", what, found=model.config.hidden_act, fix="leave it out")
    # 2. Capture and translate
    translated = _translate(_capture(form, interface.inputs, length), opset)
    # 3. Passes
    onnx_passes.normalize_over_tokens(translated)
    onnx_passes.keep_residuals_apart(translated)
    onnx_passes.skip_idle_masks(translated)
    onnx_passes.name_the_interface(translated, interface)
    onnx_passes.forget_the_origin(translated)
    translated.ir_version = IR_VERSION
    data = ir.serde.serialize_model(translated).SerializeToString(deterministic=True)
    # 4. Check
    onnx.checker.check_model(data, full_check=True)
    fast, fallbacks = fallback_notes(model.config)
    ranges = scheme.ranges.by_name if isinstance(scheme, Static) else None
    inventory = summarize(fast=fast, fallbacks=(*fallbacks, *approximated), parts=parts, ranges=ranges)
    return Lowered(data, inventory, f"opset {opset}")


def _capture(form: OrtModel, inputs: Sequence[TensorSpec], length: int) -> torch.export.ExportedProgram:
    axes = inputs[0].axes
    # An axis of size 1 would be captured as a constant, so the example has more where the model allows it.
    sizes = [min(2 + index, length) if axis == "sequence_length" else 2 for index, axis in enumerate(axes)]
    dims = {
        index: torch.export.Dim(str(axis), max=length) if axis == "sequence_length" else torch.export.Dim(str(axis))
        for index, axis in enumerate(axes)
    }
    # Three tensors: capture takes one tensor given twice for one input.
    example = tuple(torch.ones(sizes, dtype=torch.int64) for _ in inputs)
    with torch.no_grad(), quiet():
        return torch.export.export(form, example, dynamic_shapes=(dims,) * len(example), strict=False)


def _translate(program: torch.export.ExportedProgram, opset: int) -> ir.Model:
    with torch.no_grad(), quiet():
        translated = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=opset,
            optimize=True,
            verbose=False,
            custom_translation_table=TRANSLATIONS,
        )
    assert translated is not None
    return translated.model
