"""Pairs of texts: the losses are sentence-transformers' own, and what is trained opens there."""

import json
from pathlib import Path

import numpy as np
import pytest
import sentences
import tiny
import torch

from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.errors import InputFileError, UsageError
from squeezebert_mobile.model import run_module
from squeezebert_mobile.tables.columns import find_columns
from squeezebert_mobile.tables.files import read_table
from squeezebert_mobile.tasks import Pooling, Task
from squeezebert_mobile.training.data import PairExample, examples
from squeezebert_mobile.training.evaluate import evaluate
from squeezebert_mobile.training.features import collate, encode
from squeezebert_mobile.training.finetune import finetune
from squeezebert_mobile.training.losses import Objective
from squeezebert_mobile.training.options import EvaluateOptions, FinetuneOptions

PAIRS = [
    ("A quiet film.", "It stays with you for days."),
    ("Two hours of noise", "Not a single joke lands."),
    ("How many legs does a spider have?", "Each of them walks on eight legs."),
    ("hi", "hello"),
]
SCORES = (0.9, 0.1, 0.6, 1.0)


def write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def rows(scores: tuple[float, ...] = ()) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [{"text": first, "text_pair": second} for first, second in PAIRS]
    return [row | {"score": score} for row, score in zip(found, scores, strict=True)] if scores else found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentences.folder(tmp_path_factory.mktemp("pairs") / "model", max_seq_length=24)


NEGATIVES = (
    ("Loud, and over in an hour.", "Nobody laughed."),
    ("A quiet film.", "The jokes land."),
    ("Six.", "A beetle has six legs."),
    ("bye", "good morning, and good luck"),
)


def our_loss(folder: Path, scores: tuple[float, ...], negatives: int = 0) -> float:
    loaded = checkpoint.load(folder)
    model = checkpoint.load_model(loaded, pooling=loaded.declared.pooling()).model
    examples = [
        PairExample(*pair, score, others[:negatives])
        for pair, score, others in zip(PAIRS, scores or (None,) * len(PAIRS), NEGATIVES, strict=True)
    ]
    batch = collate(encode(examples, loaded.tokenizer(), max_length=24), 0)
    objective = Objective(model, distillation=0.0, temperature=1.0)
    inputs = [torch.from_numpy(array) for array in batch.inputs.arrays().values()]
    loss, _ = objective(*inputs, torch.from_numpy(batch.labels), None)
    return float(loss) / len(PAIRS)


@pytest.mark.parametrize("scores", [(), SCORES])
def test_the_loss_is_that_of_sentence_transformers(written: Path, scores: tuple[float, ...]) -> None:
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss, MultipleNegativesRankingLoss

    model = sentences.opened(written).eval()
    texts = [model.preprocess([pair[side] for pair in PAIRS]) for side in (0, 1)]
    loss = (CosineSimilarityLoss if scores else MultipleNegativesRankingLoss)(model)
    expected = float(loss(texts, torch.tensor(scores) if scores else None))
    assert our_loss(written, scores) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_the_loss_of_hard_negatives_is_that_of_sentence_transformers(written: Path, count: int) -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = sentences.opened(written).eval()
    rows = [(*pair, *others[:count]) for pair, others in zip(PAIRS, NEGATIVES, strict=True)]
    texts = [model.preprocess(list(column)) for column in zip(*rows, strict=True)]
    expected = float(MultipleNegativesRankingLoss(model)(texts, None))
    assert our_loss(written, (), count) == pytest.approx(expected, rel=1e-4)
    assert abs(expected - our_loss(written, ())) > 1e-3


