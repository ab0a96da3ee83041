"""Answers for texts with added tokens, beside those of transformers' own pipelines on the same weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import handmade
import numpy as np
import pytest
import torch
import transformers

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Kind, PostProcessing
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
TEXTS = (
    "covid19",
    "covid19 film",
    "a quiet covid19film that stays, [USER] covid19",
    "[USER]days and days ##ys never mind",
    "film covid19 [MASK]",
)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> tuple[SqueezeBertTokenizerFast, Any]:
    """Ours and transformers', with two new tokens and one that looks like a piece."""
    folder = tmp_path_factory.mktemp("pipelines")
    tokenizer = handmade.tokenizer()
    tokenizer.add_tokens(["covid19", "##ys"])
    tokenizer.add_special_tokens({"extra_special_tokens": ["[USER]"]})
    tokenizer.save_pretrained(folder)
    return SqueezeBertTokenizerFast.from_pretrained(folder), transformers.BertTokenizer.from_pretrained(folder)


def model(kind: Any, rows: int) -> Any:
    torch.manual_seed(1)
    labels = dict(enumerate(TAGS))
    config = transformers.SqueezeBertConfig(
        vocab_size=rows, hidden_size=8, embedding_size=8, num_hidden_layers=1, num_attention_heads=4,
        intermediate_size=16, max_position_embeddings=32, id2label=labels, initializer_range=2.0,
    )  # fmt: skip
    return kind(config).eval()


def predictor(
    task: Task, postprocessing: Kind, theirs: Any, ours: SqueezeBertTokenizerFast, tmp_path: Path
) -> Predictor:
    """Our pipeline around transformers' model."""

    def run(batch: Batch) -> dict[str, Float32]:
        with torch.no_grad():
            tensors = {name: torch.from_numpy(array) for name, array in batch.arrays().items()}
            return {"logits": theirs(**tensors).logits.numpy()}

    opened = bundles.read(handmade.write(tmp_path / "bundle"))
    changes = {"task": task, "postprocessing": PostProcessing(kind=postprocessing), "labels": TAGS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bundle, "tokenizer", lambda _: ours)
        patch.setattr(Bundle, "config", lambda _: replace(handmade.CONFIG, vocab_size=theirs.config.vocab_size))
        return Predictor(replace(opened, manifest=opened.manifest.model_copy(update=changes)), run=run)


def test_an_added_token_begins_an_entity(tokenizers: tuple[SqueezeBertTokenizerFast, Any], tmp_path: Path) -> None:
    ours, theirs = tokenizers
    network = model(transformers.SqueezeBertForTokenClassification, len(ours))
    pipeline = transformers.pipeline("token-classification", network, tokenizer=theirs, aggregation_strategy="first")
    predict = predictor(Task.TOKEN_CLASSIFICATION, "entity-spans", network, ours, tmp_path)
    for text in TEXTS:
        found = [(e.label, e.start, e.end, e.score) for e in predict(Sample(text)).result]  # type: ignore[union-attr]
        expected = [(e["entity_group"], e["start"], e["end"], e["score"]) for e in pipeline(text)]
        assert [entity[:3] for entity in found] == [entity[:3] for entity in expected], text
        np.testing.assert_allclose([e[3] for e in found], [e[3] for e in expected], atol=1e-5)
    assert predict(Sample("covid19")).result


def test_added_tokens_fill_a_mask_among_all_rows(
    tokenizers: tuple[SqueezeBertTokenizerFast, Any], tmp_path: Path
) -> None:
    ours, theirs = tokenizers
    network = model(transformers.SqueezeBertForMaskedLM, len(ours) + 5)
    with torch.no_grad():
        network.cls.predictions.bias[len(ours) - 3 :] += 40
        network.cls.predictions.bias[len(ours) :] -= 39
    pipeline = transformers.pipeline("fill-mask", network, tokenizer=theirs, top_k=3)
    (found,) = predictor(Task.FILL_MASK, "mask-fillings", network, ours, tmp_path)(Sample("a [MASK] film")).result  # type: ignore[misc]
    expected = pipeline("a [MASK] film")
    assert [filling.token_id for filling in found][:3] == [each["token"] for each in expected]  # type: ignore[union-attr]
    assert {filling.token for filling in found[:3]} == {"covid19", "##ys", "[USER]"}  # type: ignore[index, union-attr]
    np.testing.assert_allclose([f.score for f in found][:3], [each["score"] for each in expected], atol=1e-5)  # type: ignore[union-attr]
