"""Every piece of advice can be followed: the options that it names exist, and following it ends in a result."""

import ast
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import handmade
import pytest
import safetensors.torch
import tiny
import torch
import typer
from checkout import ROOT
from typer.testing import CliRunner

from squeezebert_mobile import extras
from squeezebert_mobile.cli import app
from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.tasks import Task

GROUP: Any = typer.main.get_command(app)
READERS = ("benchmark", "evaluate", "export", "finetune", "info")
# The commands that can end in the errors of a folder or file, the longest name that fits counts.
COMMANDS = {
    "squeezebert_mobile/checkpoint": READERS,
    "squeezebert_mobile/training/finetune.py": ("finetune",),
    "squeezebert_mobile/training/trainer.py": ("finetune",),
    "squeezebert_mobile/training/evaluate.py": ("evaluate",),
    "squeezebert_mobile/run/predict.py": ("predict",),
    "squeezebert_mobile/bundle": ("export",),
    "export": ("export",),
    "benchmarks/benchmark.py": ("benchmark",),
    "benchmarks/compare.py": ("compare",),
}
# Advice that names the command that has the option, or an option of the file format's own tool.
NAMED = {"--init-head": "finetune", "--task": "export", "--force-reinstall": "pip", "--pooling": "export"}


def advice() -> Iterator[tuple[str, str]]:
    """The file and the text of every step that the code gives."""
    for folder in ("squeezebert_mobile", "export", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                given = [k.value for k in node.keywords if k.arg == "fix"] if isinstance(node, ast.Call) else []
                if isinstance(node, ast.Assign) and any(getattr(t, "id", None) == "fix" for t in node.targets):
                    given.append(node.value)
                for value in given:
                    texts = (
                        n.value for n in ast.walk(value) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                    )
                    yield name, " ".join(texts)


def options(command: str) -> set[str]:
    return {
        flag for parameter in GROUP.commands[command].params for flag in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize("place", COMMANDS)
def test_an_option_that_is_advised_exists_in_the_commands_that_can_say_so(place: str) -> None:
    for file, text in advice():
        if max((name for name in COMMANDS if file.startswith(name)), key=len, default=None) != place:
            continue
        for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - NAMED.keys():
            assert [name for name in COMMANDS[place] if option not in options(name)] == [], (file, text)


def test_no_advice_asks_an_index_for_this_package() -> None:
    assert [text for _, text in advice() if "pip install" in text and "squeezebert-mobile" in text] == []


def test_what_installs_an_extra_names_what_the_project_declares() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for group in declared["optional-dependencies"].values() for line in group] + declared["dependencies"]
    for packages in (("datasets",), ("matplotlib",), ("model-signing", "cryptography", "pyopenssl"), ("executorch",)):
        in_checkout, _, command = extras.install(*packages).partition(", or ")
        assert re.search(rf"^{in_checkout.split()[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(shlex.split(command)[2:]) <= {line.split(";")[0] for line in lines}


Arguments = list[str]
# What a person does with a step: new arguments for the same command.
Follow = Callable[[str, Arguments, Path], Arguments]


def passing(fix: str, arguments: Arguments, _: Path) -> Arguments:
    """pass OPTION VALUE"""
    return [*arguments, *shlex.split(fix.removeprefix("pass "))]


def naming(fix: str, arguments: Arguments, root: Path) -> Arguments:
    """name the file: PATH"""
    return [fix.rpartition(": ")[2] if argument == str(root / "model") else argument for argument in arguments]


def dropping(fix: str, arguments: Arguments, _: Path) -> Arguments:
    """drop OPTION"""
    at = arguments.index(fix.removeprefix("drop "))
    return arguments[:at] + arguments[at + 2 :]


def renaming(fix: str, arguments: Arguments, root: Path) -> Arguments:
    """rename it to NAME"""
    (root / "model" / "pytorch_model.bin").rename(root / "model" / fix.removeprefix("rename it to "))
    return arguments


def shortening(fix: str, arguments: Arguments, _: Path) -> Arguments:
    """pass --max-length N or less"""
    at = arguments.index("--max-length")
    return [*arguments[:at], *shlex.split(fix.removeprefix("pass ").removesuffix(" or less")), *arguments[at + 2 :]]


def correcting(key: str) -> Follow:
    """write VALUE, or number the ids: VALUE"""

    def follow(fix: str, arguments: Arguments, root: Path) -> Arguments:
        text = fix.partition(": ")[2] or re.sub(r"^write |[ ,].*$", "", fix)
        path = root / "model" / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        try:
            config[key] = json.loads(text)
        except ValueError:
            config[key] = text
        path.write_text(json.dumps(config), encoding="utf-8")
        return arguments

    return follow


def broken(**values: object) -> Callable[[Path], None]:
    """Other values of config.json."""

    def damage(root: Path) -> None:
        path = root / "model" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")

    return damage


def state(root: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(root / "model" / "model.safetensors")


def as_pickle(
    content: Callable[[dict[str, torch.Tensor]], object], name: str = "pytorch_model.bin"
) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        torch.save(content(state(root)), root / "model" / name)
        (root / "model" / "model.safetensors").unlink()

    return damage


def misnamed(root: Path) -> None:
    (root / "model" / "model.safetensors").rename(root / "model" / "pytorch_model.bin")


def inside(root: Path) -> None:
    shutil.move(root / "model", root / "old")
    (root / "model").mkdir()
    shutil.move(root / "old", root / "model" / "checkpoint-7")


def nothing(_: Path) -> None:
    pass


INFO = ("info", "{model}")
TRAIN = (
    "finetune",
    "--task",
    "text-classification",
    "-m",
    "{model}",
    "--data",
    "{data}",
    "-o",
    "{new}",
    "--epochs",
    "1",
)
CASES: dict[str, tuple[Callable[[Path], None], tuple[str, ...], str, Follow]] = {
    "wrapper": (as_pickle(lambda own: {f"module.{k}": v for k, v in own.items()}), INFO, "prefixes its names", passing),
    "compiled": (
        as_pickle(lambda own: {f"_orig_mod.module.{k}": v for k, v in own.items()}), INFO, "prefixes its", passing
    ),
    "wrong prefix": (
        as_pickle(lambda own: {f"net.{k}": v for k, v in own.items()}), INFO, "prefixes its names", passing
    ),
    "entry": (as_pickle(lambda own: {"model": own, "step": 3}), INFO, "wraps its state dict", passing),
    "another file": (as_pickle(lambda own: own, "last.ckpt"), INFO, "has no weights", naming),
    "folder inside": (inside, INFO, "has no weights", naming),
    "other container": (misnamed, INFO, "holds safetensors", renaming),
    "ids from 1": (broken(id2label={"1": "a", "2": "b"}), INFO, "ids 1, 2", correcting("id2label")),
    "number in quotes": (broken(vocab_size="200"), INFO, "vocab_size is not valid", correcting("vocab_size")),
    "no padding": (broken(pad_token_id=-1), INFO, "pad_token_id is not valid", correcting("pad_token_id")),
    "capitals": (broken(hidden_act="GELU"), INFO, "hidden_act is not valid", correcting("hidden_act")),
    "short type": (broken(problem_type="multi-label"), INFO, "problem_type is not", correcting("problem_type")),
    "too long": (nothing, (*TRAIN, "--max-length", "999"), "more than the model has positions", shortening),
    "no meaning": (nothing, ("info", "{bundle}", "--strip-prefix", "x."), "is for checkpoints", dropping),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_advice_of_an_error_ends_in_a_result(tmp_path: Path, case: str) -> None:
    damage, command, words, follow = CASES[case]
    tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, tiny.SMALL)
    handmade.write(tmp_path / "bundle")
    (tmp_path / "data.tsv").write_text("text\tlabel\na fine film\tpositive\nno wit\tnegative\n", encoding="utf-8")
    damage(tmp_path)
    places = {name: tmp_path / name for name in ("model", "bundle", "new")} | {"data": tmp_path / "data.tsv"}
    arguments = [argument.format(**places) for argument in command]
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, SqueezeBertMobileError)
    assert words in str(error)
    done = CliRunner().invoke(app, follow(error.fix, arguments, tmp_path))
    assert done.exception is None, done.exception
