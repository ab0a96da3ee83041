"""The model that ships with the package: its files, its answers, and the figure that its card gives."""

import re

import numpy as np
import pytest
from checkout import ROOT

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.benchmarks.lab.demo_recipe import nearest_words, vary, word_table
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.checkpoint.source import DEMO_MODEL
from squeezebert_mobile.model import SqueezeBertForSequenceClassification
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training.evaluate import EvaluateOptions, evaluate, torch_predict

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
    assert config.labels == ("negative", "positive")


@pytest.mark.parametrize(("text", "label"), SENTENCES.items())
def test_it_answers_plain_sentences(text: str, label: str) -> None:
    model = SqueezeBertForSequenceClassification.from_pretrained(DEMO_MODEL)
    encoded = SqueezeBertTokenizerFast.from_pretrained(DEMO_MODEL).rows(text)
    batch = Batch(encoded.input_ids, encoded.attention_mask, encoded.token_type_ids)
    assert model.config.labels[torch_predict(model)(batch)["logits"][0].argmax()] == label


@pytest.mark.skipif(not DEV.is_file(), reason="needs SST-2 in ../shared/data/sst2")
def test_its_accuracy_is_the_cards() -> None:
    stated = re.search(r"([\d.]+) ?% (?:on|of) the 872 dev", (DEMO_MODEL / "README.md").read_text(encoding="utf-8"))
    assert stated is not None
    found = evaluate(EvaluateOptions(DEMO_MODEL, str(DEV), batch_size=32, resamples=1, quiet=True)).rows[0]
    decimals = len(stated[1].partition(".")[2])
    assert round(100 * found.metrics["accuracy"], decimals) == float(stated[1])


def test_first_vectors_keep_what_views_say_at_one_scale() -> None:
    random = np.random.default_rng(0)
    hidden = random.normal(size=(400, 3)).astype(np.float32)
    # Two views of the same three directions, at scales and offsets far apart.
    views = [scale * hidden @ random.normal(size=(3, 8)) + scale for scale in (1e-3, 1e3)]
    table = word_table(views, 3)
    assert table.shape == (400, 3)
    assert table.std() == pytest.approx(0.03, rel=1e-3)
    explained = table @ np.linalg.lstsq(table, hidden - hidden.mean(0), rcond=None)[0]
    np.testing.assert_allclose(explained, hidden - hidden.mean(0), atol=1e-2)


def test_words_vary_among_their_neighbours_alone() -> None:
    words, others = ["good", "film"], [f"good{n}" for n in range(5)] + [f"film{n}" for n in range(5)]
    near = {"g": (1.0, 0.1), "f": (0.1, 1.0)}
    vectors = np.array([near[word[0]] for word in [*words, *others]], np.float32)
    neighbours = nearest_words(words, others, vectors)
    assert {word: set(found) for word, found in neighbours.items()} == {
        word: {f"{word}{n}" for n in range(5)} for word in words
    }
    random = np.random.default_rng(0)
    assert vary("good film", neighbours, 0.0, random) == "good film"
    varied = [vary("good film", neighbours, 0.5, random).split() for _ in range(400)]
    assert {first for first, _ in varied} == {"good", *others[:5]}
    assert np.mean([second != "film" for _, second in varied]) == pytest.approx(0.5, abs=0.1)
