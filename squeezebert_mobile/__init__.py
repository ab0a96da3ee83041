"""SqueezeBERT checkpoints as verified bundles for phones: ONNX Runtime and ExecuTorch, fp32 and int8.

The classes that users of transformers know are here. Each command is a function that returns a typed result:
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
    from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizer, SqueezeBertTokenizerFast

__version__ = "0.1.0"

__all__ = [
    "SqueezeBertConfig",
    "SqueezeBertForMaskedLM",
    "SqueezeBertForMultipleChoice",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForSequenceClassification",
    "SqueezeBertForTokenClassification",
    "SqueezeBertModel",
    "SqueezeBertTokenizer",
    "SqueezeBertTokenizerFast",
]


def __getattr__(name: str) -> object:
    """Import a class when it is first asked for, because the models bring torch, which takes a second and a half."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "config" if name.endswith("Config") else "tokenizer.tokenizer" if "Tokenizer" in name else "model"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
