"""Rows as public data sets have them, as they stand: what each becomes, and that all of them train and are measured."""

import json
from pathlib import Path

import pandas as pd
import pytest
from tiny import SMALL, checkpoint

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.tables.columns import find_columns
from squeezebert_mobile.tables.files import Table, read_table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.data import ChoiceExample, PairExample, TextExample, examples
from squeezebert_mobile.training.evaluate import evaluate
from squeezebert_mobile.training.finetune import finetune
from squeezebert_mobile.training.options import EvaluateOptions, FinetuneOptions

CHOICE, TEXT, PAIR = Task.MULTIPLE_CHOICE, Task.TEXT_CLASSIFICATION, Task.FEATURE_EXTRACTION
YES = SqueezeBertConfig(id2label=("no", "yes"))

STEM, ANSWERS = "What does a spider walk on?", ("legs", "wings", "wheels", "fins")
FOURTH = ChoiceExample(STEM, ANSWERS, 3)
QUIZ = {"text": [*ANSWERS], "label": ["A", "B", "C", "D"]}
COOK = ("sings", "stirs", "leaves", "sits")
ITEMS = [{"label": sign, "text": text} for sign, text in zip("ABCD", ANSWERS, strict=True)]
ARTICLE = ChoiceExample("An article.", tuple(f"{STEM} {text}" for text in ANSWERS), 1)

CHOICES: dict[str, tuple[dict[str, object], ChoiceExample]] = {
    "RACE": ({"example_id": "high1.txt", "article": "An article.", "answer": "B", "question": STEM,
              "options": [*ANSWERS]}, ARTICLE),
    "RACE in small letters": ({"article": "An article.", "answer": "(b)", "question": STEM, "options": [*ANSWERS]},
                              ARTICLE),
    "ARC": ({"id": "M_1", "question": STEM, "choices": QUIZ, "answerKey": "D"}, FOURTH),
    "ARC with numbers": ({"question": STEM, "choices": {**QUIZ, "label": [*"1234"]}, "answerKey": "4"}, FOURTH),
    "ARC as published": ({"id": "M_1", "question": {"stem": STEM, "choices": ITEMS}, "answerKey": "D"}, FOURTH),
    "ARC in a CSV": ({"question": STEM, "choices": str(QUIZ), "answerKey": "D"}, FOURTH),
    "CommonsenseQA": ({"id": "1", "question": STEM, "question_concept": "spider", "choices": QUIZ, "answerKey": "D"},
                      FOURTH),
    "OpenBookQA": ({"id": "7", "question_stem": STEM, "choices": QUIZ, "answerKey": "D"}, FOURTH),
    "COPA": ({"premise": "It rained.", "choice1": "I was dry.", "choice2": "I got wet.", "question": "effect", "idx": 0,
              "label": 1}, ChoiceExample("It rained.", ("effect I was dry.", "effect I got wet."), 1)),
    "HellaSwag": ({"ind": 4, "activity_label": "Cooking", "ctx_a": "A pan is hot.", "ctx_b": "the cook",
                   "ctx": "A pan is hot. the cook", "endings": [*COOK], "label": "3",
                   "source_id": "x", "split": "train"},
                  ChoiceExample("A pan is hot.", tuple(f"the cook {does}" for does in COOK), 3)),
    "HellaSwag's how-to": ({"ctx_a": "How to cook.", "ctx_b": "", "ctx": "How to cook.", "endings": [*ANSWERS],
                            "label": "0"}, ChoiceExample("How to cook.", ANSWERS, 0)),
    "PIQA": ({"goal": "open it", "sol1": "push", "sol2": "pull", "label": 1},
             ChoiceExample("open it", ("push", "pull"), 1)),
    "WinoGrande": ({"sentence": "_ sang.", "option1": "He", "option2": "She", "answer": "2"},
                   ChoiceExample("_ sang.", ("He", "She"), 1)),
    "Cosmos QA": ({"context": "An article.", "question": STEM, **{f"answer{n}": text for n, text in enumerate(ANSWERS)},
                   "label": 1}, ARTICLE),
    "ReClor": ({"context": "An article.", "question": STEM, "answers": [*ANSWERS], "label": 1}, ARTICLE),
    "LogiQA": ({"context": "An article.", "query": STEM, "options": [*ANSWERS], "correct_option": 1}, ARTICLE),
    "MMLU": ({"question": STEM, "subject": "zoology", "choices": [*ANSWERS], "answer": 3}, FOURTH),
    "MMLU in a CSV": ({"question": STEM, **dict(zip("ABCD", ANSWERS, strict=True)), "answer": "D"}, FOURTH),
    "the right text": ({"question": STEM, "options": [*ANSWERS], "answer": "fins"}, FOURTH),
    "numbered with a sign": ({"prompt": STEM, **{f"Option {n}": text for n, text in enumerate(ANSWERS, 1)}, "label": 3},
                             FOURTH),
}  # fmt: skip

