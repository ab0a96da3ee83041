"""The pages of docs/: links lead somewhere, the reference has every public name, the notebook shows what it does."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import notebook
import pytest
from checkout import ROOT

import squeezebert_mobile

NOTEBOOK = ROOT / "docs/quickstart.ipynb"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder to build the pages in, with the package as it is installed."""
    package = tmp_path / "build/documented/squeezebert_mobile"
    ignored = shutil.ignore_patterns("__pycache__", "demo", "results", "lab")
    shutil.copytree(ROOT / "squeezebert_mobile", package, ignore=ignored)
    for name in ("export", "benchmarks"):
        shutil.copytree(ROOT / name, package / name, ignore=ignored)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


def build(site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mkdocs", "build"], cwd=site, capture_output=True, text=True)


def test_the_pages_build_and_fetch_nothing(site: Path) -> None:
    done = build(site)
    assert done.returncode == 0, done.stderr
    reference = (site / "build/docs/api.html").read_text(encoding="utf-8")
    for name in ("load", "BundleModel", "Sample", "Prediction", "SqueezeBertMobileError", "ExportOptions"):
        assert re.search(rf'id="squeezebert_mobile\.[a-z_.]+\.{name}"', reference), name
    for page in (site / "build/docs").glob("*.html"):
        assert not re.findall(r'(?:src|<link[^>]* href)="https?://[^"]*"', page.read_text(encoding="utf-8")), page


@pytest.mark.parametrize(
    ("page", "link"),
    [("index.md", "[x](nowhere.md)"), ("index.md", "[x](data.md#nowhere)"), ("quickstart.md", "![x](pictures/no.png)"),
     ("api.md", "::: squeezebert_mobile.run.load.nothing"), ("quickstart.md", "[x][squeezebert_mobile.nothing]")],
)  # fmt: skip
def test_a_broken_link_fails(site: Path, page: str, link: str) -> None:
    with (site / "docs" / page).open("a", encoding="utf-8") as file:
        file.write(f"\n{link}\n")
    assert build(site).returncode != 0


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [page.name for page in (ROOT / "docs").glob("*.md") if f": {page.name}\n" not in menu]


def test_every_public_name_is_documented() -> None:
    assert not [name for name in squeezebert_mobile.__all__ if not getattr(squeezebert_mobile, name).__doc__]


def test_the_packages_own_words_name_functions_that_are_there_each_once() -> None:
    text = str(squeezebert_mobile.__doc__)
    named = re.findall(r"`([a-z.]+)`", text)
    assert len(named) >= 10 and len({*named}) == len(named)
    for name in named:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(f"squeezebert_mobile.{module}"), function))
    sentences = re.split(r"(?<=[.:])\s", " ".join(text.split()))
    assert len({*sentences}) == len(sentences)
    assert text.rstrip().endswith(".")


@pytest.mark.slow
def test_the_notebook_shows_what_its_code_answers(tmp_path: Path) -> None:
    shown = notebook.read(NOTEBOOK)
    assert notebook.executed(shown, tmp_path)["cells"] == shown["cells"]


def test_every_cell_of_the_notebook_was_run_in_order() -> None:
    counts = [cell["execution_count"] for cell in notebook.read(NOTEBOOK)["cells"] if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_a_cell_shows_what_it_prints_and_its_last_value(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": ["print('a')\n", "1 + 1"]}
    (made,) = notebook.executed({"cells": [cell]}, tmp_path)["cells"]
    assert [output["output_type"] for output in made["outputs"]] == ["stream", "execute_result"]
    assert made["outputs"][0]["text"] == ["a\n"]
    assert made["outputs"][1]["data"] == {"text/plain": ["2"]}
