"""`finetune` and `evaluate` as a user types them."""

import importlib.metadata
import json
from pathlib import Path

import pytest
from command import assert_error, run

from squeezebert_mobile import extras
from squeezebert_mobile.errors import EnvironmentFault

ROWS = "sentence\tlabel\na fine film\t1\nno wit\t0\nit moves\t1\nlong and dull\t0\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.tsv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def test_a_fine_tuned_checkpoint_is_evaluated(tiny_onnx_bundle: Path, data: Path, tmp_path: Path) -> None:
    model = tiny_onnx_bundle.with_name("tiny_onnx_bundle.model")
    common = ("--data", data, "--json")
    trained = run(
        "finetune", "--task", "text-classification", "-m", model, "-o", tmp_path / "out", "--epochs", "1", *common
    )
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["initialised"] == []
    measured = run("evaluate", tmp_path / "out", *common)
    assert json.loads(measured.stdout)["examples"] == 4


def test_artifacts_stand_side_by_side(tiny_onnx_bundle: Path, data: Path) -> None:
    done = run("evaluate", tiny_onnx_bundle, "--data", data, "--resamples", "5")
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "drop of accuracy" in done.stdout
    assert max(map(len, done.stdout.splitlines()[1:])) <= 80


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("finetune",), 2, ("--task",)),
        (("finetune", "--task", "fill-mask", "--data", "{data}", "-o", "{new}"), 2, ("--model", "--from-scratch")),
        (("evaluate", "{bundle}", "--data", "/nowhere.tsv"), 3, ("/nowhere.tsv",)),
        (("evaluate", "{bundle}", "--data", "{data}", "--column", "text"), 2, ("--column", "ROLE=NAME")),
        (("evaluate", "{bundle}", "--data", "{data}", "--column", "text=words"), 3, ("words",)),
        (("evaluate", "{bundle}", "--data", "{data}", "--runtime", "torch"), 2, ("--model",)),
    ],
)
def test_every_mistake_is_one_line_with_a_fix(
    tiny_onnx_bundle: Path, data: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    filled = [a.format(bundle=tiny_onnx_bundle, data=data, new=tmp_path / "new") for a in arguments]
    assert_error(run(*filled), code, *words)
    assert list(tmp_path.iterdir()) == [data]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["no-such-package>=1; extra == 'finetune'"])
    with pytest.raises(
        EnvironmentFault,
        match=r"no-such-package: is not installed; fix: make install .*, or pip install 'no-such-package>=1'$",
    ):
        extras.require("finetune")
