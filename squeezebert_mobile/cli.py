"""The command `squeezebert-mobile`: options in, one library function, its result out."""

import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from squeezebert_mobile import extras, render
from squeezebert_mobile.benchmarks.options import (
    BenchmarkCommandOptions,
    CompareOptions,
    ReportOptions,
    ReproduceCommandOptions,
)
from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.console import Screen
from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.options import Options, Quiet
from squeezebert_mobile.run.options import PredictOptions, VerifyOptions
from squeezebert_mobile.tables import examples
from squeezebert_mobile.training.options import EvaluateOptions, FinetuneOptions

Chosen = TypeVar("Chosen", bound=Options)
Command = Callable[[Chosen, Screen], None]

app = typer.Typer(
    help="SqueezeBERT checkpoints as verified bundles for phones: ONNX Runtime and ExecuTorch, fp32 and int8.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130
TERMINATED = 143
Json = Annotated[bool, typer.Option("--json", help="print one JSON value")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from squeezebert_mobile import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Options of every command."""


def command(
    kind: type[Chosen], *, quiet: bool = False, epilog: str | None = None
) -> Callable[[Command[Chosen]], Command[Chosen]]:
    """Make a command of a function: its name and docstring, the fields of ``kind``, --json and, if asked, --quiet."""
    shared = {"as_json": Json, "quiet": Quiet} if quiet else {"as_json": Json}
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, keyword, annotation=hint, default=False) for name, hint in shared.items()]

    def register(function: Command[Chosen]) -> Command[Chosen]:
        def call(**values: Any) -> None:
            screen = Screen(**{name: values.pop(name) for name in shared})
            function(kind.parse(values), screen)

        call.__signature__ = inspect.Signature([*kind.parameters(), *parameters])  # type: ignore[attr-defined]
        app.command(function.__name__, help=function.__doc__, epilog=epilog)(call)
        return function

    return register


@command(ExportOptions, quiet=True)
def export(options: ExportOptions, screen: Screen) -> None:
    """Export a checkpoint to a verified bundle."""
    from squeezebert_mobile.export import pipeline

    with screen.progress("exporting", pipeline.count_steps(options)) as step:
        bundle = pipeline.export(options, step, screen.note)
    screen.show(bundle, render.bundle)


@command(VerifyOptions)
def verify(options: VerifyOptions, screen: Screen) -> None:
    """Check every digest of a bundle and every artifact's answers."""
    from squeezebert_mobile.run import verify as library

    screen.show(library.verify(options.bundle, run=options.run, public_key=options.public_key), render.verification)


@command(PredictOptions)
def predict(options: PredictOptions, screen: Screen) -> None:
    """Answer texts with a bundle."""
    from squeezebert_mobile.run import predict as library
    from squeezebert_mobile.run.samples import gather

    answers = library.predict(
        options.bundle,
        gather(options),
        runtime=options.runtime,
        precision=options.precision,
        threads=options.threads,
        top_k=options.top_k,
        null_threshold=options.null_threshold,
    )
    found = list(answers)
    if options.file is None:
        screen.show(found[0], render.prediction)
    else:
        screen.show(found, render.predictions)


@command(FinetuneOptions, epilog=examples.shown())
def finetune(options: FinetuneOptions, screen: Screen) -> None:
    """Train a checkpoint on labelled data; accelerate launch runs it on several devices."""
    extras.require("finetune")
    from squeezebert_mobile.training import finetune as library

    result = library.finetune(options)
    if int(os.environ.get("RANK", "0")) == 0:
        screen.show(result, render.training)


@command(EvaluateOptions)
def evaluate(options: EvaluateOptions, screen: Screen) -> None:
    """Measure a bundle's artifacts, or a checkpoint, on labelled data."""
    extras.require("finetune")
    from squeezebert_mobile.training import evaluate as library

    result = library.evaluate(options)
    screen.show(result, render.evaluation)
    library.require_drop(result, options.max_accuracy_drop)


@command(BenchmarkCommandOptions, quiet=True)
def benchmark(options: BenchmarkCommandOptions, screen: Screen) -> None:
    """Measure the latency of bundles, checkpoints and peers side by side."""
    from squeezebert_mobile.benchmarks import benchmark as library
    from squeezebert_mobile.benchmarks import page, phones, tables

    with screen.progress("measuring") as step:
        device = options.device
        found = phones.benchmark(device, options, step) if device else (library.benchmark(options, step),)
    page.write([run.result for run in found], page.Outputs(options.markdown, options.html, options.png))
    screen.show([tables.summarize_run(run) for run in found], lambda _: tables.text(found))


@command(ReproduceCommandOptions, quiet=True)
def reproduce(options: ReproduceCommandOptions, screen: Screen) -> None:
    """Repeat the paper's comparison with BERT-base and MobileBERT, and say what came out."""
    from squeezebert_mobile.benchmarks import paper

    with screen.progress("reproducing") as step:
        found = paper.reproduce(options, step)
    paper.write(found, markdown=options.markdown, html=options.html)
    screen.show(paper.summarize_reproduction(found), lambda _: paper.text(found))


@command(ReportOptions)
def report(options: ReportOptions, screen: Screen) -> None:
    """Draw a page, tables or plots of runs that benchmark kept."""
    from squeezebert_mobile.benchmarks import benchmark as library
    from squeezebert_mobile.benchmarks import page, results, tables

    found = [library.BenchmarkResult(results.read(path), path, ()) for path in options.runs]
    page.write([run.result for run in found], page.Outputs(options.markdown, options.html, options.png))
    screen.show([tables.summarize_run(run) for run in found], lambda _: tables.text(found))


@command(CompareOptions)
def compare(options: CompareOptions, screen: Screen) -> None:
    """Compare two result files of one machine, case by case."""
    from squeezebert_mobile.benchmarks import compare as library

    screen.show(library.compare(options), library.text)


@command(Options)
def devices(_: Options, screen: Screen) -> None:
    """List the phones that benchmark --device can name."""
    from squeezebert_mobile.benchmarks import phones

    screen.show(phones.listed(), phones.text)


@dataclass(frozen=True)
class InfoOptions(ReadOptions):
    """What to describe."""

    source: Annotated[Path, typer.Argument(metavar="BUNDLE_OR_MODEL", help="a bundle's folder or zip, or a checkpoint")]


@command(InfoOptions)
def info(options: InfoOptions, screen: Screen) -> None:
    """Describe a bundle or a checkpoint."""
    from squeezebert_mobile import info as library

    screen.show(library.info(options.source, options), render.information)


@command(Options)
def doctor(_: Options, screen: Screen) -> None:
    """Say what is installed, what works and what to install."""
    from squeezebert_mobile import doctor as library

    result = library.doctor()
    screen.show(result, render.diagnosis)
    raise typer.Exit(0 if result.healthy else 7)


def main() -> None:
    """Run the command; every failure is one line on stderr and an exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(standalone_mode=False)
    except SqueezeBertMobileError as error:
        code = _fail(str(error), error.exit_code, error)
    except typer.TyperException as error:
        text = " ".join(error.format_message().split())
        code = _fail(f"{_command(error)}: {text}; fix: {_command(error)} --help", 2, error)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; a flush at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        fix = "check the disk, the path and its permissions"
        code = _fail(f"{error.filename or 'system'}: {error.strerror or error}; fix: {fix}", 7, error)
    sys.exit(code)


def _command(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "squeezebert-mobile"


def _fail(message: str, code: int, error: BaseException) -> int:
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    typer.echo(f"error: {message}", err=True)
    return code


def _terminate(*_: object) -> None:
    """Leave by an exception, so that temporary folders are removed."""
    sys.exit(TERMINATED)


if __name__ == "__main__":
    main()
