"""Shards of a run: which rows, what a kill leaves, and what belongs together."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from squeezebert_mobile import parts
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, UsageError
from squeezebert_mobile.parts import Counted, Shard

ABOUT = {"command": "predict", "bundle": "b", "data": "d"}


def written(path: Path, lines: list[int], shard: Shard = parts.Shard(), rows: int | None = None, **about: str) -> Path:  # noqa: B008
    with parts.opened(path, shard, ABOUT | about) as part:
        for line in lines:
            part.write(json.dumps(line))
        if rows is not None:
            part.finish(Counted((), rows))
    return path


def test_shards_share_the_rows_out_and_know_where_each_stands() -> None:
    rows = list(range(1, 11))
    shares = [list(Shard(number, 3).of(rows)) for number in (1, 2, 3)]
    assert shares == [[1, 4, 7, 10], [2, 5, 8], [3, 6, 9]]
    assert [Shard(2, 3).row(index) for index in range(3)] == shares[1]
    counted = Counted(rows)
    assert list(Shard(2, 3).of(counted)) == [2, 5, 8]
    assert counted.taken == len(rows)
    assert list(Shard(12, 20).of(rows)) == []


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "", "1/3/3"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--shard: is no share .*expected 1/N to N/N"):
        Shard.parse(text)


@pytest.mark.parametrize(
    ("variables", "shard"),
    [
        ({}, None),
        ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "4"}, "1/4"),
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0"}, "4/4"),
        ({"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1"}, "4/4"),
        ({"SLURM_ARRAY_TASK_ID": "14", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "10",
          "SLURM_ARRAY_TASK_STEP": "2"}, "3/3"),
        ({"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "3"}, "3/3"),
    ],
)  # fmt: skip
def test_schedulers_number_their_tasks_each_in_its_way(variables: Mapping[str, str], shard: str | None) -> None:
    found = Shard.of_environment(variables)
    assert (None if found is None else str(found)) == shard


@pytest.mark.parametrize(
    "variables",
    [
        {"JOB_COMPLETION_INDEX": "2"},
        {"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "3"},
        {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "4"},
        {"SLURM_ARRAY_TASK_ID": "x", "SLURM_ARRAY_TASK_COUNT": "4"},
    ],
)
def test_a_scheduler_that_does_not_say_how_many_is_told(variables: Mapping[str, str]) -> None:
    with pytest.raises(UsageError, match="--shard: cannot be read from the environment"):
        Shard.of_environment(variables)


@pytest.mark.parametrize("torn", [b"", b"7", b'{"a": "half', b"\0" * 9, b"\0" * 5 + b"\n", b'{"a"\n{"b"\n'])
def test_a_run_goes_on_behind_the_last_whole_line(tmp_path: Path, torn: bytes) -> None:
    path = written(tmp_path / "a.jsonl", [1, 2, 3])
    path.write_bytes(path.read_bytes() + torn)
    with parts.opened(path, Shard(), ABOUT, resume=True) as part:
        assert (part.lines, part.rows) == (3, None)
        part.write("4")
        part.finish(Counted((), 4))
    assert path.read_text() == "1\n2\n3\n4\n"
    with parts.opened(path, Shard(), ABOUT, resume=True) as part:
        assert (part.lines, part.rows) == (4, 4)


def test_a_long_last_line_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [1])
    with path.open("a") as file:
        file.write(json.dumps("x" * 3_000_000) + "\n" + json.dumps("y" * 3_000_000))
    with parts.opened(path, Shard(), ABOUT, resume=True) as part:
        assert part.lines == 2
    assert path.stat().st_size == 2 + 3_000_003


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bundle": "other"}, 'another bundle (found "b", expected "other")'),
        ({"data": "other"}, "another data"),
        ({"shard": Shard(1, 2)}, "another shard"),
    ],
)
def test_a_run_of_something_else_is_never_gone_on_with(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = written(tmp_path / "a.jsonl", [1])
    about = {**ABOUT, **{name: value for name, value in changes.items() if name != "shard"}}
    with pytest.raises(UsageError) as caught, parts.opened(path, changes.get("shard", Shard()), about, resume=True):
        pass
    assert words in str(caught.value)
    assert path.read_text() == "1\n"


def test_a_file_that_is_there_stays_unless_it_is_ours_and_force_is_given(tmp_path: Path) -> None:
    ours, foreign = written(tmp_path / "a.jsonl", [1]), tmp_path / "letters.txt"
    foreign.write_text("dear")
    with pytest.raises(UsageError, match=r"exists; fix: .*--resume"), parts.opened(ours, Shard(), ABOUT):
        pass
    for options in ({"force": True}, {"resume": True}):
        with pytest.raises(UsageError), parts.opened(foreign, Shard(), ABOUT, **options):
            pass
    assert foreign.read_text() == "dear"
    with parts.opened(ours, Shard(), ABOUT | {"data": "new"}, force=True) as part:
        assert part.lines == 0


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with (
        parts.opened(path, Shard(), ABOUT),
        pytest.raises(EnvironmentFault, match="is being written by another run"),
        parts.opened(path, Shard(), ABOUT, resume=True),
    ):
        pass


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 8])
def test_shards_merge_in_the_order_of_the_rows(tmp_path: Path, rows: int) -> None:
    for number in (1, 2, 3):
        shard = Shard(number, 3)
        written(tmp_path / f"{9 - number}.jsonl", list(shard.of(range(rows))), shard, rows)
    merged = parts.merged([tmp_path])
    assert [int(line) for line in merged.lines()] == list(range(rows))
    assert merged.about == ABOUT


def test_what_does_not_belong_together_is_not_merged(tmp_path: Path) -> None:
    one, two = (written(tmp_path / f"{n}.jsonl", [n], Shard(n, 2), 2) for n in (1, 2))
    other = written(tmp_path / "other.jsonl", [2], Shard(2, 2), 2, bundle="other")
    unfinished = written(tmp_path / "unfinished.jsonl", [2], Shard(2, 2))
    for paths, words in (
        ([one], "2/2 is missing"),
        ([one, two, two.rename(tmp_path / "x.jsonl")], "x.jsonl.run.json"),
        ([one, other], "its bundle differs"),
        ([one, unfinished], "is not finished"),
        ([tmp_path / "none"], "none.run.json"),
    ):
        with pytest.raises((UsageError, InputFileError), match=words):
            parts.merged(paths)


@pytest.mark.parametrize("content", ["", "1\n2\n3\n", "1", "1\n2"])
def test_a_part_that_was_changed_is_not_merged(tmp_path: Path, content: str) -> None:
    for number in (1, 2):
        written(tmp_path / f"{number}.jsonl", [number], Shard(number, 2), 2)
    (tmp_path / "2.jsonl").write_text(content)
    with pytest.raises(InputFileError, match=r"2\.jsonl: has other lines than its run wrote"):
        list(parts.merged([tmp_path]).lines())
