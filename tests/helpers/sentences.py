"""Folders that sentence-transformers itself writes, around a tiny random body."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tiny

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.model import model_class
from squeezebert_mobile.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer

TEXTS = (
    "A quiet film that stays with you for days.",
    "hi",
    "Two hours of noise, and not a single joke lands! " * 9,
    "Crème BRÛLÉE, naïve café \U0001f600",
)


def opened(folder: Path, **options: Any) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SentenceTransformer(str(folder), device="cpu", **options)


def folder(
    target: Path, mode: Any = "mean", *, normalize: bool = True, config: SqueezeBertConfig = tiny.SMALL, **saved: Any
) -> Path:
    """A body with its pooling, as SentenceTransformer saves them; ``saved`` goes into sentence_bert_config.json."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    body = tiny.checkpoint(target.with_name(f"{target.name}.body"), Task.FEATURE_EXTRACTION, config)
    modules = [Transformer(str(body)), Pooling(config.hidden_size, mode), *([Normalize()] if normalize else [])]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(target))
    rewrite(target / "sentence_bert_config.json", **saved)
    return target


def reranker(target: Path, activation: Any) -> Path:
    """A one-output classifier as CrossEncoder saves it; None is its own choice of activation."""
    from sentence_transformers import CrossEncoder

    body = target.with_name(f"{target.name}.body")
    model_class(Task.TEXT_CLASSIFICATION)(replace(tiny.SMALL, id2label=("LABEL_0",))).save_pretrained(body)
    tiny.tokenizer(tiny.SMALL).save_pretrained(body)
    CrossEncoder(str(body), device="cpu", activation_fn=activation).save_pretrained(str(target))
    return target


def rewrite(path: Path, **changes: object) -> None:
    """Other values for some keys of a JSON object."""
    values = json.loads(path.read_bytes()) if path.exists() else {}
    path.write_text(json.dumps(values | changes))


def cosines(found: "np.ndarray", expected: "np.ndarray") -> "np.ndarray":
    """Row by row."""
    import numpy as np

    return (found * expected).sum(-1) / np.linalg.norm(found, axis=-1) / np.linalg.norm(expected, axis=-1)
