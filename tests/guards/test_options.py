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
from squeezebert_mobile.export.options import ExportCommandOptions, ExportOptions
from squeezebert_mobile.options import Exclusive, Options
from squeezebert_mobile.release.options import PackOptions, PushOptions
from squeezebert_mobile.run.options import CompareAnswersOptions, MergeOptions, PredictOptions, VerifyOptions
from squeezebert_mobile.sweep.options import SweepOptions
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.options import EvaluateOptions, FinetuneOptions, RankOptions

# Of each command: its options, what has to stand on its command line, and what that makes of them.
TRAIN = {"task": Task.FILL_MASK, "data": "d", "output_dir": Path("x"), "model": "m"}
COMMANDS: dict[str, tuple[type[Options], list[str], dict[str, Any]]] = {
    "export": (ExportCommandOptions, ["-o", "x"], {"output_dir": Path("x")}),
    "verify": (VerifyOptions, ["x"], {"bundle": Path("x")}),
    "pack": (
        PackOptions,
        ["x", "-o", "y", "--name", "n", "--version", "1.0.0"],
        {"bundle": Path("x"), "output_dir": Path("y"), "name": "n", "version": "1.0.0"},
    ),
    "push": (PushOptions, ["x", "me/y"], {"bundle": Path("x"), "repository": "me/y"}),
    "predict": (PredictOptions, ["x"], {"bundle": Path("x")}),
    "merge": (MergeOptions, ["a", "b"], {"parts": (Path("a"), Path("b"))}),
    "finetune": (FinetuneOptions, ["--task", "fill-mask", "--data", "d", "-o", "x", "-m", "m"], TRAIN),
    "rank": (RankOptions, ["x", "--data", "d"], {"source": "x", "data": "d"}),
    "evaluate": (EvaluateOptions, ["x", "--data", "d"], {"source": Path("x"), "data": "d"}),
    "benchmark": (BenchmarkCommandOptions, [], {}),
    "reproduce": (ReproduceCommandOptions, [], {}),
    "sweep": (SweepOptions, ["g.toml", "-o", "x"], {"grid": Path("g.toml"), "output_dir": Path("x")}),
    "report": (ReportOptions, ["a"], {"runs": (Path("a"),)}),
    "compare": (CompareOptions, ["a", "b"], {"before": Path("a"), "after": Path("b")}),
    "compare-answers": (
        CompareAnswersOptions,
        ["a", "b", "--file", "t"],
        {"before": Path("a"), "after": Path("b"), "file": Path("t")},
    ),
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
    assert not [line for line in lines if len(line) > 80]


# Every option of every command, and what it is: one thing has one name, and one name is one thing.
MEANINGS = {
    "--accumulation": "parts of a training batch",
    "--attention-weight": "of attention scores in the loss",
    "--approximate-gelu": "what stands for Gelu",
    "--archive": "the zip that is also written",
    "--artifact": "a file of a bundle",
    "--atol": "the largest difference from the reference",
    "--average": "decay of averaged weights",
    "--batch-size": "rows that are computed together",
    "--best-peers": "peers with our treatment",
    "--calibration": "the texts that ranges are found on",
    "--calibration-method": "how ranges are found",
    "--calibration-samples": "how many of those texts",
    "--checkpoint-every": "steps between saved states",
    "--column": "columns by role",
    "--cool-down": "rest before a measurement",
    "--data": "labelled rows",
    "--device": "a phone",
    "--distillation": "share of the teacher in the loss",
    "--dry-run": "only what would be made",
    "--embeddings": "bits of the word table",
    "--epochs": "passes over the data",
    "--eval-data": "labelled rows to measure on while training",
    "--examples": "changes that are shown",
    "--file": "texts to run a model on",
    "--force": "replace what is at the target",
    "--format": "the platform that a pack is for",
    "--from-scratch": "a config of a new model",
    "--golden": "answers to be met",
    "--hidden-weight": "of hidden states in the loss",
    "--html": "a page to write",
    "--init-head": "a new head",
    "--intermediate-size": "feed-forward channels of a student",
    "--jobs": "how much is made at once",
    "--json": "one JSON value on standard output",
    "--jsonl": "a file of samples to write",
    "--keep-float": "units without int8",
    "--labels": "names of labels",
    "--layers": "the teacher's layers",
    "--layers-by": "how layers are chosen",
    "--layer-decay": "rate of a layer to the next one's",
    "--learning-rate": "peak rate of learning",
    "--license": "what a model may be used for",
    "--markdown": "tables to write",
    "--mask-probability": "share of hidden tokens",
    "--max-accuracy-drop": "the largest loss of accuracy",
    "--max-changed": "the largest share of other answers",
    "--max-grad-norm": "the largest gradient",
    "--max-length": "the longest input",
    "--max-samples": "how many labelled rows",
    "--max-slowdown": "the largest loss of speed",
    "--min-agreement": "the smallest share of equal answers",
    "--min-runs": "the fewest runs",
    "--min-seconds": "the shortest time",
    "--mixed-precision": "arithmetic of training",
    "--model": "a checkpoint",
    "--name": "what a pack is called",
    "--noise": "the change that is none",
    "--normalize": "vectors of length 1",
    "--null-threshold": "lead of no answer",
    "--opset": "ONNX opset",
    "--option": "a choice",
    "--ort": "files in a format for small runtimes",
    "--output": "the lines that are written",
    "--output-dir": "the folder that is made",
    "--pad-to": "width of padded tokens",
    "--patience": "epochs without a better metric",
    "--peer": "other models",
    "--percentile": "share of the values in a range",
    "--pick": "the rule by which a cell is chosen",
    "--png": "a folder of plots to write",
    "--pooling": "how a text's vector is made",
    "--precision": "precision of files",
    "--problem-type": "what labels are",
    "--public": "who sees a new repository",
    "--public-key": "whose signature is required",
    "--quick": "few runs",
    "--quiet": "no progress",
    "--ray": "a cluster",
    "--require-faster": "a gate on int8's speed",
    "--require-valid": "a gate on validity",
    "--resamples": "draws of the bootstrap",
    "--resume": "go on with a run",
    "--revision": "version of a hub repository",
    "--run": "whether files are run",
    "--scenario": "what a benchmark varies",
    "--schedule": "shape of the rate of learning",
    "--seed": "of what is random",
    "--sensitivity": "each unit's effect, to write",
    "--sign-key": "whose signature is made",
    "--shard": "a share of the rows",
    "--size-budget": "a gate on size",
    "--state-key": "entry of a pickle",
    "--stride": "tokens that windows share",
    "--strip-prefix": "prefix of names",
    "--task": "what a model is for",
    "--teacher": "a checkpoint to learn from",
    "--teacher-revision": "version of the teacher's repository",
    "--teacher-state-key": "entry of the teacher's pickle",
    "--teacher-strip-prefix": "prefix of the teacher's names",
    "--teacher-tokenizer": "the teacher's tokenizer",
    "--temperature": "of soft labels",
    "--threads": "threads of a runtime",
    "--to": "where what is chosen goes",
    "--tokenizer": "a checkpoint's tokenizer",
    "--tokens": "length of an input that is made up",
    "--tolerance": "the move of a value that is no change",
    "--top-k": "answers for a mask",
    "--trim-vocab": "texts whose pieces are kept",
    "--version": "which one of its packs",
    "--vocab-size": "pieces of a new vocabulary",
    "--warmup": "runs that do not count",
    "--warmup-ratio": "share of the steps in which the rate rises",
    "--weight-decay": "AdamW's decay",
    "--word-dropout": "share of tokens that training hides",
    "--workers": "processes at once",
    "--runtime": "runtime of files",
}


def test_one_thing_has_one_name_in_all_commands() -> None:
    found: dict[str, set[tuple[str, ...]]] = {}
    for command in GROUP.commands.values():
        for parameter in command.params:
            if parameter.param_type_name == "option":
                takes = parameter.metavar or ""
                kind = "choices" if "|" in takes else takes.removesuffix(",...")
                short = next((name for name in parameter.opts if not name.startswith("--")), "")
                (name,) = (name for name in parameter.opts if name.startswith("--"))
                found.setdefault(name, set()).add((kind, short))
    assert found.keys() == MEANINGS.keys()
    assert len(set(MEANINGS.values())) == len(MEANINGS)
    assert not {name: kinds for name, kinds in found.items() if len(kinds) > 1}


def test_old_names_of_options_still_work_and_stand_in_no_help() -> None:
    given = {"--warmup": "0.5", "--checkpoint": "x"}
    for command, (kind, arguments, _) in COMMANDS.items():
        shown = CliRunner().invoke(app, [command, "-h"]).output
        for old, new in kind.ALIASES.items():
            value = given.get(old, "4")
            assert parsed(command, [*arguments, old, value]) == parsed(command, [*arguments, new, value])
            assert parsed(command, [*arguments, f"{old}={value}"]) == parsed(command, [*arguments, f"{new}={value}"])
            assert f" {old} " not in shown and f" {old}," not in shown


def test_lists_are_typed_with_commas_or_one_by_one() -> None:
    typed = ["--threads", "1,2,4", "--precision", "fp32,int8", "--peer", "bert-base, mobilebert"]
    one_by_one = ["--threads", "1", "--threads", "2", "--threads", "4", "--precision", "fp32", "--precision", "int8"]
    peers = ["--peer", "bert-base", "--peer", "mobilebert"]
    found = parsed("benchmark", typed)
    assert found == parsed("benchmark", [*one_by_one, *peers])
    assert isinstance(found, BenchmarkCommandOptions) and found.threads == (1, 2, 4)
    assert parsed("benchmark", ["--model", "a,b", "-m", "c"]).checkpoints == (Path("a"), Path("b"), Path("c"))
    columns = parsed("evaluate", ["x", "--data", "d", "--column", "text=review, label=toxic,insult"]).columns
    assert columns == (("text", "review"), ("label", "toxic,insult"))
    # A choice is a text, which may hold commas.
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
