"""A whole sweep by the command: killed and gone on with, on Ray, and what is picked of it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny
from checkout import ROOT
from command import assert_error, run

from squeezebert_mobile.sweep.grid import cells, read
from squeezebert_mobile.tasks import Task

GRID = """
rules = ["smallest", "most accurate under 100 MB"]
[grid]
checkpoint = ["model"]
layers = [1]
seed = [1]
precision = ["fp32", "int8"]
runtime = ["onnx"]
trimming = ["", "nothing.txt"]
[finetune]
task = "text-classification"
data = "train.tsv"
epochs = 1
learning-rate = 1e-3
[export]
data = "dev.tsv"
license = "Apache-2.0"
[benchmark]
tokens = 8
quick = true
"""
WORDS = ("fine", "quiet", "long", "dull")
ROWS = [(f"A {word} film {n}", ("negative", "positive")[word in WORDS[:2]]) for n in range(12) for word in WORDS]


def write(folder: Path) -> Path:
    """A grid of four cells, of which two name a file that is not there."""
    folder.mkdir(exist_ok=True)
    tiny.checkpoint(folder / "model", Task.TEXT_CLASSIFICATION, tiny.SMALL)
    for name in ("train.tsv", "dev.tsv"):
        lines = "".join(f"{text}\t{label}\n" for text, label in ROWS)
        (folder / name).write_text(f"sentence\tlabel\n{lines}", encoding="utf-8")
    (folder / "grid.toml").write_text(GRID, encoding="utf-8")
    return folder / "grid.toml"


def state(runs: Path) -> dict[str, int]:
    """When each stage that is done was begun: its log is written then."""
    made = [path for path in runs.glob("*/*.json") if path.read_bytes().endswith(b"\n")]
    return {str(path.relative_to(runs)): path.with_suffix(".log").stat().st_mtime_ns for path in made}


def trainings(folder: Path) -> list[Path]:
    return list((folder / "runs/finetune").glob("*.json"))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A sweep that was killed as soon as its first export was there, and run again; what the second printed."""
    folder = tmp_path_factory.mktemp("sweep") / "grid"
    grid, runs = write(folder), folder.parent / "runs"
    command = [sys.executable, "-m", "squeezebert_mobile", "sweep", str(grid), "-o", str(runs), "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as killed:
        until = time.monotonic() + 600
        while not any(name.startswith("export/") for name in state(runs)):
            assert killed.poll() is None, (killed.stdout and killed.stdout.read(), runs)
            assert time.monotonic() < until
            time.sleep(0.1)
        killed.send_signal(signal.SIGKILL)
    before = state(runs)
    done = run("sweep", grid, "-o", runs, "--jobs", "1", "--json")
    assert done.returncode == 0, done.stderr
    after = state(runs)
    assert before.items() < after.items(), "what was there stayed, and the rest was made"
    return folder, json.loads(done.stdout)


@pytest.mark.slow
def test_cells_that_fail_are_told_and_the_others_are_made(swept: tuple[Path, dict[str, Any]]) -> None:
    folder, found = swept
    assert {cell["name"] for cell in found["cells"]} == {"fp32", "int8"}
    assert [failed["name"] for failed in found["failed"]] == [
        "fp32, trimmed to nothing.txt",
        "int8, trimmed to nothing.txt",
    ]
    for failed in found["failed"]:
        assert re.search(r"nothing.txt: is no such file; fix: check the path", failed["error"])
    assert found["data"] == "dev.tsv" and found["rows"] == len(ROWS) and found["unit"] == "ms"
    assert all(cell["time"] > 0 for cell in found["cells"])
    assert len(trainings(folder.parent)) == 1, "all cells share one training"
    assert len(list((folder.parent / "runs/benchmark").glob("*.jsonl"))) == 1, "all cells took turns in one run"


@pytest.mark.slow
def test_the_accuracy_is_what_evaluate_finds(swept: tuple[Path, dict[str, Any]]) -> None:
    folder, found = swept
    for cell in found["cells"]:
        told = json.loads(run("evaluate", cell["bundle"], "--data", folder / "dev.tsv", "--json").stdout)
        (row,) = told["rows"]
        assert told["data_sha256"] == found["data_sha256"]
        assert cell["accuracy"] == pytest.approx(row["metrics"][found["metric"]], abs=1e-6)
        assert [cell["low"], cell["high"]] == pytest.approx([row["interval"][end] for end in ("low", "high")], abs=1e-6)


@pytest.mark.slow
def test_what_is_there_is_not_made_again_and_a_pick_is_a_sound_bundle(
    swept: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, found = swept
    runs = folder.parent / "runs"
    before = state(runs)
    target = tmp_path / "picked"
    done = run("sweep", folder / "grid.toml", "-o", runs, "--pick", "smallest", "--to", target)
    assert done.returncode == 0, done.stderr
    assert state(runs) == before
    assert done.stdout.splitlines()[-1] == f"{target}: the bundle of int8"
    assert run("verify", target).returncode == 0
    smallest = next(choice for choice in found["choices"] if choice["rule"] == "smallest")
    assert (target / "bundle.json").read_bytes() == (Path(smallest["bundle"]) / "bundle.json").read_bytes()
    assert json.loads((target / "bundle.json").read_text())["artifacts"][0]["accuracy"]["rows"] == len(ROWS)
    assert "<h1>What to ship</h1>" in (runs / "sweep.html").read_text(encoding="utf-8")
    again = run("sweep", folder / "grid.toml", "-o", runs, "--pick", "smallest", "--to", target)
    assert_error(again, 2, "exists", "--force")
    none = run("sweep", folder / "grid.toml", "-o", runs, "--pick", "smallest under 0.001 MB", "--to", tmp_path / "no")
    assert none.returncode == 2 and "none, no cell keeps to it; fix: give a rule" in none.stderr
    assert "none, no cell keeps to it" in none.stdout, "the table is printed first"


@pytest.mark.slow
def test_a_dry_run_lists_the_cells_and_what_is_missing(swept: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = swept
    told = json.loads(run("sweep", folder / "grid.toml", "-o", folder.parent / "runs", "--dry-run", "--json").stdout)
    assert {cell["name"]: cell["missing"] for cell in told["cells"]} == {
        "fp32": [], "int8": [],
        "fp32, trimmed to nothing.txt": ["export"], "int8, trimmed to nothing.txt": ["export"],
    }  # fmt: skip
    new = json.loads(run("sweep", folder / "grid.toml", "-o", tmp_path / "new", "--dry-run", "--json").stdout)
    assert [cell["missing"] for cell in new["cells"]] == [["finetune", "export"]] * 4
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_estimated_cycles_take_the_place_of_a_measurement(swept: tuple[Path, dict[str, Any]]) -> None:
    folder, found = swept
    text = (folder / "grid.toml").read_text(encoding="utf-8").partition("[benchmark]")[0]
    rules = text.replace("rules = [", 'rules = ["fastest", "fastest under 3 ms", ')
    (folder / "cycles.toml").write_text(f'{rules}[cycles]\ncpu = "cortex-a76"\ntokens = 8\n', encoding="utf-8")
    told = json.loads(run("sweep", folder / "cycles.toml", "-o", folder.parent / "runs", "--json").stdout)
    assert (told["unit"], told["machine"]) == ("Mcycles", "cortex-a76, estimated")
    assert [cell["bundle"] for cell in told["cells"]] == [cell["bundle"] for cell in found["cells"]]
    fastest = min(told["cells"], key=lambda cell: cell["time"])
    assert [choice["name"] for choice in told["choices"][:2]] == [fastest["name"], None]


@pytest.mark.slow
def test_the_same_grid_on_a_local_ray_has_the_same_accuracy(swept: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray has no wheel for this Python")
    folder, found = swept
    copied = shutil.copytree(folder, tmp_path / "grid")
    environment = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(("", str(ROOT / "tests/helpers")))}
    done = run("sweep", copied / "grid.toml", "-o", tmp_path / "runs", "--ray", "local", "--json", **environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for name in ("name", "accuracy", "low", "high", "megabytes"):
        assert [cell[name] for cell in told["cells"]] == [cell[name] for cell in found["cells"]], name
    assert {Path(cell["bundle"]).name for cell in told["cells"]} == {
        Path(cell["bundle"]).name for cell in found["cells"]
    }
    assert [failed["name"] for failed in told["failed"]] == [failed["name"] for failed in found["failed"]]
    losses = [json.loads(path.read_text())["final_loss"] for path in trainings(tmp_path) + trainings(folder.parent)]
    assert len(losses) == 2 and losses[0] == losses[1]


def test_a_grid_of_which_nothing_can_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(
        '[grid]\ncheckpoint = ["none"]\nprecision = ["fp32"]\nruntime = ["onnx"]\n[export]\ndata = "dev.tsv"\n'
    )
    done = run("sweep", tmp_path / "grid.toml", "-o", tmp_path / "runs")
    assert_error(done, 6, "grid.toml: none of 1 cells could be made", "look at the first error")


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for arguments, words in (
        (("--pick", "smallest"), "--pick: needs --to; fix: add --to"),
        (("--to", "x"), "--to: needs --pick; fix: add --pick"),
        (("--ray", "local", "--jobs", "2"), "--jobs: is for this machine"),
        (("--pick", "best", "--to", "x"), "rule: is none (found best"),
    ):
        assert_error(run("sweep", "grid.toml", "-o", tmp_path / "runs", *arguments), 2, words)


def test_the_documented_grid_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/sweep.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "grid.toml").write_text(text, encoding="utf-8")
    told = re.search(r"(\d+) cells", (ROOT / "docs/sweep.md").read_text(encoding="utf-8"))
    assert told is not None and len(cells(read(tmp_path / "grid.toml"))) == int(told[1])
