"""ONNX Runtime and ExecuTorch in this process, behind one call.

The bytes given are trusted: whoever calls has compared their digest with the manifest (`bundle`), or runs this in a
child process (`runtime`), because both runtimes can die on a damaged file.
"""

import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle.manifest import TensorSpec
from squeezebert_mobile.errors import EnvironmentFault, UsageError
from squeezebert_mobile.tasks import Runtime


class Engine(Protocol):
    """A loaded model: inputs in, outputs by name out."""

    def run(self, batch: Batch) -> dict[str, Float32]:
        """Outputs by name."""
        ...


class OnnxEngine:
    """ONNX Runtime on the CPU provider; any batch, any padding."""

    def __init__(self, model: bytes, threads: int) -> None:
        # Upstream's switch; it must be set before the first use of the library.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        try:
            import onnxruntime
        except ImportError:
            raise missing_package("onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]

    def run(self, batch: Batch) -> dict[str, Float32]:
        """Outputs by name."""
        arrays = batch.arrays()
        values = self._session.run(self._outputs, {name: arrays[name] for name in self._inputs})
        return dict(zip(self._outputs, values, strict=True))


class ExecuTorchEngine:
    """ExecuTorch with XNNPACK: one unpadded row (or choice) a call, so a batch is a loop."""

    def __init__(self, model: bytes, threads: int, outputs: Sequence[TensorSpec]) -> None:
        try:
            from executorch.extension.pybindings import _portable_lib
        except ImportError:
            raise missing_package("executorch") from None
        _portable_lib._unsafe_reset_threadpool(threads)
        # The module reads from these bytes until it is gone, and does not hold them itself.
        self._model = model
        self._module = _portable_lib._load_for_executorch_from_buffer(model)
        self._outputs = tuple(outputs)

    def run(self, batch: Batch) -> dict[str, Float32]:
        """Outputs by name; per-token outputs repeat the last real token's row over the padding."""
        if batch.input_ids.ndim == 3:
            return self._run_choices(batch)
        rows = [self._run_row(batch.row(n)) for n in range(len(batch.input_ids))]
        width = batch.input_ids.shape[1]
        return {
            spec.name: np.stack([_pad(row[i], spec, width) for row in rows]) for i, spec in enumerate(self._outputs)
        }

    def _run_choices(self, batch: Batch) -> dict[str, Float32]:
        n, choices, width = batch.input_ids.shape
        flat = Batch(*(array.reshape(n * choices, width) for array in batch.arrays().values()))
        return {name: value.reshape(n, choices) for name, value in self.run(flat).items()}

    def _run_row(self, row: Batch) -> list[Float32]:
        import torch

        if not row.attention_mask.all():
            raise UsageError("attention_mask", "has padding before a real token", fix="pad on the right for ExecuTorch")
        inputs = [torch.from_numpy(row.input_ids), torch.from_numpy(row.token_type_ids)]
        return [value[0].numpy().copy() for value in self._module.forward(inputs)]


def _pad(row: Float32, spec: TensorSpec, width: int) -> Float32:
    """A row of a per-token output, [W', ...], with its last token repeated up to [W, ...]."""
    if "sequence_length" not in spec.axes:
        return row
    return np.concatenate([row, np.repeat(row[-1:], width - len(row), axis=0)])


def load_engine(runtime: Runtime, model: bytes, threads: int, outputs: Sequence[TensorSpec]) -> Engine:
    """The engine for ``runtime`` with the model in ``model``. Raises EnvironmentFault where its package is missing."""
    match runtime:
        case "onnx":
            return OnnxEngine(model, threads)
        case "executorch":
            return ExecuTorchEngine(model, threads, outputs)


def missing_package(name: str) -> EnvironmentFault:
    """The error for a package that is not installed."""
    return EnvironmentFault(
        name, "is not installed", fix=f"pip install {name}, or pip install --force-reinstall squeezebert-mobile"
    )
