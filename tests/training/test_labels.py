"""A label is found by its name whatever its type, and the same rows say the same in every format."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError, UsageError
from squeezebert_mobile.tables.cells import CellError
from squeezebert_mobile.tables.columns import find_columns
from squeezebert_mobile.tables.files import Table, read_table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.data import TextExample, examples
from squeezebert_mobile.training.labels import Labels, Seen, labels_of
from squeezebert_mobile.training.losses import task_loss

TEXT = Task.TEXT_CLASSIFICATION
TOXIC = SqueezeBertConfig(id2label=("toxic", "insult", "threat"), problem_type="multi_label_classification")


def table_of(*labels: object, column: str = "label") -> Table:
    return Table("data", tuple({"text": "x", column: label} for label in labels))


def seen(*labels: object, several: bool = False) -> Seen:
    table = table_of(*labels)
    return labels_of(table, find_columns(table, TEXT), several=several)


def targets(table: Table, config: SqueezeBertConfig, *chosen: tuple[str, str]) -> list[object]:
    columns = find_columns(table, TEXT, chosen, labels=config.labels)
    return [example.target for example in examples(table, columns, config) if isinstance(example, TextExample)]


@pytest.mark.parametrize(
    ("names", "cell", "expected"),
    [
        (("1", "2", "3"), 2, 1),
        (("1", "2", "3"), "2.0", 1),
        (("1", "2", "3"), 2.0, 1),
        (("1.0", "2.0"), 2, 1),
        (("-1", "0", "1"), -1, 0),
        (("-1", "0", "1"), "1", 2),
        (("false", "true"), True, 1),
        (("True", "False"), True, 0),
        (("True", "False"), "TRUE", 0),
        (("0", "1"), True, 1),
        (("bad", "good"), True, 1),
        (("bad", "good"), "true", 1),
        (("bad", "good"), 1, 1),
        (("bad", "good"), "1.0", 1),
        (("bad", "good"), " good ", 1),
        (("1.1", "1.10"), "1.10", 1),
        (("01", "02"), "02", 1),
        (("0.5", "x"), 0.5, 0),
    ],
)
def test_a_cell_means_the_name_as_written_then_its_value_then_an_id(
    names: tuple[str, ...], cell: object, expected: int
) -> None:
    assert Labels(names).id(cell) == expected


@pytest.mark.parametrize(
    ("names", "cell"),
    [
        (("1", "2", "3"), 0),  # no id: 1 and 2 would be names beside it
        (("bad", "good"), 2),
        (("bad", "good"), -1),
        (("bad", "good"), 0.5),
        (("bad", "good"), "1_0"),
        (("bad", "good"), "nan"),
        (("bad", "good"), None),
        (("bad", "good"), ""),
        (("bad", "good"), float("nan")),
        (("1.1", "1.10"), 1.1),  # either of them
        (("bad", "good"), ["good"]),
    ],
)
def test_a_cell_that_means_no_label_is_refused(names: tuple[str, ...], cell: object) -> None:
    with pytest.raises(CellError, match="which is not one of"):
        Labels(names).id(cell)


def test_ids_of_a_data_set_go_by_its_own_names_where_the_model_has_them() -> None:
    mnli = ("entailment", "neutral", "contradiction")
    ours = Labels(("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), mnli)
    assert [ours.id(0), ours.id(2), ours.id("NEUTRAL")] == [2, 0, 1]
    assert Labels(("LABEL_0", "LABEL_1", "LABEL_2"), mnli).id(2) == 2


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([2, 0], ("LABEL_0", "LABEL_1", "LABEL_2")),
        (["1.0", "0.0"], ("LABEL_0", "LABEL_1")),
        ([1, 5, 2, 10], ("1", "2", "5", "10")),
        ([0, -1, 1], ("-1", "0", "1")),
        ([0, 1_000_000], ("0", "1000000")),
        ([True, False], ("false", "true")),
        (["True", "False"], ("false", "true")),
        (["1", "x"], ("1", "x")),
        (["1.1", "1.10", "x"], ("1.1", "1.10", "x")),
        ([["a"], ["b", "c"]], ("a", "b", "c")),
        ([[1, 0, 0], [0, 1, 1]], ("LABEL_0", "LABEL_1", "LABEL_2")),
        (["[1. 0.]", "[0. 1.]"], ("LABEL_0", "LABEL_1")),
        ([[2], [0, 1]], ("LABEL_0", "LABEL_1", "LABEL_2")),
    ],
)
def test_a_new_head_is_named_by_the_data(cells: list[object], names: tuple[str, ...]) -> None:
    assert seen(*cells).names == names


def test_fractions_are_no_labels() -> None:
    with pytest.raises(InputFileError, match=r"fractions.*--problem-type regression"):
        seen(3.8, 1.0)


NAME = st.text(st.characters(categories=["L", "N"], include_characters=" -'\"_"), min_size=1, max_size=8).filter(
    lambda name: name.strip() == name and not name.startswith(('"', "'"))
)
NAMES = st.one_of(
    st.lists(NAME, min_size=2, max_size=5, unique=True),
    st.lists(st.integers(-5, 9), min_size=2, max_size=5, unique=True),
    st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0]), min_size=2, max_size=4, unique=True),
    st.just([True, False]),
)


def written(folder: Path, labels: Sequence[object]) -> list[Table]:
    """The rows as pandas writes them in three formats, and as Python's csv writes a TSV."""
    frame = pd.DataFrame({"text": ["x"] * len(labels), "label": pd.Series(labels)})
    frame.to_json(folder / "a.jsonl", orient="records", lines=True)
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_csv(folder / "a.tsv", index=False, sep="\t")
    with (folder / "b.tsv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, "excel-tab").writerows([("text", "label"), *(("x", label) for label in labels)])
    return [read_table(folder / name, TEXT) for name in ("a.jsonl", "a.csv", "a.tsv", "b.tsv")]


@settings(deadline=None, max_examples=60)
@given(NAMES, st.randoms())
def test_the_same_rows_have_the_same_labels_in_every_format(names: list[object], random: object) -> None:
    rows = names + random.choices(names, k=5)  # type: ignore[attr-defined]
    own = SqueezeBertConfig(id2label=[str(name) for name in names])
    with TemporaryDirectory() as folder:
        tables = written(Path(folder), rows)
        new = [labels_of(table, find_columns(table, TEXT)).names for table in tables]
        by_name = [targets(table, own) for table in tables]
        by_new_name = [targets(table, SqueezeBertConfig(id2label=new[0])) for table in tables]
    assert [sorted(found) for found in new] == [sorted(new[0])] * 4
    assert by_name == [[names.index(row) for row in rows]] * 4
    assert by_new_name == [by_new_name[0]] * 4
    assert len(set(by_new_name[0])) == len(names)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=3, max_size=6))
