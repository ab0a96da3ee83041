"""The child process that runs one model for its parent: a runtime that dies on a damaged file dies here.

Frames on stdin and stdout: eight bytes of length, then an npz archive without pickles. The first request names the
model; its answer is empty. An answer with ``error`` in it carries [exit code, file,
what, fix, found, expected] as text.
"""

import io
import json
import os
import re
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.bundle.manifest import TensorSpec
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError, UnsupportedModelError
from squeezebert_mobile.files import read_verified
from squeezebert_mobile.run.engines import Engine, load_engine

Arrays = dict[str, NDArray[np.generic]]

# ONNX Runtime's own exceptions for operators and types that it lacks, and what it says of versions that it does not
# know, for which it has no type.
_UNSUPPORTED_TYPES = ("InvalidGraph", "NotImplemented")
_UNSUPPORTED_WORDS = ("opset version", "IR version")
# A protobuf message, whose sizes are signed and have 32 bits.
_LARGEST_ONNX = 2**31 - 1


def write_frame(stream: BinaryIO, arrays: Arrays) -> None:
    """Send arrays by name."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    data = buffer.getvalue()
    stream.write(len(data).to_bytes(8, "little") + data)
    stream.flush()


def read_frame(stream: BinaryIO) -> Arrays | None:
    """The next arrays, None where the other side has closed or died."""
    head = stream.read(8)
    size = int.from_bytes(head, "little")
    data = stream.read(size) if len(head) == 8 else b""
    if len(head) < 8 or len(data) < size:
        return None
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _open(request: Arrays) -> Engine:
    """Read the file, compare its digest, and give those same bytes to the runtime."""
    spec = json.loads(str(request["spec"]))
    if spec["runtime"] == "onnx":
        _refuse_too_large(Path(spec["path"]))
    model = read_verified(Path(spec["path"]), spec["sha256"])
    if spec["runtime"] == "onnx":
        _refuse_external_data(model, spec["path"])
    outputs = [TensorSpec.model_validate_json(json.dumps(output)) for output in spec["outputs"]]
    engine = load_engine(spec["runtime"], model, spec["threads"], outputs)
    if spec["runtime"] == "executorch":
        _refuse_foreign_backends(model, spec["path"])
    return engine


def _refuse_too_large(path: Path) -> None:
    """Raise UnsupportedModelError for an ONNX file that protobuf cannot hold, before it fills the memory."""
    size = path.stat().st_size if path.is_file() else 0
    if size > _LARGEST_ONNX:
        found, expected = f"{size} bytes", f"at most {_LARGEST_ONNX}"
        fix = "export a smaller model; a bundle's model is one file"
        raise UnsupportedModelError(path, "is larger than an ONNX file can be", found=found, expected=expected, fix=fix)


def _refuse_external_data(model: bytes, path: str) -> None:
    """Raise InputFileError for an ONNX file with weights in other files: the digest says nothing of those."""
    if b"location" not in model:
        return
    import onnx

    # Written again, every key stands in its one shortest form: a tag, a length of 8, "location".
    if b"\x0a\x08location" in onnx.load_model_from_string(model).SerializeToString():
        fix = "export the bundle again; a bundle's model is one file"
        raise InputFileError(path, "keeps weights in another file", fix=fix)


def _refuse_foreign_backends(model: bytes, path: str) -> None:
    """Raise UnsupportedModelError for a .pte with parts for another backend; the runtime gives but a number for it."""
    from executorch.extension.pybindings import _portable_lib

    named = {name.decode() for name in re.findall(rb"[A-Z][A-Za-z]+Backend(?=\0)", model)}
    present = sorted(_portable_lib._get_registered_backend_names())
    if missing := sorted(named - set(present)):
        what, fix = f"needs {missing[0]}", "install an executorch that has it, or export for XNNPACK"
        raise UnsupportedModelError(path, what, found=", ".join(present), fix=fix)


def _refusal(error: Exception, path: str) -> SqueezeBertMobileError:
    """What a runtime's own error means: a sound file that it does not support, or a damaged one."""
    what = f"was refused by the runtime: {str(error)[:500]}"
    if type(error).__name__ in _UNSUPPORTED_TYPES or any(words in str(error) for words in _UNSUPPORTED_WORDS):
        return UnsupportedModelError(path, what, fix="update the runtime's package, or export with this version of it")
    return InputFileError(path, what, fix="copy or export the bundle again")


def _error(error: SqueezeBertMobileError) -> Arrays:
    return {
        "error": np.array(
            [str(error.exit_code), error.file, error.what, error.fix, str(error.found or ""), str(error.expected or "")]
        )
    }


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the parent closes the pipe."""
    engine: Engine | None = None
    path = "model"
    while (request := read_frame(requests)) is not None:
        try:
            if engine is None:
                path = json.loads(str(request["spec"]))["path"]
                engine = _open(request)
                answer: Arrays = {}
            else:
                answer = dict(engine.run(Batch(**request)))  # type: ignore[arg-type]
        except SqueezeBertMobileError as error:
            answer = _error(error)
        except Exception as error:  # noqa: BLE001 - the runtimes raise bare RuntimeError and types of their own
            answer = _error(_refusal(error, path))
        write_frame(answers, answer)


def main() -> None:
    """Serve on stdin and stdout; whatever a native library prints goes to stderr instead of into the frames."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
