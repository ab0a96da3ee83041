"""Processes that are killed: before one of their disk operations, or once a file of theirs has so many lines."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# What changes a disk, as Python's audit events name it.
DISK_EVENTS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree"})


def killed_at(event: int, action: Callable[[], None]) -> bool:
    """Run ``action`` in a child that is killed before its n-th disk operation; False where it ended before that."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(name: str, _: object) -> None:
            nonlocal seen
            # The kill is an audit event itself.
            if name in DISK_EVENTS:
                seen += 1
                if seen == event:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            action()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def killed_behind(lines: int, command: Sequence[str], target: Path) -> None:
    """Run our command until ``target`` has more than so many lines, and kill it there."""
    process = subprocess.Popen([sys.executable, "-m", "squeezebert_mobile", *command])
    while process.poll() is None and not (target.exists() and target.read_bytes().count(b"\n") > lines):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the command ended before it was killed"
