"""`finetune` and `evaluate` as a user types them."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def started(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "squeezebert_mobile", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | environment)


def timeless(printed: str) -> list[Any]:
    """The values of --json without their times."""
    return [json.loads(line, object_hook=lambda o: {k: v for k, v in o.items() if k != "milliseconds"})
            for line in printed.splitlines()]  # fmt: skip


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_evaluate_ends_as_done_where_its_reader_has_gone(
    tiny_onnx_bundle: Path, data: Path, more: tuple[str, ...]
) -> None:
    with started("evaluate", tiny_onnx_bundle, "--data", data, "--resamples", "5", *more) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert {line.split()[0] for line in said.splitlines()} <= {"evaluating"}


def test_processes_side_by_side_on_one_bundle_answer_as_one_alone(
    tiny_onnx_bundle: Path, data: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    calls: tuple[tuple[str | Path, ...], ...] = (
        ("predict", tiny_onnx_bundle, "--file", data, "--json"),
        ("evaluate", tiny_onnx_bundle, "--data", data, "--resamples", "5", "--json"),
    )
    alone = [timeless(run(*call).stdout) for call in calls]
    together = [(number, started(*call, TMPDIR=str(scratch))) for number, call in enumerate(calls) for _ in range(3)]
    for number, process in together:
        printed, said = process.communicate()
        assert process.returncode == 0, said
        assert timeless(printed) == alone[number]
    assert [*scratch.iterdir()] == []


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
