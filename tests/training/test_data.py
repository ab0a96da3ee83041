import json
from pathlib import Path

import numpy as np
import pytest
from tiny import tokenizer

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError, UsageError
from squeezebert_mobile.tables.columns import find_columns
from squeezebert_mobile.tables.files import read_table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training import data as dataset
from squeezebert_mobile.training.data import Example
from squeezebert_mobile.training.features import IGNORED, collate, drop_words, encode, hide_tokens
from squeezebert_mobile.training.trainer import epoch_batches, shards

TOKENIZER = tokenizer()
SENTIMENT = SqueezeBertConfig(id2label=("negative", "positive"))


def load(path: Path, task: Task, config: SqueezeBertConfig = SENTIMENT, **columns: str) -> tuple[Example, ...]:
    table = read_table(path, task)
    return dataset.examples(table, find_columns(table, task, columns.items(), labels=config.labels), config)


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_tsv_csv_and_json_lines_hold_the_same_examples(tmp_path: Path) -> None:
    tsv = write(tmp_path / "a.tsv", 'sentence\tlabel\nso "good" , really\t1\nbad\t0\n')
    csv = write(tmp_path / "a.csv", 'label,sentence\npositive,"so ""good"" , really"\nnegative,bad\n')
    lines = [{"text": 'so "good" , really', "label": 1}, {"text": "bad", "label": "negative"}]
    jsonl = write(tmp_path / "a.jsonl", *lines)
    found = [load(path, Task.TEXT_CLASSIFICATION) for path in (tsv, csv, jsonl)]
    assert found[0] == found[1] == found[2]
    assert [example.target for example in found[0]] == [1, 0]


def test_a_column_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"review": "good", "stars": 1})
    assert load(path, Task.TEXT_CLASSIFICATION, text="review", label="stars")[0].text == "good"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "", "holds no rows"),
        ("a.tsv", "sentence\tlabel\n", "holds no rows"),
        ("a.tsv", "sentence\tlabel\none two\n", "line 2 has another number of cells"),
        ("a.tsv", "words\tlabel\nx\t1\n", "has no column for text"),
        ("a.tsv", "sentence\tlabel\nx\t7\n", "row 1.*'7', which is not one of negative, positive"),
        ("a.jsonl", '{"text": "x"\n', "line 1 is not JSON"),
        ("a.jsonl", "[1]\n", "line 1 is not an object"),
        ("a.jsonl", '{"text": 3, "label": 1}\n', "no text in text"),
        ("a.jsonl", '{"text": "x", "label": 1, "soft_labels": [1]}\n', "has 1 soft label, not 2"),
    ],
)
def test_bad_files_are_refused_with_the_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message) as caught:
        load(write(tmp_path / name, content), Task.TEXT_CLASSIFICATION)
    assert name in str(caught.value)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        read_table(tmp_path / "none.tsv", Task.TEXT_CLASSIFICATION)
    with pytest.raises(UsageError, match=r"unknown type.*no columns for text-classification"):
        read_table(write(tmp_path / "a.txt", "x"), Task.TEXT_CLASSIFICATION)
    (tmp_path / "b.tsv").write_bytes(b"sentence\tlabel\n\xff\t1\n")
    with pytest.raises(InputFileError, match="is not UTF-8"):
        read_table(tmp_path / "b.tsv", Task.TEXT_CLASSIFICATION)
    table = read_table(write(tmp_path / "c.csv", "a\n1\n"), Task.FILL_MASK)
    with pytest.raises(UsageError, match="has no colour"):
        find_columns(table, Task.FILL_MASK, [("colour", "a")])


def test_regression_and_several_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "x", "label": 2.5})
    config = SqueezeBertConfig(problem_type="regression", id2label=("value",))
    assert load(path, Task.TEXT_CLASSIFICATION, config)[0].target == (2.5,)
    path = write(tmp_path / "b.jsonl", {"text": "x", "label": ["b", "c"]})
    config = SqueezeBertConfig(problem_type="multi_label_classification", id2label=("a", "b", "c"))
    assert load(path, Task.TEXT_CLASSIFICATION, config)[0].target == (0.0, 1.0, 1.0)


def test_a_tag_belongs_to_the_first_piece_of_its_word(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"tokens": ["Unfathomable", "it", "moves"], "tags": ["positive", "negative", 1]})
    (feature,) = encode(load(path, Task.TOKEN_CLASSIFICATION), TOKENIZER, max_length=64)
    assert feature.words is not None
    first = np.flatnonzero(feature.words >= 0)
    assert feature.words[first].tolist() == [0, 1, 2]
    assert feature.labels[first].tolist() == [1, 0, 1]
    assert (np.delete(feature.labels, first) == IGNORED).all()
    assert first[0] == 1


