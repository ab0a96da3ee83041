"""Answers in a file: killed and gone on with, sharded and merged, the same lines every time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import handmade
import pytest
from command import assert_error, run
from killed import killed_behind

TEXTS = [f"A quiet film that {'stays ' * (n % 9)}with you for {n} days." for n in range(3000)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handmade.write(tmp_path_factory.mktemp("output") / "bundle")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(bundle: Path, data: Path) -> str:
    """What the plain command prints."""
    done = run("predict", bundle, "--file", data, "--json")
    assert [json.loads(line)["sample"]["text"] for line in done.stdout.splitlines()] == TEXTS
    return done.stdout


def test_a_killed_run_goes_on_without_a_doubled_or_lost_line(
    bundle: Path, data: Path, whole: str, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "answers.jsonl"
    command = ["predict", str(bundle), "--file", str(data), "-o", str(target)]
    for enough in (200, 1500):
        resume = ["--resume"] if target.exists() else []
        killed_behind(enough, [*command, *resume], target)
    assert target.read_bytes().count(b"\n") < len(TEXTS)
    assert_error(run(*command), 2, "exists", "--resume")
    with target.open("a") as file:
        file.write('{"torn')
    done = run(*command, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["lines"], found["shard"]) == (len(TEXTS), "1/1") and 0 < found["written"] < len(TEXTS)
    assert target.read_text() == whole
    assert json.loads(run(*command, "--resume", "--json").stdout)["written"] == 0


def test_a_run_goes_on_with_its_own_bundle_data_and_options_alone(bundle: Path, tmp_path: Path) -> None:
    target, own = tmp_path / "answers.jsonl", tmp_path / "texts.txt"
    own.write_text("a film\na book\n")
    command = ("predict", bundle, "--file", own, "-o", target)
    assert run(*command).returncode == 0
    own.write_text("a film\na book\nmore\n")
    assert_error(run(*command, "--resume"), 2, "another data")
    own.write_text("a film\na book\n")
    assert_error(run(*command, "--resume", "--top-k", "2"), 2, "another top_k")
    assert run(*command, "--force").returncode == 0
    assert_error(run("predict", bundle, "--file", "-", "-o", target, "--resume"), 2, "--resume", "read again")
    assert_error(run("predict", bundle, "a film", "-o", target), 2, "--output: is for many texts")
    assert_error(run(*command[:4], "--resume"), 2, "name it with -o")


def rounded(lines: str) -> list[object]:
    """Lines with scores to what another company in a call may change of them."""
    return [json.loads(line, parse_float=lambda text: round(float(text), 5)) for line in lines.splitlines()]


def test_shards_of_any_scheduler_merge_to_what_one_run_answers(
    bundle: Path, data: Path, whole: str, tmp_path: Path
) -> None:
    folder, together = tmp_path / "parts", tmp_path / "all.jsonl"
    command = ("predict", bundle, "--file", data, "-o")
    assert run(*command, folder / "a.jsonl", "--shard", "1/3", "--workers", "2").returncode == 0
    slurm = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}
    done = run(*command, folder / "b.jsonl", **slurm)
    assert "note: shard 2/3, as the environment says" in done.stderr
    assert_error(run("merge", folder), 2, "3/3 is missing")
    assert run(*command, folder / "c.jsonl", JOB_COMPLETION_INDEX="2", JOB_COMPLETIONS="3").returncode == 0
    merged = run("merge", folder)
    assert rounded(merged.stdout) == rounded(whole)
    assert run("merge", folder, "-o", together).returncode == 0
    assert together.read_text() == merged.stdout
    assert_error(run("merge", folder, "-o", together), 2, "exists")


def test_a_reader_that_leaves_and_a_row_that_is_wrong_end_the_stream(bundle: Path, data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "squeezebert_mobile", "predict", str(bundle), "--file", str(data), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["sample"]["text"] == TEXTS[0]
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "a film"}\n{"text": "a book"}\n{"text": 3}\n{"text": "days"}\n')
    target = tmp_path / "answers.jsonl"
    done = run("predict", bundle, "--file", rows, "-o", target, "--shard", "1/2")
    assert_error(done, 3, "rows.jsonl row 3", "has no text in text")
    assert len(target.read_text().splitlines()) == 1


def test_a_device_that_has_no_lines_is_refused(bundle: Path) -> None:
    assert_error(run("predict", bundle, "--file", "/dev/zero"), 3, "/dev/zero: line 1 is too long to be a text")


def test_bytes_that_are_no_text_are_answered(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "bytes.bin"
    path.write_bytes(os.urandom(20_000).replace(b"\n", b"") + b"\na film\n\xff\xfe\0\n")
    done = run("predict", bundle, "--file", path, "--json")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3), done.stderr
