"""An action in a process that is killed before one of its disk operations."""

import os
import signal
import sys
from collections.abc import Callable

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
