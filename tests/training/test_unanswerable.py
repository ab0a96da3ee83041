"""Questions without an answer, end to end: training, the tuned threshold, export, evaluate and predict."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny import CONFIG, checkpoint, tokenizer

from squeezebert_mobile import render
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.console import to_json
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.pipeline import export
from squeezebert_mobile.run.predict import Sample, predict
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.settings import Slot, Template
from squeezebert_mobile.training.comparison import NullRule
from squeezebert_mobile.training.data import QuestionExample
from squeezebert_mobile.training.evaluate import EvaluateOptions, evaluate
from squeezebert_mobile.training.features import encode
from squeezebert_mobile.training.finetune import FinetuneResult, finetune
from squeezebert_mobile.training.options import FinetuneOptions

torch.set_num_threads(1)

PEOPLE, PLACES = ("Ada", "Grace", "Alan"), ("Paris", "Oslo", "Rome")
ASKED, UNASKED = "Where is {}?", "Who saw the weather?"


def row(question: str, context: str, answer: str | None) -> dict[str, object]:
    answers = [] if answer is None else [answer]
    starts = [context.index(answer) for answer in answers]
    return {"question": question, "context": context, "answers": {"text": answers, "answer_start": starts}}


def rows(unanswerable: bool) -> Iterator[dict[str, object]]:
    for person in PEOPLE:
        for place in PLACES:
            context = f"{person} is in {place} now."
            yield row(ASKED.format(person), context, place)
            if unanswerable:
                yield row(UNASKED, context, None)


def write(path: Path, questions: Iterator[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(question) + "\n" for question in questions), encoding="utf-8")
    return str(path)


@dataclass(frozen=True)
class Trained:
    """A fine-tuned checkpoint, with its bundle of both runtimes and the data that it learnt."""

    result: FinetuneResult
    bundle: Bundle
    data: str

    @property
    def folder(self) -> Path:
        return self.result.output_dir


def train(folder: Path, data: str, eval_data: str | None, epochs: int = 60) -> FinetuneResult:
    config = replace(CONFIG, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config.save_pretrained(folder / "config")
    return finetune(
        FinetuneOptions(
            task=Task.QUESTION_ANSWERING,
            data=data,
            eval_data=eval_data,
            output_dir=folder / "model",
            from_scratch=folder / "config" / "config.json",
            vocab_size=120,
            max_length=32,
            stride=4,
            epochs=epochs,
            batch_size=6,
            learning_rate=3e-3,
            quiet=True,
        )
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("squad2")
    data = write(folder / "data.jsonl", rows(unanswerable=True))
    result = train(folder, data, data)
    return Trained(result, export(ExportOptions(folder / "bundle", result.output_dir, precisions=("fp32",))), data)


@pytest.mark.slow
def test_null_answers_are_right_in_every_runtime(trained: Trained) -> None:
    result = evaluate(EvaluateOptions(trained.bundle.folder, trained.data, model=str(trained.folder), resamples=5))
    assert [each.runtime for each in result.rows] == ["torch", "onnx", "executorch"]
    assert result.null_rule == NullRule(trained.result.null_threshold, "model")
    for each in result.rows:
        assert each.metrics["f1"] > 0.99
        assert each.metrics["NoAns_exact"] == 1
        assert each.metrics["always_answering_f1"] == pytest.approx(each.metrics["HasAns_f1"] / 2)
        assert each.drop in (None, 0)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "executorch"])
def test_predict_says_that_there_is_no_answer(trained: Trained, runtime: str) -> None:
    samples = [Sample(ASKED.format("Alan"), "Alan is in Rome now."), Sample(UNASKED, "Alan is in Rome now.")]
    answered, unanswered = predict(trained.bundle.folder, samples, runtime=runtime)
    assert (answered.result.text, answered.result.has_answer) == ("Rome", True)
    assert (unanswered.result.text, unanswered.result.has_answer) == ("", False)
    assert unanswered.result.null_margin > trained.result.null_threshold > answered.result.null_margin
    assert unanswered.result.score == unanswered.result.null_probability > answered.result.null_probability
    assert "no answer in the text" in render.prediction(unanswered)
    assert json.loads(to_json(unanswered))["result"]["has_answer"] is False
    (always,) = predict(trained.bundle.folder, samples[1:], runtime=runtime, null_threshold=1e6)
    assert always.result.has_answer and always.result.text


@pytest.mark.slow
def test_the_tuned_threshold_goes_with_checkpoint_and_bundle_and_transformers_reads_both(trained: Trained) -> None:
    threshold = trained.result.null_threshold
    assert threshold == trained.result.metrics["best_f1_thresh"]
    for folder in (trained.folder, trained.bundle.folder):
        assert SqueezeBertConfig.from_pretrained(folder).null_threshold == threshold
        assert transformers.AutoConfig.from_pretrained(folder).null_threshold == threshold
    assert trained.bundle.manifest.postprocessing.null_threshold == threshold
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(trained.folder)
    words = transformers.AutoTokenizer.from_pretrained(trained.folder)
    with torch.no_grad():
        logits = model(**words(UNASKED, "Alan is in Rome now.", return_tensors="pt"))
    assert (int(logits.start_logits.argmax()), int(logits.end_logits.argmax())) == (0, 0)


def test_without_eval_data_the_threshold_is_zero_and_without_unanswerable_questions_there_is_none(
    tmp_path: Path,
) -> None:
    (tmp_path / "two").mkdir()
    two = train(tmp_path / "two", write(tmp_path / "two.jsonl", rows(unanswerable=True)), None, epochs=1)
    assert two.null_threshold == SqueezeBertConfig.from_pretrained(two.output_dir).null_threshold == 0.0
    answerable = write(tmp_path / "one.jsonl", rows(unanswerable=False))
    one = train(tmp_path / "one", answerable, str(tmp_path / "two.jsonl"), epochs=1)
    assert one.null_threshold is None
    assert "null_threshold" not in json.loads((one.output_dir / "config.json").read_bytes())
    again = replace(
        FinetuneOptions(task=Task.QUESTION_ANSWERING, data=answerable, output_dir=tmp_path / "again", model="-"),
        model=str(two.output_dir), max_length=32, stride=4, epochs=1, quiet=True,
    )  # fmt: skip
    assert finetune(again).null_threshold == 0.0


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return checkpoint(tmp_path / "model", Task.QUESTION_ANSWERING)


def test_evaluate_says_what_a_model_that_always_answers_would_reach(model: Path, tmp_path: Path) -> None:
    both = write(tmp_path / "both.jsonl", rows(unanswerable=True))
    result = evaluate(EvaluateOptions(model, both, resamples=5))
    assert result.null_rule == NullRule(0.0, "data")
    text = render.evaluation(result)
    assert "predict always answers without --null-threshold" in text
    assert "always_answering_f1" in text and "best_f1_thresh" in text
    one = evaluate(EvaluateOptions(model, write(tmp_path / "one.jsonl", rows(unanswerable=False)), resamples=5))
    assert (one.null_rule, set(one.rows[0].metrics)) == (None, {"f1", "exact_match"})
    assert "no answer" not in render.evaluation(one)


def test_the_option_decides_over_what_the_model_declares(model: Path, tmp_path: Path) -> None:
    both = write(tmp_path / "both.jsonl", rows(unanswerable=True))
    declared = replace(SqueezeBertConfig.from_pretrained(model), null_threshold=-1e6)
    declared.save_pretrained(model)
    never, always = (
        evaluate(EvaluateOptions(model, both, resamples=5, null_threshold=threshold)) for threshold in (None, 1e6)
    )
    assert (never.null_rule, never.rows[0].metrics["NoAns_f1"]) == (NullRule(-1e6, "model"), 1.0)
    assert (always.null_rule, always.rows[0].metrics["NoAns_f1"]) == (NullRule(1e6, "option"), 0.0)


@pytest.mark.slow
def test_export_takes_a_threshold_for_a_model_that_declares_none(model: Path, tmp_path: Path) -> None:
    chosen = ExportOptions(tmp_path / "bundle", model, runtimes=("onnx",), precisions=("fp32",), null_threshold=-1e6)
    bundle = export(chosen)
    assert bundle.manifest.postprocessing.null_threshold == bundle.config().null_threshold == -1e6
    assert "A context may not hold the answer" in (bundle.folder / "README.md").read_text(encoding="utf-8")
    (found,) = predict(bundle.folder, [Sample("Where is Ada?", "Ada is in Paris now.")])
    assert not found.result.has_answer


def test_a_threshold_is_refused_where_nothing_is_asked(tmp_path: Path) -> None:
    film = checkpoint(tmp_path / "film", Task.TEXT_CLASSIFICATION)
    for call in (
        lambda: export(ExportOptions(tmp_path / "bundle", film, null_threshold=0.0)),
        lambda: evaluate(EvaluateOptions(film, "data.jsonl", null_threshold=0.0)),
    ):
        with pytest.raises(UsageError, match="--null-threshold: is for question answering"):
            call()


BARE = Template((Slot(0, None, 0),), (Slot(0, None, 0), Slot(1, None, 0)))


@pytest.mark.parametrize(
    "changes", [{}, {"padding_side": "left"}, {"truncation_side": "left"}, {"template": BARE}], ids=str
)
def test_the_null_span_is_the_first_token_of_every_window_whatever_the_tokenizer_declares(
    changes: dict[str, Any],
) -> None:
    plain = tokenizer()
    words = plain.with_settings(replace(plain.settings, **changes))
    context = "a quiet film that stays with you for days. " * 4
    features = encode([QuestionExample("Who left?", context, (), ())], words, max_length=24, stride=4)
    assert len(features) > 2
    first = plain.rows("Who left?").input_ids[0, 1 if "template" in changes else 0]
    for feature in features:
        assert feature.input_ids[0] == first
        assert feature.labels.tolist() == [0, 0]
        assert feature.is_context is not None and not feature.is_context[0]
        assert feature.attention_mask.all()
