"""The parent's end of a measuring process: start it, ask it, end it."""

import os
import socket
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from typing import Self

from squeezebert_mobile.benchmarks.candidates import Candidate
from squeezebert_mobile.benchmarks.messages import Item, Load, Loaded, Measure, ReadPace, Timing
from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.run.huge_pages import with_huge_pages


class Child:
    """A fresh process for candidates of one runtime and one number of threads; use it as a context manager.

    Raises EnvironmentFault where the process dies, and whatever error it reports.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        ours, theirs = socket.socketpair()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        # Without these, libraries would start threads of their own beside the ones that the protocol names.
        # numpy's, which take the product that shows the machine's pace, would wait for the next one busily.
        quiet = {
            "OMP_NUM_THREADS": str(threads),
            "OPENBLAS_THREAD_TIMEOUT": "4",
            "ORT_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "1",
        }
        # Every candidate has the pages that a bundle has in our own runtime.
        environment = with_huge_pages(os.environ) | quiet
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "squeezebert_mobile.benchmarks.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._stderr,
                stderr=self._stderr,
            )
        self._connection = Connection(ours.detach())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def load(self, number: int, candidate: Candidate) -> Loaded:
        """Load a candidate under ``number``."""
        answer = self._ask(Load(number, candidate, self._threads), candidate.label)
        assert isinstance(answer, Loaded)
        return answer

    def measure(self, number: int, items: tuple[Item, ...], warmup: int = 0) -> tuple[Timing, ...]:
        """Time a loaded candidate on each item but the first ``warmup``."""
        answer = self._ask(Measure(number, items, warmup), f"candidate {number}")
        assert isinstance(answer, tuple)
        return answer

    def pace(self) -> int:
        """Nanoseconds of the product that shows the machine's pace."""
        answer = self._ask(ReadPace(), "the machine's pace")
        assert isinstance(answer, int)
        return answer

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.wait()
        self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: Load | Measure | ReadPace, name: str) -> object:
        try:
            self._connection.send(request)
            answer = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._death(name) from None
        if isinstance(answer, tuple) and answer and isinstance(answer[0], type):
            kind, file, what, fix, found, expected = answer
            raise kind(file, what, fix=fix, found=found, expected=expected)
        return answer

    def _death(self, name: str) -> EnvironmentFault:
        code = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines() or ["no message"]
        what = f"its measuring process ended with {code}: {lines[-1][:300]}"
        return EnvironmentFault(name, what, fix="leave this one out, or run squeezebert-mobile doctor")
