"""SqueezeBERT checkpoints as verified bundles for phones: ONNX Runtime and ExecuTorch, fp32 and int8.

    from squeezebert_mobile import load

    model = load("my-bundle")
    model("A quiet film that stays with you for days.").result

The classes that users of transformers know are here, too. Each command is a function that returns a typed result:
`export.pipeline.export`, `run.verify.verify`, `run.predict.predict`, `training.finetune.finetune`,
`training.evaluate.evaluate`, `benchmarks.benchmark.benchmark`, `benchmarks.compare.compare`,
`benchmarks.paper.reproduce`, `info.info` and `doctor.doctor`.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squeezebert_mobile.config import SqueezeBertConfig
    from squeezebert_mobile.model import (
        SqueezeBertForMaskedLM,
        SqueezeBertForMultipleChoice,
        SqueezeBertForQuestionAnswering,
        SqueezeBertForSequenceClassification,
        SqueezeBertForTokenClassification,
        SqueezeBertModel,
    )
    from squeezebert_mobile.run.columns import ColumnPredictor
    from squeezebert_mobile.run.load import BundleModel, load
    from squeezebert_mobile.run.predict import Prediction, Sample
    from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizer, SqueezeBertTokenizerFast

__version__ = "0.1.0"

__all__ = [
    "BundleModel",
    "ColumnPredictor",
    "Prediction",
    "Sample",
    "SqueezeBertConfig",
    "SqueezeBertForMaskedLM",
    "SqueezeBertForMultipleChoice",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForSequenceClassification",
    "SqueezeBertForTokenClassification",
    "SqueezeBertModel",
    "SqueezeBertTokenizer",
    "SqueezeBertTokenizerFast",
    "load",
]

_ELSEWHERE = {
    "BundleModel": "run.load",
    "ColumnPredictor": "run.columns",
    "Prediction": "run.predict",
    "Sample": "run.predict",
    "SqueezeBertConfig": "config",
    "SqueezeBertTokenizer": "tokenizer.tokenizer",
    "SqueezeBertTokenizerFast": "tokenizer.tokenizer",
    "load": "run.load",
}


def __getattr__(name: str) -> object:
    """Import what is first asked for, because the models bring torch, which takes a second and a half."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ELSEWHERE.get(name, 'model')}"), name)


def __dir__() -> list[str]:
    """What a notebook completes."""
    return sorted({*globals(), *__all__})
