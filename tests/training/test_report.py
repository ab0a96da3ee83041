"""What a training run's page and picture say."""

from pathlib import Path

import pytest
from browser import assert_readable

from squeezebert_mobile.reports.drawing import Text
from squeezebert_mobile.training import report
from squeezebert_mobile.training.report import History
from squeezebert_mobile.training.trainer import Evaluation

LOSSES = [1.0 / (1 + n) for n in range(60)]


def history(*accuracies: float, best: int = 0) -> History:
    """Ten steps an epoch; ``best`` is the number of the epoch that was kept."""
    evaluations = [
        Evaluation(step=10 * n, epoch=n, loss=1 / n, metrics={"accuracy": value})
        for n, value in enumerate(accuracies, 1)
    ]
    epochs = len(accuracies) or 3
    return History("text-classification, 80 rows", epochs, LOSSES, evaluations, 10 * best, 61.0)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (history(), "--eval-data"),
        (history(0.5, best=1), "try more"),
        (history(0.5, 0.6, 0.7, best=3), "more may do better"),
        (history(0.5, 0.9, 0.7, best=2), "Epoch 2 was the best of 3"),
    ],
)
def test_the_advice_follows_the_curves(found: History, words: str) -> None:
    assert words in report.advise(found)
    assert words in report.to_page(found, report.figures(found))


def test_a_picture_has_one_axis_and_a_title_each() -> None:
    loss, validation = report.figures(history(0.5, 0.9, best=2))
    assert (loss.title, validation.title) == ("Training loss", "Validation accuracy")
    for figure, name in ((loss, "loss"), (validation, "accuracy")):
        texts = [mark.text for mark in figure.drawing.marks if isinstance(mark, Text)]
        assert texts[0] == name
        assert "epochs" in texts
    assert [figure.name for figure in report.figures(history(0.5, best=1))] == ["loss"], "one dot is no curve"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_at_both_widths(tmp_path: Path, scheme: str) -> None:
    report.write(history(0.5, 0.9, best=2), tmp_path)
    assert_readable(tmp_path / report.PAGE_NAME, scheme, ["loss", "validation"])


def test_a_short_run_is_smoothed_beside_its_steps() -> None:
    (loss,) = report.figures(history())
    texts = [mark.text for mark in loss.drawing.marks if isinstance(mark, Text)]
    assert " ".join(texts).count("each step") == 1
    assert "mean of 3 steps" in " ".join(texts)


def test_a_run_of_one_step_has_a_report(tmp_path: Path) -> None:
    report.write(History("t", 1, [0.5], [], 1, 0.1), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {report.PAGE_NAME, report.PLOT_NAME}


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        report.write(history(0.5, 0.9, best=2), tmp_path / name)
    for name in (report.PAGE_NAME, report.PLOT_NAME):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
