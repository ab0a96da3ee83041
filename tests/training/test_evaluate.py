import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from seqeval.metrics import f1_score
from tiny import CONFIG, checkpoint, tokenizer

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.bootstrap import interval
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import GateError, UsageError
from squeezebert_mobile.model import run_module
from squeezebert_mobile.tasks import Activation, Task, window_stride
from squeezebert_mobile.training import metrics as scores
from squeezebert_mobile.training import squad
from squeezebert_mobile.training.comparison import require_drop
from squeezebert_mobile.training.data import Example, QuestionExample, TaggedExample, TextExample
from squeezebert_mobile.training.evaluate import EvaluateOptions, evaluate
from squeezebert_mobile.training.evaluate import score as score_predictions
from squeezebert_mobile.training.features import Feature, encode, hide_each
from squeezebert_mobile.training.metrics import Measure, drop, replicates

torch.set_num_threads(1)

ROWS = [("a quiet film", 1), ("no wit at all", 0), ("it moves", 1), ("dull and long", 0), ("fine work", 1)] * 4


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.tsv"
    path.write_text("sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in ROWS), encoding="utf-8")
    return path


def measured(
    task: Task,
    config: SqueezeBertConfig,
    examples: Sequence[Example],
    features: Sequence[Feature],
    observed: Sequence[np.ndarray],
) -> tuple[scores.Metric, ...]:
    measure = Measure.of(task, config)
    return scores.metrics(measure, scores.of_examples(measure, examples, features, observed))


def row(index: int, width: int, labels: np.ndarray, **more: object) -> Feature:
    ids = np.arange(1, width + 1)
    return Feature(index, ids, np.zeros_like(ids), np.ones_like(ids), labels, **more)


def test_all_artifacts_stand_beside_the_checkpoint_and_agree(tiny_bundle: Path, data: Path) -> None:
    model = str(tiny_bundle.with_name("tiny_bundle.model"))
    result = evaluate(EvaluateOptions(tiny_bundle, str(data), model=model, resamples=50))
    assert (result.metric, result.examples) == ("accuracy", len(ROWS))
    assert (result.rows[0].runtime, result.rows[0].precision) == ("torch", "fp32")
    assert {r.runtime for r in result.rows} == {"torch", "onnx", "executorch"}
    for each in result.rows[1:]:
        assert each.baseline == model
        assert each.drop_interval is not None
        assert each.milliseconds > 0
        if each.precision == "fp32":
            assert each.drop == 0
    assert json.dumps(result.rows[0].metrics)


def test_artifacts_of_lower_precision_are_compared_with_fp32_of_their_runtime(
    tiny_onnx_bundle: Path, data: Path
) -> None:
    result = evaluate(EvaluateOptions(tiny_onnx_bundle, str(data), runtimes=("onnx",), resamples=20))
    assert [(r.precision, r.baseline) for r in result.rows] == [("fp32", None), ("int8", "onnx/model.onnx")]


def test_a_drop_above_the_limit_fails_the_gate(tiny_onnx_bundle: Path, data: Path) -> None:
    result = evaluate(EvaluateOptions(tiny_onnx_bundle, str(data), resamples=5))
    require_drop(result, 1.0)
    with pytest.raises(GateError, match="accuracy is too far below") as caught:
        require_drop(result, -1.0)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"runtimes": ("torch",)}, "needs the checkpoint"),
        ({"precisions": ("fp16",)}, "no such artifact"),
        ({"task": Task.FILL_MASK}, "is not the bundle's"),
        ({"precisions": ("int8",), "max_accuracy_drop": 0.1}, "no baseline"),
        ({"columns": (("text", "words"),)}, "no column for text"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(
    tiny_onnx_bundle: Path, data: Path, wrong: dict[str, object], text: str
) -> None:
    with pytest.raises(Exception, match=text):
        evaluate(EvaluateOptions(tiny_onnx_bundle, str(data), resamples=5, **wrong))


def test_a_checkpoint_runs_in_torch_alone(tmp_path: Path, data: Path) -> None:
    model = checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION)
    assert [r.runtime for r in evaluate(EvaluateOptions(model, str(data), resamples=5)).rows] == ["torch"]
    with pytest.raises(UsageError, match="export it"):
        evaluate(EvaluateOptions(model, str(data), runtimes=("onnx",)))


