"""What `predict --file` reads: the files of `evaluate`, and lines, in which no label is taken for a text."""

import json
from pathlib import Path

import pandas as pd
import pytest

from squeezebert_mobile.bundle.manifest import Manifest
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError, UsageError
from squeezebert_mobile.run.options import PredictOptions
from squeezebert_mobile.run.predict import Sample
from squeezebert_mobile.run.samples import gather
from squeezebert_mobile.tasks import Task

PAIRS = [("a film", "moves"), ("a book", "sings")]


def read(file: Path, task: Task = Task.TEXT_CLASSIFICATION, labels: tuple[str, ...] = ("bad", "good"),
         columns: tuple[tuple[str, str], ...] = ()) -> list[Sample]:  # fmt: skip
    manifest = Manifest.model_construct(task=task, labels=labels)
    return list(gather(PredictOptions(Path("bundle"), file=file, columns=columns))(manifest))


def write(path: Path, content: str | list[dict[str, object]]) -> Path:
    text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("labels", [[1, 0], ["good", "bad"], [[1, 0], [0, 0]]])
def test_the_texts_of_labelled_tables_are_read_and_their_labels_left(tmp_path: Path, labels: list[object]) -> None:
    frame = pd.DataFrame({"sentence": [text for text, _ in PAIRS], "label": labels})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "a.json", orient="records")
    frame.to_parquet(tmp_path / "a.parquet")
    for path in tmp_path.iterdir():
        assert read(path) == [Sample(text) for text, _ in PAIRS], path.name
        assert read(path, Task.FEATURE_EXTRACTION) == [Sample(text) for text, _ in PAIRS], path.name


def test_tables_need_no_labels_and_columns_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "sentence1\tsentence2\na film\tmoves\na book\tsings\n")
    assert read(path) == [Sample(*pair) for pair in PAIRS]
    path = write(tmp_path / "b.csv", "review,stars\na film,1\n")
    assert read(path, columns=(("text", "review"),)) == [Sample("a film")]
    with pytest.raises(InputFileError, match=r"no column for text .*--column text=NAME"):
        read(path)
    with pytest.raises(UsageError, match="has no label here"):
        read(path, columns=(("text", "review"), ("label", "stars")))


@pytest.mark.parametrize(
    ("task", "row", "sample"),
    [
        (Task.TOKEN_CLASSIFICATION, {"tokens": ["Ada", "works"], "tags": ["O", "O"]}, Sample("Ada works")),
        (Task.TOKEN_CLASSIFICATION, {"tokens": "['Ada', 'works']"}, Sample("Ada works")),
        (Task.TOKEN_CLASSIFICATION, {"text": "Ada  works"}, Sample("Ada  works")),
        (Task.TOKEN_CLASSIFICATION, {"text": "(see [1])"}, Sample("(see [1])")),
        (Task.QUESTION_ANSWERING, {"question": "who", "context": "Ada", "answers": []}, Sample("who", "Ada")),
        (Task.FILL_MASK, {"text": "a [MASK]"}, Sample("a [MASK]")),
        (
            Task.MULTIPLE_CHOICE,
            {"sent1": "He", "sent2": "then", "ending0": "left", "ending1": "sang", "label": 0},
            Sample("He", options=("then left", "then sang")),
        ),
    ],
)
def test_each_task_reads_its_own_columns(tmp_path: Path, task: Task, row: dict[str, object], sample: Sample) -> None:
    assert read(write(tmp_path / "a.jsonl", [row]), task) == [sample]


def test_squads_own_file_is_read(tmp_path: Path) -> None:
    paragraph = {"context": "Ada works.", "qas": [{"id": "1", "question": "who?"}]}
    path = write(tmp_path / "a.json", json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    assert read(path, Task.QUESTION_ANSWERING) == [Sample("who?", "Ada works.")]


CONLL = "-DOCSTART- -X- O\n\nAda NNP B-PER\nworks VBZ O\n\nNo DT O\n"


@pytest.mark.parametrize("name", ["a.conll", "a.txt"])
def test_conll_is_read_as_sentences(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, CONLL)
    assert read(path, Task.TOKEN_CLASSIFICATION, ("O", "B-PER")) == [Sample("Ada works"), Sample("No")]


def test_lines_are_texts_with_a_second_text_after_a_tab(tmp_path: Path) -> None:
    lines = write(tmp_path / "a.txt", "a film\tmoves\r\nB-PER works\n\nno wit\tI-PER\n")
    found = [Sample("a film", "moves"), Sample("B-PER works"), Sample(""), Sample("no wit", "I-PER")]
    assert read(lines) == found
    assert read(lines, Task.TOKEN_CLASSIFICATION, ("O", "B-PER", "I-PER")) == found


@pytest.mark.parametrize(
    "content",
    ["a film\t1\na book\t0\n", "a film\tgood\n", "sentence\tlabel\na film\t1\n\na book\t0\n", "1\ta film\n0\ta book\n",
     "7\ta film\tgood\n8\ta book\tbad\n", "a film\t-1.5\n"],
)  # fmt: skip
def test_a_label_beside_a_text_is_never_its_second_text(tmp_path: Path, content: str) -> None:
    with pytest.raises(UsageError, match=r"a label beside each text, .*name it \.tsv, with text and label on top"):
        read(write(tmp_path / "a.txt", content))


def test_a_tsv_without_a_heading_is_refused_with_what_was_taken_for_one(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"no column for text \(found a film, 1, expected text"):
        read(write(tmp_path / "a.tsv", "a film\t1\na book\t0\n"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "TEXT: is missing"),
        ({"text": "a", "file": Path("a.txt")}, "--file: goes without TEXT"),
        ({"text": "a", "columns": (("text", "b"),)}, "--column: needs a file with columns"),
        ({"file": Path("a.txt"), "columns": (("text", "b"),)}, "--column: needs a file with columns"),
        ({"file": Path("/nowhere.txt")}, "/nowhere.txt: cannot be read"),
    ],
)
def test_options_that_exclude_each_other_are_told_before_a_bundle_is_opened(
    values: dict[str, object], words: str
) -> None:
    with pytest.raises(SqueezeBertMobileError, match=words):
        gather(PredictOptions(Path("bundle"), **values))  # type: ignore[arg-type]
