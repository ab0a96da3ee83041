"""The stages of a sweep: commands in processes of their own, each kept under the digest of all that it is made of.

Of a stage ``KEY`` stay what it made, ``KEY.json``, which is what its command prints with --json, and ``KEY.log``, what
it says beside. A stage is done where that JSON is whole, whoever waited for it: nothing else is written down, so a kill
loses no more than what was under way.
"""

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from squeezebert_mobile import __version__, extras
from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.files import sha256, sha256_file
from squeezebert_mobile.machine import cores
from squeezebert_mobile.training.options import unfinished

# Of a file, or of all files of a folder by their names; None for what is neither, as most words.
Digest = Callable[[str], str | None]

_POLL_SECONDS = 0.05
_CYCLES = "squeezebert_mobile.benchmarks.lab.cycles"


@dataclass(frozen=True)
class Place:
    """The grid's folder, which its paths are relative to and stages run in, and the folder of what they leave."""

    grid: Path
    runs: Path


@dataclass(frozen=True)
class Stage:
    """A call of ``command`` with ``words``, then what ``sources`` are or make; ``key`` is the digest of all that."""

    command: str
    words: tuple[str, ...]
    sources: "tuple[Stage | str, ...]"
    key: str

    @classmethod
    def of(
        cls, command: str, words: Sequence[str], sources: "Sequence[Stage | str]", digest: Digest, about: str = ""
    ) -> "Stage":
        """A stage; ``about`` is what else its result depends on, such as a machine."""
        made = [each.key if isinstance(each, Stage) else [each, digest(each)] for each in sources]
        said = [__version__, command, list(words), [digest(word) for word in words], made, about]
        return cls(command, tuple(words), tuple(sources), sha256(json.dumps(said).encode())[:16])

    def target(self, place: Place) -> Path:
        """What it makes; a measurement makes none."""
        return place.runs / self.command / self.key

    def beside(self, place: Place, suffix: str) -> Path:
        """A file beside that."""
        return self.target(place).with_suffix(suffix)

    def result(self, place: Place) -> Any:
        """What its command printed, None where it is not done."""
        try:
            printed = self.beside(place, ".json").read_bytes()
            found = json.loads(printed) if printed.endswith(b"\n") else None
        except (OSError, ValueError):
            return None
        return found if self.command not in ("finetune", "export") or self.target(place).is_dir() else None

    def failure(self, place: Place) -> str | None:
        """Why it is not done: the error of its command, or of what it needs; None where it is, or was not tried."""
        for source in self.sources:
            if isinstance(source, Stage) and (reason := source.failure(place)):
                return f"{source.command}: {reason}"
        log = self.beside(place, ".log")
        if self.result(place) is not None or not log.exists():
            return None
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        error = next((line for line in reversed(lines) if line.startswith("error: ")), None)
        return (error or "; ".join(lines[-1:]) or "it ended without a word").removeprefix("error: ")

    def line(self, place: Place) -> list[str]:
        """Its command line."""
        target = self.target(place)
        sources = [str(source.target(place)) if isinstance(source, Stage) else source for source in self.sources]
        if self.command == "cycles":
            return [sys.executable, "-m", _CYCLES, *self.words, *_artifacts(Path(*sources)), "--json"]
        line = [sys.executable, "-m", "squeezebert_mobile", self.command, *self.words, *sources, "--json", "--quiet"]
        if self.command == "benchmark":
            return [*line, "--jsonl", str(self.beside(place, ".jsonl"))]
        states = unfinished(target.with_name(f"{target.name}.training"))
        again = "--resume" if self.command == "finetune" and states and not target.exists() else "--force"
        return [*line, "-o", str(target), again]


def _artifacts(bundle: Path) -> list[str]:
    described = json.loads((bundle / "bundle.json").read_bytes())
    return [str(bundle / artifact["path"]) for artifact in described["artifacts"]]


def digests(grid: Path) -> Digest:
    """What gives the digest of each file and folder once, by its path as the grid in that folder has it."""

    @cache
    def digest(name: str) -> str | None:
        path = grid / name
        if path.is_file():
            return sha256_file(path)
        if not path.is_dir():
            return None
        files = sorted(each for each in path.rglob("*") if each.is_file())
        return sha256(json.dumps([(str(each.relative_to(path)), sha256_file(each)) for each in files]).encode())

    return digest


