"""The README's commands run as written, in order, in a fresh copy of the checkout.

A fence marked ``sh`` or ``python`` is run; each starts where the fence before it left the files. A comment on the line
before a fence says otherwise: ``<!-- slow -->`` runs it on its own, in a copy of its own, under pytest's mark ``slow``;
``<!-- not run: REASON -->`` leaves it out.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import checkout
import pytest
from checkout import ROOT

README = ROOT / "README.md"
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]+) -->\n)?```(?P<language>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
LIMIT_SECONDS = 600
INSTALLERS = ("pip", "pip3", "uv")
OF_AN_OUTER_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "TORCH", "XDG_CACHE_HOME"}


@dataclass(frozen=True)
class Fence:
    """A code fence: the line that its text starts on, and what a comment before it says."""

    line: int
    language: str
    mark: str
    text: str

    @property
    def runs(self) -> bool:
        return self.language in ("sh", "python") and not self.mark.startswith("not run: ")

    @property
    def command(self) -> list[str]:
        if self.language == "python":
            return [sys.executable, "-c", self.text]
        return ["bash", "-euo", "pipefail", "-c", self.text]


def fences(readme: str) -> list[Fence]:
    return [
        Fence(readme.count("\n", 0, match.start("text")) + 1, match["language"], match["mark"] or "", match["text"])
        for match in FENCE.finditer(readme)
    ]


def stand_in_environment(folder: Path) -> None:
    """A ``.venv`` that counts as installed, with the commands of the running environment, which stays as it is.

    Scripts and not links: through a link, a command that makes or fills ``.venv`` would write into the real one.
    """
    commands = folder / "bin"
    commands.mkdir(parents=True)
    for real in (Path(sys.prefix) / "bin").iterdir():
        if os.access(real, os.X_OK) and not real.name.startswith(("pip", "uv", "activate")):
            script(commands / real.name, f'exec {shlex.quote(str(real))} "$@"')
    for name in INSTALLERS:
        script(commands / name, 'echo "the README\'s test must not install" >&2; exit 1')
    (folder / "installed").touch()


def script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def run(chosen: list[Fence], folder: Path) -> None:
    """Run ``chosen`` as one who has cloned the repository and installed it would. Fails at the first that fails."""
    tree = checkout.copy_to(folder / "squeezebert-mobile")
    stand_in_environment(tree / ".venv")
    home = folder / "home"
    home.mkdir()
    path = f"{tree / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = {name: value for name, value in os.environ.items() if name not in OF_AN_OUTER_MAKE}
    variables |= {"HOME": str(home), "PATH": path, "PIP_REQUIRE_VIRTUALENV": "1"}
    for fence in chosen:
        done = subprocess.run(
            fence.command, cwd=tree, env=variables, capture_output=True, text=True, timeout=LIMIT_SECONDS
        )
        said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert done.returncode == 0, f"README.md:{fence.line}: exit {done.returncode}\n{fence.text}\n{said}"


FENCES = fences(README.read_text(encoding="utf-8"))


QUICK = [fence for fence in FENCES if fence.runs and fence.mark != "slow"]
SLOW = [fence for fence in FENCES if fence.runs and fence.mark == "slow"]
RUNS = [
    pytest.param(QUICK, id="in-order"),
    *(pytest.param([fence], id=f"line{fence.line}", marks=pytest.mark.slow) for fence in SLOW),
]


@pytest.mark.parametrize("chosen", RUNS)
def test_commands_run_as_written(chosen: list[Fence], tmp_path: Path) -> None:
    run(chosen, tmp_path)


def test_the_python_of_an_app_answers(tiny_onnx_bundle: Path, tmp_path: Path) -> None:
    (fence,) = [fence for fence in FENCES if fence.language == "python"]
    shutil.copytree(tiny_onnx_bundle, tmp_path / "my-bundle")
    done = subprocess.run(fence.command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"negative", "positive"}


def test_every_fence_says_what_it_is() -> None:
    assert all(fence.language for fence in FENCES)
    assert all(fence.mark == "slow" or re.fullmatch("not run: .{10,}", fence.mark) for fence in FENCES if fence.mark)
    assert sum(fence.runs for fence in FENCES) >= 1


def test_what_a_fence_says_is_understood() -> None:
    text = (
        "# T\n```sh\nmake a\n```\n<!-- slow -->\n```sh\nmake b\n```\n<!-- not run: needs a phone -->\n```sh\nc\n```\n"
    )
    assert [(fence.line, fence.mark, fence.runs, fence.text) for fence in fences(text)] == [
        (3, "", True, "make a\n"),
        (7, "slow", True, "make b\n"),
        (11, "not run: needs a phone", False, "c\n"),
    ]


def test_a_failing_command_is_reported_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"README.md:7: exit 1"):
        run([Fence(7, "sh", "", "false | true\n")], tmp_path)


def test_a_command_cannot_change_the_running_environment(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="must not install"):
        run([Fence(1, "sh", "", "rm .venv/installed && make install\n")], tmp_path)


def test_make_targets_exist() -> None:
    """Also those of fences that are not run, such as `make test`, which would run itself."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    named = {name for fence in FENCES for name in re.findall(r"^make ([a-z-]+)", fence.text, flags=re.MULTILINE)}
    assert named <= targets


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README.read_text(encoding="utf-8"))
    assert not [link for link in links if not (ROOT / link).exists()]


def test_readme_is_short_and_plain() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert not re.search(r"!\[[^]]*]\([^)]*(badge|shield)", text, flags=re.IGNORECASE)
