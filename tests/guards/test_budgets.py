"""The count behind the size budgets."""

import tomllib

import budgets
import pytest
from checkout import ROOT

SOURCE = '''"""A module.

Two lines."""

import os  # a reason


def f(x: int) -> int:
    """A function."""
    # Nothing but a comment.
    return max(
        x,
        os.getpid(),
    )
'''


def test_comments_docstrings_and_blank_lines_are_no_code() -> None:
    assert sorted(budgets.code_lines(SOURCE)) == [5, 8, 11, 12, 13, 14]
    assert list(budgets.functions(SOURCE)) == [("f", 5)]


def test_a_file_counts_for_the_innermost_folder() -> None:
    whole = budgets.measure(["benchmarks"])["benchmarks"]
    apart = budgets.measure(["benchmarks", "benchmarks/lab"])
    assert sum(apart.values()) == whole
    assert min(apart.values()) > 0


def test_a_part_over_its_budget_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"tool": {"budgets": {"function": 60, "lines": {"export": 1}}}}
    monkeypatch.setattr(budgets.tomllib, "loads", lambda _: settings)
    assert budgets.main() == 1
    assert "OVER" in capsys.readouterr().out
    assert (ROOT / "export").is_dir()


def test_every_folder_of_the_package_has_a_budget() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    folders = {*settings["setuptools"]["package-dir"].values(), "squeezebert_mobile"}
    assert folders <= {*settings["budgets"]["lines"]}
