"""Every --json has a published schema; `command.run` holds all that the tests' calls print to it."""

import json
from pathlib import Path

import jsonschema
import pytest
import schemas
import tiny
from checkout import ROOT
from command import run

from squeezebert_mobile.cli import app
from squeezebert_mobile.tasks import Task


def test_every_command_has_one_and_no_other_is_published() -> None:
    commands = {each.callback.__name__ if each.name is None else each.name for each in app.registered_commands}  # type: ignore[union-attr]
    assert commands == {*schemas.RESULTS}
    assert sorted(schemas.PUBLISHED.iterdir()) == sorted(map(schemas.path_of, commands))


@pytest.mark.parametrize("command", schemas.RESULTS)
def test_the_published_schema_is_current(command: str) -> None:
    assert schemas.path_of(command).read_bytes() == schemas.schema(command)
    jsonschema.Draft202012Validator.check_schema(schemas.published(command))


def test_a_value_that_lacks_a_member_or_has_another_type_is_refused(tiny_onnx_bundle: Path) -> None:
    printed = run("verify", tiny_onnx_bundle, "--no-run", "--json").stdout
    for change in ({"digest": None}, {"files": "12"}, {"artifacts": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            schemas.require_valid("verify", json.dumps(json.loads(printed) | change))


def test_what_is_printed_obeys_also_where_a_gate_fails(tiny_onnx_bundle: Path, tmp_path: Path) -> None:
    """`run` validates; here is that each prints something."""
    data = tmp_path / "dev.tsv"
    data.write_text("sentence\tlabel\n" + "good\tnegative\nbad\tpositive\n" * 3, encoding="utf-8")
    kept = ROOT / "benchmarks/results"
    one = kept / "latency-1.jsonl"
    for code, *arguments in (
        (0, "predict", tiny_onnx_bundle, "--file", data),
        (0, "predict", tiny_onnx_bundle, "--file", data, "-o", tmp_path / "out.jsonl"),
        (0, "info", tiny_onnx_bundle),
        (0, "report", one),
        (None, "compare", one, one, "--max-slowdown", "0"),
        (None, "evaluate", tiny_onnx_bundle, "--data", data, "--max-accuracy-drop", "0"),
    ):
        done = run(*arguments, "--json")
        assert done.stdout, done.stderr
        assert code is None or done.returncode == code


@pytest.mark.slow
def test_what_export_and_finetune_print_obeys(tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, tiny.SMALL)
    data = tmp_path / "dev.tsv"
    data.write_text("sentence\tlabel\n" + "good\tnegative\nbad\tpositive\n" * 3, encoding="utf-8")
    files = ("--runtime", "onnx", "--precision", "fp32", "--data", data, "--max-accuracy-drop", "1")
    assert run("export", "-m", model, "-o", tmp_path / "bundle", *files, "--json").stdout
    task = ("--task", "text-classification", "--data", data, "--epochs", "1")
    assert run("finetune", "-m", model, *task, "-o", tmp_path / "tuned", "--json").stdout
