"""ONNX Runtime, ExecuTorch and Core AI in this process, behind one call.

They can die on a damaged file, so a file that may be one is opened in a child process (`session`).
"""

import importlib
import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from squeezebert_mobile import extras
from squeezebert_mobile.batch import Batch, Float32, Int64
from squeezebert_mobile.bundle.manifest import Artifact, TensorSpec
from squeezebert_mobile.errors import (
    EnvironmentFault,
    InputFileError,
    SqueezeBertMobileError,
    UnsupportedModelError,
    UsageError,
)
from squeezebert_mobile.files import read_verified
from squeezebert_mobile.tasks import Runtime

# ONNX Runtime's own exceptions for operators and types that it lacks, and what it says of versions that it does not
# know, for which it has no type.
_UNSUPPORTED_TYPES = ("InvalidGraph", "NotImplemented")
_UNSUPPORTED_WORDS = ("opset version", "IR version")
# A protobuf message, whose sizes are signed and have 32 bits.
_LARGEST_ONNX = 2**31 - 1


class OnnxEngine:
    """ONNX Runtime on the CPU provider; any batch, any padding."""

    def __init__(self, model: bytes, threads: int) -> None:
        # Upstream's switch; it must be set before the first use of the library.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        onnxruntime = _require("onnxruntime", "onnxruntime")
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


class RowEngine(ABC):
    """A runtime that takes one unpadded row (or choice) a call, so that a batch is a loop."""

    def __init__(self, outputs: Sequence[TensorSpec]) -> None:
        self._outputs = tuple(outputs)

    @abstractmethod
    def forward(self, *inputs: Int64) -> list[Float32]:
        """The model's outputs for its own inputs, in their order."""

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
        items = batch.input_ids.shape[:2]
        return {name: value.reshape(items) for name, value in self.run(batch.of_rows()).items()}

    def _run_row(self, row: Batch) -> list[Float32]:
        if not row.attention_mask.all():
            raise UsageError("attention_mask", "has padding before a real token", fix="pad on the right")
        return [value[0] for value in self.forward(row.input_ids, row.token_type_ids)]


class ExecuTorchEngine(RowEngine):
    """ExecuTorch with XNNPACK."""

    def __init__(self, model: bytes, threads: int, outputs: Sequence[TensorSpec]) -> None:
        super().__init__(outputs)
        runtime = import_executorch()
        runtime._unsafe_reset_threadpool(threads)
        # The module reads from these bytes until it is gone, and does not hold them itself.
        self._model = model
        self._module = runtime._load_for_executorch_from_buffer(model)

    def forward(self, *inputs: Int64) -> list[Float32]:
        """The program's outputs for its own inputs, in their order."""
        import torch

        return [value.numpy().copy() for value in self._module.forward([torch.from_numpy(array) for array in inputs])]


class CoreAiEngine(RowEngine):
    """Core AI's runtime for processors as its package has it, which answers right and slowly: no time of it counts."""

    def __init__(self, files: Mapping[str, bytes], artifact: Artifact) -> None:
        # A tenth of a second that the other engines do not take.
        import asyncio

        super().__init__(artifact.outputs)
        self._names = [spec.name for spec in artifact.inputs]
        self._array = _require("coreai-core", "coreai.runtime").NDArray
        assets = _require("coreai-core", "coreai.authoring").AIModelAsset
        self._loop = asyncio.new_event_loop()
        with private_temporaries() as folder:
            asset = folder / "model.aimodel"
            for name, data in files.items():
                (asset / name).parent.mkdir(parents=True, exist_ok=True)
                (asset / name).write_bytes(data)
            # Left open as long as the process lives, which ends without a word.
            self._opened = assets.load(asset).executable()
            self._function = self._loop.run_until_complete(self._opened.__aenter__()).load_function("main")

    def forward(self, *inputs: Int64) -> list[Float32]:
        """The model's outputs for its own inputs, in their order."""
        given = dict(zip(self._names, (self._array(array.astype(np.int32)) for array in inputs), strict=True))

        async def call() -> Any:
            return await self._function(given)

        found = self._loop.run_until_complete(call())
        return [np.array(found[spec.name].numpy(), np.float32) for spec in self._outputs]


@contextmanager
def private_temporaries() -> Iterator[Path]:
    """A folder for all that libraries write to temporary ones; it is gone afterwards, whatever still reads from it."""
    before = tempfile.tempdir
    with TemporaryDirectory(prefix="squeezebert-mobile-") as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


def _pad(row: Float32, spec: TensorSpec, width: int) -> Float32:
    """A row of a per-token output, [W', ...], with its last token repeated up to [W, ...]."""
    if "sequence_length" not in spec.axes:
        return row
    return np.concatenate([row, np.repeat(row[-1:], width - len(row), axis=0)])


Engine = OnnxEngine | RowEngine


def load_engine(runtime: Runtime, model: bytes, threads: int, outputs: Sequence[TensorSpec]) -> Engine:
    """The engine for ``runtime`` with the model in ``model``, to be timed.

    Raises EnvironmentFault where its package is missing, and UsageError for Core AI.
    """
    match runtime:
        case "onnx":
            return OnnxEngine(model, threads)
        case "executorch":
            return ExecuTorchEngine(model, threads, outputs)
        case "coreai":
            what = "is not timed here: its package answers right, and as slowly as no device does"
            raise UsageError("--runtime coreai", what, fix="take another runtime, and time this one on an iPhone")