class _Running:
    """A stage's process. It holds a lock that outlives whoever started it, so that a later run waits for its end."""

    def __init__(self, stage: Stage, place: Place) -> None:
        self.stage, self._place = stage, place
        self._process: subprocess.Popen[bytes] | None = None
        stage.target(place).parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(stage.beside(place, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            needed = [source for source in stage.sources if isinstance(source, Stage)]
            if stage.result(place) is None and all(source.result(place) is not None for source in needed):
                self._start(lock)
        finally:
            os.close(lock)

    def _start(self, lock: int) -> None:
        line = self.stage.line(self._place)
        printed, said = (self.stage.beside(self._place, suffix).open("wb") for suffix in (".json", ".log"))
        with printed, said:
            said.write(f"{shlex.join(line)}\n".encode(errors="surrogateescape"))
            said.flush()
            self._process = subprocess.Popen(
                line,
                cwd=self._place.grid,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=said,
                # Many at once share the cores; and the same threads everywhere, so that sums round alike.
                env={"OMP_NUM_THREADS": "1"} | os.environ,
                pass_fds=[lock],
            )

    def has_ended(self) -> bool:
        if self._process is None:
            return True
        code = self._process.poll()
        if code is not None and code < 0:
            with self.stage.beside(self._place, ".log").open("a", encoding="utf-8") as log:
                log.write(f"error: its process died of {signal.Signals(-code).name}\n")
        return code is not None

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def run_here(stages: Sequence[Stage], place: Place, jobs: int | None = None) -> Iterator[Stage]:
    """Run stages in processes, ``jobs`` at once, each after its sources; they are given as they end, done or failed."""
    waiting = list(stages)
    running: list[_Running] = []
    try:
        while waiting or running:
            busy = {*waiting, *(each.stage for each in running)}
            ready = [stage for stage in waiting if not busy.intersection(stage.sources)]
            for stage in ready[: (jobs or cores()) - len(running)]:
                waiting.remove(stage)
                running.append(_Running(stage, place))
            ended = [each for each in running if each.has_ended()]
            running = [each for each in running if each not in ended]
            yield from (each.stage for each in ended)
            if not ended:
                time.sleep(_POLL_SECONDS)
    finally:
        for each in running:
            each.stop()


def run_on_ray(stages: Sequence[Stage], place: Place, address: str) -> Iterator[Stage]:
    """The same as tasks of a Ray cluster, which sees both folders under the same paths; ``local`` starts one here.

    Raises EnvironmentFault where Ray is not installed or the cluster cannot be reached.
    """
    extras.require("ray")
    # A cluster that starts here would tell its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    try:
        ray.init(address, log_to_driver=False, **(_ray_here() if address == "local" else {}))
    except (ConnectionError, ValueError, RuntimeError) as error:
        what = f"cannot be reached: {' '.join(str(error).split())[:200]}"
        raise EnvironmentFault(f"Ray at {address}", what, fix="start it, or take local") from error
    try:
        task = ray.remote(num_cpus=1, max_retries=0)(_run)
        tasks: dict[Stage, Any] = {}
        for stage in stages:
            # A task's arguments are awaited: so are its sources.
            needed = [tasks[source] for source in stage.sources if isinstance(source, Stage)]
            tasks[stage] = task.remote(stage, place, *needed)
        waiting = {found: stage for stage, found in tasks.items()}
        while waiting:
            (found,), _ = ray.wait(list(waiting), num_returns=1)
            ray.get(found)
            yield waiting.pop(found)
    finally:
        ray.shutdown()


def _ray_here() -> dict[str, Any]:
    """A cluster of this machine alone; tasks hand nothing to each other."""
    return {"num_cpus": cores(), "include_dashboard": False, "object_store_memory": 100 << 20}


def _run(stage: Stage, place: Place, *_: object) -> None:
    """One stage, wherever this is."""
    for _stage in run_here([stage], place, jobs=1):
        pass