PAIRS: dict[str, dict[str, object]] = {
    "MRPC": {"sentence1": "a", "sentence2": "b", "idx": 0, "label": 1},
    "QQP": {"question1": "a", "question2": "b", "label": 1},
    "SNLI": {"premise": "a", "hypothesis": "b", "label": 1},
    "QNLI": {"question": "a", "sentence": "b", "label": 1},
    "WikiQA": {"question_id": "Q1", "question": "a", "document_title": "t", "answer": "b", "label": 1},
    "BoolQ": {"question": "a", "passage": "b", "label": "yes"},
    "MS MARCO": {"query": "a", "passage": "b", "label": "yes"},
    "SICK": {"sentence_A": "a", "sentence_B": "b", "label": 1},
    "scikit": {"text_a": "a", "text_b": "b", "label": 1},
}
VECTORS: dict[str, dict[str, object]] = {
    "STS-B": {"sentence1": "a", "sentence2": "b", "score": 0.5},
    "all-nli pairs": {"anchor": "a", "positive": "b"},
    "natural questions": {"query": "a", "answer": "b"},
    "Quora": {"question1": "a", "question2": "b"},
    "SNLI": {"premise": "a", "hypothesis": "b"},
    "GooAQ": {"question": "a", "answer": "b"},
}


def read(path: Path, row: dict[str, object], task: Task, *chosen: tuple[str, str]) -> object:
    path.write_text(json.dumps(row), encoding="utf-8")
    table = read_table(path, task)
    (found,) = examples(table, find_columns(table, task, chosen), YES)
    return found


@pytest.mark.parametrize("name", CHOICES)
def test_choices_of_a_public_data_set_are_read_as_they_stand(name: str, tmp_path: Path) -> None:
    row, expected = CHOICES[name]
    assert read(tmp_path / "a.jsonl", row, CHOICE) == expected


@pytest.mark.parametrize("name", [name for name in CHOICES if "published" not in name])
def test_choices_mean_the_same_in_what_pandas_writes(name: str, tmp_path: Path) -> None:
    row, expected = CHOICES[name]
    pd.DataFrame([row]).to_csv(tmp_path / "a.csv", index=False)
    table = read_table(tmp_path / "a.csv", CHOICE)
    assert examples(table, find_columns(table, CHOICE), YES) == (expected,)


SOCIAL = {"context": "Ada fell.", "question": "Why?", "answerA": "a", "answerB": "b", "answerC": "c"}
NUMBERED = {"text": "q", "choices": ["a", "b", "c"]}
ARC = {"question": "q", "choices": {"text": ["a", "b", "c"], "label": ["1", "2", "3"]}}
LETTERS = {"question": "q", "choices": {"text": ["a", "b", "c"], "label": ["A", "B", "C"]}}


@pytest.mark.parametrize("form", [str, int, float])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
@pytest.mark.parametrize(
    ("row", "key", "labels", "places"),
    [
        (SOCIAL, "label", [1, 2, 3], [0, 1, 2]),
        (SOCIAL, "label", [1], [0]),
        (SOCIAL, "label", [2, 1, 1], [1, 0, 0]),
        (SOCIAL, "label", [0, 2, 1], [0, 2, 1]),
        (NUMBERED, "label", [1, 3, 2], [0, 2, 1]),
        (NUMBERED, "answer", [3, 3], [2, 2]),
        (NUMBERED, "label", [0, 2, 1], [0, 2, 1]),
        (NUMBERED, "label", [1, 2], [1, 2]),
        (ARC, "answerKey", [1, 3], [0, 2]),
    ],
)
def test_answers_are_counted_from_the_number_that_the_table_shows(
    row: dict[str, object], key: str, labels: list[int], places: list[int], form: type, suffix: str, tmp_path: Path
) -> None:
    rows, path = pd.DataFrame([row | {key: form(label)} for label in labels]), tmp_path / f"a{suffix}"
    rows.to_csv(path, index=False) if suffix == ".csv" else rows.to_json(path, orient="records", lines=True)
    table = read_table(path, CHOICE)
    found = examples(table, find_columns(table, CHOICE), YES)
    assert [example.target for example in found if isinstance(example, ChoiceExample)] == places


