"""The model that ships with the package: its files, its answers, and the figure that its card gives."""

import re

import pytest
from checkout import ROOT

from squeezebert_mobile import checkpoint
from squeezebert_mobile.batch import Batch
from squeezebert_mobile.demo_model import DEMO_MODEL
from squeezebert_mobile.export.demo_recipe import whole_sentences
from squeezebert_mobile.export.evaluate import EvaluateOptions, evaluate
from squeezebert_mobile.export.torch_session import TorchSession
from squeezebert_mobile.model import SqueezeBertForSequenceClassification
from squeezebert_mobile.tokenizer import SqueezeBertTokenizerFast

DEV = ROOT.parent / "shared" / "data" / "sst2" / "dev.tsv"
MEGABYTES = 8
SENTENCES = {
    "A quiet film that stays with you for days.": "positive",
    "Two hours that I will never get back.": "negative",
    "The acting is wonderful and the music even better.": "positive",
    "The dialogue is painfully bad.": "negative",
    "It is funny, warm and beautifully shot.": "positive",
    "A waste of a talented cast.": "negative",
}


def test_it_is_small_and_grouped_as_in_the_paper() -> None:
    config = checkpoint.load(str(DEMO_MODEL)).config
    assert sum(path.stat().st_size for path in DEMO_MODEL.iterdir()) <= MEGABYTES * 1e6
    assert {config.q_groups, config.k_groups, config.v_groups, config.intermediate_groups, config.output_groups} == {4}
    assert config.id2label == ("negative", "positive")


@pytest.mark.parametrize(("text", "label"), SENTENCES.items())
def test_it_answers_plain_sentences(text: str, label: str) -> None:
    model = SqueezeBertForSequenceClassification.from_pretrained(DEMO_MODEL)
    encoded = SqueezeBertTokenizerFast.from_pretrained(DEMO_MODEL)(text)
    batch = Batch(encoded.input_ids, encoded.attention_mask, encoded.token_type_ids)
    assert model.config.id2label[TorchSession(model).run(batch)["logits"][0].argmax()] == label


@pytest.mark.skipif(not DEV.is_file(), reason="needs SST-2 in ../shared/data/sst2")
def test_its_accuracy_is_the_cards() -> None:
    stated = re.search(r"([\d.]+) ?% (?:on|of) the 872 dev", (DEMO_MODEL / "README.md").read_text(encoding="utf-8"))
    assert stated is not None
    found = evaluate(EvaluateOptions(DEMO_MODEL, str(DEV), batch_size=32, resamples=1, quiet=True)).rows[0]
    decimals = len(stated[1].partition(".")[2])
    assert round(100 * found.metrics["accuracy"], decimals) == float(stated[1])


def test_whole_sentences_are_those_within_no_other() -> None:
    texts = ["a good film", "good", "a good film indeed", "indeed", "bad", "bad", "goo"]
    assert whole_sentences(texts) == ["a good film indeed", "bad", "goo"]
