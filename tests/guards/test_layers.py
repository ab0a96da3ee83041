"""Imports point one way, from the commands down to what everybody shares; nothing heavy is imported before its use."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT

# Each may import itself and what stands above it; cli and the commands beside it may import everything.
ORDER = (
    (
        "errors",
        "bootstrap",
        "extras",
        "tasks",
        "config",
        "batch",
        "atomic",
        "files",
        "steps",
        "machine",
        "licences",
        "console",
        "parts",
        "pushing",
    ),
    ("activations", "calls", "model", "sentence"),
    ("options", "reports"),
    ("tables",),
    ("tokenizer",),
    ("checkpoint",),
    ("bundle",),
    ("run",),
    ("release",),
    ("training",),
    ("export",),
    ("benchmarks",),
    ("sweep",),
    ("info", "doctor", "render", "preflight", "shell", "cli", "__main__", "__init__"),
)
# What transformers' users call on the classes themselves: from_pretrained and save_pretrained hand over to their files.
HANDED_OVER = {
    ("squeezebert_mobile.pushing", "squeezebert_mobile.checkpoint.upload"),
    ("squeezebert_mobile.model", "squeezebert_mobile.checkpoint.load"),
    ("squeezebert_mobile.config", "squeezebert_mobile.checkpoint.hub"),
    ("squeezebert_mobile.tokenizer.tokenizer", "squeezebert_mobile.checkpoint.hub"),
}
HEAVY = {"torch", "onnx", "onnxruntime", "executorch", "torchao", "transformers"}
FOLDERS = {
    "squeezebert_mobile": ROOT / "squeezebert_mobile",
    "squeezebert_mobile.export": ROOT / "export",
    "squeezebert_mobile.benchmarks": ROOT / "benchmarks",
}
MODULES = {
    ".".join((package, *path.relative_to(folder).with_suffix("").parts)): path
    for package, folder in FOLDERS.items()
    for path in sorted(folder.rglob("*.py"))
}
LIGHT = ("", ".cli", ".config", ".errors", ".bundle.manifest", ".tasks", ".tokenizer.tokenizer")


def layer(name: str) -> int:
    """The place of a module in ORDER, 0 for the package itself and -1 for another's."""
    top, _, rest = name.partition(".")
    if top != "squeezebert_mobile":
        return -1
    return next((index for index, names in enumerate(ORDER) if rest.split(".")[0] in names), 0)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    upward = [name for name in imports(MODULES[module]) if layer(name) > layer(module) or name.startswith(".")]
    allowed = {name for importer, name in HANDED_OVER if importer == module}
    assert not [name for name in upward if name not in allowed and name.rpartition(".")[0] not in allowed]


def test_every_module_has_a_place() -> None:
    placed = {name for names in ORDER for name in names}
    assert {name.split(".")[1] for name in MODULES} == placed


def test_the_shop_does_not_need_the_workshop() -> None:
    lab = "squeezebert_mobile.benchmarks.lab"
    shipped = [path for name, path in MODULES.items() if not name.startswith(lab)]
    assert not [(path, name) for path in shipped for name in imports(path) if name.startswith(lab)]


def test_the_direction_is_seen(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text("def f():\n    from squeezebert_mobile import export\n    import squeezebert_mobile.cli\n")
    assert [layer(name) for name in imports(source)] == [ORDER.index(("export",)), len(ORDER) - 1]


def test_no_module_shadows_a_runtime() -> None:
    assert not {path.stem for path in MODULES.values()} & HEAVY


def heavy_modules_after(program: str, heavy: frozenset[str] | set[str] = HEAVY) -> list[str]:
    report = f"import json, sys; print(json.dumps(sorted(set(sys.modules) & {set(heavy)!r})), file=sys.stderr)"
    command = [sys.executable, "-c", f"{program}\n{report}"]
    return list(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()[-1]))


@pytest.mark.parametrize("module", LIGHT)
def test_import_is_light(module: str) -> None:
    assert heavy_modules_after(f"import squeezebert_mobile{module}") == []


HELP = """
import sys
from squeezebert_mobile.cli import main
sys.argv = ["squeezebert-mobile", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
"""


def test_help_is_light() -> None:
    # pydantic alone takes as long to import as all the rest of `--help`.
    assert heavy_modules_after(HELP, HEAVY | {"pydantic"}) == []
