"""Texts for calibration: a fair draw in one pass, and a refusal of what is none."""

from pathlib import Path

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.errors import InputFileError, UsageError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.texts import draw, encode
from squeezebert_mobile.tasks import Task

LINES = [f"text number {number}" for number in range(100)]


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@given(st.integers(1, 120), st.integers(0, 5))
def test_a_draw_is_a_part_of_the_file_in_its_order(
    tmp_path_factory: pytest.TempPathFactory, rows: int, seed: int
) -> None:
    file = write(tmp_path_factory.getbasetemp() / "texts.txt", *LINES)
    drawn = draw(file, Task.TEXT_CLASSIFICATION, rows=rows, seed=seed)
    assert len(drawn) == min(rows, len(LINES))
    assert drawn == [(line,) for line in LINES if (line,) in drawn]
    assert drawn == draw(file, Task.TEXT_CLASSIFICATION, rows=rows, seed=seed)


def test_every_line_is_as_likely_as_any_other(tmp_path: Path) -> None:
    file = write(tmp_path / "texts.txt", *LINES[:20])
    counts = dict.fromkeys(LINES[:20], 0)
    for seed in range(600):
        for (line,) in draw(file, Task.TEXT_CLASSIFICATION, rows=5, seed=seed):
            counts[line] += 1
    # 600 draws of 5 in 20: 150 each, standard deviation 10.6.
    assert all(100 < count < 200 for count in counts.values())


@pytest.mark.parametrize(
    ("lines", "task", "words"),
    [
        ((), Task.TEXT_CLASSIFICATION, "is empty"),
        (("", "  "), Task.TEXT_CLASSIFICATION, "is empty"),
        (("same",) * 40, Task.TEXT_CLASSIFICATION, "the same in every line"),
        (("a\tb\tc",), Task.TEXT_CLASSIFICATION, r"1: has other columns \(found 3"),
        (("q",), Task.QUESTION_ANSWERING, "a question, a tab"),
        (("q\ta",), Task.MULTIPLE_CHOICE, "two or more options"),
        (("sentence\tlabel", "fine\t1", "bad\t0"), Task.TEXT_CLASSIFICATION, "has numbers"),
        (("x" * (1 << 20) + "y",), Task.TEXT_CLASSIFICATION, "1: is longer than a line"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, lines: tuple[str, ...], task: Task, words: str) -> None:
    with pytest.raises(InputFileError, match=words):
        draw(write(tmp_path / "texts.txt", *lines), task, rows=10, seed=0)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"missing\.txt"):
        draw(tmp_path / "missing.txt", Task.FILL_MASK, rows=10, seed=0)


def test_few_texts_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    draw(write(tmp_path / "texts.txt", "one text"), Task.FILL_MASK, rows=10, seed=0)
    assert "1 text is little; give 32 or more" in caplog.text


def test_no_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="--calibration-samples"):
        ExportOptions(Path("bundle"), calibration=Path("texts.txt"), calibration_rows=0)


def test_rows_are_encoded_without_padding() -> None:
    rows = [("a quiet film", "it stays"), ("fine",)]
    first, second = encode(tiny.tokenizer(), rows, Task.TEXT_CLASSIFICATION, 64)
    assert first.attention_mask.all() and second.attention_mask.all()
    assert first.input_ids.shape[1] > second.input_ids.shape[1]
    (choice,) = encode(tiny.tokenizer(), [("the sea", "is wet", "is a cheese")], Task.MULTIPLE_CHOICE, 64)
    assert choice.input_ids.shape[:2] == (1, 2)
