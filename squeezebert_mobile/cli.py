"""The command `squeezebert-mobile`: options in, one library function, its result out."""

import os
import signal
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from squeezebert_mobile import console, export_arguments, extras, render
from squeezebert_mobile import training_arguments as arguments
from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.evaluate_options import EvaluateOptions
from squeezebert_mobile.training.finetune_options import FinetuneOptions

if TYPE_CHECKING:
    from squeezebert_mobile.benchmarks.protocol import Scenario
    from squeezebert_mobile.bundle.manifest import Precision, Runtime
    from squeezebert_mobile.export.observers import Method
    from squeezebert_mobile.training.evaluate_options import Engine

app = typer.Typer(
    help="SqueezeBERT checkpoints as verified bundles for phones: ONNX Runtime and ExecuTorch, fp32 and int8.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130
TERMINATED = 143


# typer lists the choices of an enumeration; the library's own types are literals, which it cannot repeat.
class RuntimeChoice(StrEnum):
    """Runtimes."""

    ONNX = "onnx"
    EXECUTORCH = "executorch"


class PrecisionChoice(StrEnum):
    """Precisions."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT8_STATIC = "int8-static"


class MethodChoice(StrEnum):
    """Ways from activations to ranges."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"


class EmbeddingsChoice(StrEnum):
    """Precisions of the word table."""

    INT8 = "int8"
    INT4 = "int4"


class GateChoice(StrEnum):
    """What x is multiplied by in the place of Gelu."""

    SIGMOID = "sigmoid"
    CLIP = "clip"


class BenchmarkRuntimeChoice(StrEnum):
    """Runtimes that can be measured: PyTorch too."""

    ONNX = "onnx"
    EXECUTORCH = "executorch"
    TORCH = "torch"


class ScenarioChoice(StrEnum):
    """Scenarios."""

    FIXED_LENGTH = "fixed-length"
    NATURAL_LENGTH = "natural-length"
    LENGTH_SWEEP = "length-sweep"
    THREAD_SWEEP = "thread-sweep"
    SUSTAINED = "sustained"
    SINGLE_STREAM = "single-stream"


BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="the folder or zip that export wrote")]
ModelOption = Annotated[
    str | None, typer.Option("-m", "--model", help="checkpoint folder or hub repository; default: the demo model")
]
RevisionOption = Annotated[str | None, typer.Option(help="branch, tag or commit of a hub repository")]
RuntimeOption = Annotated[RuntimeChoice | None, typer.Option(help="default: the bundle's first")]
PrecisionOption = Annotated[PrecisionChoice | None, typer.Option(help="default: the bundle's first")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="threads of the runtime")]
HtmlOption = Annotated[Path | None, typer.Option(help="write a page with the plots, which fetches nothing")]
MarkdownOption = Annotated[Path | None, typer.Option(help="write the tables as Markdown")]
OutputOption = Annotated[
    Path | None, typer.Option("-o", "--output", help="keep every raw sample in this JSON lines file")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON value")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="no progress")]


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


@app.command()
def export(
    output_dir: Annotated[Path, typer.Option("-o", "--output-dir", help="the bundle's folder")],
    model: ModelOption = None,
    revision: RevisionOption = None,
    task: Annotated[Task | None, typer.Option(help="default: what config.json says")] = None,
    runtime: Annotated[list[RuntimeChoice] | None, typer.Option(help="repeatable; default: both")] = None,
    precision: Annotated[list[PrecisionChoice] | None, typer.Option(help="repeatable; default: fp32 and int8")] = None,
    max_seq_len: Annotated[int | None, typer.Option(help="longest input in tokens; default: all positions")] = None,
    opset: Annotated[int, typer.Option(min=18, max=21, help="ONNX opset")] = 18,
    atol: Annotated[float | None, typer.Option(min=0, help="largest difference from the reference")] = None,
    golden: Annotated[Path | None, typer.Option(help="golden.json of an earlier bundle, to be answered alike")] = None,
    state_key: Annotated[str | None, typer.Option(help="key under which a pickle holds the weights")] = None,
    strip_prefix: Annotated[str | None, typer.Option(help="prefix to take off the weights' names")] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="texts for int8-static: one a line, a tab before a second text")
    ] = None,
    calibration_rows: Annotated[int, typer.Option(help="how many texts are drawn from that file")] = 256,
    calibration_method: Annotated[MethodChoice, typer.Option(help="how ranges are found")] = MethodChoice.MINMAX,
    percentile: Annotated[float, typer.Option(help="of --calibration-method percentile, 50 to 100")] = 99.99,
    seed: Annotated[int, typer.Option(help="of the draw of calibration texts")] = 0,
    embeddings: Annotated[
        EmbeddingsChoice, typer.Option(help="the word table of int8 artifacts")
    ] = EmbeddingsChoice.INT8,
    keep_float: Annotated[
        list[str] | None, typer.Option(help="a unit to leave float, such as head; repeatable")
    ] = None,
    approximate_gelu: Annotated[
        GateChoice | None,
        typer.Option(
            help="in int8-static, x * sigmoid(1.702 x) or, faster and coarser, x * clip(x / 3 + 1/2, 0, 1) for Gelu; "
            "only with --max-accuracy-drop"
        ),
    ] = None,
    sensitivity: Annotated[
        Path | None, typer.Option(help="write each unit's effect in int8 to this JSON file, and a plot beside it")
    ] = None,
    max_accuracy_drop: Annotated[
        float | None, typer.Option(min=0, help="of the task's metric on --data; units go back to float until it holds")
    ] = None,
    data: Annotated[str | None, typer.Option(help="labelled data for --max-accuracy-drop")] = None,
    column: arguments.ColumnOption = None,
    max_samples: Annotated[int | None, typer.Option(min=1, help="rows of --data to use; default: all")] = None,
    trim_vocab: Annotated[
        Path | None, typer.Option(help="keep only the vocabulary that the texts of this file use")
    ] = None,
    require_faster: Annotated[
        bool, typer.Option("--require-faster", help="fail where int8 is not faster than fp32 in one interleaved run")
    ] = False,
    size_budget: Annotated[
        float | None, typer.Option(min=0, help="in MB, for the smallest artifact of each runtime")
    ] = None,
    archive: Annotated[Path | None, typer.Option(help="also pack the bundle into this zip file")] = None,
    sign_key: Annotated[
        Path | None, typer.Option(help="sign the bundle with this PEM private key (extra: sign)")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the bundle at the target")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Export a checkpoint to a verified bundle."""
    from squeezebert_mobile.export import pipeline

    chosen = pipeline.ExportOptions(
        output_dir=output_dir,
        model=model,
        revision=revision,
        task=task,
        runtimes=cast("tuple[Runtime, ...]", tuple(map(str, runtime or pipeline.RUNTIMES))),
        precisions=cast("tuple[Precision, ...]", tuple(map(str, precision or pipeline.PRECISIONS))),
        max_seq_len=max_seq_len,
        opset=opset,
        atol=atol,
        golden=golden,
        state_key=state_key,
        strip_prefix=strip_prefix,
        calibration=export_arguments.calibration(
            calibration, calibration_rows, seed, cast("Method", str(calibration_method)), percentile
        ),
        embedding_bits=8 if embeddings is EmbeddingsChoice.INT8 else 4,
        keep_float=frozenset(keep_float or ()),
        approximate_gelu=None if approximate_gelu is None else approximate_gelu.value,
        trim_vocab=trim_vocab,
        sensitivity=sensitivity,
        accuracy=export_arguments.accuracy(data, max_accuracy_drop, column, max_samples),
        require_faster=require_faster,
        size_budget=size_budget,
        archive=archive,
        sign_key=sign_key,
        force=force,
    )
    with console.progress_bar("exporting", pipeline.count_steps(chosen), quiet=quiet) as advance:
        bundle = pipeline.export(chosen, console.steps(advance), lambda line: typer.echo(line, err=True))
    console.emit(bundle, lambda: render.bundle(bundle), as_json=as_json)


@app.command()
def verify(
    bundle: BundleArgument,
    run: Annotated[bool, typer.Option(help="run every artifact on the golden texts")] = True,
    public_key: Annotated[
        Path | None, typer.Option(help="require a signature by this PEM public key (extra: sign)")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every digest of a bundle and every artifact's answers."""
    from squeezebert_mobile.run import verify as library

    result = library.verify(bundle, run=run, public_key=public_key)
    console.emit(result, lambda: render.verification(result), as_json=as_json)


@app.command()
def predict(
    bundle: BundleArgument,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="the text, or the question")] = None,
    text_pair: Annotated[
        str | None, typer.Argument(metavar="TEXT_PAIR", help="the second text, or the context")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="one text a line, a tab before a second text; - is standard input")
    ] = None,
    option: Annotated[list[str] | None, typer.Option(help="an answer to choose from; repeatable")] = None,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = 1,
    top_k: Annotated[int, typer.Option(min=1, help="answers for each mask")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Answer texts with a bundle."""
    from squeezebert_mobile.run import predict as library

    samples = library.gather(text, text_pair, tuple(option or ()), None if file is None else console.read_lines(file))
    found = list(library.predict(bundle, samples, runtime=runtime, precision=precision, threads=threads, top_k=top_k))
    result = found if file is not None else found[0]
    console.emit(result, lambda: render.predictions(found), as_json=as_json)


@app.command()
def finetune(
    task: Annotated[Task, typer.Option(help="what to learn")],
    data: arguments.DataOption,
    output_dir: arguments.OutputOption,
    model: arguments.StartOption = FinetuneOptions.model,
    revision: RevisionOption = FinetuneOptions.revision,
    init_head: arguments.InitHeadOption = FinetuneOptions.init_head,
    from_scratch: arguments.FromScratchOption = FinetuneOptions.from_scratch,
    vocab_size: arguments.VocabSizeOption = FinetuneOptions.vocab_size,
    eval_data: arguments.EvalDataOption = FinetuneOptions.eval_data,
    column: arguments.ColumnOption = None,
    labels: arguments.LabelsOption = None,
    problem_type: arguments.ProblemOption = FinetuneOptions.problem_type,
    max_length: arguments.MaxLengthOption = FinetuneOptions.max_length,
    stride: arguments.TrainStrideOption = FinetuneOptions.stride,
    max_samples: arguments.MaxSamplesOption = FinetuneOptions.max_samples,
    epochs: arguments.EpochsOption = FinetuneOptions.epochs,
    batch_size: arguments.TrainBatchOption = FinetuneOptions.batch_size,
    accumulation: arguments.AccumulationOption = FinetuneOptions.accumulation,
    learning_rate: arguments.RateOption = FinetuneOptions.learning_rate,
    layer_decay: arguments.LayerDecayOption = FinetuneOptions.layer_decay,
    weight_decay: arguments.WeightDecayOption = FinetuneOptions.weight_decay,
    warmup: arguments.WarmupOption = FinetuneOptions.warmup,
    schedule: arguments.ScheduleOption = FinetuneOptions.schedule,
    max_grad_norm: arguments.GradNormOption = FinetuneOptions.max_grad_norm,
    mask_probability: arguments.MaskOption = FinetuneOptions.mask_probability,
    word_dropout: arguments.WordDropoutOption = FinetuneOptions.word_dropout,
    average: arguments.AverageOption = FinetuneOptions.average,
    teacher: arguments.TeacherOption = FinetuneOptions.teacher,
    temperature: arguments.TemperatureOption = FinetuneOptions.temperature,
    distillation: arguments.DistillationOption = FinetuneOptions.distillation,
    patience: arguments.PatienceOption = FinetuneOptions.patience,
    checkpoint_every: arguments.CheckpointOption = FinetuneOptions.checkpoint_every,
    mixed_precision: arguments.MixedOption = FinetuneOptions.mixed_precision,
    seed: arguments.SeedOption = FinetuneOptions.seed,
    resume: arguments.ResumeOption = FinetuneOptions.resume,
    force: arguments.TrainForceOption = FinetuneOptions.force,
    quiet: QuietOption = FinetuneOptions.quiet,
    as_json: JsonOption = False,
) -> None:
    """Train a checkpoint on labelled data; accelerate launch runs it on several devices."""
    extras.require("finetune")
    from squeezebert_mobile.training import finetune as library

    chosen = FinetuneOptions(
        task=task,
        data=data,
        output_dir=output_dir,
        model=model,
        revision=revision,
        init_head=init_head,
        from_scratch=from_scratch,
        vocab_size=vocab_size,
        eval_data=eval_data,
        columns=arguments.columns(column),
        labels=arguments.labels(labels),
        problem_type=problem_type,
        max_length=max_length,
        stride=stride,
        max_samples=max_samples,
        epochs=epochs,
        batch_size=batch_size,
        accumulation=accumulation,
        learning_rate=learning_rate,
        layer_decay=layer_decay,
        weight_decay=weight_decay,
        warmup=warmup,
        schedule=schedule,
        max_grad_norm=max_grad_norm,
        mask_probability=mask_probability,
        word_dropout=word_dropout,
        average=average,
        teacher=teacher,
        temperature=temperature,
        distillation=distillation,
        patience=patience,
        checkpoint_every=checkpoint_every,
        mixed_precision=mixed_precision,
        seed=seed,
        resume=resume,
        force=force,
        quiet=quiet,
    )
    result = library.finetune(chosen)
    if int(os.environ.get("RANK", "0")) == 0:
        console.emit(result, lambda: render.training(result), as_json=as_json)


@app.command()
def evaluate(
    source: arguments.SourceArgument,
    data: arguments.DataOption,
    model: arguments.ReferenceOption = EvaluateOptions.model,
    task: Annotated[Task | None, typer.Option(help="default: what config.json says")] = EvaluateOptions.task,
    column: arguments.ColumnOption = None,
    runtime: arguments.EnginesOption = None,
    precision: Annotated[list[PrecisionChoice] | None, typer.Option(help="repeatable; default: all")] = None,
    max_samples: arguments.MaxSamplesOption = EvaluateOptions.max_samples,
    stride: arguments.StrideOption = EvaluateOptions.stride,
    batch_size: arguments.BatchOption = EvaluateOptions.batch_size,
    threads: ThreadsOption = EvaluateOptions.threads,
    resamples: arguments.ResamplesOption = EvaluateOptions.resamples,
    seed: arguments.SeedOption = EvaluateOptions.seed,
    max_accuracy_drop: arguments.DropOption = EvaluateOptions.max_accuracy_drop,
    quiet: QuietOption = EvaluateOptions.quiet,
    as_json: JsonOption = False,
) -> None:
    """Measure a bundle's artifacts, or a checkpoint, on labelled data."""
    extras.require("finetune")
    from squeezebert_mobile.training import evaluate as library

    chosen = EvaluateOptions(
        source=source,
        data=data,
        model=model,
        task=task,
        columns=arguments.columns(column),
        runtimes=cast("tuple[Engine, ...]", tuple(map(str, runtime or ()))),
        precisions=cast("tuple[Precision, ...]", tuple(map(str, precision or ()))),
        max_samples=max_samples,
        stride=stride,
        batch_size=batch_size,
        threads=threads,
        resamples=resamples,
        seed=seed,
        max_accuracy_drop=max_accuracy_drop,
        quiet=quiet,
    )
    result = library.evaluate(chosen)
    console.emit(result, lambda: render.evaluation(result), as_json=as_json)
    library.require_drop(result, max_accuracy_drop)


@app.command()
def benchmark(
    bundles: Annotated[
        list[Path] | None, typer.Argument(metavar="[BUNDLE]...", help="folders that export wrote")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="checkpoint folder, measured in PyTorch; repeatable")
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=FOLDER]", help="bert-base, mobilebert, squeezebert or all, plain; repeatable"),
    ] = None,
    best_peers: Annotated[bool, typer.Option("--best-peers", help="the peers with our treatment, too")] = False,
    runtime: Annotated[list[BenchmarkRuntimeChoice] | None, typer.Option(help="repeatable; default: all")] = None,
    precision: Annotated[list[PrecisionChoice] | None, typer.Option(help="repeatable; default: all")] = None,
    scenario: Annotated[ScenarioChoice, typer.Option(help="what is varied")] = ScenarioChoice.FIXED_LENGTH,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="repeatable; default: 1")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="repeatable; default: 1")] = None,
    tokens: Annotated[list[int] | None, typer.Option(min=1, help="repeatable; default: 128")] = None,
    pad_to: Annotated[int | None, typer.Option(min=1, help="width that the tokens are padded to")] = None,
    texts: Annotated[
        Path | None, typer.Option(help="texts of natural-length, one a line; default: demo sentences")
    ] = None,
    warmup: Annotated[int, typer.Option(min=0, help="runs before the first that counts")] = 3,
    min_runs: Annotated[int | None, typer.Option(min=1, help="fewest runs of a case")] = None,
    min_seconds: Annotated[float | None, typer.Option(min=0, help="least time of a case's runs")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="few runs, for a look")] = False,
    seed: Annotated[int, typer.Option(min=0, help="of the texts and ids")] = 0,
    device: Annotated[str | None, typer.Option(help="adb:SERIAL or adb:all: measure one bundle on phones")] = None,
    output: OutputOption = None,
    html: HtmlOption = None,
    markdown: MarkdownOption = None,
    png: Annotated[Path | None, typer.Option(help="write each plot into this folder")] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure the latency of bundles, checkpoints and peers side by side."""
    from squeezebert_mobile.benchmarks import benchmark as library
    from squeezebert_mobile.benchmarks import fleet, peers, report, text

    chosen = library.BenchmarkOptions(
        bundles=tuple(bundles or ()),
        checkpoints=tuple(checkpoint or ()),
        peers=peers.parse(peer or ()),
        best_peers=best_peers,
        runtimes=tuple(map(str, runtime or ())),
        precisions=tuple(map(str, precision or ())),
        scenario=cast("Scenario", str(scenario)),
        threads=tuple(threads or ()),
        batches=tuple(batch or (1,)),
        tokens=tuple(tokens or ()),
        pad_to=pad_to,
        texts=texts,
        warmup=warmup,
        min_runs=min_runs,
        min_seconds=min_seconds,
        seed=seed,
        quick=quick,
        output=output,
    )
    with console.progress_bar("measuring", None, quiet=quiet) as advance:
        step = console.steps(advance)
        found = fleet.benchmark(device, chosen, step) if device else (library.benchmark(chosen, step),)
    report.write([run.result for run in found], report.Outputs(markdown, html, png))
    console.emit([text.summarize(run) for run in found], lambda: text.benchmark(found), as_json=as_json)


@app.command()
def reproduce(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="a full-size bundle, for the best that SqueezeBERT reaches"),
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, max=512, help="length of the input")] = 128,
    threads: ThreadsOption = 1,
    quick: Annotated[bool, typer.Option("--quick", help="few runs, for a look")] = False,
    output: OutputOption = None,
    html: HtmlOption = None,
    markdown: MarkdownOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Repeat the paper's comparison with BERT-base and MobileBERT, and say what came out."""
    from squeezebert_mobile.benchmarks import reproduce as library
    from squeezebert_mobile.benchmarks import text

    chosen = library.ReproduceOptions(bundle, tokens, threads, quick, output)
    with console.progress_bar("reproducing", None, quiet=quiet) as advance:
        found = library.reproduce(chosen, console.steps(advance))
    library.write(found, markdown=markdown, html=html)
    console.emit(text.reproduction_summary(found), lambda: text.reproduction(found), as_json=as_json)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="the older result file")],
    after: Annotated[Path, typer.Argument(metavar="B", help="the newer result file")],
    max_slowdown: Annotated[
        float | None, typer.Option(min=0, help="fail with 6 where a case is slower by more: 0.05 is 5 %")
    ] = None,
    noise: Annotated[float, typer.Option(min=0, help="the change that two runs of the same thing may show")] = 0.02,
    as_json: JsonOption = False,
) -> None:
    """Compare two result files of one machine, case by case."""
    from squeezebert_mobile.benchmarks import compare as library
    from squeezebert_mobile.benchmarks import text

    result = library.compare(library.CompareOptions(before, after, max_slowdown, noise))
    console.emit(result, lambda: text.comparison(result), as_json=as_json)


@app.command()
def devices(as_json: JsonOption = False) -> None:
    """List the phones that benchmark --device can name."""
    from squeezebert_mobile.benchmarks import adb, text

    found = adb.listed()
    console.emit(found, lambda: text.devices(found), as_json=as_json)


@app.command()
def info(model: Annotated[Path, typer.Argument(metavar="BUNDLE_OR_MODEL")], as_json: JsonOption = False) -> None:
    """Describe a bundle or a checkpoint."""
    from squeezebert_mobile import info as library

    result = library.info(model)
    console.emit(result, lambda: render.information(result), as_json=as_json)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what is installed, what works and what to install."""
    from squeezebert_mobile import doctor as library

    result = library.doctor()
    console.emit(result, lambda: render.diagnosis(result), as_json=as_json)
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
