"""Files in every format that labelled text comes in, written by the libraries that write them."""

import json
from pathlib import Path

import datasets
import pandas as pd
import pytest

from squeezebert_mobile.errors import InputFileError, UsageError
from squeezebert_mobile.tables.files import Row, read_table
from squeezebert_mobile.tasks import Task

ROWS = [{"text": 'so "good"', "label": 1}, {"text": "it's bad", "label": 0}]
FRAME = pd.DataFrame(ROWS)
QA = Task.QUESTION_ANSWERING


def read(path: Path, content: str | None = None, task: Task = Task.TEXT_CLASSIFICATION) -> list[Row]:
    if content is not None:
        path.write_text(content, encoding="utf-8")
    return list(read_table(path, task).rows)


def test_what_pandas_writes_is_read_alike_in_every_format(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    FRAME.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    FRAME.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    FRAME.to_json(tmp_path / "records.json", orient="records")
    FRAME.to_json(tmp_path / "columns.json")
    FRAME.to_json(tmp_path / "lines.json", orient="records", lines=True)
    FRAME.to_parquet(tmp_path / "a.parquet")
    FRAME.to_csv(tmp_path / "b.CSV", index=False)
    texts = [str(row["label"]) for row in ROWS]
    for path in tmp_path.iterdir():
        rows = read(path)
        assert [row["text"] for row in rows] == [row["text"] for row in ROWS], path.name
        assert [str(row["label"]) for row in rows] == texts, path.name


def test_what_datasets_writes_keeps_its_names_of_labels(tmp_path: Path) -> None:
    names = ["entailment", "neutral", "contradiction"]
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names),
         "tags": datasets.Sequence(datasets.ClassLabel(names=["O", "B-PER"]))}
    )  # fmt: skip
    rows = [{"text": "a", "label": 2, "tags": [0, 1]}]
    datasets.Dataset.from_list(rows, features=features).to_parquet(str(tmp_path / "a.parquet"))
    table = read_table(tmp_path / "a.parquet", Task.TEXT_CLASSIFICATION)
    assert list(table.rows) == rows
    assert table.class_names == {"label": tuple(names), "tags": ("O", "B-PER")}


def test_a_quotation_mark_is_a_character_of_a_tsv_unless_csv_quoted_the_cell(tmp_path: Path) -> None:
    content = 'text\tlabel\n"so" he said\t1\n"one"\t1\n"[""it\'s""]"\t0\n""both""\t0\n'
    texts = [row["text"] for row in read(tmp_path / "a.tsv", content)]
    assert texts == ['"so" he said', '"one"', '["it\'s"]', '""both""']


def test_squads_own_nesting_is_a_row_a_question(tmp_path: Path) -> None:
    answer = {"text": "Ada", "answer_start": 0}
    questions = [
        {"id": "1", "question": "who?", "answers": [answer], "is_impossible": False},
        {"id": "2", "question": "why?", "answers": [], "plausible_answers": [answer], "is_impossible": True},
    ]
    paragraph = {"context": "Ada works.", "qas": questions}
    article = {"title": "t", "paragraphs": [paragraph, {"context": "No.", "qas": questions[:1]}]}
    squad = read(tmp_path / "a.json", json.dumps({"version": "v2.0", "data": [article]}), QA)
    assert [(row["context"], row["question"]) for row in squad] == [
        ("Ada works.", "who?"), ("Ada works.", "why?"), ("No.", "who?"),
    ]  # fmt: skip
    assert squad[0] == {**questions[0], "context": "Ada works."}
    assert read(tmp_path / "b.json", json.dumps([paragraph]), QA) == squad[:2]
    assert read(tmp_path / "c.jsonl", json.dumps(article) + "\n", QA) == squad


@pytest.mark.parametrize("suffix", [".conll", ".iob", ".iob2", ".bio", ".txt"])
@pytest.mark.parametrize(
    "content",
    [
        "-DOCSTART- -X- -X- O\n\nAda NNP B-NP B-PER\nworks VBZ B-VP O\n\n\nNo DT O O\n",
        "Ada\tB-PER\nworks\tO\n\nNo\tO",
        "# id 7\tdomain=en\tx\nAda _ _ B-PER\nworks _ _ O\n\n# id 8 domain=en\nNo _ _ O\n",
        "\ufeffAda B-PER\r\nworks O\r\n \t\r\nNo O\r\n\r\n",
    ],
)
def test_conll_is_a_row_a_sentence(tmp_path: Path, suffix: str, content: str) -> None:
    rows = read(tmp_path / f"a{suffix}", content, Task.TOKEN_CLASSIFICATION)
    assert rows == [{"tokens": ["Ada", "works"], "tags": ["B-PER", "O"]}, {"tokens": ["No"], "tags": ["O"]}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Ada B-PER\nworks\n", "line 2 is not a token and its tag.*found 1 column, expected 2"),
        ("Ada\n", "line 1 is not"),
        ("Ada\tB-PER\nworks\t\n", "line 2 is not"),
        ("Ada\nlives B-X\nhere O\n", "line 1 is not.*found 1 column, expected 2"),
        ("1\tAda\tB-PER\n2\tworks\tO\n", "counts its tokens in the first column"),
    ],
)
def test_lines_that_are_no_token_and_tag_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read(tmp_path / "a.conll", content, Task.TOKEN_CLASSIFICATION)


def test_a_text_file_is_a_text_a_line_for_fill_mask_alone(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.txt", "one film\n\n  \ntwo films\r\n", Task.FILL_MASK)
    assert rows == [{"text": "one film"}, {"text": "two films"}]
    with pytest.raises(UsageError, match="no columns for question-answering"):
        read(tmp_path / "a.txt", task=QA)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '[{"text": "x"', "is not JSON"),
        ("a.json", '[{"text": "x"}, 3]', "is not an object .*int"),
        ("a.json", "[" * 100_000, "nested too deeply|not JSON"),
        ("a.jsonl", '{"text": "x"}\n[1]\n', "line 2 is not an object"),
        ("a.csv", "text,label,text\nx,1,y\n", "two columns 'text'"),
        ("a.parquet", "text", "no Parquet file"),
    ],
)
def test_broken_files_are_refused_with_the_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read(tmp_path / name, content)


def test_nothing_is_nothing_however_json_writes_it_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", '{"text": "x", "label": NaN}\n') == [{"text": "x", "label": None}]
    assert read(tmp_path / "a.csv", "text,label\nx,1\n\ny,0\n\n") == [
        {"text": "x", "label": "1"}, {"text": "y", "label": "0"},
    ]  # fmt: skip