def test_an_answer_becomes_a_span_in_the_window_that_holds_it(tmp_path: Path) -> None:
    context = "one two three " * 12 + "the zebra"
    answer = {"text": ["the zebra"], "answer_start": [context.index("the zebra")]}
    path = write(tmp_path / "a.jsonl", {"question": "who", "context": context, "answers": answer})
    features = encode(load(path, Task.QUESTION_ANSWERING), TOKENIZER, max_length=40, stride=8)
    spans = [feature for feature in features if feature.labels.any()]
    assert len(features) > len(spans) == 1
    assert spans[0].offsets is not None
    start, end = spans[0].labels
    assert context[spans[0].offsets[start, 0] : spans[0].offsets[end, 1]] == "the zebra"


def test_an_answer_that_is_not_there_is_refused(tmp_path: Path) -> None:
    row = {"question": "q", "context": "abc", "answer_text": "b", "answer_start": 2}
    with pytest.raises(InputFileError, match="not in the context at 2"):
        load(write(tmp_path / "a.jsonl", row), Task.QUESTION_ANSWERING)


def test_choices_are_rows_of_one_example(tmp_path: Path) -> None:
    row = {"sent1": "He opened the door.", "sent2": "Then he", "endings": ["left.", "sang a long song."], "label": 1}
    (feature,) = encode(load(write(tmp_path / "a.jsonl", row), Task.MULTIPLE_CHOICE), TOKENIZER, max_length=64)
    assert feature.input_ids.shape[0] == 2
    assert feature.attention_mask[0].sum() < feature.attention_mask[1].sum() == feature.length
    assert feature.labels == 1


def texts(*values: str) -> list[dataset.TextExample]:
    return [dataset.TextExample(value) for value in values]


def test_hidden_tokens_alone_are_targets_and_repeat_with_the_seed() -> None:
    features = encode(texts("a quiet film that stays", "no wit"), TOKENIZER, max_length=32)
    batch = collate(features, TOKENIZER.pad_token_id)
    one, same, other = (hide_tokens(batch, TOKENIZER, 0.4, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.inputs.input_ids, same.inputs.input_ids)
    assert not np.array_equal(one.labels, other.labels)
    target = one.labels != IGNORED
    assert target.any()
    assert np.array_equal(one.labels[target], batch.inputs.input_ids[target])
    assert np.array_equal(one.inputs.input_ids[~target], batch.inputs.input_ids[~target])
    assert not target[batch.inputs.attention_mask == 0].any()


def test_word_dropout_spares_special_tokens() -> None:
    batch = collate(encode(texts("a quiet film", "no"), TOKENIZER, max_length=32), TOKENIZER.pad_token_id)
    ids = drop_words(batch, TOKENIZER, 1.0, np.random.default_rng(0)).inputs.input_ids
    special = [TOKENIZER.cls_token_id, TOKENIZER.sep_token_id, TOKENIZER.pad_token_id]
    kept = np.isin(batch.inputs.input_ids, special)
    assert np.array_equal(ids[kept], batch.inputs.input_ids[kept])
    assert (ids[~kept] == TOKENIZER.mask_token_id).all()


def test_an_epoch_holds_every_row_once_in_batches_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, size=500).tolist()
    batches = epoch_batches(lengths, 16, seed=3, epoch=1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    assert [b.tolist() for b in batches] == [b.tolist() for b in epoch_batches(lengths, 16, seed=3, epoch=1)]
    assert [b.tolist() for b in batches] != [b.tolist() for b in epoch_batches(lengths, 16, seed=3, epoch=2)]
    assert np.mean([np.ptp(np.array(lengths)[b]) for b in batches]) < 10
    assert sorted(np.concatenate(shards(batches[0], 3)).tolist()) == sorted(batches[0].tolist())


def test_every_fault_is_one_of_ours(tmp_path: Path) -> None:
    row = {"tokens": ["a"], "tags": ["O", "O"]}
    with pytest.raises(SqueezeBertMobileError, match="1 token and 2 tags"):
        load(write(tmp_path / "a.jsonl", row), Task.TOKEN_CLASSIFICATION, SqueezeBertConfig(id2label=("O",)))


SPAN = {"text": "Ada", "answer_start": 4}


@pytest.mark.parametrize(
    "row",
    [
        {"answers": [SPAN]},
        {"answers": SPAN},
        {"answers": {"text": ["Ada"], "answer_start": [4]}},
        {"answers": json.dumps([SPAN])},
        {"answers": str({"text": ["Ada"], "answer_start": [4]})},
        {"answers": "{'text': array(['Ada'], dtype=object), 'answer_start': array([4], dtype=int32)}"},
        {"answer_text": "Ada", "answer_start": "4"},
        {"answer": "Ada", "answer_start": 4.0},
        {"answers": None, "answer_text": "Ada", "answer_start": 4},
        {"answers": [SPAN], "is_impossible": "False"},
        {"answer": SPAN},
        {"answers": ["Ada"], "answer_start": [4]},
        {"answers": "Ada", "answer_start": 4},
    ],
)
def test_an_answer_is_found_in_every_shape_that_people_write(tmp_path: Path, row: dict[str, object]) -> None:
    path = write(tmp_path / "a.jsonl", {"question": "who", "context": "Hey Ada.", **row})
    assert load(path, Task.QUESTION_ANSWERING) == (dataset.QuestionExample("who", "Hey Ada.", ("Ada",), (4,)),)


@pytest.mark.parametrize(
    "row",
    [
        {"answers": []},
        {"answers": {"text": [], "answer_start": []}},
        {"answers": {"text": [""], "answer_start": [-1]}},
        {"answers": ""},
        {"answers": "[]"},
        {"answers": None},
        {"answers": [SPAN], "is_impossible": True},
        {"answers": [SPAN], "is_impossible": "True"},
        {"answer_text": "", "answer_start": ""},
    ],
)
def test_a_question_without_answers_is_a_row(tmp_path: Path, row: dict[str, object]) -> None:
    path = write(tmp_path / "a.jsonl", {"question": "who", "context": "Hey Ada.", **row})
    assert load(path, Task.QUESTION_ANSWERING) == (dataset.QuestionExample("who", "Hey Ada.", (), ()),)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([{"text": "Ada", "answer_start": -4}], "not in the context at -4"),
        ([{"text": "Ada"}], "neither answers"),
        ({"text": ["Ada"]}, "neither answers"),
        (["Ada"], "neither answers"),
        ("Ada", "neither answers"),
        ("[{Ada}]", "neither JSON nor a Python list"),
        ({"text": ["Ada", "A"], "answer_start": [4]}, "2 answers and 1 start"),
        ([{"text": "Ada", "answer_start": 4.5}], "where a whole number belongs"),
    ],
)
def test_answers_that_point_nowhere_are_refused(tmp_path: Path, answers: object, message: str) -> None:
    path = write(tmp_path / "a.jsonl", {"question": "who", "context": "Hey Ada.", "answers": answers})
    with pytest.raises(InputFileError, match=f"row 1: has.*{message}"):
        load(path, Task.QUESTION_ANSWERING)


