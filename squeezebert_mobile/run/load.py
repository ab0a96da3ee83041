"""A bundle in three lines of Python: `load` it, call it with texts, read typed results."""

import html
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Self, overload

from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.errors import UsageError, counted
from squeezebert_mobile.run.options import PredictOptions
from squeezebert_mobile.run.predict import Prediction, Predictor, Sample
from squeezebert_mobile.tasks import Precision, Runtime, Task

# One of many: a text, two that belong together, or a sample of any task.
Item = str | tuple[str, str] | Sample


class BundleModel:
    """A bundle that answers texts, made by `load`; `close` it, use it as a context manager, or just let go of it.

    It may be called from several threads, which take turns.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        *,
        runtime: Runtime | None = None,
        precision: Precision | None = None,
        threads: int = PredictOptions.threads,
        top_k: int = PredictOptions.top_k,
        null_threshold: float | None = PredictOptions.null_threshold,
    ) -> None:
        self._source = Path(source).expanduser()
        self._lock = Lock()
        with ExitStack() as opening:
            self._bundle: Bundle = opening.enter_context(archive.opened(self._source))
            self._artifact = self._bundle.recommended(runtime, precision)
            self._open = partial(
                Predictor,
                self._bundle,
                runtime=runtime,
                precision=precision,
                threads=threads,
                top_k=top_k,
                null_threshold=null_threshold,
            )
            self._running = opening.enter_context(ExitStack())
            self._predictor: Predictor | None = self._start()
            # Also at the end of the program, so that neither the process nor the unpacked archive outlives it.
            self._finalizer = weakref.finalize(self, opening.pop_all().close)

    @overload
    def __call__(  # type: ignore[overload-overlap]  # a str is an iterable of str, too
        self, text: str, text_pair: str | None = None, *, options: Sequence[str] = ()
    ) -> Prediction: ...
    @overload
    def __call__(self, text: Sample) -> Prediction: ...
    @overload
    def __call__(self, text: Iterable[Item]) -> list[Prediction]: ...

    def __call__(
        self, text: str | Sample | Iterable[Item], text_pair: str | None = None, *, options: Sequence[str] = ()
    ) -> Prediction | list[Prediction]:
        """What the model says of one text, or of each of many.

        ``text_pair`` is the second text, or the context of a question; ``options`` are those of a multiple choice.
        Many are an iterable of texts, of (text, text_pair), or of `Sample`. The answer is in ``result``, in the type
        of the task: label scores, entities, an answer span, mask fillings, a choice, an embedding or a similarity.
        Raises UsageError for what does not fit the task, and once the model is closed.
        """
        if isinstance(text, str):
            return self._answer(Sample(text, _require_text(text_pair), tuple(map(_text, options))))
        if text_pair is not None or options:
            fix = "give each text with its second text as a tuple, or as a Sample with options"
            raise UsageError("text_pair", "goes with one text", found=type(text).__name__, fix=fix)
        if isinstance(text, Sample):
            return self._answer(text)
        return [self._answer(_sample(item)) for item in _items(text)]

    @property
    def task(self) -> Task:
        """What the model does."""
        return self._bundle.manifest.task

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the model's outputs; empty for tasks without labels."""
        return self._bundle.manifest.labels

    def close(self) -> None:
        """End the process that runs the model, and remove what was unpacked; a second call does nothing."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<BundleModel {self._source}: {', '.join(self._facts())}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<b>{html.escape(self._source.name)}</b><br>{'<br>'.join(map(html.escape, self._facts()))}"

    def _facts(self) -> tuple[str, ...]:
        artifact, shown, more = self._artifact, self.labels[:4], len(self.labels) > 4
        labels = f" ({', '.join(shown)}{f' and {len(self.labels) - 4} more' if more else ''})" if shown else ""
        size = f"{artifact.bytes / 1e6:.1f} MB, up to {counted(artifact.max_length, 'token')}"
        state = () if self._finalizer.alive else ("closed",)
        return (f"{self.task}{labels}", f"{artifact.path}, {artifact.runtime} {artifact.precision}", size, *state)

    def _start(self) -> Predictor:
        return self._running.enter_context(self._open())

    def _answer(self, sample: Sample) -> Prediction:
        with self._lock:
            if not self._finalizer.alive:
                raise UsageError(self._source, "is closed", fix="load it again")
            self._predictor = self._predictor or self._start()
            try:
                return self._predictor(sample)
            except UsageError:
                raise
            except BaseException:
                # A process that was left in the middle of a text would answer the next one with that.
                self._running.close()
                self._predictor = None
                raise


def load(
    source: str | os.PathLike[str],
    *,
    runtime: Runtime | None = None,
    precision: Precision | None = None,
    threads: int = PredictOptions.threads,
    top_k: int = PredictOptions.top_k,
    null_threshold: float | None = PredictOptions.null_threshold,
) -> BundleModel:
    """The model of a bundle's folder or zip, verified and ready for texts.

        from squeezebert_mobile import load

        model = load("my-bundle")
        model("A quiet film that stays with you for days.").result

    Without ``runtime`` and ``precision`` it is the bundle's recommended artifact (`Bundle.recommended`). ``top_k``
    counts the fillings of a mask; ``null_threshold`` replaces the bundle's own. Raises InputFileError and
    IntegrityError for what is no sound bundle, UsageError for an artifact that it lacks, EnvironmentFault for a
    runtime that is not installed.
    """
    return BundleModel(
        source,
        runtime=runtime,
        precision=precision,
        threads=threads,
        top_k=top_k,
        null_threshold=null_threshold,
    )


def _items(texts: object) -> Iterable[object]:
    """What is to be answered one by one. Raises UsageError for anything that is no collection of texts."""
    if isinstance(texts, Mapping | bytes | bytearray) or not isinstance(texts, Iterable):
        raise UsageError("text", "is no text", found=type(texts).__name__, fix="give a str, or a list of them")
    return texts


def _sample(item: object) -> Sample:
    match item:
        case Sample():
            return item
        case (first, second):
            return Sample(_text(first), _text(second))
        case _:
            return Sample(_text(item))


def _text(value: object) -> str:
    if not isinstance(value, str):
        fix = "give a str, or a list of str, (str, str) or Sample"
        raise UsageError("text", "is no text", found=repr(value)[:60], fix=fix)
    return value


def _require_text(value: object) -> str | None:
    return None if value is None else _text(value)
