"""A head is kept for its own labels and started anew for others; one is never taken for the other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import SMALL, checkpoint

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError, UnsupportedModelError, UsageError
from squeezebert_mobile.model import model_class
from squeezebert_mobile.tables.columns import find_columns
from squeezebert_mobile.tables.files import Table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.finetune import FinetuneResult, finetune
from squeezebert_mobile.training.heads import kept_head, new_head
from squeezebert_mobile.training.options import FinetuneOptions

TEXT = Task.TEXT_CLASSIFICATION
NLI = ("contradiction", "neutral", "entailment")
MULTI_LABEL = "multi_label_classification"


def options(task: Task = TEXT, **values: object) -> FinetuneOptions:
    return FinetuneOptions(task=task, data="data", output_dir=Path("out"), model="model", **values)  # type: ignore[arg-type]


def table_of(*labels: object, role: str = "label") -> Table:
    return Table("data", tuple({"text": "x", "tokens": ["x"], role: label} for label in labels))


def kept(table: Table, own: tuple[str, ...], problem: str | None = None, **values: object) -> SqueezeBertConfig:
    config = SqueezeBertConfig(id2label=own, problem_type=problem)
    chosen = options(**values)
    return kept_head(chosen, table, find_columns(table, TEXT, labels=chosen.labels or own), config)


def new(table: Table, **values: object) -> SqueezeBertConfig:
    chosen = options(**values)
    return new_head(chosen, table, find_columns(table, chosen.task, chosen.columns, labels=chosen.labels),
                    SqueezeBertConfig(id2label=NLI, problem_type="regression"))  # fmt: skip


@pytest.mark.parametrize(
    "labels",
    [("neutral", "entailment"), (0, 1, 2), ("0", "2"), (1, 2), ("2.0", "0.0")],
)
def test_data_with_the_heads_labels_keeps_it(labels: tuple[object, ...]) -> None:
    assert kept(table_of(*labels), NLI).labels == NLI


def test_fewer_numbers_fit_a_head_whose_labels_have_no_names() -> None:
    names = ("LABEL_0", "LABEL_1", "LABEL_2")
    assert kept(table_of(0, 1), names).labels == names
    with pytest.raises(InputFileError, match="numbers its labels"):
        kept(table_of(0, 1, 2, 3), names)


@pytest.mark.parametrize("labels", [(0, 1), ("1", "0"), (True, False), ("0.0", "1.0"), (0, 1, 2, 3)])
def test_numbers_of_another_count_are_never_the_heads_labels(labels: tuple[object, ...]) -> None:
    with pytest.raises(InputFileError, match="numbers its labels") as caught:
        kept(table_of(*labels), NLI)
    assert "--init-head" in caught.value.fix and f"--labels {','.join(NLI)}" in caught.value.fix
    assert kept(table_of(*labels), NLI, labels=NLI).labels == NLI


@pytest.mark.parametrize("labels", [("positive", "negative"), ("neutral", "good"), (1.5, "neutral"), ("1", "2", "x")])
def test_other_names_ask_for_a_new_head(labels: tuple[object, ...]) -> None:
    with pytest.raises(InputFileError, match=r"labels that the model's head has not.*pass --init-head"):
        kept(table_of(*labels), NLI)


def test_numbers_that_are_the_names_of_the_head_keep_it() -> None:
    stars = ("1", "2", "3", "4", "5")
    assert kept(table_of(2, 5), stars).labels == stars
    with pytest.raises(InputFileError, match=r"labels that the model's head has not .found 0, "):
        kept(table_of(0, 4), stars)


def test_asking_for_other_labels_needs_a_new_head_unless_they_name_the_nameless() -> None:
    nameless = ("LABEL_0", "LABEL_1")
    assert kept(table_of("a", "b"), nameless, labels=("a", "b")).labels == ("a", "b")
    for own in (NLI, ("x", "y"), ("b", "a"), (*nameless, "LABEL_2")):
        with pytest.raises(UsageError, match=r"--labels: are not those .*pass --init-head"):
            kept(table_of("a", "b"), own, labels=("a", "b"))


def test_names_for_a_head_that_gives_values_ask_for_a_new_head() -> None:
    with pytest.raises(InputFileError, match=r"found 'good', expected numbers.*--init-head"):
        kept(table_of(1, "good"), ("score",))


def test_another_problem_needs_a_new_head_unless_the_head_has_none() -> None:
    several = table_of(["a"], ["a", "b"])
    assert kept(several, ("a", "b"), problem_type=MULTI_LABEL).problem_type == MULTI_LABEL
    assert kept(table_of(1.5), ("score",)).problem_type == "regression"
    cases = [("single_label_classification", MULTI_LABEL), (None, "regression"), ("regression", MULTI_LABEL)]
    for own, asked in cases:
        with pytest.raises(UsageError, match=r"--problem-type: is not that of .*pass --init-head"):
            kept(several, ("a", "b"), own, problem_type=asked)


@pytest.mark.parametrize(
    ("labels", "values", "names", "problem"),
    [
        (("good", "bad"), {}, ("bad", "good"), None),
        ((0, 1), {}, ("LABEL_0", "LABEL_1"), None),
        (("1", "-1"), {}, ("-1", "1"), None),
        ((0, 1), {"labels": ("bad", "good")}, ("bad", "good"), None),
        ((["b"], ["a", "b"], []), {}, ("a", "b"), MULTI_LABEL),
        (("['b']", "['a', 'b']"), {}, ("a", "b"), MULTI_LABEL),
        (("b", "a b"), {"problem_type": MULTI_LABEL}, ("a", "b"), MULTI_LABEL),
        (([1.0, 0.0], [1.0, 1.0]), {"labels": ("a", "b")}, ("a", "b"), MULTI_LABEL),
        ((1.5, 2), {"problem_type": "regression"}, ("value",), "regression"),
        (([1.5, 2], [0, 1]), {"problem_type": "regression", "labels": ("x", "y")}, ("x", "y"), "regression"),
    ],
)
def test_a_new_head_has_the_labels_asked_for_or_the_datas(
    labels: tuple[object, ...], values: dict[str, object], names: tuple[str, ...], problem: str | None
) -> None:
    found = new(table_of(*labels), **values)
    assert (found.labels, found.problem_type) == (names, problem)


def test_columns_of_zero_and_one_make_a_multi_label_head() -> None:
    table = Table("data", ({"text": "x", "rude": 1, "kind": 0},))
    found = new(table, columns=(("label", "rude,kind"),))
    assert (found.labels, found.problem_type) == (("rude", "kind"), MULTI_LABEL)
    assert new(table, labels=("kind", "rude")).labels == ("kind", "rude")


def test_tags_that_are_numbers_count_from_zero_whatever_their_rows_look_like() -> None:
    found = new(table_of([0, 1], [1, 0], role="tags"), task=Task.TOKEN_CLASSIFICATION)
    assert (found.labels, found.problem_type) == (("LABEL_0", "LABEL_1"), None)


@pytest.mark.parametrize(("labels", "words"), [(("good",), "good"), ((3, 3), "3"), (("",), "none")])
def test_one_label_is_nothing_to_learn(labels: tuple[object, ...], words: str) -> None:
    with pytest.raises(InputFileError, match=rf"not two labels.*found {words}\).*--labels"):
        new(table_of(*labels))


@pytest.fixture
def nli(tmp_path: Path) -> Path:
    folder = checkpoint(tmp_path / "nli", TEXT, SMALL)
    model = model_class(TEXT)(replace(SMALL, id2label=NLI))
    model.save_pretrained(folder)
    return folder


def train(model: Path, rows: list[dict[str, object]], **values: object) -> FinetuneResult:
    data = model.with_name("rows.jsonl")
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    common: dict[str, object] = {"task": TEXT, "max_length": 16, "epochs": 1, "quiet": True, "learning_rate": 1e-9}
    return finetune(
        FinetuneOptions(**{"data": str(data), "output_dir": model.with_name("out"), "model": str(model),
                           **common, **values})  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_papers_recipe_of_another_task_on_an_nli_model_starts_a_head_of_its_own(nli: Path) -> None:
    rows: list[dict[str, object]] = [{"text": "good", "label": 1}, {"text": "bad", "label": 0}]
    with pytest.raises(InputFileError, match="--init-head"):
        train(nli, rows)
    result = train(nli, rows, init_head=True, labels=("negative", "positive"))
    assert result.labels == ("negative", "positive")
    assert set(result.initialised) == {"classifier.weight", "classifier.bias"}
    written = model_class(TEXT).from_pretrained(result.output_dir)
    assert written.config.id2label == {0: "negative", 1: "positive"}
    before, after = load_file(nli / "model.safetensors"), load_file(result.output_dir / "model.safetensors")
    body = [name for name in before if not name.startswith("classifier.")]
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in body)


def test_a_head_of_another_task_is_not_taken_though_it_fits(nli: Path) -> None:
    rows: list[dict[str, object]] = [{"tokens": ["a", "b", "c"], "tags": ["O", "B-X", "I-X"]}]
    with pytest.raises(UnsupportedModelError, match=r"lacks classifier.weight, classifier.bias.*--init-head"):
        train(nli, rows, task=Task.TOKEN_CLASSIFICATION)
    result = train(nli, rows, task=Task.TOKEN_CLASSIFICATION, init_head=True)
    assert set(result.initialised) == {"classifier.weight", "classifier.bias"}


def test_a_new_masked_lm_head_keeps_the_tied_table(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "mlm", Task.FILL_MASK, SMALL)
    result = train(folder, [{"text": "a good film"}], task=Task.FILL_MASK, init_head=True)
    assert "cls.predictions.transform.dense.weight" in result.initialised
    assert not any("word_embeddings" in name for name in result.initialised)
    table = "transformer.embeddings.word_embeddings.weight"
    before, after = load_file(folder / "model.safetensors"), load_file(result.output_dir / "model.safetensors")
    assert torch.allclose(before[table], after[table], atol=1e-6)


def test_labels_of_the_evaluation_data_are_the_heads(nli: Path) -> None:
    other = nli.with_name("other.jsonl")
    other.write_text('{"text": "x", "label": "fair"}\n', encoding="utf-8")
    rows: list[dict[str, object]] = [{"text": "good", "label": "good"}, {"text": "bad", "label": "bad"}]
    with pytest.raises(SqueezeBertMobileError, match="row 1: has the label 'fair', which is not one of bad, good"):
        train(nli, rows, init_head=True, eval_data=str(other))