SWAG = dataset.ChoiceExample("He opened it.", ("Then he left.", "Then he sang."), 1)


@pytest.mark.parametrize(
    "row",
    [
        {"ending0": "left.", "ending1": "sang.", "label": 1},
        {"ending0": "left.", "ending1": "sang.", "label": "1", "gold-source": "gen"},
        {"choices": ["left.", "sang."], "label": 1.0},
        {"endings": "['left.', 'sang.']", "label": 1},
        {"choice1": "left.", "choice2": "sang.", "label": 1},
    ],
)
def test_choices_stand_in_a_list_or_in_swags_columns(tmp_path: Path, row: dict[str, object]) -> None:
    path = write(tmp_path / "a.jsonl", {"sent1": "He opened it.", "sent2": "Then he", **row})
    assert load(path, Task.MULTIPLE_CHOICE) == (SWAG,)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"choices": ["a"]}], "row 1: has 1 choice"),
        ([{"choices": ["a", None]}], "row 1: has None"),
        ([{"choices": "a or b"}], "row 1: has 'a or b', which is neither JSON nor a Python list"),
    ],
)
def test_choices_that_make_no_batch_are_refused(tmp_path: Path, rows: list[dict[str, object]], message: str) -> None:
    path = write(tmp_path / "a.jsonl", *({"text": "x", "label": 0, **row} for row in rows))
    with pytest.raises(InputFileError, match=message):
        load(path, Task.MULTIPLE_CHOICE)


def test_lists_that_pandas_printed_into_a_csv_are_the_tags_that_they_were(tmp_path: Path) -> None:
    cells = "\"['John', 'Smith', \"\"isn't\"\"]\",\"['positive' 'negative'\n 'negative']\""
    path = write(tmp_path / "a.csv", f"tokens,ner_tags\n{cells}\n")
    expected = dataset.TaggedExample(("John", "Smith", "isn't"), (1, 0, 0))
    assert load(path, Task.TOKEN_CLASSIFICATION) == (expected,)


def test_an_empty_cell_is_no_second_text(tmp_path: Path) -> None:
    csv = write(tmp_path / "a.csv", "sentence1,sentence2,label\na,,1\na,b,1\n")
    jsonl = write(tmp_path / "a.jsonl", {"text": "a", "text_pair": None, "label": 1}, {"text": "a", "text_pair": "b",
                  "label": 1})  # fmt: skip
    assert load(csv, Task.TEXT_CLASSIFICATION) == load(jsonl, Task.TEXT_CLASSIFICATION)
    assert [example.text_pair for example in load(csv, Task.TEXT_CLASSIFICATION)] == [None, "b"]
