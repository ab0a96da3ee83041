"""Answers for columns of texts: what `ray.data` and its like call with a batch of a table at a time."""

import os
import weakref
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from squeezebert_mobile.bundle import archive
from squeezebert_mobile.console import to_json
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.run.options import PredictOptions
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.tasks import Precision, Runtime


class ColumnPredictor:
    """A function from columns to the same columns with one of answers, for `ray.data.Dataset.map_batches`.

    It can be pickled and sent to any process that finds the bundle at ``source``; there the bundle is verified and the
    model started at the first call. An answer is the ``result`` that `predict --json` prints of that text, as JSON.
    ``text`` and ``text_pair`` name columns; the others as in `load`. Raises UsageError for a column that is not there,
    and what reading the bundle raises.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        *,
        text: str = "text",
        text_pair: str | None = None,
        answer: str = "answer",
        runtime: Runtime | None = None,
        precision: Precision | None = None,
        threads: int = PredictOptions.threads,
        top_k: int = PredictOptions.top_k,
        null_threshold: float | None = PredictOptions.null_threshold,
        batch_size: int | None = PredictOptions.batch_size,
    ) -> None:
        self._source = Path(source).expanduser().absolute()
        self._names = (text, *((text_pair,) if text_pair else ()))
        self._answer = answer
        self._how: dict[str, Any] = {
            "runtime": runtime,
            "precision": precision,
            "threads": threads,
            "top_k": top_k,
            "null_threshold": null_threshold,
            "batch_size": batch_size,
        }
        self._opened: tuple[Predictor, weakref.finalize[..., ColumnPredictor]] | None = None

    def __call__(self, batch: Mapping[str, Iterable[Any]]) -> dict[str, Any]:
        """The columns of a batch, and the answer for each row."""
        for name in self._names:
            if name not in batch:
                found, fix = ", ".join(batch), "name the columns with text= and text_pair="
                raise UsageError(name, "is no column of the batch", found=found, fix=fix)
        first, *second = (batch[name] for name in self._names)
        pairs = second[0] if second else repeat(None, len(list(first)))
        rows = zip(first, pairs, strict=True)
        samples = (Sample(str(text), None if pair is None else str(pair)) for text, pair in rows)
        answers = [to_json(found.result) for found in self._predictor().stream(samples)]
        return {**batch, self._answer: np.array(answers, dtype=object)}

    def _predictor(self) -> Predictor:
        if self._opened is None:
            with ExitStack() as opening:
                bundle = opening.enter_context(archive.opened(self._source))
                predictor = opening.enter_context(Predictor(bundle, **self._how))
                # Also when it is let go of, so that neither the process nor an unpacked archive outlives it.
                self._opened = predictor, weakref.finalize(self, opening.pop_all().close)
        return self._opened[0]

    def close(self) -> None:
        """End the process that runs the model; the next call starts another."""
        if self._opened is not None:
            self._opened[1]()
            self._opened = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": None}
