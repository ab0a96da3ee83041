"""Work in processes of their own, several at once: forked, so that they share what is loaded already."""

import ctypes
import io
import os
import pickle
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.steps import Steps

Report = Callable[[str], None]
Result = TypeVar("Result")
# Of one piece of work; it reports what it begins.
Work = Callable[[Report], Result]

# For a process that is asked to end, until it is killed.
_PATIENCE = 5.0
_PR_SET_PDEATHSIG = 1


def run_each(works: Iterable[tuple[str, Work[Result]]], jobs: int, steps: Steps) -> dict[str, Result]:
    """The results by name; each work is a lane of ``steps``, and the next is taken as soon as fewer than ``jobs`` run.

    Raises the first error of a work, and EnvironmentFault where a process dies; the others are ended then.
    """
    waiting = iter(works)
    running: dict[Connection, _Worker[Result]] = {}
    results: dict[str, Result] = {}
    try:
        while True:
            for name, work in islice(waiting, jobs - len(running)):
                worker = _Worker(name, work)
                running[worker.connection] = worker
            if not running:
                return results
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                worker = running[connection]
                kind, value = worker.receive()
                if kind == "step":
                    steps.begin(value, worker.name)
                    continue
                del running[connection]
                worker.stop()
                if kind == "error":
                    raise value
                steps.end(worker.name)
                results[worker.name] = value
    finally:
        for worker in running.values():
            worker.stop()


class _Worker(Generic[Result]):
    """The parent's end of a process that does one piece of work."""

    def __init__(self, name: str, work: Work[Result]) -> None:
        self.name = name
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        context = get_context("fork")
        self.connection, theirs = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_do, args=(work, theirs, self._printed.fileno(), os.getpid()), daemon=True
        )
        self._process.start()
        theirs.close()

    def receive(self) -> tuple[str, Any]:
        """The next thing that the process says, its last one where it has died."""
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            return "error", self._death()
        return kind, value

    def stop(self) -> None:
        """End the process, if it has not ended."""
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self.connection.close()
        self._printed.close()

    def _death(self) -> EnvironmentFault:
        self._process.join()
        code = self._process.exitcode or 0
        if code == -signal.SIGKILL:
            what, fix = "its process was killed, most likely for memory", "close other programs, or try --jobs 1"
            return EnvironmentFault(self.name, what, fix=fix)
        self._printed.seek(0)
        lines = self._printed.read().decode(errors="replace").strip().splitlines() or ["no message"]
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return EnvironmentFault(self.name, f"its process {how}: {lines[-1][:300]}", fix="run squeezebert-mobile doctor")


def _do(work: Work[Result], connection: Connection, printed: int, parent: int) -> None:
    """What a process does: the work, whose result or error it sends, and nothing on the terminal."""
    # Ctrl-C reaches every process of a terminal; the parent ends this one, in a way that closes what is open.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _end_with(parent)
    for descriptor in (1, 2):
        os.dup2(printed, descriptor)
    sys.stdout = sys.stderr = io.TextIOWrapper(os.fdopen(os.dup(printed), "wb"), line_buffering=True)
    try:
        result = work(lambda step: connection.send(("step", step)))
    except Exception as error:  # noqa: BLE001 - the parent raises it
        connection.send(("error", _portable(error)))
    else:
        connection.send(("done", result))


def _end_with(parent: int) -> None:
    """Ask the kernel to end this process when its parent dies, where it can."""
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)


def _portable(error: Exception) -> Exception:
    """An error as it can go to another process, with its traceback as a note."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever a library's exception may raise there
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
