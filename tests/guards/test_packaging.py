"""What is installed is what the tree holds, and what it needs is declared and pinned."""

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import checkout
import pytest
from checkout import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import squeezebert_mobile

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
# Modules, and folders of them.
OWN = {
    "squeezebert_mobile",
    *(path.stem for name in ("tests", "android_demo/tools", "docs/web_demo") for path in (ROOT / name).rglob("*")),
}
# What measures the project itself stays at home.
LAB, RESULTS = Path("benchmarks/lab"), Path("benchmarks/results")
INSTALLED_AS = {
    "squeezebert_mobile": "squeezebert_mobile",
    "export": "squeezebert_mobile/export",
    "benchmarks": "squeezebert_mobile/benchmarks",
}


def build(tree: Path, kind: str, target: Path) -> Path:
    """The wheel or sdist that pip would build from ``tree``, by the setuptools that is installed."""
    target.mkdir(exist_ok=True)
    program = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, target], cwd=tree, check=True, capture_output=True)
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from an sdist built from the checkout, as installers do it."""
    tmp_path = tmp_path_factory.mktemp("packaging")
    with tarfile.open(build(checkout.copy_to(tmp_path / "checkout"), "sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (tree,) = (tmp_path / "unpacked").iterdir()
    return build(tree, "wheel", tmp_path / "wheel")


def test_wheel_holds_the_tree(wheel: Path) -> None:
    tree = {
        f"{INSTALLED_AS[path.parts[0]]}/{'/'.join(path.parts[1:])}": (ROOT / path).read_bytes()
        for path in checkout.files()
        if path.parts[0] in INSTALLED_AS and not path.is_relative_to(LAB) and not path.is_relative_to(RESULTS)
    }
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert sorted(shipped) == sorted(tree)
    assert shipped == tree


def test_the_wheel_is_little_more_than_the_demo_model(wheel: Path) -> None:
    assert wheel.stat().st_size <= 7_300_000


def test_wheel_describes_itself(wheel: Path) -> None:
    info = f"squeezebert_mobile-{squeezebert_mobile.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        assert "squeezebert-mobile = squeezebert_mobile.cli:main" in archive.read(f"{info}/entry_points.txt").decode()
        assert archive.read(f"{info}/top_level.txt").decode().split() == ["squeezebert_mobile"]
        assert "squeezebert_mobile/py.typed" in archive.namelist()
        assert {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} <= set(archive.namelist())


def declared(*extras: str) -> list[Requirement]:
    texts = [*PROJECT["dependencies"], *(text for name in extras for text in PROJECT["optional-dependencies"][name])]
    return [Requirement(text) for text in texts]


def third_party_imports(folder: str) -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for top in {str(module).split(".")[0] for module in modules}:
                if top not in sys.stdlib_module_names and top not in OWN:
                    yield f"{folder}/{path.name}", top


@pytest.mark.parametrize("folder", [*INSTALLED_AS, "tests"])
def test_imports_are_declared(folder: str) -> None:
    """An import that only another package's dependencies bring along breaks when that package drops it."""
    names = {canonicalize_name(requirement.name) for requirement in declared(*PROJECT["optional-dependencies"])}
    distributions = packages_distributions()
    missing = [
        (file, module)
        for file, module in third_party_imports(folder)
        if not names & {canonicalize_name(name) for name in distributions.get(module, [])}
    ]
    assert not missing


def pins() -> dict[str, tuple[str, str]]:
    """Package -> (version, its hash lines) from requirements.txt."""
    blocks = re.findall(r"^([\w.-]+)==([^ ]+)([^\n]*\\\n(?:    --hash=.*\n?)+)", PINS, flags=re.MULTILINE)
    return {name: (version, rest) for name, version, rest in blocks}


def test_every_dependency_is_pinned() -> None:
    pinned = pins()
    for requirement in declared(*PROJECT["optional-dependencies"]):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)][0]), requirement


def test_every_pin_has_hashes_and_nothing_else_stands_there() -> None:
    blocks = pins()
    lines = sum(1 + rest.count("--hash=sha256:") for _, rest in blocks.values())
    assert lines == len(PINS.splitlines())
