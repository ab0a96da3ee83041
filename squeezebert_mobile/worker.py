"""The child process that runs one model for its parent: a runtime that dies on a damaged file dies here.

Frames on stdin and stdout: eight bytes of length, then an npz archive without pickles. The first request names the
model; its answer is empty. An answer with ``error`` in it carries [exit code, file, what, fix] as text.
"""

import io
import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.digest import read_verified
from squeezebert_mobile.engines import Engine, load_engine
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError
from squeezebert_mobile.manifest import TensorSpec

Arrays = dict[str, NDArray[np.generic]]


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
    model = read_verified(Path(spec["path"]), spec["sha256"])
    outputs = [TensorSpec.model_validate_json(json.dumps(output)) for output in spec["outputs"]]
    return load_engine(spec["runtime"], model, spec["threads"], outputs)


def _error(error: SqueezeBertMobileError) -> Arrays:
    return {
        "error": np.array(
            [str(error.exit_code), error.file, error.what, error.fix, str(error.found or ""), str(error.expected or "")]
        )
    }


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the parent closes the pipe."""
    engine: Engine | None = None
    while (request := read_frame(requests)) is not None:
        try:
            if engine is None:
                engine = _open(request)
                answer: Arrays = {}
            else:
                answer = dict(engine.run(Batch(**request)))  # type: ignore[arg-type]
        except SqueezeBertMobileError as error:
            answer = _error(error)
        except Exception as error:  # noqa: BLE001 - the runtimes raise bare RuntimeError and types of their own
            what = f"was refused by the runtime: {str(error)[:500]}"
            path = json.loads(str(request["spec"]))["path"] if "spec" in request else "model"
            answer = _error(InputFileError(path, what, fix="export the bundle again"))
        write_frame(answers, answer)


def main() -> None:
    """Serve on stdin and stdout; whatever a native library prints goes to stderr instead of into the frames."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
