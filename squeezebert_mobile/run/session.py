"""A session with one artifact of a bundle, in a child process whose death is reported as what it is."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, SqueezeBertMobileError
from squeezebert_mobile.run import child as worker
from squeezebert_mobile.run.huge_pages import with_huge_pages

# A load that takes longer than this on a working file has never been seen; a damaged one can spin for ever.
TIMEOUT_SECONDS = 600
# What reading a frame raises that is none.
_NONSENSE = (ValueError, EOFError, OverflowError, MemoryError, zipfile.BadZipFile)


class Session:
    """An artifact loaded in a child process; use it as a context manager.

    Raises IntegrityError where the file's digest is wrong, InputFileError where the runtime refuses it or dies on it,
    EnvironmentFault where the runtime is not installed.
    """

    def __init__(self, root: Path, artifact: Artifact, *, threads: int = 1) -> None:
        self._path = root / artifact.path
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "squeezebert_mobile.run.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=with_huge_pages(os.environ),
        )
        self._stage = "loaded"
        try:
            self._ask({"spec": np.array(request(root, artifact, threads=threads))})
        except BaseException:
            self.close()
            raise
        self._stage = "ran"

    def run(self, batch: Batch) -> dict[str, Float32]:
        """Outputs by name, fp32."""
        return {name: value.astype(np.float32, copy=False) for name, value in self._ask(dict(batch.arrays())).items()}

    def close(self) -> None:
        """End the child."""
        if self._child.stdin is not None and self._child.stdout is not None:
            # A child that died has left the last request in the pipe's buffer, which closing would write.
            with suppress(BrokenPipeError):
                self._child.stdin.close()
            self._child.stdout.close()
        self._child.kill()
        self._child.wait()
        self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: worker.Arrays) -> worker.Arrays:
        assert self._child.stdin is not None and self._child.stdout is not None
        # Not send_signal, which may reap the child and lose its peak of memory.
        watchdog = threading.Timer(TIMEOUT_SECONDS, os.kill, [self._child.pid, signal.SIGALRM])
        watchdog.start()
        try:
            worker.write_frame(self._child.stdin, request)  # type: ignore[arg-type]
            answer = worker.read_frame(self._child.stdout)  # type: ignore[arg-type]
        except BrokenPipeError:
            answer = None
        except _NONSENSE:
            what = "is corrupt: the runtime's process answered nonsense"
            raise InputFileError(self._path, what, fix="copy or export the bundle again") from None
        finally:
            watchdog.cancel()
        if answer is None:
            raise self._death()
        if "error" in answer:
            raise rebuild(answer)
        return answer

    def _death(self) -> SqueezeBertMobileError:
        """What the child died of: by a signal, the file is taken to be corrupt."""
        code, peak = _ended(self._child)
        if code == -signal.SIGKILL:
            fix = "close other programs, or use a machine with more memory"
            what = f"the runtime was killed while it {self._stage} the model, most likely for memory"
            return EnvironmentFault(self._path, what, found=f"a peak of at most {peak / 1e6:.0f} MB", fix=fix)
        if code == -signal.SIGALRM:
            what = f"is corrupt: the runtime did not come back in {TIMEOUT_SECONDS} s"
            return InputFileError(self._path, what, fix="copy or export the bundle again")
        if code < 0:
            what = f"is corrupt: the runtime died of {signal.Signals(-code).name} on it"
            return InputFileError(self._path, what, fix="copy or export the bundle again")
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines() or ["no message"]
        return EnvironmentFault(
            self._path,
            f"the runtime's process ended with {code}: {lines[-1][:300]}",
            fix="run squeezebert-mobile doctor",
        )


def _ended(child: "subprocess.Popen[bytes]") -> tuple[int, int]:
    """The exit code of a child that is about to end, and its peak of resident bytes.

    The kernel counts what the child shared with this process before it became its own program, so it is an upper bound.
    """
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def request(root: Path, artifact: Artifact, *, threads: int) -> str:
    """The first request of a session, as the worker reads it."""
    spec = {
        "path": str((root / artifact.path).absolute()),
        "sha256": artifact.sha256,
        "runtime": artifact.runtime,
        "threads": threads,
        "outputs": [output.model_dump(mode="json") for output in artifact.outputs],
    }
    return json.dumps(spec)


def rebuild(answer: worker.Arrays) -> SqueezeBertMobileError:
    """The error that the child raised, by its exit code."""
    code, file, what, fix, found, expected = map(str, answer["error"])
    classes = {str(cls.exit_code): cls for cls in SqueezeBertMobileError.__subclasses__()}
    return classes[code](file, what, fix=fix, found=found or None, expected=expected or None)
