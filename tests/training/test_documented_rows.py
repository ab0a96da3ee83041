"""The rows that the documents show train and are evaluated, each as it stands."""

import json
import re
from pathlib import Path

import pytest
from checkout import ROOT
from tiny import SMALL, checkpoint
from typer.testing import CliRunner

from squeezebert_mobile.cli import app
from squeezebert_mobile.tables.examples import EXAMPLE_ROWS, ExampleRow
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.evaluate import evaluate
from squeezebert_mobile.training.finetune import finetune
from squeezebert_mobile.training.options import EvaluateOptions, FinetuneOptions

DOCUMENT = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_document_and_the_help_show_the_same_rows() -> None:
    documented = re.findall(r"^\| ([\w-]+) \| (.+) \| `(\{.*\})` \|$", DOCUMENT, re.MULTILINE)
    assert documented == [tuple(map(str, row)) for row in EXAMPLE_ROWS]
    assert {row.task for row in EXAMPLE_ROWS} == set(Task)
    shown = CliRunner().invoke(app, ["finetune", "--help"]).output.splitlines()
    for row in EXAMPLE_ROWS:
        assert f"  {row.task}: {row.columns}" in [line.removeprefix("  ") for line in shown]
        assert f"    {row.row}" in [line.removeprefix("  ") for line in shown]


@pytest.mark.parametrize("example", EXAMPLE_ROWS, ids=lambda example: f"{example.task}: {example.row[-20:-2]}")
def test_each_row_trains_and_is_evaluated(example: ExampleRow, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text(example.row + "\n", encoding="utf-8")
    label = json.loads(example.row).get("label")
    trained = finetune(
        FinetuneOptions(
            task=example.task,
            data=str(data),
            output_dir=tmp_path / "out",
            model=str(checkpoint(tmp_path / "model", Task.FEATURE_EXTRACTION, SMALL)),
            init_head=True,
            labels=("negative", "positive") if label == "positive" else (),
            problem_type="regression" if label == 4.5 else None,
            max_length=32,
            epochs=1,
            quiet=True,
        )
    )
    assert trained.examples == trained.steps == 1
    measured = evaluate(EvaluateOptions(str(trained.output_dir), str(data), resamples=2, quiet=True))
    assert (measured.task, measured.examples) == (example.task, 1)
