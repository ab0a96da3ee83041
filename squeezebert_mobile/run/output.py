"""Answers as lines of a file, which a killed run goes on with and which shards are merged into."""

import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from squeezebert_mobile import __version__, atomic, parts
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.console import to_json, while_read
from squeezebert_mobile.errors import UsageError, counted
from squeezebert_mobile.files import sha256_file
from squeezebert_mobile.parts import Counted, Merged, Shard
from squeezebert_mobile.run.options import PredictOptions
from squeezebert_mobile.run.predict import Predictor, depends_on_neighbours
from squeezebert_mobile.run.samples import gather


@dataclass(frozen=True)
class Written:
    """A file with the answers of a share of the rows; ``written`` of its ``lines`` are of this run."""

    output: str
    shard: str
    lines: int
    written: int
    seconds: float


def shard_of(chosen: Shard | None, note: Callable[[str], None]) -> Shard:
    """The share that was chosen, or that a scheduler's environment says, which is told; else all rows."""
    found = chosen or Shard.of_environment(os.environ)
    if found is not None and chosen is None:
        note(f"note: shard {found}, as the environment says; --shard 1/1 takes all rows")
    return found or Shard()


def write(options: PredictOptions, shard: Shard) -> Written:
    """Answer a share of the rows of a file into another.

    Raises what reading the bundle and the texts raises, and as `parts.opened`.
    """
    assert options.file is not None and options.output is not None
    gathered = gather(options)
    with archive.opened(options.bundle) as bundle:
        samples = Counted(gathered(bundle.manifest))

        def answers(done: int) -> Iterator[str]:
            with Predictor(
                bundle,
                runtime=options.runtime,
                precision=options.precision,
                threads=options.threads,
                top_k=options.top_k,
                null_threshold=options.null_threshold,
                batch_size=options.batch_size,
                workers=options.workers,
            ) as predictor:
                yield from map(to_json, predictor.stream(shard.of(samples), shard.row, done))

        about = _about(options, bundle, bundle.recommended(options.runtime, options.precision))
        return fill(options.output, shard, about, samples, answers, resume=options.resume, force=options.force)


def fill(
    output: Path,
    shard: Shard,
    about: Mapping[str, object],
    items: Counted[Any],
    lines: Callable[[int], Iterator[str]],
    *,
    resume: bool,
    force: bool,
) -> Written:
    """Write the lines of a share of the items, which ``lines`` makes of those behind a number that is done already.

    Raises as `parts.opened`, and what ``lines`` raises.
    """
    started = perf_counter()
    with parts.opened(output, shard, about, resume=resume, force=force) as part:
        before = part.lines
        if part.rows is None:
            for line in lines(before):
                part.write(line)
            part.finish(items)
    return Written(str(output), str(shard), part.lines, part.lines - before, perf_counter() - started)


def _about(options: PredictOptions, bundle: Bundle, artifact: Artifact) -> dict[str, object]:
    """What decides the answers."""
    about: dict[str, object] = {
        "command": "predict",
        "squeezebert_mobile": __version__,
        "bundle": bundle.digest,
        "artifact": artifact.path,
        "data": digest_of(options.file),
        "columns": [list(pair) for pair in options.columns],
        "top_k": options.top_k,
        "null_threshold": options.null_threshold,
    }
    if depends_on_neighbours(artifact):
        about["batch_size"] = options.batch_size
    return about


def merge(merged: Merged, output: Path | None, note: Callable[[str], None]) -> None:
    """Write the answers of all rows in their order, to a new file or to standard output."""
    if output is None:
        with while_read():
            sys.stdout.buffer.writelines(merged.lines())
            sys.stdout.buffer.flush()
        return
    if output.exists():
        raise UsageError(output, "exists", fix="name another file, or remove it")
    with atomic.staged_file(output) as staged, staged.open("wb") as file:
        file.writelines(merged.lines())
    note(f"{output}: {counted(merged.rows, 'answer')} of {counted(len(merged.parts), 'shard')}")


def digest_of(data: str | Path | None) -> str | None:
    """The SHA-256 of a file of rows, None for what is not read twice. Raises UsageError where nothing can be opened."""
    path = Path(data or "-")
    try:
        return sha256_file(path) if stat.S_ISREG(path.stat().st_mode) else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(path, f"cannot be read: {error.strerror}", fix="check the path") from None
