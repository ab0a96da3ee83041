"""Students of one teacher: what is trained, what is not trained twice, and how they stand beside each other."""

from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from results import ENVIRONMENT
from training_runs import BAD, GOOD

from squeezebert_mobile.benchmarks.lab import students
from squeezebert_mobile.benchmarks.lab.students import Shape, Student, StudentsRun, Training
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.errors import IntegrityError
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.evaluate import EvaluateOptions, evaluate

torch.set_num_threads(1)
ALL, HALF = Shape(layers=4), Shape(layers=2)


def of(shape: Shape, training: Training, right: str, seed: int = 0) -> Student:
    return Student(shape=shape, training=training, seed=seed, parameters=1, right=right)


RUN = StudentsRun(
    environment=ENVIRONMENT,
    rows=8,
    models=(
        of(ALL, "teacher", "1110"),
        of(HALF, "taught", "1100"),
        of(HALF, "alone", "1000"),
        of(HALF, "taught", "1101", seed=1),
        of(HALF, "alone", "0000", seed=1),
    ),
)


def test_each_is_trained_once_and_judged_as_evaluate_does(tmp_path: Path) -> None:
    config = replace(tiny.CONFIG, num_hidden_layers=4)
    teacher = tiny.checkpoint(tmp_path / "teacher", Task.TEXT_CLASSIFICATION, config)
    lines = [f"{text}\t{label}\n" for label, texts in enumerate([BAD, GOOD]) for text in texts]
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / name).write_text("".join(["sentence\tlabel\n", *lines]), encoding="utf-8")
    steps: list[str] = []

    def again() -> StudentsRun:
        return students.measure(teacher, tmp_path, tmp_path / "work", seeds=(3,), rows=8, report=steps.append)

    found = again()
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()}
    assert again().models == found.models
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()}
    shapes = {
        path.name: (own.num_hidden_layers, own.intermediate_size)
        for path in made
        for own in [checkpoint.load(path).config]
    }
    assert shapes == {
        "taught-2-all-3": (2, 96),
        "alone-2-all-3": (2, 96),
        "taught-1-all-3": (1, 96),
        "alone-1-all-3": (1, 96),
        "taught-4-48-3": (4, 48),
    }
    for folder, student in [(teacher, found.models[0]), (tmp_path / "work/taught-2-all-3", found.models[1])]:
        (row,) = evaluate(EvaluateOptions(str(folder), str(tmp_path / "dev.tsv"), resamples=1, quiet=True)).rows
        assert student.right.count("1") / len(student.right) == pytest.approx(row.metrics["accuracy"])


def test_the_table_is_over_all_seeds_and_beside_the_teacher_and_the_same_one_alone() -> None:
    teacher, taught, alone = students.rows(RUN)
    assert teacher == ("4 layers", "teacher", "75.0", "75.0", "", "")
    assert taught[:4] == ("2 layers", "taught", "50.0, 75.0", "62.5")
    assert taught[4].startswith("-12.5 (") and taught[5].startswith("+50.0 (")
    assert alone[:4] == ("2 layers", "alone", "25.0, 0.0", "12.5") and alone[5] == ""
    assert {len(row) for row in (teacher, taught, alone)} == {len(students.HEADS)}


def test_what_both_share_cancels_in_a_difference() -> None:
    assert students.above(RUN.of(HALF, "taught"), RUN.of(HALF, "taught")) == "+0.0 (+0.0 to +0.0)"
    better, worse = [of(HALF, "taught", "1" * 60 + "0" * 40)], [of(HALF, "alone", "1" * 50 + "0" * 50)]
    value, low, high = (float(word.strip("()")) for word in students.above(better, worse).split() if word != "to")
    assert value == 10
    assert 4 <= low <= 6 and 15 <= high <= 17, "10 of 100 sentences differ: sqrt(0.1 * 0.9 / 100) is 3 points"


def test_a_run_is_kept_and_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "students.json"
    path.write_text(RUN.model_dump_json())
    assert students.read(path) == RUN
    path.write_text("{}")
    with pytest.raises(IntegrityError, match="is not a run of students"):
        students.read(path)
