"""An export killed at points spread over its disk operations: what each kill leaves, and what the next start cleans.

python tests/helpers/kill.py --points 20

A bundle and its archive stand at the targets, and a real export with --force and --archive is to replace them; only the
lowering, which writes nothing, is done once for all. The process is killed before an operation of the disk: opening,
making, renaming or removing anything under the scratch folder, which holds the checkpoint, the targets and TMPDIR.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import handmade

from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.export import pipeline
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.reference import load_reference

# As Python's audit events name them; an open to flush stands for its fsync.
OPERATIONS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree"})


@dataclass(frozen=True)
class Kill:
    """One kill: before which operation, what stood at both targets then, and whether the next start cleaned up."""

    point: int
    operation: str
    bundle: str
    archive: str
    beside: tuple[str, ...]
    clean: bool

    @property
    def survived(self) -> bool:
        return self.bundle in ("old", "new") and self.archive in ("old", "new") and self.clean

    def __str__(self) -> str:
        left = ", ".join(self.beside) or "nothing"
        verdict = "clean" if self.clean else "NOT CLEAN"
        return f"{self.point:5}  {self.operation:50} {self.bundle:7} {self.archive:8} {left:26} {verdict}"


def run(points: int, scratch: Path) -> list[Kill]:
    """Kill ``points`` exports, from the first operation to the last."""
    old = scratch / "old"
    handmade.write(old)
    archive.pack(old, scratch / "old.zip")
    with exporting(scratch) as export:
        whole = scratch / "whole"
        operations = killed_before(None, scratch, whole, export)
        identities = {digest_at(old): "old", digest_at(whole / "bundle"): "new"}
        kills = []
        for number in range(points):
            point = 1 + number * (len(operations) - 1) // (points - 1)
            folder = scratch / f"kill{number}"
            *_, operation = killed_before(point, scratch, folder, export)
            state = [identities.get(digest_at(folder / name), "OTHER") for name in ("bundle", "bundle.zip")]
            left = tuple(sorted(p.name for p in folder.iterdir() if p.name not in ("bundle", "bundle.zip")))
            kills.append(Kill(point, operation, state[0], state[1], left, start_again(folder, old)))
    return kills


@contextmanager
def exporting(scratch: Path) -> Iterator[ExportOptions]:
    """The options of the export, whose lowering is done beforehand; its temporary files lie under ``scratch``."""
    import tiny

    from squeezebert_mobile.tasks import Task

    (scratch / "tmp").mkdir()
    model = tiny.checkpoint(scratch / "model", Task.TEXT_CLASSIFICATION)
    options = ExportOptions(scratch / "unused", model, runtimes=("onnx",), precisions=("fp32",), force=True)
    lowered = pipeline._lower(load_reference(options), "onnx", None, options)
    with (
        mock.patch.object(pipeline, "_lower", return_value=lowered),
        # The one process that is killed does it all.
        mock.patch.object(pipeline, "run_each", lambda works, *_: {name: work(str) for name, work in works}),
        mock.patch.object(tempfile, "tempdir", str(scratch / "tmp")),
    ):
        yield options


def killed_before(point: int | None, scratch: Path, folder: Path, options: ExportOptions) -> list[str]:
    """Export over the old targets in ``folder`` in a child that dies before its n-th operation; what it came to."""
    shutil.copytree(scratch / "old", folder / "bundle")
    shutil.copy(scratch / "old.zip", folder / "bundle.zip")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sys.addaudithook(_Killer(point, scratch, writer))
            pipeline.export(replace(options, output_dir=folder / "bundle", archive=folder / "bundle.zip"))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="surrogateescape") as lines:
        operations = [line.rstrip("\n") for line in lines]
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) != (point is not None):
        raise RuntimeError(f"the export ended by itself before its operation {point} of {len(operations)}")
    return operations


class _Killer:
    """An audit hook that reports each operation under a folder and ends the process before one of them."""

    def __init__(self, point: int | None, scratch: Path, pipe: int) -> None:
        self.point, self.scratch, self.pipe, self.seen = point, str(scratch), pipe, 0

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in OPERATIONS or not isinstance(arguments[0], (str, bytes, Path)):
            return
        path = os.fsdecode(arguments[0])
        if not path.startswith(self.scratch):
            return
        self.seen += 1
        os.write(self.pipe, f"{event} {Path(path).name}\n".encode(errors="surrogateescape"))
        if self.seen == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


def digest_at(target: Path) -> str:
    """The digest of a bundle or archive, all of which is verified on the way."""
    with archive.opened(target) as bundle:
        return bundle.digest


def start_again(folder: Path, old: Path) -> bool:
    """Write both targets as the next run would; True where nothing of the killed one is left beside them."""
    described = bundles.read(old)
    with bundles.staged(folder / "bundle", force=True) as stage:
        shutil.copytree(old, stage, dirs_exist_ok=True)
    archive.pack(folder / "bundle", folder / "bundle.zip", force=True)
    names = sorted(path.name for path in folder.iterdir())
    return names == ["bundle", "bundle.zip"] and digest_at(folder / "bundle") == described.digest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=20)
    with tempfile.TemporaryDirectory() as scratch:
        kills = run(parser.parse_args().points, Path(scratch))
    head = f"{'point':5}  {'killed before':50} {'bundle':7} {'archive':8} {'left beside them':26} next start"
    sys.stdout.write("\n".join((head, *map(str, kills))) + "\n")
    return not all(kill.survived for kill in kills)


if __name__ == "__main__":
    sys.exit(main())
