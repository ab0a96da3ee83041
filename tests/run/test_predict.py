"""From texts to results, with a model that answers what it is told to, and what the app has in common with that."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import handmade
import numpy as np
import pytest
from checkout import ROOT

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Kind, PostProcessing
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.run.postprocess import AnswerSpan, Choice, Embedding, Entity, LabelScore, MaskFilling
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.tasks import Task, window_stride
from squeezebert_mobile.tokenizer.settings import Slot, Template

PREDICTOR = ROOT / "android_demo/core/src/main/java/org/squeezebert/internal/Predictor.java"
QUESTION = "Is it good?"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundles.read(handmade.write(tmp_path_factory.mktemp("predict") / "bundle"))


class Retold(Bundle):
    """A bundle whose manifest is changed here, and its config is not."""

    def config(self) -> SqueezeBertConfig:
        return handmade.CONFIG


class Model:
    """A predictor whose model gives ``outputs``, each made from the batch of a call and kept with it."""

    def __init__(
        self,
        bundle: Bundle,
        task: Task,
        postprocessing: Kind,
        labels: tuple[str, ...] = (),
        null_threshold: float | None = None,
        declared: float | None = None,
    ) -> None:
        answers = PostProcessing(kind=postprocessing, null_threshold=declared)
        changes = {"task": task, "postprocessing": answers, "labels": labels}
        self.calls: list[Batch] = []
        self.outputs: dict[str, Any] = {}
        self.predict = Predictor(
            Retold(bundle.folder, bundle.manifest.model_copy(update=changes)),
            top_k=2,
            null_threshold=null_threshold,
            run=self._run,
        )
        self.ids = {piece: id_ for id_, piece in enumerate(bundle.tokenizer().pieces)}

    def _run(self, batch: Batch) -> dict[str, Float32]:
        self.calls.append(batch)
        return {name: np.asarray(make(batch), np.float32)[None] for name, make in self.outputs.items()}


@pytest.mark.parametrize(
    ("postprocessing", "expected"),
    [
        ("softmax", [("b", 0.75), ("a", 0.25)]),
        ("sigmoid", [("b", 0.75), ("a", 0.5)]),
        ("regression", [("a", 0), ("b", 1.0986123)]),
    ],
)
def test_labels_are_read_as_the_bundle_says(bundle: Bundle, postprocessing: Kind, expected: list[Any]) -> None:
    model = Model(bundle, Task.TEXT_CLASSIFICATION, postprocessing, ("a", "b"))
    model.outputs["logits"] = lambda _: [0, np.log(3)]
    found = model.predict(Sample("A quiet film.", "days"))
    assert found.result == tuple(LabelScore(label, pytest.approx(score)) for label, score in expected)  # type: ignore[arg-type]
    (call,) = model.calls
    assert (found.tokens, found.truncated) == (call.input_ids.size, False)
    assert call.token_type_ids.any()


def test_a_text_that_is_cut_says_so(bundle: Bundle) -> None:
    model = Model(bundle, Task.TEXT_CLASSIFICATION, "softmax", ("a", "b"))
    model.outputs["logits"] = lambda _: [0, 1]
    found = model.predict(Sample("days " * 60))
    assert (found.tokens, found.truncated) == (handmade.LENGTH, True)


def test_entities_are_words_of_the_first_text_alone(bundle: Bundle) -> None:
    model = Model(bundle, Task.TOKEN_CLASSIFICATION, "entity-spans", ("O", "B-X", "I-X"))
    model.outputs["logits"] = lambda batch: np.tile([0, 9, 0], (batch.input_ids.shape[1], 1))
    found = model.predict(Sample("film days", "days")).result
    assert [(item.label, item.text) for item in found if isinstance(item, Entity)] == [("X", "film"), ("X", "days")]  # type: ignore[union-attr]


def test_a_long_context_is_read_in_windows_without_padding_and_the_best_answers(bundle: Bundle) -> None:
    model = Model(bundle, Task.QUESTION_ANSWERING, "answer-span")
    context = "a quiet film. " * 6 + "the days."
    days = model.ids["days"]
    model.outputs = dict.fromkeys(
        ("start_logits", "end_logits"), lambda batch: 9.0 * (batch.input_ids[0] == days) * batch.token_type_ids[0]
    )
    found = model.predict(Sample(QUESTION, context))
    assert isinstance(found.result, AnswerSpan)
    assert (found.result.text, found.result.start) == ("days", context.index("days"))
    assert len(model.calls) > 1
    assert all(call.attention_mask.all() and call.input_ids.shape[1] <= handmade.LENGTH for call in model.calls)
    assert not found.truncated


def test_a_question_about_nothing_has_no_answer(bundle: Bundle) -> None:
    model = Model(bundle, Task.QUESTION_ANSWERING, "answer-span")
    model.outputs = dict.fromkeys(("start_logits", "end_logits"), lambda batch: np.ones(batch.input_ids.shape[1]))
    assert model.predict(Sample(QUESTION, "")).result == AnswerSpan("", 0.0, 0, 0, has_answer=False)


@pytest.mark.parametrize(
    ("declared", "given", "has_answer"),
    [(None, None, True), (0.0, None, False), (9.0, None, True), (None, 0.0, False), (0.0, 9.0, True)],
)
def test_no_answer_is_given_where_the_bundle_or_the_caller_says_so(
    bundle: Bundle, declared: float | None, given: float | None, has_answer: bool
) -> None:
    model = Model(bundle, Task.QUESTION_ANSWERING, "answer-span", null_threshold=given, declared=declared)
    model.outputs = dict.fromkeys(
        ("start_logits", "end_logits"), lambda batch: np.where(np.arange(batch.input_ids.shape[1]), 1, 3)
    )
    found = model.predict(Sample(QUESTION, "a quiet film")).result
    assert isinstance(found, AnswerSpan)
    assert (found.has_answer, found.text != "") == (has_answer, has_answer)


def test_a_threshold_of_no_answer_is_refused_where_nothing_is_asked(bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="--null-threshold: is for question answering"):
        Model(bundle, Task.TEXT_CLASSIFICATION, "softmax", null_threshold=0.0)


def test_each_mask_is_filled_with_pieces_of_the_vocabulary(bundle: Bundle) -> None:
    model = Model(bundle, Task.FILL_MASK, "mask-fillings")
    rows = len(model.ids) + 8
    first, second = model.ids["film"], model.ids["days"]
    spare = np.log(4) + 20  # a row without a token, which has half of the probability

    def logits(batch: Batch) -> Float32:
        values = np.zeros((batch.input_ids.shape[1], rows), np.float32)
        values[:, [first, second, rows - 1]] = [np.log(3) + 20, 20, spare]
        return values

    model.outputs["logits"] = logits
    found = model.predict(Sample("a [MASK] of [MASK]")).result
    expected = (MaskFilling("film", first, pytest.approx(0.375)), MaskFilling("days", second, pytest.approx(0.125)))  # type: ignore[arg-type]
    assert found == (expected, expected)


def test_options_go_in_one_call(bundle: Bundle) -> None:
    model = Model(bundle, Task.MULTIPLE_CHOICE, "choice")
    model.outputs["logits"] = lambda batch: batch.attention_mask[0].sum(-1)
    found = model.predict(Sample("A film", options=("good", "two days of film", "bad"))).result
    assert isinstance(found, Choice)
    assert found.index == 1
    (call,) = model.calls
    assert call.input_ids.shape[:2] == (1, 3)


def test_an_embedding_is_the_pooled_vector(bundle: Bundle) -> None:
    model = Model(bundle, Task.FEATURE_EXTRACTION, "none")
    model.outputs = {"last_hidden_state": lambda _: [[7, 7]], "pooler_output": lambda _: [1, 2.5]}
    assert model.predict(Sample("a film")).result == Embedding((1.0, 2.5))


@pytest.mark.parametrize(
    ("task", "sample", "words"),
    [
        (Task.QUESTION_ANSWERING, Sample(QUESTION), "TEXT_PAIR: is missing"),
        (Task.MULTIPLE_CHOICE, Sample("a", options=("b",)), "--option: needs two or more (found 1)"),
        (Task.TEXT_CLASSIFICATION, Sample("a", options=("b", "c")), "--option: is for multiple choice"),
        (Task.MULTIPLE_CHOICE, Sample("a", "b", ("c", "d")), "TEXT_PAIR: has no place beside options"),
        (Task.FILL_MASK, Sample("a film", "days"), "TEXT: has no [MASK] to fill"),
    ],
)
def test_a_sample_that_does_not_fit_its_task_is_refused(bundle: Bundle, task: Task, sample: Sample, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        Model(bundle, task, "none").predict(sample)


def renamed_mask(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = bundle.tokenizer()
    tokenizer.add_special_tokens({"mask_token": "<mask>"})
    config = replace(bundle.config(), vocab_size=len(tokenizer))
    monkeypatch.setattr(Bundle, "tokenizer", lambda _: tokenizer)
    monkeypatch.setattr(Retold, "config", lambda _: config)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a [MASK] film", "TEXT: has no <mask> to fill (found [MASK], expected <mask>); fix: write <mask> where the"),
        ("a film", "TEXT: has no <mask> to fill; fix: write <mask> where the word is missing"),
        ("days " * 60 + "<mask>", "TEXT: has its <mask> where the text is cut off (expected within 32 tokens); fix: "),
    ],
)
def test_a_mask_has_the_models_own_name(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, text: str, words: str) -> None:
    renamed_mask(bundle, monkeypatch)
    model = Model(bundle, Task.FILL_MASK, "mask-fillings")
    model.outputs["logits"] = lambda batch: np.eye(batch.input_ids.shape[1], len(model.ids) + 1)
    with pytest.raises(UsageError, match=re.escape(words)):
        model.predict(Sample(text))
    (found,) = model.predict(Sample("a <mask> film")).result  # type: ignore[misc]
    assert found[0].token_id == 2  # type: ignore[union-attr]  (the mask is the third token)


def test_a_row_without_any_token_never_reaches_the_model(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = bundle.tokenizer()
    rows = Template((Slot(0, None, 0),), (Slot(0, None, 0), Slot(1, None, 1)))
    monkeypatch.setattr(Bundle, "tokenizer", lambda _: plain.with_settings(replace(plain.settings, template=rows)))
    model = Model(bundle, Task.TEXT_CLASSIFICATION, "softmax", ("a",))
    with pytest.raises(UsageError, match="TEXT: has no tokens, and this tokenizer adds none"):
        model.predict(Sample(""))
    assert not model.calls


def test_ids_that_the_model_has_no_rows_for_never_reach_it(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(bundle.config(), vocab_size=7)
    monkeypatch.setattr(Retold, "config", lambda _: small)
    model = Model(bundle, Task.TEXT_CLASSIFICATION, "softmax", ("a",))
    with pytest.raises(UsageError, match="input_ids: has a value out of range"):
        model.predict(Sample("A quiet film"))
    assert not model.calls


def test_a_predictor_ends_the_process_that_it_began(tmp_path: Path) -> None:
    opened = bundles.read(handmade.write(tmp_path / "bundle"))
    with Predictor(opened) as predictor:
        found = predictor(Sample("A quiet film that stays with you for days."))
        session = predictor._sessions._idle.get()  # type: ignore[attr-defined]
    assert {score.label for score in found.result} == set(handmade.LABELS)  # type: ignore[union-attr]
    assert session._process.returncode is not None


@pytest.mark.parametrize(("max_length", "expected"), [(512, 128), (384, 96), (32, 8), (1024, 128)])
def test_windows_share_128_tokens_or_a_quarter_of_their_length(max_length: int, expected: int) -> None:
    assert window_stride(max_length) == expected


def test_windows_share_as_many_tokens_in_the_app() -> None:
    assert re.findall(r"STRIDE = (\d+);", PREDICTOR.read_text(encoding="utf-8")) == [str(window_stride(10_000))]
