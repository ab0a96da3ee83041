"""A session with one artifact of a bundle, loaded and run in a child process: `Session` here, `main` there."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from queue import Queue
from time import perf_counter
from typing import Self

import numpy as np

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle.manifest import Artifact, TensorSpec
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.run.child import Answer, Arrays, Child, serve
from squeezebert_mobile.run.engines import Engine, open_artifact, refusals, require_declared


@dataclass(frozen=True)
class Ran:
    """Outputs by name, fp32, and the seconds that the runtime took for them."""

    outputs: dict[str, Float32]
    seconds: float


class Session(Child):
    """An artifact loaded in a child process, of another interpreter for ``python``; use it as a context manager.

    Raises IntegrityError where the file's digest is wrong, InputFileError where the runtime refuses it or dies on it,
    EnvironmentFault where the runtime is not installed.
    """

    def __init__(
        self,
        root: Path,
        artifact: Artifact,
        *,
        threads: int = 1,
        environment: Mapping[str, str] | None = None,
        python: Path | None = None,
    ) -> None:
        super().__init__(__name__, environment, python)
        self._path = root / artifact.path
        spec = {"root": str(root.absolute()), "artifact": artifact.model_dump_json(), "threads": threads}
        try:
            self.ask(self._path, "load", spec)
        except BaseException:
            self.close()
            raise

    def run(self, batch: Batch, *, at_once: int | None = None) -> dict[str, Float32]:
        """Outputs by name, fp32, of ``at_once`` rows (None: all) after another.

        Raises InputFileError for others than the artifact declares.
        """
        (ran,) = self.run_all([batch], at_once=at_once)
        return ran.outputs

    def run_all(self, batches: Sequence[Batch], *, at_once: int | None = None) -> list[Ran]:
        """`run` of each batch, in one request: small ones wait for one answer and not for many."""
        given = {f"{name} {n}": array for n, batch in enumerate(batches) for name, array in batch.arrays().items()}
        seconds, found = self.ask(self._path, "run", {"at_once": at_once, "count": len(batches)}, given)
        outputs: list[dict[str, Float32]] = [{} for _ in batches]
        for key, value in found.items():
            name, _, number = key.rpartition(" ")
            outputs[int(number)][name] = value.astype(np.float32, copy=False)
        return list(map(Ran, outputs, seconds))

    def answer(self, batches: Sequence[Batch], *, at_once: int | None = None) -> list[Ran]:
        """`run_all`, for what is made of the outputs: raises InputFileError for one that is no number."""
        found = self.run_all(batches, at_once=at_once)
        if not all(np.isfinite(values).all() for ran in found for values in ran.outputs.values()):
            raise InputFileError(self._path, "answers with what is no number", fix="export the model again, in fp32")
        return found


class Sessions:
    """As many sessions with one artifact as ``workers``, each call on one that is idle; a context manager.

    ``at_once`` rows of a call go to the runtime together (None: all).
    """

    def __init__(
        self, root: Path, artifact: Artifact, workers: int, *, threads: int = 1, at_once: int | None = None
    ) -> None:
        self._at_once = at_once
        self._idle: Queue[Session] = Queue()
        with ExitStack() as opening:
            for _ in range(workers):
                self._idle.put(opening.enter_context(Session(root, artifact, threads=threads)))
            self._sessions = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sessions.close()

    def answer(self, batches: Sequence[Batch]) -> list[Ran]:
        """`Session.answer`; waits where all are busy."""
        session = self._idle.get()
        try:
            return session.answer(batches, at_once=self._at_once)
        finally:
            self._idle.put(session)


class _Model:
    """The one model of a child process."""

    _engine: Engine
    _path: Path
    _outputs: tuple[TensorSpec, ...]

    def load(self, _: Arrays, root: str, artifact: str, threads: int) -> Answer:
        """Open the file; the answer is empty."""
        parsed = Artifact.model_validate_json(artifact)
        self._path, self._outputs = Path(root, parsed.path), parsed.outputs
        self._engine = open_artifact(self._path, parsed, threads)
        return None, {}

    def run(self, arrays: Arrays, at_once: int | None, count: int) -> Answer:
        """The seconds of each batch, and outputs by name and number, for the arrays of ``count`` batches."""
        seconds: list[float] = []
        found: dict[str, Float32] = {}
        for number in range(count):
            batch = Batch(*(arrays[f"{field.name} {number}"] for field in fields(Batch)))
            started = perf_counter()
            answers = [self._run(part) for part in batch.parts(at_once or len(batch.input_ids))]
            seconds.append(perf_counter() - started)
            # Rows without padding are of one width, and so are their outputs.
            found |= {f"{name} {number}": np.concatenate([each[name] for each in answers]) for name in answers[0]}
        return seconds, found

    def _run(self, batch: Batch) -> Mapping[str, Float32]:
        with refusals(self._path):
            outputs = self._engine.run(batch)
        require_declared(outputs, self._outputs, batch, self._path)
        return outputs


def main() -> None:
    """Serve the parent that started this process."""
    model = _Model()
    serve(int(sys.argv[1]), {"load": model.load, "run": model.run})


if __name__ == "__main__":
    main()
