"""Options dataclasses: what a field declares is what its command shows and uses, and what Python is refused."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from squeezebert_mobile.benchmarks.options import BenchmarkCommandOptions, CompareOptions, ReproduceCommandOptions
from squeezebert_mobile.cli import InfoOptions, app
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.options import Exclusive, Options
from squeezebert_mobile.run.options import PredictOptions, VerifyOptions
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.options import EvaluateOptions, FinetuneOptions

# Of each command: its options, what has to stand on its command line, and what that makes of them.
TRAIN = {"task": Task.FILL_MASK, "data": "d", "output_dir": Path("x"), "model": "m"}
COMMANDS: dict[str, tuple[type[Options], list[str], dict[str, Any]]] = {
    "export": (ExportOptions, ["-o", "x"], {"output_dir": Path("x")}),
    "verify": (VerifyOptions, ["x"], {"bundle": Path("x")}),
    "predict": (PredictOptions, ["x"], {"bundle": Path("x")}),
    "finetune": (FinetuneOptions, ["--task", "fill-mask", "--data", "d", "-o", "x", "-m", "m"], TRAIN),
    "evaluate": (EvaluateOptions, ["x", "--data", "d"], {"source": Path("x"), "data": "d"}),
    "benchmark": (BenchmarkCommandOptions, [], {}),
    "reproduce": (ReproduceCommandOptions, [], {}),
    "compare": (CompareOptions, ["a", "b"], {"before": Path("a"), "after": Path("b")}),
    "devices": (Options, [], {}),
    "info": (InfoOptions, ["x"], {"source": Path("x")}),
    "doctor": (Options, [], {}),
}
GROUP: Any = typer.main.get_command(app)


def parsed(command: str, arguments: list[str]) -> Options:
    kind, _, _ = COMMANDS[command]
    return kind.parse(GROUP.commands[command].make_context(command, list(arguments)).params)


def test_every_command_is_here() -> None:
    assert GROUP.commands.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_field_has_help_and_stands_in_the_commands_help(command: str) -> None:
    shown = "".join(CliRunner().invoke(app, [command, "--help"]).output.split())
    parameters = {parameter.name: parameter for parameter in GROUP.commands[command].params}
    for field in dataclasses.fields(COMMANDS[command][0]):
        parameter = parameters[field.name]
        assert parameter.help and "".join(parameter.help.split()) in shown
        assert parameter.param_type_name == "argument" or all(flag in shown for flag in parameter.opts)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_fields_default_is_what_the_command_uses(command: str) -> None:
    kind, arguments, given = COMMANDS[command]
    assert parsed(command, arguments) == kind(**given)


def test_what_is_typed_becomes_values_of_the_fields_types() -> None:
    typed = ["--column", "text=review", "--column", "label=stars", "--labels", "bad, good", "--stride", "4"]
    found = parsed("finetune", [*COMMANDS["finetune"][1], "--task", "text-classification", *typed])
    task = Task.TEXT_CLASSIFICATION
    columns = (("text", "review"), ("label", "stars"))
    assert found == FinetuneOptions(**TRAIN | {"task": task}, columns=columns, labels=("bad", "good"), stride=4)
    units = parsed("export", ["-o", "x", "--keep-float", "head", "--keep-float", "embeddings", "--runtime", "onnx"])
    assert isinstance(units, ExportOptions)
    assert units.keep_float == {"head", "embeddings"}
    assert units.runtimes == ("onnx",) and type(units.runtimes[0]) is str


@dataclass(frozen=True)
class Knobs(Options):
    sizes: Annotated[tuple[int, ...], typer.Option("--size", min=1, max=8, help="h")] = ()
    share: Annotated[float | None, typer.Option("-s", "--share", help="h"), Exclusive(above=0, below=1)] = None
    kind: Annotated[Literal["a", "b"], typer.Option(help="h")] = "a"


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"sizes": (2, 9)}, r"--size: is out of range \(found 9, expected at least 1, at most 8\)"),
        ({"sizes": (0,)}, "found 0"),
        ({"share": 0.0}, r"--share: .*found 0.0, expected above 0, below 1"),
        ({"share": 1.0}, "found 1.0"),
        ({"share": float("nan")}, "found nan"),
        ({"kind": "c"}, r"--kind: unknown value \(found c, expected a, b\)"),
    ],
)
def test_python_is_refused_what_the_shell_is(wrong: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        Knobs(**wrong)


def test_the_bounds_themselves_may_be_reached() -> None:
    assert Knobs(sizes=(1, 8), share=0.5, kind="b").sizes == (1, 8)