@pytest.mark.parametrize("labels", [[0, 3], [1, 4], [1, 3, 0]])
def test_numbers_that_no_first_one_explains_are_refused(labels: list[int]) -> None:
    table = Table("data", tuple(NUMBERED | {"label": label} for label in labels))
    with pytest.raises(InputFileError, match=r"where a place from \d to \d belongs"):
        examples(table, find_columns(table, CHOICE), YES)


def test_each_row_of_arc_has_its_own_names() -> None:
    table = Table("data", (ARC | {"answerKey": "2"}, LETTERS | {"answerKey": "B"}, ARC | {"answerKey": "1"}))
    found = examples(table, find_columns(table, CHOICE), YES)
    assert [example.target for example in found if isinstance(example, ChoiceExample)] == [1, 1, 0]


@pytest.mark.parametrize("name", PAIRS)
def test_two_texts_of_a_public_data_set_are_a_pair(name: str, tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", PAIRS[name], TEXT) == TextExample("a", "b", 1)


@pytest.mark.parametrize("name", VECTORS)
def test_two_texts_that_belong_together_are_a_pair(name: str, tmp_path: Path) -> None:
    row = VECTORS[name]
    assert read(tmp_path / "a.jsonl", row, PAIR) == PairExample("a", "b", row.get("score"))


def test_a_column_that_is_chosen_for_the_label_is_no_second_text(tmp_path: Path) -> None:
    row = {"question": "a", "answer": "yes"}
    assert read(tmp_path / "a.jsonl", row, TEXT, ("label", "answer")) == TextExample("a", None, 1)
    table = Table("data", ({"question": "a", "answer": "yes"}, {"question": "b", "answer": "no"}))
    texts = find_columns(table, TEXT, labels=YES.labels, with_targets=False)
    assert texts.names == {"text": ("question",)}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"options": ["B", "A", "C"], "answer": "B"}, "'B', which is more than one of the choices"),
        ({"options": ["x", "y"], "answer": "C"}, "'C', which is none of the choices, nor a place among them"),
        ({"options": ["x", "y"], "answer": "z"}, "'z', which is none of the choices"),
        ({"choices": {"text": ["x", "y"], "label": ["P", "Q"]}, "answerKey": "A"}, "'A', which is none of the choices"),
        ({"choices": {"text": ["x", "y"], "label": ["P"]}, "answerKey": "P"}, "2 choices and 1 name of them"),
        ({"choices": [{"text": "x", "label": "P"}, "y"], "answerKey": "P"}, "has the choice 'y', which has no"),
        ({"answerA": "x", "answerB": "y", "label": "3"}, "'3', where a place from 1 to 2 belongs"),
        ({"answer0": "x", "answer1": "y", "label": "3"}, "'3', where a place from 0 to 1 belongs"),
        ({"choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": 0}, "'0', which is none of 1, 2"),
        ({"options": ["x", "y"], "answer": None}, "'None', where a place from 0 to 1 belongs"),
    ],
)
def test_an_answer_that_is_no_choice_is_refused(row: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=message):
        read(tmp_path / "a.jsonl", {"question": "q", **row}, CHOICE)


@pytest.mark.parametrize(("task", "rows"), [
    *((CHOICE, [row]) for row, _ in CHOICES.values()), *((TEXT, [row]) for row in PAIRS.values()),
], ids=[*CHOICES, *PAIRS])  # fmt: skip
def test_each_shape_trains_and_is_measured(task: Task, rows: list[dict[str, object]], tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = FinetuneOptions(
        task, str(data), tmp_path / "out", str(checkpoint(tmp_path / "model", Task.FEATURE_EXTRACTION, SMALL)),
        init_head=True, labels=YES.labels if task is TEXT else (), max_length=32, epochs=1, quiet=True,
    )  # fmt: skip
    assert finetune(options).examples == 1
    assert evaluate(EvaluateOptions(str(tmp_path / "out"), str(data), resamples=2, quiet=True)).examples == 1
