"""What a case is, and the verdicts on one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The exit codes of the command line, which are also the app's kinds of fault.
ACCEPTED, INPUT, INTEGRITY = "ok", "3", "4"


@dataclass(frozen=True)
class Link:
    """A symbolic link, or a second name of the file ``target`` where it is hard."""

    target: str
    hard: bool = False


@dataclass(frozen=True)
class Pipe:
    """A named pipe, which whoever opens it waits for."""


Tree = Mapping[str, bytes | Link | Pipe]


@dataclass(frozen=True)
class Case:
    """A file, or a folder by the paths in it, and the verdict that every reader must give.

    None is any verdict that they agree on. Where there may be ``several`` faults they need not name the same one.
    """

    name: str
    content: bytes | Tree = field(repr=False)
    verdict: str | None = None
    several: bool = False

    def write(self, path: Path) -> None:
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
            return
        path.mkdir()
        for name, node in self.content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            match node:
                case Link(target, True):
                    (path / name).hardlink_to(path / target)
                case Link(target):
                    (path / name).symlink_to(target)
                case Pipe():
                    os.mkfifo(path / name)
                case _ if name.endswith("/"):
                    (path / name).mkdir()
                case data:
                    (path / name).write_bytes(data)
