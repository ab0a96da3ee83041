"""Options dataclasses: what a field declares is what its command shows and uses, and what Python is refused."""

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from squeezebert_mobile.benchmarks.options import (
    BenchmarkCommandOptions,
    CompareOptions,
    ReportOptions,
    ReproduceCommandOptions,
)
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
    "report": (ReportOptions, ["a"], {"runs": (Path("a"),)}),
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


WITHOUT_OPTIONS = ("devices", "doctor")


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in WITHOUT_OPTIONS])
def test_help_has_three_examples_that_the_command_takes(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "-h"]).output
    assert len(set(COMMANDS[command][0].EXAMPLES)) == 3
    for example in COMMANDS[command][0].EXAMPLES:
        assert f"  squeezebert-mobile {command} {example}\n" in shown
        assert isinstance(parsed(command, shlex.split(example)), COMMANDS[command][0])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_group_of_the_help_names_fields_of_its_class(command: str) -> None:
    kind = COMMANDS[command][0]
    names = {field.name for field in dataclasses.fields(kind)}
    assert {name for group in kind.GROUPS.values() for name in group} <= names


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_no_types_of_python_and_fits_80_columns(command: str) -> None:
    lines = CliRunner().invoke(app, [command, "-h"]).output.split("Examples:")[0].split("\n")
    assert not [line for line in lines if "<" in line.replace("<=", "") or "{" in line or "list[" in line]
    # What cannot be broken may be longer: the choices of one option.
    assert not [line for line in lines if len(line) > 80 and "|" not in line]


def test_old_names_of_options_still_work_and_stand_in_no_help() -> None:
    for command, old, new in (("benchmark", "--batch", "--batch-size"), ("export", "--max-seq-len", "--max-length")):
        arguments = COMMANDS[command][1]
        assert parsed(command, [*arguments, old, "4"]) == parsed(command, [*arguments, f"{new}=4"])
        assert parsed(command, [*arguments, f"{old}=4"]) == parsed(command, [*arguments, new, "4"])
        assert f"{old} " not in CliRunner().invoke(app, [command, "-h"]).output


def test_lists_are_typed_with_commas_or_one_by_one() -> None:
    typed = ["--threads", "1,2,4", "--precision", "fp32,int8", "--peer", "bert-base, mobilebert"]
    one_by_one = ["--threads", "1", "--threads", "2", "--threads", "4", "--precision", "fp32", "--precision", "int8"]
    peers = ["--peer", "bert-base", "--peer", "mobilebert"]
    found = parsed("benchmark", typed)
    assert found == parsed("benchmark", [*one_by_one, *peers])
    assert isinstance(found, BenchmarkCommandOptions) and found.threads == (1, 2, 4)
    # Texts and paths may hold commas.
    predict = parsed("predict", ["x", "t", "--option", "yes, she does", "--option", "no"])
    assert isinstance(predict, PredictOptions) and predict.options == ("yes, she does", "no")


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["--threads", "1,x"], r"--threads: is no list of whole numbers \(found x\); fix: write --threads 1,2,4"),
        (["--threads", "1,,2"], "found nothing"),
        (["--threads", "4,0"], "--threads: is out of range .found 0, expected at least 1"),
        (["--precision", "fp32,fp8"], "--precision: unknown value .found fp8, expected fp32, fp16, int8, int8-static"),
    ],
)
def test_what_is_wrong_in_a_list_is_named(typed: list[str], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        parsed("benchmark", typed)


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
