"""GRID.toml: what it may hold, what is told of a mistake, and which cells follow."""

import re
from pathlib import Path

import pytest

from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.sweep.grid import cells, names, read, words

SMALL = """
[grid]
checkpoint = ["one", "two"]
precision = ["fp32", "int8", "int8-static"]
runtime = ["onnx"]
embeddings = ["int8", "int4"]
calibration = ["texts.txt"]
trimming = ["", "texts.txt"]
[export]
data = "dev.tsv"
column = { text = "review", label = "stars" }
"""
TRAINED = """
[grid]
checkpoint = ["one"]
seed = [0, 1]
[finetune]
task = "text-classification"
data = "train.tsv"
init-head = true
[export]
data = "dev.tsv"
"""


def grid(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_cells_are_all_combinations_that_differ(tmp_path: Path) -> None:
    found = cells(read(grid(tmp_path, SMALL)))
    # Of a checkpoint and a vocabulary: fp32 once, both kinds of int8 with both tables.
    assert len(found) == 2 * 2 * (1 + 2 + 2) == len(set(found)) == len(set(names(found)))
    assert not [cell for cell in found if cell.precision == "fp32" and (cell.embeddings or cell.calibration)]
    assert {cell.calibration for cell in found if cell.precision == "int8-static"} == {"texts.txt"}
    assert not any(cell.is_trained for cell in found)


def test_names_tell_only_what_differs(tmp_path: Path) -> None:
    found = cells(read(grid(tmp_path, TRAINED)))
    assert names(found)[0] == "seed 0, fp32, onnx"
    assert names(found[:1]) == ["onnx fp32"]


def test_options_are_those_of_a_command_line(tmp_path: Path) -> None:
    made = read(grid(tmp_path, SMALL))
    assert words(made.export) == ["--data", "dev.tsv", "--column", "text=review", "--column", "label=stars"]
    assert words({"a": True, "b": False, "c": (1, 2), "d": 0.5}) == [
        "--a",
        "--no-b",
        "--c",
        "1",
        "--c",
        "2",
        "--d",
        "0.5",
    ]
    first = cells(made)[0]
    assert first.exporting() == ["--runtime", "onnx", "--precision", "fp32", "--model"]


def test_a_smaller_student_is_made_of_the_checkpoint_and_one_as_it_is_is_not_trained(tmp_path: Path) -> None:
    shapes = 'layers = ["as-is", 1, "0,1"]\nwidth = ["as-is", 48]'
    found = cells(read(grid(tmp_path, TRAINED.replace("seed = [0, 1]", shapes).replace("init-head = true", ""))))
    assert names(found)[::4] == [
        "as it is, fp32, onnx", "width 48, fp32, onnx", "layers 1, fp32, onnx", "layers 1, width 48, fp32, onnx",
        "layers 0,1, fp32, onnx", "layers 0,1, width 48, fp32, onnx",
    ]  # fmt: skip
    assert [cell.training() for cell in found[4:9:4]] == [
        ["--intermediate-size", "48", "--teacher"], ["--layers", "1", "--teacher"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('data = "dev.tsv"', 'data = "dev.tsv', "is not TOML: .*line"),
        (
            "precision =",
            "presicion =",
            r"has an unknown key grid.presicion \(expected checkpoint, layers.*; fix: remove",
        ),
        ('"fp32", ', '"fp8", ', r"grid.precision.0: .*found fp8.*; fix: correct that key"),
        ('["one", "two"]', "[]", "grid.checkpoint: "),
        ('["one", "two"]', '"one"', "grid.checkpoint: "),
        ("[export]", "[exports]", "unknown key exports|export: "),
        ("column = {", "colunm = {", r"\[export\] .*--colunm"),
        ('data = "dev.tsv"', "opset = 18", "export.data: is missing; fix: name the labelled file"),
        ('data = "dev.tsv"', 'data = "dev.tsv"\nopset = 3', r"\[export\] .*opset"),
        ('data = "dev.tsv"', 'data = "dev.tsv"\nprecision = "fp32"', "export.precision: is not for this table"),
        ('data = "dev.tsv"', 'data = "dev.tsv"\ncalibration = "x.txt"', "export.calibration: is not for this table"),
        ("[export]", "seed = [1]\n[export]", r"says nothing of training; fix: add a table \[finetune\]"),
        ("[grid]", 'rules = ["best"]\n[grid]', r"\[rules\] rule is none \(found best"),
        ("[export]", '[benchmark]\n[cycles]\ncpu = "cortex-a76"\n[export]', "keep one of them"),
        ("[export]", "[cycles]\ncpus = 1\n[export]", "cycles.cpu"),
        (
            "[export]",
            "[benchmark]\nthreads = [1, 2]\n[export]",
            "gives a cell more than one time; fix: give one length",
        ),
        ("[export]", '[benchmark]\ndevice = "adb:all"\n[export]', "gives a cell more than one time"),
        ("[export]", "[benchmark]\nquick = 3\n[export]", "gives a flag a value .found 3, expected true"),
        ('calibration = ["texts.txt"]', "", r"\[export\] --precision int8-static needs calibration; fix: pass"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_step(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert old in SMALL
    with pytest.raises(InputFileError, match=line) as error:
        read(grid(tmp_path, SMALL.replace(old, new)))
    assert re.match(re.escape(str(tmp_path / "grid.toml")), str(error.value))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("init-head = true", 'output-dir = "x"', "finetune.output-dir: is not for this table"),
        ("seed = [0, 1]", "layers = [1]", r"\[finetune\] --teacher gives the student its weights.*drop --init-head"),
        ("init-head = true", "seed = 3", "finetune.seed: is not for this table"),
        ("init-head = true", "patience = 3", r"\[finetune\] --patience needs a metric to watch"),
        ("init-head = true", "epochs = 0", r"\[finetune\] "),
        ('task = "text-classification"', 'task = "classification"', r"\[finetune\] .*classification"),
        ('task = "text-classification"', "", r"\[finetune\] .*--task"),
    ],
)
def test_a_mistake_in_training_is_told_before_any_training(tmp_path: Path, old: str, new: str, line: str) -> None:
    with pytest.raises(InputFileError, match=line):
        read(grid(tmp_path, TRAINED.replace(old, new)))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"none.toml: cannot be read: No such file"):
        read(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"a = '\xe9'")
    with pytest.raises(InputFileError, match="is not TOML"):
        read(tmp_path / "latin.toml")