def test_torch_runs_on_as_many_threads_as_the_report_says(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()

    def note(module: torch.nn.Module, batch: Batch, names: Sequence[str]) -> dict[str, np.ndarray]:
        seen.add(torch.get_num_threads())
        return run_module(module, batch, names)

    monkeypatch.setattr("squeezebert_mobile.model.run_module", note)
    model = checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION)
    assert evaluate(EvaluateOptions(model, str(data), threads=2, resamples=5)).threads == 2
    assert seen == {2}
    assert torch.get_num_threads() == 1


def test_batch_size_does_not_change_the_metrics(tmp_path: Path, data: Path) -> None:
    model = checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION)
    one, many = (evaluate(EvaluateOptions(model, str(data), batch_size=n, resamples=5)).rows[0] for n in (1, 7))
    assert one.metrics == many.metrics


def test_the_interval_of_a_paired_difference_is_narrower_than_of_the_values() -> None:
    random = np.random.default_rng(0)
    right = (random.random((400, 1)) < 0.8).astype(float)
    other = right.copy()
    other[:4] = 1 - other[:4]
    one, two = (scores.Metric("accuracy", s, lambda x: float(x.mean())) for s in (right, other))
    a, b = (replicates(metric, 300, seed=1) for metric in (one, two))
    alone, paired = interval(a), interval(drop(a, b, higher_is_better=True))
    assert alone.low < one.value < alone.high
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_entity_f1_is_seqevals() -> None:
    labels = ("O", "B-PER", "I-PER", "B-LOC")
    gold = [[0, 1, 2, 0, 3], [1, 1, 0]]
    found = [[0, 1, 2, 3, 3], [1, 0, 0]]
    examples = [TaggedExample(tuple("abcde"[: len(tags)]), tuple(tags)) for tags in gold]
    features = [row(i, len(t), np.array(t), words=np.arange(len(t))) for i, t in enumerate(gold)]
    observed = [np.array(tags, float) for tags in found]
    result = measured(Task.TOKEN_CLASSIFICATION, SqueezeBertConfig(id2label=labels), examples, features, observed)
    names = [[[labels[tag] for tag in tags] for tags in rows] for rows in (gold, found)]
    assert result[0].value == pytest.approx(f1_score(*names))


@pytest.mark.parametrize(
    ("answer", "gold", "exact", "f1"),
    [
        ("The Eiffel Tower", "eiffel tower!", 1, 1),
        ("tower", "the Eiffel Tower", 0, 2 / 3),
        ("Paris", "London", 0, 0),
        ("", "", 1, 1),
    ],
)
def test_squad_compares_words_without_case_articles_and_punctuation(
    answer: str, gold: str, exact: float, f1: float
) -> None:
    assert squad.exact(answer, gold) == exact
    assert squad.f1(answer, gold) == pytest.approx(f1)


def test_an_answer_in_a_later_window_is_found() -> None:
    context = " ".join(["one two three"] * 20) + " zebra"
    example = QuestionExample("who", context, ("zebra",), (context.index("zebra"),))
    features = encode([example], tokenizer(), max_length=32, stride=8)
    assert len(features) > 1

    def predict(batch: Batch) -> dict[str, np.ndarray]:
        feature = next(f for f in features if np.array_equal(f.input_ids, batch.input_ids[0]))
        start, end = np.zeros((2, 1, feature.length), np.float32)
        if feature.labels.any():
            start[0, feature.labels[0]] = end[0, feature.labels[1]] = 9
        return {"start_logits": start, "end_logits": end}

    scored = score_predictions(Measure.of(Task.QUESTION_ANSWERING, SqueezeBertConfig()), predict, [example], features)
    assert [(m.name, m.value) for m in scored.metrics] == [("f1", 1), ("exact_match", 1)]


