"""The commands beside the obvious loop: that loop answers what they answer, and both are timed in turns."""

import json
import subprocess
import sys
from pathlib import Path

import handmade
import pytest
from command import run
from results import ENVIRONMENT

from squeezebert_mobile.benchmarks.lab import plain_loop, throughput
from squeezebert_mobile.benchmarks.lab.throughput import Compared, ThroughputRun
from squeezebert_mobile.errors import IntegrityError

TEXTS = [f"A quiet film that {'stays ' * (n % 9)}with you for {n} days." for n in range(100)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handmade.write(tmp_path_factory.mktemp("throughput") / "bundle")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "dev.tsv"
    rows = [f"{text}\t{number % 2}\n" for number, text in enumerate(TEXTS)]
    path.write_text("".join(["sentence\tlabel\n", *rows]), encoding="utf-8")
    return path


def loop(command: str, bundle: Path, texts: Path) -> str:
    program = [sys.executable, plain_loop.__file__, command, str(bundle), handmade.MODEL_PATH, str(texts), "1"]
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout


def test_the_loop_says_of_every_text_what_predict_says(bundle: Path, texts: Path) -> None:
    found = [json.loads(line) for line in loop("predict", bundle, texts).splitlines()]
    ours = [json.loads(line) for line in run("predict", bundle, "--file", texts, "--json").stdout.splitlines()]
    assert [each["text"] for each in found] == [each["sample"]["text"] for each in ours] == TEXTS
    for theirs, own in zip(found, ours, strict=True):
        expected = {score["label"]: score["score"] for score in own["result"]}
        assert dict(zip(handmade.LABELS, theirs["scores"], strict=True)) == pytest.approx(expected, abs=1e-6)


def test_the_loop_counts_what_evaluate_counts(bundle: Path, texts: Path) -> None:
    ours = json.loads(run("evaluate", bundle, "--data", texts, "--json", "--resamples", "2").stdout)
    assert float(loop("evaluate", bundle, texts)) == pytest.approx(ours["rows"][0]["metrics"]["accuracy"])


def test_both_commands_are_timed_with_every_file_and_kept(bundle: Path, texts: Path, tmp_path: Path) -> None:
    steps: list[str] = []
    found = throughput.measure(bundle, texts, rounds=1, threads=1, report=steps.append)
    assert steps == ["predict fp32", "evaluate fp32"]
    assert [(each.command, each.precision, len(each.seconds)) for each in found.compared] == [
        ("predict", "fp32", 1),
        ("evaluate", "fp32", 1),
    ]
    assert found.texts == len(TEXTS)
    path = tmp_path / "throughput.json"
    path.write_text(found.model_dump_json())
    assert throughput.read(path) == found
    path.write_text("{}")
    with pytest.raises(IntegrityError, match="is not a run of throughput"):
        throughput.read(path)


def test_what_goes_text_by_text_is_timed_in_batches_as_well(tiny_onnx_bundle: Path, texts: Path) -> None:
    found = throughput.measure(tiny_onnx_bundle, texts, rounds=1, threads=1).compared
    assert [(each.command, each.batch_size) for each in found if each.precision == "int8"] == [
        ("predict", None),
        ("predict", 32),
        ("evaluate", None),
        ("evaluate", 32),
    ]


def test_a_share_is_of_one_round_so_that_a_busy_machine_takes_from_both() -> None:
    seconds, beside = (1.0, 10.0, 2.0), (2.0, 20.0, 1.0)
    each = Compared(command="predict", precision="fp32", batch_size=None, seconds=seconds, loop_seconds=beside)
    assert each.share == 2
    other = each.model_copy(update={"precision": "int8", "batch_size": 32})
    known = ThroughputRun(environment=ENVIRONMENT, texts=100, threads=1, compared=(each, other))
    assert throughput.rows(known) == [
        ("predict", "ONNX fp32", "50", "50", "2.00x"),
        ("predict", "ONNX int8, --batch-size 32", "50", "50", "2.00x"),
    ]
    assert len(throughput.rows(known)[0]) == len(throughput.HEADS)