@pytest.mark.parametrize("row", [
    {"anchor": "a", "positive": "b", "negative": "c"}, {"query": "a", "positive": "b", "negative_1": "c"},
    {"text": "a", "text_pair": "b", "negative": ["c"]}, {"question": "a", "answer": "b", "negatives": "['c']"},
    {"sentence1": "a", "sentence2": "b", "negative-1": "c"},
])  # fmt: skip
def test_a_hard_negative_is_found_as_sentence_transformers_names_it(row: dict[str, object], tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.jsonl", [row]), Task.FEATURE_EXTRACTION)
    columns = find_columns(table, Task.FEATURE_EXTRACTION)
    assert examples(table, columns, tiny.SMALL) == (PairExample("a", "b", None, ("c",)),)


def test_several_hard_negatives_stand_in_their_columns_or_in_one(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"anchor": "a", "positive": "b", **{f"negative_{n}": text for n, text in enumerate("cdefghijkl", 1)}},
    ]
    table = read_table(write(tmp_path / "a.jsonl", rows), Task.FEATURE_EXTRACTION)
    found = examples(table, find_columns(table, Task.FEATURE_EXTRACTION), tiny.SMALL)
    assert found == (PairExample("a", "b", None, tuple("cdefghijkl")),)
    chosen = find_columns(table, Task.FEATURE_EXTRACTION, [("negative", "negative_2,negative_1")])
    assert examples(table, chosen, tiny.SMALL) == (PairExample("a", "b", None, ("d", "c")),)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"negative": "c"}, {"negative": ""}], "row 2: has a negative without text"),
        ([{"negative": "c"}, {"negative": None}], "row 2: has a negative without text"),
        ([{"negatives": ["c"]}, {"negatives": ["c", "d"]}], "row 2: has another number of negatives than row 1"),
        ([{"negatives": []}], "row 1: has a negative without text"),
        ([{"negative": "c", "score": 0.5}], "row 1: has a score and a negative"),
    ],
)
def test_negatives_that_make_no_batch_are_refused(rows: list[dict[str, object]], message: str, tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", [{"anchor": "a", "positive": "b", **row} for row in rows])
    table = read_table(data, Task.FEATURE_EXTRACTION)
    with pytest.raises(InputFileError, match=message):
        examples(table, find_columns(table, Task.FEATURE_EXTRACTION), tiny.SMALL)


def test_training_on_triplets_parts_them_and_is_measured_as_sentence_transformers_measures_it(
    written: Path, tmp_path: Path
) -> None:
    from sentence_transformers.sentence_transformer.evaluation import TripletEvaluator

    rows: list[dict[str, object]] = [
        {"anchor": first, "positive": second, "negative": others[0]}
        for (first, second), others in zip(PAIRS, NEGATIVES, strict=True)
    ]
    data = write(tmp_path / "triplets.jsonl", rows)
    options = FinetuneOptions(
        Task.FEATURE_EXTRACTION, data, tmp_path / "out", str(written), epochs=60, batch_size=4, max_length=24,
        learning_rate=1e-3, eval_data=data, quiet=True,
    )  # fmt: skip
    assert finetune(options).metrics == {"cosine_accuracy": 1.0}
    assert our_loss(tmp_path / "out", (), 1) < our_loss(written, (), 1)
    judge = TripletEvaluator(*([str(row[key]) for row in rows] for key in ("anchor", "positive", "negative")))
    for folder in (written, tmp_path / "out"):
        found = evaluate(EvaluateOptions(folder, data, batch_size=3, quiet=True)).rows[0].metrics
        assert found == judge(sentences.opened(folder))


def test_training_on_pairs_brings_them_together_and_saves_what_sentence_transformers_opens(
    written: Path, tmp_path: Path
) -> None:
    data = write(tmp_path / "pairs.jsonl", rows())
    options = FinetuneOptions(
        Task.FEATURE_EXTRACTION, data, tmp_path / "out", str(written), epochs=60, batch_size=4, max_length=24,
        learning_rate=1e-3, quiet=True,
    )  # fmt: skip
    finetune(options)
    assert our_loss(tmp_path / "out", ()) < 0.5 * our_loss(written, ())
    loaded = checkpoint.load(tmp_path / "out")
    assert loaded.declared.pooling() == Pooling("mean", normalize=True)
    theirs = sentences.opened(tmp_path / "out")
    assert theirs.max_seq_length == 24
    batch = loaded.tokenizer().rows(list(sentences.TEXTS), padding="longest").batch()
    model = checkpoint.load_model(loaded, pooling=loaded.declared.pooling()).model
    found = run_module(model, batch, model.output_names)["sentence_embedding"]
    assert sentences.cosines(found, theirs.encode(list(sentences.TEXTS))).min() >= 0.99999


@pytest.mark.slow
def test_training_on_scores_starts_from_any_checkpoint_and_is_measured_by_rank(tmp_path: Path) -> None:
    data = write(tmp_path / "scores.jsonl", rows(SCORES))
    model = tiny.checkpoint(tmp_path / "model", Task.FILL_MASK, tiny.SMALL)
    options = FinetuneOptions(
        Task.FEATURE_EXTRACTION, data, tmp_path / "out", str(model), epochs=120, batch_size=4, max_length=64,
        learning_rate=3e-3, eval_data=data, pooling="cls", normalize=True, quiet=True,
    )  # fmt: skip
    result = finetune(options)
    assert result.metrics["spearman"] == pytest.approx(1)
    assert checkpoint.load(tmp_path / "out").declared.pooling() == Pooling("cls", normalize=True)
    measured = evaluate(EvaluateOptions(tmp_path / "out", data, batch_size=3, quiet=True)).rows[0].metrics
    assert measured["spearman"] == pytest.approx(1) and measured["pearson"] > 0.9


def test_a_checkpoint_is_measured_as_sentence_transformers_measures_it(written: Path, tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    found = evaluate(EvaluateOptions(written, write(tmp_path / "s.jsonl", rows(SCORES)), quiet=True)).rows[0].metrics
    judge = EmbeddingSimilarityEvaluator(*zip(*PAIRS, strict=True), SCORES, main_similarity="cosine")
    expected = judge(sentences.opened(written))
    assert found["pearson"] == pytest.approx(expected["pearson_cosine"], abs=1e-5)
    assert found["spearman"] == pytest.approx(expected["spearman_cosine"], abs=1e-5)


def test_a_body_without_pooling_is_measured_with_the_one_that_is_asked_for(tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model", Task.FEATURE_EXTRACTION, tiny.SMALL)
    data = write(tmp_path / "s.jsonl", rows(SCORES))
    with pytest.raises(UsageError, match=r"declares no pooling.*; fix: pass --pooling mean, cls or max"):
        evaluate(EvaluateOptions(model, data, quiet=True))
    assert set(evaluate(EvaluateOptions(model, data, pooling="max", quiet=True)).rows[0].metrics) == {
        "spearman", "pearson"
    }  # fmt: skip


def test_pairs_without_scores_cannot_be_measured(written: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "pairs.jsonl", rows())
    with pytest.raises(InputFileError, match=r"has no column for score .*; fix: pass --column score=NAME"):
        evaluate(EvaluateOptions(written, data, quiet=True))


@pytest.mark.parametrize(
    ("scores", "options", "words"),
    [
        ((5, 0, 2, 1), {}, "has scores that are no cosines .found 5.0, expected -1 to 1"),
        ((), {"accumulation": 2}, "pairs without scores need their batch in one part .found 2 parts"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    written: Path, tmp_path: Path, scores: tuple[float, ...], options: dict[str, int], words: str
) -> None:
    data = write(tmp_path / "data.jsonl", rows(scores))
    with pytest.raises((InputFileError, UsageError), match=words):
        finetune(
            FinetuneOptions(
                Task.FEATURE_EXTRACTION, data, tmp_path / "out", str(written), max_length=24, quiet=True, **options
            )  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(("option", "value"), [("pooling", "mean"), ("normalize", True)])
def test_pooling_has_no_meaning_for_a_head(option: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"--{option}: has no meaning for fill-mask"):
        FinetuneOptions(Task.FILL_MASK, "x.txt", Path("out"), "model", **{option: value})  # type: ignore[arg-type]


def test_cosines_of_equal_vectors_are_one() -> None:
    from squeezebert_mobile.run.postprocess import cosine

    vectors = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(cosine(vectors, vectors), 1)
    np.testing.assert_array_equal(cosine(vectors, 0 * vectors), 0)