def test_pseudo_perplexity_of_a_uniform_guess_is_the_vocabularys_size() -> None:
    words = tokenizer()
    example = TextExample("a quiet film")
    features = [r for f in encode([example], words, max_length=32) for r in hide_each(f, words.mask_token_id)]

    def predict(batch: Batch) -> dict[str, np.ndarray]:
        return {"logits": np.zeros((*batch.input_ids.shape, 50), np.float32)}

    assert all((f.labels != -100).sum() == 1 and (f.input_ids == words.mask_token_id).sum() == 1 for f in features)
    features = [row(0, f.length, np.minimum(f.labels, 49)) for f in features]
    scored = score_predictions(Measure.of(Task.FILL_MASK, SqueezeBertConfig()), predict, [example], features)
    assert scored.metrics[0].value == pytest.approx(50)


def test_glue_metrics() -> None:
    labels = np.array([0, 1, 1, 0, 1])
    features = [row(i, 3, np.array(label)) for i, label in enumerate(labels)]
    examples = [TextExample("x", target=int(label)) for label in labels]
    observed = [np.array([1.0 - p, p]) for p in (0.1, 0.9, 0.2, 0.3, 0.8)]
    config = SqueezeBertConfig()
    found = {m.name: m.value for m in measured(Task.TEXT_CLASSIFICATION, config, examples, features, observed)}
    assert found["accuracy"] == pytest.approx(0.8)
    assert found["f1"] == pytest.approx(0.8)
    assert found["matthews"] == pytest.approx(2 / 3)


def test_correlations_for_regression() -> None:
    values = [0.1, 0.4, 0.2, 0.9]
    features = [row(i, 3, np.array([v], np.float32)) for i, v in enumerate(values)]
    examples = [TextExample("x", target=(v,)) for v in values]
    config = SqueezeBertConfig(problem_type="regression", id2label=("value",))
    observed = [np.array([2 * v + 1]) for v in values]
    found = {m.name: m.value for m in measured(Task.TEXT_CLASSIFICATION, config, examples, features, observed)}
    assert found == {"pearson": pytest.approx(1), "spearman": pytest.approx(1)}


@pytest.mark.parametrize(("activation", "judge"), [("sigmoid", torch.sigmoid), ("identity", torch.nn.Identity())])
def test_the_correlation_of_a_reranker_is_of_its_scores_not_of_its_logits(
    activation: Activation, judge: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    logits, labels = np.array([-4.0, 0.5, 3.0, 9.0]), [0.0, 0.3, 0.9, 1.0]
    measure = Measure.of(Task.TEXT_CLASSIFICATION, SqueezeBertConfig(id2label=("score",)), activation)
    features = [row(i, 3, np.array([v], np.float32)) for i, v in enumerate(labels)]
    examples = [TextExample("x", target=(v,)) for v in labels]
    found = scores.metrics(measure, scores.of_examples(measure, examples, features, list(logits[:, None])))
    expected = np.corrcoef(judge(torch.from_numpy(logits)).numpy(), np.array(labels, np.float32))[0, 1]
    assert found[0].value == pytest.approx(expected, abs=1e-12)


def test_a_long_context_is_cut_into_the_windows_that_predict_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What evaluate measures is what predict answers, for a window's length at which the strides once differed."""
    config = dataclasses.replace(CONFIG, max_position_embeddings=160)
    model = checkpoint(tmp_path / "model", Task.QUESTION_ANSWERING, config)
    context = "Anna Lee met Bob in New York. " * 40
    row = {"question": "Who met Bob?", "context": context, "answers": {"text": ["Anna Lee"], "answer_start": [0]}}
    (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n")
    seen: list[np.ndarray] = []

    def note(module: torch.nn.Module, batch: Batch, names: Sequence[str]) -> dict[str, np.ndarray]:
        seen.extend(batch.input_ids)
        return run_module(module, batch, names)

    monkeypatch.setattr("squeezebert_mobile.model.run_module", note)
    evaluate(EvaluateOptions(model, str(tmp_path / "data.jsonl"), batch_size=1, resamples=5))
    length = config.max_position_embeddings
    windows = tokenizer(config).rows(
        row["question"],
        context,
        max_length=length,
        truncation="only_second",
        padding="longest",
        stride=window_stride(length),
    )
    expected = {tuple(ids[mask == 1]) for ids, mask in zip(windows.input_ids, windows.attention_mask, strict=True)}
    assert {tuple(ids) for ids in seen} == expected
    assert len(expected) > 2
