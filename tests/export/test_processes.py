"""Work in processes of its own: results by name, the first error, and a process that dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from squeezebert_mobile.errors import EnvironmentFault, GateError
from squeezebert_mobile.export.parts import one_thread
from squeezebert_mobile.export.processes import Work, run_each
from squeezebert_mobile.steps import Step, Steps


def works(*given: Callable[[], object]) -> Iterator[tuple[str, Work[object]]]:
    """Works by the names "0", "1", ...; each reports one step."""

    def work(number: int, call: Callable[[], object], report: Callable[[str], None]) -> object:
        report(f"step {number}")
        return call()

    for number, call in enumerate(given):
        yield str(number), lambda report, number=number, call=call: work(number, call, report)


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_results_come_by_name_each_of_a_process_of_its_own(jobs: int) -> None:
    steps = Steps()
    steps.plan([Step(f"step {number}", 1, str(number)) for number in range(3)])
    found = run_each(works(os.getpid, os.getpid, os.getpid), jobs, steps)
    assert sorted(found) == ["0", "1", "2"]
    assert len({os.getpid(), *found.values()}) == 4
    assert {step.name for step in steps.done} == {step.name for step in steps.planned}


def test_no_more_run_at_once_than_was_asked_for(tmp_path: Path) -> None:
    def alone() -> None:
        (tmp_path / "running").touch(exist_ok=False)
        time.sleep(0.05)
        (tmp_path / "running").unlink()

    run_each(works(*[alone] * 4), 1, Steps())


def test_an_error_of_ours_arrives_as_itself_and_ends_the_others(tmp_path: Path) -> None:
    def wait() -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(600)

    def fail() -> None:
        _wait_for((tmp_path / "pid").exists)
        raise GateError("file", "is wrong", fix="mend it", found=1.5, expected="2")

    with pytest.raises(GateError) as caught:
        run_each(works(wait, fail), 2, Steps())
    assert str(caught.value) == "file: is wrong (found 1.5, expected 2); fix: mend it"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_error_of_a_library_keeps_its_kind_and_where_it_came_from() -> None:
    def fail() -> None:
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room") as caught:
        run_each(works(fail), 1, Steps())
    assert "in fail" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("die", "what"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "its process was killed, most likely for memory"),
        (lambda: os.kill(os.getpid(), signal.SIGUSR1), "its process died of SIGUSR1: no message"),
        (lambda: (os.write(2, b"the last word\n"), os._exit(3)), "its process ended with 3: the last word"),
    ],
)
def test_a_process_that_dies_is_one_error(die: Callable[[], object], what: str) -> None:
    with pytest.raises(EnvironmentFault, match="fix: ") as caught:
        run_each(works(lambda: time.sleep(600), die), 2, Steps())
    assert (caught.value.file, caught.value.what, caught.value.exit_code) == ("1", what, 7)


def test_what_a_process_prints_stays_off_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    def say() -> None:
        sys.stderr.write("a library's own words\n")
        os.write(1, b"and its native code's\n")

    run_each(works(say), 1, Steps())
    assert capfd.readouterr() == ("", "")


def test_a_process_computes_though_its_parent_had_threads() -> None:
    """A fork has none of the parent's threads, and whoever waits for one waits for ever."""
    torch.ones(512, 512) @ torch.ones(512, 512)
    product = one_thread()(lambda: float((torch.ones(512, 512) @ torch.ones(512, 512)).sum()))
    assert run_each(works(product), 1, Steps()) == {"0": 512.0**3}


def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, time\nfrom pathlib import Path\n"
        "from squeezebert_mobile.export.processes import run_each\nfrom squeezebert_mobile.steps import Steps\n"
        f"def work(_):\n    Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); time.sleep(600)\n"
        "run_each([('work', work)], 1, Steps())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    try:
        pid = int(_wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    finally:
        parent.kill()
        parent.wait()
    _wait_for(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


def _wait_for(condition: Callable[[], object]) -> str:
    for _ in range(600):
        if found := condition():
            return str(found)
        time.sleep(0.1)
    raise AssertionError("it never came")
