"""The accuracy that int8 may cost, and the units that go back to float until it costs no more."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.errors import GateError, UsageError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.ort.form import OnnxForm
from squeezebert_mobile.export.ort.quantize import quantize
from squeezebert_mobile.export.scheme import Dynamic, Static
from squeezebert_mobile.export.sensitivity import Effect
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.tasks import Task, window_stride
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training import data as dataset
from squeezebert_mobile.training.data import Example
from squeezebert_mobile.training.evaluate import Predict, score, torch_predict
from squeezebert_mobile.training.features import Feature, encode, hide_each
from squeezebert_mobile.training.metrics import Metric


class AccuracyGate:
    """Labelled data, encoded once, and what the checkpoint itself reaches on it."""

    def __init__(
        self, options: ExportOptions, model: PreTrained, tokenizer: SqueezeBertTokenizerFast, max_length: int
    ) -> None:
        if model.task is Task.FEATURE_EXTRACTION:
            raise UsageError("--max-accuracy-drop", "needs a task with labels", fix="leave it out")
        assert options.data is not None and options.max_accuracy_drop is not None, "the options see to that"
        table = dataset.read_table(options.data, limit=options.max_samples)
        columns = dataset.find_columns(table, model.task, dict(options.columns))
        self._max_drop = options.max_accuracy_drop
        self._model, self._pad = model, tokenizer.pad_token_id
        self._examples: Sequence[Example] = dataset.examples(table, columns, model.config)
        self._features = _features(self._examples, tokenizer, model.task, max_length)
        self.reached = self._metric(torch_predict(model))

    def drop(self, predict: Predict) -> float:
        """How far ``predict`` falls below the checkpoint, negative where it is better."""
        metric = self._metric(predict)
        fall = self.reached.value - metric.value
        return fall if metric.higher_is_better else -fall

    def require(self, predict: Predict, file: str) -> None:
        """Raise GateError where ``predict`` falls too far."""
        fall = self.drop(predict)
        if fall > self._max_drop:
            what = f"{self.reached.name} falls too far below the checkpoint's {self.reached.value:.4f}"
            fix = "allow more with --max-accuracy-drop, calibrate with --precision int8-static, or ship fp32"
            raise GateError(file, what, found=f"-{fall:.4f}", expected=f"at most -{self._max_drop:g}", fix=fix)

    def settle(
        self, scheme: Dynamic | Static, rank: Callable[[], Sequence[Effect]], report: Callable[[str], None]
    ) -> frozenset[str]:
        """The units to keep float so that the drop is allowed: of ``rank``'s, those that do the most damage a byte.

        Found by bisection over how many, judged in PyTorch with one activation scale a tensor; ExecuTorch's scale a
        token is finer. The largest set is returned where none is enough, and the artifact then misses the gate.
        """

        def holds(kept: frozenset[str]) -> bool:
            report(f"Judging int8 with {len(kept)} units in float")
            form = _FormSession(self._model, replace(scheme, keep_float=kept))
            return self.drop(form.run) <= self._max_drop

        if holds(scheme.keep_float):
            return scheme.keep_float
        order = [effect.unit for effect in sorted(rank(), key=lambda effect: -effect.damage)]
        low, high = 0, len(order) - 1  # one unit at least stays int8
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(scheme.keep_float | frozenset(order[:middle])) else (middle, high)
        return scheme.keep_float | frozenset(order[:high])

    def _metric(self, predict: Predict) -> Metric:
        scored = score(
            self._model.task, self._model.config, predict, self._examples, self._features, pad_token_id=self._pad
        )
        return scored.metrics[0]


def _features(
    examples: Sequence[Example], tokenizer: SqueezeBertTokenizerFast, task: Task, max_length: int
) -> list[Feature]:
    features = encode(examples, tokenizer, max_length=max_length, stride=window_stride(max_length))
    if task is not Task.FILL_MASK:
        return list(features)
    return [row for feature in features for row in hide_each(feature, tokenizer.mask_token_id)]


class _FormSession:
    """An int8 form behind the call that runtimes have."""

    def __init__(self, model: PreTrained, scheme: Dynamic | Static) -> None:
        self._form = OnnxForm(model, model.config.max_position_embeddings).eval()
        self._names = model.task.output_names
        quantize(self._form, scheme)

    def run(self, batch: Batch) -> dict[str, Float32]:
        """Outputs by name."""
        with torch.inference_mode():
            outputs = self._form(*(torch.from_numpy(array) for array in batch.arrays().values()))
        return {name: value.numpy() for name, value in zip(self._names, outputs, strict=True)}
