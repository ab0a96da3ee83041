"""The output of a long run as lines in a file: a shard of the rows, resumed after a kill, merged with the other shards.

Beside ``NAME`` stands ``NAME.run.json``: what decides the lines (digests of model and data, options), the shard, and,
once all lines are there, how many rows the data has. A run goes on, and shards are merged, only where all of that is
the same.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, Generic, Self, TypeVar

from squeezebert_mobile import atomic
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, UsageError
from squeezebert_mobile.files import dump_json, read_json

Item = TypeVar("Item")

_SUFFIX = ".run.json"
_SCHEMA_VERSION = 1
# A kill loses nothing that was written; a power cut what is younger.
_SYNC_SECONDS = 2.0
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Shard:
    """Share ``number``, counted from 1, of ``count``: rows ``number``, ``number + count`` and so on."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """``I/N``. Raises UsageError for anything else."""
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise UsageError("--shard", "is no share", found=text, expected="1/N to N/N", fix="write --shard 3/64")
        return cls(int(number), int(count))

    @classmethod
    def of_environment(cls, variables: Mapping[str, str]) -> Self | None:
        """What a Slurm array or an indexed Job of Kubernetes gives its tasks, None outside of one.

        Slurm numbers tasks from SLURM_ARRAY_TASK_MIN (0 where it is not set) in steps of SLURM_ARRAY_TASK_STEP,
        Kubernetes from 0; how many a Job has stands in JOB_COMPLETIONS, which its template has to set. Raises
        UsageError for numbers that do not fit.
        """
        for index, count, first, step in (
            ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
            ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", "", ""),
        ):
            if index not in variables:
                continue
            said = (variables[index], variables.get(count, ""), variables.get(first, "0"), variables.get(step, "1"))
            task, tasks, lowest, apart = (int(text) if text.isdecimal() else -1 for text in said)
            place = (task - lowest) // max(1, apart)
            if min(task, tasks, lowest, apart) < 0 or not 0 <= place < tasks:
                found = f"{index} {variables[index]}, {count} {variables.get(count, 'not set')}"
                raise UsageError("--shard", "cannot be read from the environment", found=found, fix="pass --shard I/N")
            return cls(place + 1, tasks)
        return None

    def of(self, rows: Iterable[Item]) -> Iterator[Item]:
        """The rows of this share."""
        return islice(rows, self.number - 1, None, self.count)

    def row(self, index: int) -> int:
        """The number of a row of this share among all, from 1."""
        return self.number + index * self.count

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass
class Counted(Generic[Item]):
    """Items, and how many have been taken."""

    items: Iterable[Item]
    taken: int = 0

    def __iter__(self) -> Iterator[Item]:
        for item in self.items:
            self.taken += 1
            yield item

    @property
    def facts(self) -> Mapping[str, object]:
        """What else is known of all items once they are taken."""
        return {}


@dataclass
class Part:
    """A file that lines are added to: ``lines`` are there, and ``rows`` are in the data, None until it is whole."""

    path: Path
    shard: Shard
    about: Mapping[str, object]
    lines: int
    rows: int | None
    _file: BinaryIO = field(repr=False)
    _synced: float = field(default_factory=monotonic, repr=False)

    def write(self, line: str) -> None:
        """Add a line; a kill after it loses nothing of it."""
        with atomic.naming(self.path):
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            if monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = monotonic()
        self.lines += 1

    def finish(self, items: Counted[Any]) -> None:
        """Say that these are all lines of the share of rows that were read to their end."""
        with atomic.naming(self.path):
            os.fsync(self._file.fileno())
        self.rows = items.taken
        _write_state(self.path, self.shard, {**self.about, **items.facts}, items.taken)


@contextmanager
def opened(
    path: Path, shard: Shard, about: Mapping[str, object], *, resume: bool = False, force: bool = False
) -> Iterator[Part]:
    """The file that ``path`` is to become, or, with ``resume``, that a killed run left, without its torn last line.

    Raises UsageError for a file that is there already, with ``resume`` for one of other data or options;
    EnvironmentFault where another process is writing it, or the disk refuses.
    """
    with ExitStack() as closing:
        with atomic.naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = closing.enter_context(os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "wait for that run to end, or name another file"
            raise EnvironmentFault(path, "is being written by another run", fix=fix) from None
        rows = None
        if file.seek(0, os.SEEK_END) or _state_path(path).exists():
            if not resume:
                _require_ours(path, force=force)
                file.truncate(0)
            else:
                rows = _same(path, shard, about)
        lines = _whole_lines(file)
        if rows is None:
            _write_state(path, shard, about, None)
        yield Part(path, shard, about, lines, rows, file)


def _require_ours(path: Path, *, force: bool) -> None:
    if not force:
        raise UsageError(path, "exists", fix="go on with it by --resume, replace it with --force, or name another file")
    if not _state_path(path).exists():
        raise UsageError(path, "was not written by this command, so --force never replaces it", fix="name another file")


def _same(path: Path, shard: Shard, about: Mapping[str, object]) -> int | None:
    """How many rows the data of a whole file has. Raises UsageError for a file of another run than this one."""
    found = _read_state(path)
    for name, value in {**about, "shard": str(shard)}.items():
        if found.get(name) != value:
            fix = "give what that run was given, name another file, or begin anew with --force"
            was, wanted = (json.dumps(each, sort_keys=True)[:200] for each in (found.get(name), value))
            raise UsageError(path, f"is of a run with another {name}", found=was, expected=wanted, fix=fix)
    return found["rows"]  # type: ignore[no-any-return]


def _whole_lines(file: BinaryIO) -> int:
    """How many lines there are, up to which the file is cut: a kill may have torn the last, a power cut more."""
    lines, end, at = 0, 0, 0
    file.seek(0)
    while block := file.read(_BLOCK):
        lines += block.count(b"\n")
        end = at + block.rfind(b"\n") + 1 if b"\n" in block else end
        at += len(block)
    while lines:
        begin = _line_begin(file, end)
        file.seek(begin)
        try:
            json.loads(file.read(end - begin))
            break
        except ValueError:
            lines, end = lines - 1, begin
    file.truncate(end)
    file.seek(end)
    return lines


def _line_begin(file: BinaryIO, end: int) -> int:
    """Where the line begins that ends before ``end``."""
    at, size = end - 1, 0
    while at > 0:
        size = min(_BLOCK, at)
        file.seek(at - size)
        newline = file.read(size).rfind(b"\n")
        if newline >= 0:
            return at - size + newline + 1
        at -= size
    return 0


def _state_path(path: Path) -> Path:
    return path.with_name(path.name + _SUFFIX)


def _write_state(path: Path, shard: Shard, about: Mapping[str, object], rows: int | None) -> None:
    state = {**about, "schema_version": _SCHEMA_VERSION, "shard": str(shard), "rows": rows}
    atomic.replace_file(_state_path(path), dump_json(state))


def _read_state(path: Path) -> dict[str, Any]:
    """Raises UsageError where nothing says what a file holds, InputFileError for what is no such file."""
    state = _state_path(path)
    if not state.exists():
        raise UsageError(path, f"has no {state.name} beside it", fix="give the file that predict or evaluate -o wrote")
    found: dict[str, Any] = read_json(state)
    rows = found.get("rows")
    if found.get("schema_version") != _SCHEMA_VERSION or not (rows is None or (isinstance(rows, int) and rows >= 0)):
        raise InputFileError(state, "is no record of a run", fix="begin that part anew with --force")
    Shard.parse(str(found.get("shard")))
    return found


@dataclass(frozen=True)
class Merged:
    """All shards of one run; ``about`` is what they have in common."""

    about: Mapping[str, Any]
    rows: int
    parts: tuple[Path, ...]

    def lines(self) -> Iterator[bytes]:
        """The lines of all rows in their order. Raises InputFileError for a part with too few or too many."""
        with ExitStack() as closing:
            files = [closing.enter_context(part.open("rb")) for part in self.parts]
            for row in range(self.rows + len(files)):
                place = row % len(files)
                line = files[place].readline()
                if bool(line) != (row < self.rows) or (line and not line.endswith(b"\n")):
                    what = "has other lines than its run wrote"
                    raise InputFileError(self.parts[place], what, fix="make that part anew with --force")
                if line:
                    yield line


def merged(paths: Sequence[Path]) -> Merged:
    """The shards in files or folders, in their order.

    Raises UsageError where one is missing, twice there or of another run; InputFileError where one is not finished.
    """
    parts = [part for path in paths for part in (_of_folder(path) if path.is_dir() else [path])]
    states = {part: _read_state(part) for part in parts}
    shards = {part: Shard.parse(state["shard"]) for part, state in states.items()}
    first = states[parts[0]]
    for part, state in states.items():
        if state["rows"] is None:
            raise InputFileError(part, "is not finished", fix="run that part again with --resume")
        for name in sorted((first.keys() | state.keys()) - {"shard"}):
            if state.get(name) != first.get(name):
                raise UsageError(part, f"is of another run than {parts[0]}: its {name} differs", fix="leave it out")
    count = shards[parts[0]].count
    numbers = [shard.number for shard in shards.values() if shard.count == count]
    if sorted(numbers) != list(range(1, count + 1)) or len(numbers) < len(parts):
        missing = ", ".join(f"{number}/{count}" for number in range(1, count + 1) if number not in numbers)[:200]
        found = ", ".join(map(str, shards.values()))[:200]
        expected = f"each of 1/{count} to {count}/{count} once" + (f"; {missing} is missing" if missing else "")
        raise UsageError(
            "PART", "are not all shards of a run", found=found, expected=expected, fix="give each one once"
        )
    about = {name: value for name, value in first.items() if name not in ("shard", "rows", "schema_version")}
    return Merged(about, first["rows"], tuple(sorted(parts, key=lambda part: shards[part].number)))


def _of_folder(folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"*{_SUFFIX}"))
    if not found:
        raise UsageError(folder, "holds no part of a run", fix="give the folder that predict or evaluate -o wrote into")
    return [path.with_name(path.name.removesuffix(_SUFFIX)) for path in found]