def test_each_way_to_write_several_labels_is_the_vector_that_transformers_trains_on(marks: list[list[bool]]) -> None:
    names = [[name for name, mark in zip(TOXIC.labels, row, strict=True) if mark] for row in marks]
    ints = [list(map(int, row)) for row in marks]
    floats = [list(map(float, row)) for row in marks]
    ways: list[list[object]] = [
        [*names], [*ints], [*floats], [*marks],
        [str(row) for row in names], [json.dumps(row) for row in names], [" ".join(row) for row in names],
        [str(row) for row in ints], [str(row) for row in floats], [json.dumps(row) for row in floats],
        [" ".join(map(str, row)) for row in ints], [str(row) for row in marks],
    ]  # fmt: skip
    expected = [tuple(row) for row in floats]
    assert [targets(table_of(*rows, column="labels"), TOXIC) for rows in ways] == [expected] * len(ways)
    spread = pd.DataFrame([dict(zip(TOXIC.labels, row, strict=True)) for row in ints])
    rows = ({"text": "x", **row} for row in spread.to_dict("records"))
    assert targets(Table("data", tuple(rows)), TOXIC) == expected
    logits = torch.linspace(-2, 2, 3 * len(marks)).view(-1, 3)
    loss = task_loss(TEXT, TOXIC.problem_type, (logits,), torch.tensor(expected)) / (3 * len(marks))
    assert torch.allclose(loss, binary_cross_entropy_with_logits(logits, torch.tensor(floats)))


