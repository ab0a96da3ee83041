"""A child process that runs models, because a runtime can die or hang on a damaged file, and the frames it talks in.

`Child` is the parent's end; it starts ``python -m MODULE DESCRIPTOR``, and that module answers with `serve`. Frames go
through a socket pair, so that nothing that native code prints gets among them; that is kept for the report of a death.

A frame is four bytes of kind, four bytes of the header's size, the header and the bytes of its arrays. The header is
JSON: a value, then the name, the type and the shape of each array.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BufferedIOBase
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from squeezebert_mobile.errors import EnvironmentFault, InputFileError, SqueezeBertMobileError
from squeezebert_mobile.run.huge_pages import with_huge_pages

Arrays = Mapping[str, NDArray[Any]]
Answer = tuple[Any, Arrays]
# Arrays, then arguments by name; the answer is a value that JSON knows, and arrays.
Handler = Callable[..., Answer]

_REQUEST, _ANSWER, _ERROR = b"call", b"done", b"fail"
_PREFIX = struct.Struct("<4sI")
_FACTS = ("file", "what", "fix", "found", "expected")
# numpy's kinds of plain numbers: the bytes of an array of objects would be taken for addresses.
_NUMBERS = "biuf"
# What reading a frame raises that is none.
_NONSENSE = (ValueError, TypeError, LookupError, OverflowError, MemoryError, RecursionError)


def write_frame(stream: BufferedIOBase, kind: bytes, value: object, arrays: Arrays) -> None:
    """Send a value and arrays by name."""
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    entries = [(name, array.dtype.str, array.shape) for name, array in plain.items()]
    header = json.dumps((value, entries)).encode()
    stream.write(_PREFIX.pack(kind, len(header)) + header)
    stream.writelines(array.data for array in plain.values())
    stream.flush()


def read_frame(stream: BufferedIOBase) -> tuple[bytes, Any, Arrays] | None:
    """The kind, the value and the arrays of the next frame, None where the other side has closed or died.

    Raises one of `_NONSENSE` for what is no frame.
    """
    prefix = stream.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return None
    kind, size = _PREFIX.unpack(prefix)
    if kind not in (_REQUEST, _ANSWER, _ERROR):
        raise ValueError(kind)
    header = stream.read(size)
    if len(header) < size:
        return None
    value, entries = json.loads(header)
    arrays = {}
    for name, dtype, shape in entries:
        array = arrays[name] = np.empty(shape, dtype)
        if array.dtype.kind not in _NUMBERS:
            raise ValueError(dtype)
        if stream.readinto(array.data) < array.nbytes:
            return None
    return kind, value, arrays


def serve(descriptor: int, handlers: Mapping[str, Handler]) -> None:
    """Answer requests by name until the parent closes its end or is gone; an error of ours is answered as itself."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as stream:
        while (frame := read_frame(stream)) is not None:
            _, (name, arguments), arrays = frame
            try:
                value, outputs = handlers[name](arrays, **arguments)
            except SqueezeBertMobileError as error:
                facts = {key: fact if fact is None else str(fact) for key, fact in vars(error).items() if key in _FACTS}
                write_frame(stream, _ERROR, {"exit_code": error.exit_code, **facts}, {})
            else:
                write_frame(stream, _ANSWER, value, outputs)


class Child:
    """A process of a module that serves requests; use it as a context manager.

    The memory of the process is to be in huge pages, and ``environment`` goes beside that of this process; ``python``
    is another interpreter than this one.
    """

    # A load that takes longer than this on a working file has never been seen; a damaged one can spin for ever.
    timeout_seconds: ClassVar[float | None] = 600

    def __init__(self, module: str, environment: Mapping[str, str] | None = None, python: Path | None = None) -> None:
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(self.timeout_seconds)
        self._stream = self._socket.makefile("rwb")
        with theirs:
            self._process = subprocess.Popen(
                [python or sys.executable, "-P", "-m", module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._printed,
                stderr=self._printed,
                env={**with_huge_pages(os.environ), **(environment or {})},
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, file: str | Path, name: str, arguments: Mapping[str, Any], arrays: Arrays | None = None) -> Answer:
        """The answer to one request; "load" is the one that reads a model. ``file`` is what errors name.

        Raises the error that the child answers with; InputFileError where a signal ends it, where it never comes back
        or answers nonsense; EnvironmentFault where it ends for want of memory or by itself.
        """
        try:
            write_frame(self._stream, _REQUEST, (name, arguments), arrays or {})
            frame = read_frame(self._stream)
            if frame is None:
                raise self._death(file, name)
            kind, value, outputs = frame
            if kind == _ERROR:
                raise _rebuilt(**value)
            if kind != _ANSWER:
                raise ValueError(kind)
        except TimeoutError:
            raise _corrupt(file, f"the runtime did not come back in {self.timeout_seconds} s") from None
        except ConnectionError:
            raise self._death(file, name) from None
        except _NONSENSE:
            raise _corrupt(file, "the runtime's process answered nonsense") from None
        return value, outputs

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        # A child that died has left the last request in the buffer, which closing would write.
        with suppress(OSError):
            self._stream.close()
        self._socket.close()
        self._printed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _death(self, file: str | Path, request: str) -> SqueezeBertMobileError:
        """What the process died of: by a signal, the file is taken to be corrupt."""
        _, status, usage = os.wait4(self._process.pid, 0)
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGKILL:
            fix = "close other programs, or use a machine with more memory"
            stage = "loaded" if request == "load" else "ran"
            # The kernel counts what the child shared with this process before it became its own program.
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            what = f"the runtime was killed while it {stage} the model, most likely for memory"
            return EnvironmentFault(file, what, found=f"a peak of at most {peak / 1e6:.0f} MB", fix=fix)
        if code < 0:
            return _corrupt(file, f"the runtime died of {signal.Signals(-code).name} on it")
        self._printed.seek(0)
        lines = self._printed.read().decode(errors="replace").strip().splitlines() or ["no message"]
        what = f"the runtime's process ended with {code}: {lines[-1][:300]}"
        return EnvironmentFault(file, what, fix="run squeezebert-mobile doctor")


def _corrupt(file: str | Path, how: str) -> InputFileError:
    return InputFileError(file, f"is corrupt: {how}", fix="copy or export the bundle again")


def _rebuilt(
    exit_code: int, file: str, what: str, fix: str, found: str | None, expected: str | None
) -> SqueezeBertMobileError:
    """The error that the child raised."""
    classes = {cls.exit_code: cls for cls in SqueezeBertMobileError.__subclasses__()}
    return classes[exit_code](file, what, fix=fix, found=found, expected=expected)
