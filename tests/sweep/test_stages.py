"""Stages: what their keys depend on, that each runs once, after its sources, and what a failure and a kill leave."""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from squeezebert_mobile.sweep.stages import Place, Stage, digests, run_here

# In the place of a command: it makes the target and prints, or does what its word says.
STUB = """
import json, os, pathlib, sys, time
target, word, *sources = sys.argv[1:]
with open("ran.txt", "a") as ran:
    ran.write(word + "\\n")
if word.startswith("slow"):
    time.sleep(3)
if word.startswith("bad"):
    sys.exit("something about it\\nerror: dev.tsv: is no such file; fix: check the path")
if word.startswith("dies"):
    os.kill(os.getpid(), 9)
assert all(pathlib.Path(source).is_dir() for source in sources)
pathlib.Path(target).mkdir()
print(json.dumps({"word": word}))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    def line(self: Stage, place: Place) -> list[str]:
        sources = [str(source.target(place)) for source in self.sources if isinstance(source, Stage)]
        return [sys.executable, "-c", STUB, str(self.target(place)), *self.words, *sources]

    monkeypatch.setattr(Stage, "line", line)
    (tmp_path / "grid").mkdir()
    return Place(tmp_path / "grid", tmp_path / "runs")


def ran(place: Place) -> list[str]:
    return (place.grid / "ran.txt").read_text(encoding="utf-8").split()


def stage(place: Place, word: str, *sources: Stage | str, command: str = "export") -> Stage:
    return Stage.of(command, [word], sources, digests(place.grid))


def test_a_key_is_that_of_words_and_of_what_the_files_hold(place: Place) -> None:
    (place.grid / "dev.tsv").write_text("a")
    (place.grid / "model").mkdir()
    (place.grid / "model/weights").write_text("w")
    first = stage(place, "dev.tsv", "model")
    assert first == stage(place, "dev.tsv", "model")
    other = [stage(place, "dev.csv", "model"), stage(place, "dev.tsv", "hub/model"), stage(place, "dev.tsv", first)]
    other.append(stage(place, "dev.tsv", "model", command="finetune"))
    (place.grid / "dev.tsv").write_text("b")
    other.append(stage(place, "dev.tsv", "model"))
    (place.grid / "dev.tsv").write_text("a")
    (place.grid / "model/weights").write_text("v")
    other.append(stage(place, "dev.tsv", "model"))
    (place.grid / "model/weights").write_text("w")
    assert len({first.key, *(each.key for each in other)}) == 7
    assert first == stage(place, "dev.tsv", "model")


def test_each_runs_once_after_its_sources(place: Place) -> None:
    trained = stage(place, "trained", command="finetune")
    made = [stage(place, word, trained) for word in ("one", "two")]
    # Asked for in the wrong order.
    assert {each.words[0] for each in run_here([*made, trained], place, jobs=2)} == {"trained", "one", "two"}
    assert ran(place)[0] == "trained" and sorted(ran(place)[1:]) == ["one", "two"]
    assert [each.result(place) for each in made] == [{"word": "one"}, {"word": "two"}]
    list(run_here([trained, *made, stage(place, "three", trained)], place))
    assert ran(place)[3:] == ["three"], "the second run takes what is missing"


def test_a_failure_is_kept_and_the_others_go_on(place: Place) -> None:
    bad, dies = stage(place, "bad", command="finetune"), stage(place, "dies")
    after, good = stage(place, "after", bad), stage(place, "good")
    list(run_here([bad, after, dies, good], place, jobs=1))
    assert good.result(place) is not None and good.failure(place) is None
    assert bad.failure(place) == "dev.tsv: is no such file; fix: check the path"
    assert after.failure(place) == "finetune: dev.tsv: is no such file; fix: check the path"
    assert dies.failure(place) == "its process died of SIGKILL"
    assert ran(place) == ["bad", "dies", "good"]
    list(run_here([bad, after, dies, good], place, jobs=1))
    assert ran(place)[3:] == ["bad", "dies"], "what failed is tried again"


@pytest.mark.parametrize("damage", ["half a line", "no target"])
def test_what_was_cut_off_is_made_again(place: Place, damage: str) -> None:
    (made,) = run_here([stage(place, "one")], place)
    if damage == "no target":
        made.target(place).rmdir()
    else:
        made.beside(place, ".json").write_text('{"word"')
        made.target(place).rmdir()
    assert made.result(place) is None
    list(run_here([made], place))
    assert made.result(place) == {"word": "one"}


def test_a_killed_sweep_leaves_its_work_to_the_next_one(place: Place) -> None:
    slow = stage(place, "slow")
    child = os.fork()
    if child == 0:
        list(run_here([stage(place, "first"), slow], place, jobs=1))
        os._exit(0)
    until = time.monotonic() + 60
    while "slow" not in (ran(place) if (place.grid / "ran.txt").exists() else []):
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # Its process goes on, and is waited for instead of being doubled.
    list(run_here([stage(place, "first"), slow, stage(place, "last")], place, jobs=1))
    assert slow.result(place) == {"word": "slow"}
    assert ran(place) == ["first", "slow", "last"]


def test_a_run_that_is_interrupted_ends_its_processes(place: Place) -> None:
    running = run_here([stage(place, "one"), stage(place, "slow")], place, jobs=2)
    next(running)
    running.close()
    with stage(place, "slow").beside(place, ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert stage(place, "slow").result(place) is None


def test_the_line_of_a_training_that_was_cut_off_goes_on_with_it(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "runs")
    trained = Stage.of("finetune", ["--seed", "1", "--model"], ["model"], digests(tmp_path))
    target = trained.target(place)
    options = ["--seed", "1", "--model", "model", "--json", "--quiet", "-o", str(target)]
    assert trained.line(place)[3:] == ["finetune", *options, "--force"]
    state = target.with_name(f"{target.name}.training") / "step-000000001"
    state.mkdir(parents=True)
    assert "--resume" in trained.line(place)
    target.mkdir()
    assert "--resume" not in trained.line(place), "it was written, and killed before it said so"