def import_executorch() -> Any:
    """ExecuTorch's bare runtime; its public module brings the whole exporter. Raises EnvironmentFault without it."""
    return _require("executorch", *(f"executorch.extension.pybindings.{name}" for name in ("_C", "_portable_lib")))


def _require(package: str, *names: str) -> Any:
    """A runtime's module, by the first of its names that is there. Raises EnvironmentFault without it."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        except ImportError as error:
            raise EnvironmentFault(package, f"does not import: {error}", fix="run squeezebert-mobile doctor") from None
    raise EnvironmentFault(package, "is not installed", fix=extras.install(package))


def open_artifact(path: Path, artifact: Artifact, threads: int) -> Engine:
    """The engine of a bundle's file: the bytes whose digest was compared are the ones that the runtime gets.

    Raises IntegrityError for another digest, UnsupportedModelError or InputFileError for what the runtime refuses.
    """
    with refusals(path):
        if artifact.runtime == "coreai":
            digests = {entry.path.removeprefix(f"{artifact.path}/"): entry.sha256 for entry in artifact.files}
            return CoreAiEngine({name: read_verified(path / name, sum_) for name, sum_ in digests.items()}, artifact)
        if artifact.runtime == "onnx":
            _refuse_too_large(path)
        model = read_verified(path, artifact.sha256)
        if artifact.runtime == "onnx":
            _require_form(model, artifact.form, path)
        engine = load_engine(artifact.runtime, model, threads, artifact.outputs)
        if artifact.runtime == "executorch":
            _refuse_foreign_backends(model, path)
        return engine


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turn what a runtime raises into what it means: a sound file that it does not support, or a damaged one."""
    try:
        yield
    except SqueezeBertMobileError:
        raise
    # The runtimes raise bare RuntimeError and types of their own.
    except Exception as error:
        what = f"was refused by the runtime: {str(error)[:500]}"
        if type(error).__name__ in _UNSUPPORTED_TYPES or any(words in str(error) for words in _UNSUPPORTED_WORDS):
            fix = "update the runtime's package, or export with this version of it"
            raise UnsupportedModelError(path, what, fix=fix) from error
        raise InputFileError(path, what, fix="copy or export the bundle again") from error


def require_declared(outputs: Mapping[str, Float32], specs: Sequence[TensorSpec], batch: Batch, path: Path) -> None:
    """Raise InputFileError for other outputs than the manifest declares, which would be read as other answers.

    A named axis counts tokens: all of them, but of padding as many as the file likes.
    """
    fix = "export the bundle again"
    declared = {spec.name: spec for spec in specs}
    if outputs.keys() != declared.keys():
        what, found = "has other outputs than its manifest says", ", ".join(outputs)[:100]
        raise InputFileError(path, what, found=found, expected=", ".join(declared)[:100], fix=fix)
    *items, width = batch.input_ids.shape
    tokens = int(batch.attention_mask.sum(-1).max())
    for name, spec in declared.items():
        shape, rest = outputs[name].shape, spec.axes[len(items) :]
        sizes = zip(shape[len(items) :], rest, strict=False)
        fits = all(tokens <= size <= width if isinstance(axis, str) else size == axis for size, axis in sizes)
        if len(shape) != len(items) + len(rest) or list(shape[: len(items)]) != items or not fits:
            what = f"gives an output {name} of another shape than its manifest says"
            raise InputFileError(path, what, found=list(shape), expected=[*items, *rest], fix=fix)


def _refuse_too_large(path: Path) -> None:
    """Raise UnsupportedModelError for an ONNX file that protobuf cannot hold, before it fills the memory."""
    size = path.stat().st_size if path.is_file() else 0
    if size > _LARGEST_ONNX:
        found, expected = f"{size} bytes", f"at most {_LARGEST_ONNX}"
        fix = "export a smaller model; a bundle's model is one file"
        raise UnsupportedModelError(path, "is larger than an ONNX file can be", found=found, expected=expected, fix=fix)


def _require_form(model: bytes, form: str | None, path: Path) -> None:
    """Raise InputFileError for another format than the manifest's, which the runtime would take as well.

    Of its own, no part lies in other files: it has the weights inside.
    """
    is_own = model[4:8] == b"ORTM"
    if is_own and form is None:
        what, fix = "is in ONNX Runtime's own format, not ONNX", "export the bundle again; its .onnx is ONNX"
        raise InputFileError(path, what, fix=fix)
    if form == "ort" and not is_own:
        raise InputFileError(path, "is not in ONNX Runtime's own format", fix="make the pack again")
    if form is None:
        _refuse_external_data(model, path)


def _refuse_external_data(model: bytes, path: Path) -> None:
    """Raise InputFileError for an ONNX file with weights in other files: the digest says nothing of those."""
    if b"location" not in model:
        return
    import onnx

    # Written again, every key stands in its one shortest form: a tag, a length of 8, "location".
    if b"\x0a\x08location" in onnx.load_model_from_string(model).SerializeToString():
        fix = "export the bundle again; a bundle's model is one file"
        raise InputFileError(path, "keeps weights in another file", fix=fix)


def _refuse_foreign_backends(model: bytes, path: Path) -> None:
    """Raise UnsupportedModelError for a .pte with parts for another backend; the runtime gives but a number for it."""
    named = {name.decode() for name in re.findall(rb"[A-Z][A-Za-z]+Backend(?=\0)", model)}
    present = sorted(import_executorch()._get_registered_backend_names())
    if missing := sorted(named - set(present)):
        what, fix = f"needs {missing[0]}", "install an executorch that has it, or export for XNNPACK"
        raise UnsupportedModelError(path, what, found=", ".join(present), fix=fix)