@pytest.mark.parametrize(("names", "sign"), [
    (names, sign)
    for names in (TOXIC.labels, ("not safe", "very rude", "a-b"), ("1", "2", "10"), ("a,b", "c|d", "e f"))
    for sign in (",", ", ", ";", "; ", "|", " | ", "/", "+", " & ", "\t", "\n", " ")
    if not any((sign.strip() or sign) in name for name in names)
])  # fmt: skip
def test_labels_without_brackets_are_parted_by_the_one_sign_that_leaves_known_labels(
    names: tuple[str, ...], sign: str
) -> None:
    config = SqueezeBertConfig(id2label=names, problem_type=TOXIC.problem_type)
    cells = [sign.join(names[:2]), names[1], sign.join(names[::-1]), "", f"{names[0]}{sign}"]
    expected = [(1.0, 1.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0)]
    assert targets(table_of(*cells, column="labels"), config) == expected


def test_a_vector_is_one_whatever_stands_between_its_numbers() -> None:
    for sign in (",", ";", "|", " ", ", "):
        cells = [sign.join(row) for row in ("011", "100")]
        assert targets(table_of(*cells), TOXIC) == [(0.0, 1.0, 1.0), (1.0, 0.0, 0.0)]


def test_labels_that_can_be_parted_in_two_ways_are_refused() -> None:
    config = SqueezeBertConfig(id2label=("a", "b|c", "a,b", "c"), problem_type=TOXIC.problem_type)
    assert targets(table_of("a,b"), config) == [(0.0, 0.0, 1.0, 0.0)]
    with pytest.raises(
        InputFileError, match=r"row 1: has 'a,b\|c', which is .*'a', 'b\|c'.* or .*'a,b', 'c'.*JSON list"
    ):
        targets(table_of("a,b|c"), config)


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["rude,short", "short", "very rude"], ("rude", "short", "very rude")),
        (["rude; short", "", "mild"], ("mild", "rude", "short")),
        (["a|b", "['c', 'a']"], ("a", "b", "c")),
        (["rude short", "mild"], ("mild", "rude", "short")),
        (["2,1", "3"], ("1", "2", "3")),
        (["0,1,1", "1,0,0"], ("LABEL_0", "LABEL_1", "LABEL_2")),
    ],
)
def test_a_new_head_parts_labels_by_the_only_sign_that_the_column_has(cells: list[str], names: tuple[str, ...]) -> None:
    assert seen(*cells, several=True) == Seen(names, seen(*cells, several=True).written, several=True, ids=seen(
        *cells, several=True).ids)  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a,b", "c|d"], "more than one sign between them .found , and |"),
        (["rude,short", "rude short"], "labels with , and with spaces between them .found 'rude short'"),
        (["a,b", "c]"], "row 2: .*no list"),
        (["'a','b'"], "row 1: .*no list"),
    ],
)
def test_a_column_of_new_labels_that_is_not_plain_is_refused(cells: list[str], message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        seen(*cells, several=True)


def test_declared_labels_make_a_column_of_them_a_multi_label_problem() -> None:
    table = table_of("rude,short", "short")
    columns = find_columns(table, TEXT)
    assert labels_of(table, columns, known=("short", "rude")).several
    assert not labels_of(table, columns).several
    assert not labels_of(table_of("a", "b"), columns, known=("a", "b")).several


def test_lists_of_ids_are_read_where_they_cannot_be_vectors() -> None:
    assert targets(table_of([2, 0], [1], [], [0, 1], column="labels"), TOXIC) == [
        (1.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0), (1.0, 1.0, 0.0),
    ]  # fmt: skip
    assert targets(table_of([1], [0], [], column="labels"), TOXIC) == [(0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0,) * 3]
    stars = SqueezeBertConfig(id2label=("0", "1"), problem_type=TOXIC.problem_type)
    assert targets(table_of([1], ["0", "1"], column="labels"), stars) == [(0.0, 1.0), (1.0, 1.0)]


def test_columns_of_zero_and_one_are_given_by_name_in_any_order_and_name_a_new_head() -> None:
    rows = ({"text": "x", "threat": "1", "toxic": "0", "insult": "1.0"}, {"text": "x", "threat": 0, "toxic": True,
            "insult": False})  # fmt: skip
    table = Table("data", rows)
    assert targets(table, TOXIC) == [(0.0, 1.0, 1.0), (1.0, 0.0, 0.0)]
    assert targets(table, TOXIC, ("label", "threat, toxic,insult")) == targets(table, TOXIC)
    assert targets(table, TOXIC, *(("label", name) for name in TOXIC.labels)) == targets(table, TOXIC)
    columns = find_columns(table, TEXT, [("label", "threat,toxic")])
    assert (labels_of(table, columns).names, labels_of(table, columns).several) == (("threat", "toxic"), True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 0, 0], [1, 0]], "row 1: .*neither different labels nor 0 or 1 for each of 3"),
        ([[1, 0]], "row 1: .*'.1, 0.', which are neither"),
        ([[1], [0, 1]], "row 2: .*'.0, 1.', which are neither"),
        ([[2], [1, 0, 0]], "row 2: .*neither"),
        ([["toxic", "toxic"]], "row 1: .*neither"),
        ([[0.5, 1, 0]], "row 1: .*0.5"),
        (["toxic,rude"], "row 1: .*'rude', which is not one of toxic"),
        (["rude,mild"], "row 1: .*write it as a JSON list"),
        (["toxic,insult,toxic"], "row 1: .*neither different labels"),
        (["toxic;insult|threat"], "row 1: .*'insult|threat', which is not one of"),
        (["['toxic', 'insult'"], "row 1: .*neither JSON nor a Python list"),
        (["[toxic]"], "row 1: .*neither"),
        ([["rude"]], "row 1: .*'rude', which is not one of toxic"),
    ],
)
def test_lists_that_are_neither_labels_nor_vectors_are_refused_with_their_row(rows: list[object], message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        targets(table_of(*rows), TOXIC)


@pytest.mark.parametrize(
    ("rows", "chosen", "message"),
    [
        ([{"text": "x", "toxic": 1, "insult": 0, "threat": 2}], [], "row 1.*'2' in threat, where 0 or 1 belongs"),
        ([{"text": "x", "toxic": 1, "insult": "", "threat": 1}], [], "row 1.*in insult"),
        ([{"text": "x", "toxic": 1}], [("label", "toxic")], "a column for each label.*label=toxic,insult,threat"),
        ([{"text": "x", "toxic": 1}], [("label", "toxic,rude")], "no column for label.*rude"),
        ([{"text": "x", "a": 1, "label": "toxic"}], [("text", "text,a")], "gives text several columns"),
    ],
)
def test_columns_that_are_not_the_labels_are_refused(
    rows: list[dict[str, object]], chosen: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(SqueezeBertMobileError, match=message):
        targets(Table("data", tuple(rows)), TOXIC, *chosen)


def test_a_list_where_one_label_belongs_is_refused() -> None:
    config = SqueezeBertConfig(id2label=("a", "b"))
    for cell in (["a", "b"], "['a', 'b']", "[a]"):
        with pytest.raises(InputFileError, match="row 1: has"):
            targets(table_of(cell), config)
    assert targets(table_of("[a]"), SqueezeBertConfig(id2label=("x", "[a]"))) == [1]


def test_one_label_alone_has_values_as_in_transformers() -> None:
    config = SqueezeBertConfig(id2label=("score",))
    assert targets(table_of("3.5", 1), config) == [(3.5,), (1.0,)]
    with pytest.raises(InputFileError, match="where a number belongs"):
        targets(table_of("good"), config)


def test_roles_of_a_task_are_told() -> None:
    with pytest.raises(UsageError, match=r"no colour here.*text, text_pair, label"):
        find_columns(table_of(1), TEXT, [("colour", "x")])
