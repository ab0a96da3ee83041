"""A session with one artifact of a bundle, loaded and run in a child process: `Session` here, `main` there."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from typing import Self

import numpy as np

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle.manifest import Artifact, TensorSpec
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.run.child import Answer, Arrays, Child, serve
from squeezebert_mobile.run.engines import Engine, open_artifact, refusals, require_declared


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
        _, outputs = self.ask(self._path, "run", {"at_once": at_once or len(batch.input_ids)}, batch.arrays())
        return {name: value.astype(np.float32, copy=False) for name, value in outputs.items()}

    def answer(self, batch: Batch, *, at_once: int | None = None) -> dict[str, Float32]:
        """`run`, for what is made of its outputs: raises InputFileError for one that is no number."""
        outputs = self.run(batch, at_once=at_once)
        if not all(np.isfinite(values).all() for values in outputs.values()):
            raise InputFileError(self._path, "answers with what is no number", fix="export the model again, in fp32")
        return outputs


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

    def answer(self, batch: Batch) -> dict[str, Float32]:
        """`Session.answer`; waits where all are busy."""
        session = self._idle.get()
        try:
            return session.answer(batch, at_once=self._at_once)
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

    def run(self, arrays: Arrays, at_once: int) -> Answer:
        """Outputs by name for a batch's arrays."""
        answers = []
        for batch in Batch(**arrays).parts(at_once):
            with refusals(self._path):
                outputs = self._engine.run(batch)
            require_declared(outputs, self._outputs, batch, self._path)
            answers.append(outputs)
        if len(answers) == 1:
            return None, answers[0]
        # Rows without padding are of one width, and so are their outputs.
        return None, {name: np.concatenate([outputs[name] for outputs in answers]) for name in answers[0]}


def main() -> None:
    """Serve the parent that started this process."""
    model = _Model()
    serve(int(sys.argv[1]), {"load": model.load, "run": model.run})


if __name__ == "__main__":
    main()
