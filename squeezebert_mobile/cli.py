"""The command `squeezebert-mobile`: options in, one library function, its result out."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from squeezebert_mobile import render
from squeezebert_mobile.benchmarks.options import (
    BenchmarkCommandOptions,
    CompareOptions,
    ReportOptions,
    ReproduceCommandOptions,
    require_phone,
)
from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.console import Screen
from squeezebert_mobile.export.options import ExportCommandOptions
from squeezebert_mobile.options import Options
from squeezebert_mobile.release.options import PackOptions, PushOptions
from squeezebert_mobile.run.options import CompareAnswersOptions, MergeOptions, PredictOptions, VerifyOptions
from squeezebert_mobile.shell import app, command, main
from squeezebert_mobile.sweep.options import SweepOptions
from squeezebert_mobile.tables import examples
from squeezebert_mobile.training.options import EvaluateOptions, FinetuneOptions, RankOptions

if TYPE_CHECKING:
    from squeezebert_mobile.training.comparison import EvaluateResult

__all__ = ["InfoOptions", "app", "main"]


@command(ExportCommandOptions, quiet=True)
def export(options: ExportCommandOptions, screen: Screen) -> None:
    """Export a checkpoint to a verified bundle."""
    from squeezebert_mobile import preflight

    preflight.export(options)
    if options.dry_run:
        from squeezebert_mobile.export import preview

        screen.show(preview.preview(options), preview.text, preview.verdict)
        return
    from squeezebert_mobile.export import pipeline

    with screen.steps("exporting") as steps:
        bundle = pipeline.export(options, steps, screen.note)
    screen.show(pipeline.Exported.of(bundle), render.bundle, render.exported)


@command(VerifyOptions)
def verify(options: VerifyOptions, screen: Screen) -> None:
    """Check every digest of a bundle and every artifact's answers."""
    from squeezebert_mobile.run import verify as library

    result = library.verify(options.bundle, run=options.run, public_key=options.public_key)
    screen.show(result, render.verification, render.verified)


@command(PackOptions)
def pack(options: PackOptions, screen: Screen) -> None:
    """Make what an app ships of a bundle: one file with its proof."""
    from squeezebert_mobile.release import pack as library

    screen.show(library.pack(options), render.packed, render.pack_verdict)


@command(PushOptions)
def push(options: PushOptions, screen: Screen) -> None:
    """Verify a bundle and upload it to the Hugging Face hub."""
    from squeezebert_mobile.release import push as library

    screen.show(library.push(options), render.pushed, render.push_verdict)


@command(PredictOptions)
def predict(options: PredictOptions, screen: Screen) -> None:
    """Answer texts with a bundle; with --json or -o one line for each."""
    from squeezebert_mobile.run import output
    from squeezebert_mobile.run import predict as library
    from squeezebert_mobile.run.samples import gather

    shard = output.shard_of(options.shard, screen.note) if options.file else None
    if shard and options.output:
        screen.show(output.write(options, shard), render.written)
        return
    answers = library.predict(
        options.bundle,
        gather(options),
        runtime=options.runtime,
        precision=options.precision,
        threads=options.threads,
        top_k=options.top_k,
        null_threshold=options.null_threshold,
        batch_size=options.batch_size,
        workers=options.workers,
        shard=shard,
    )
    for answer in answers:
        screen.show(answer, render.prediction)


@command(MergeOptions)
def merge(options: MergeOptions, screen: Screen) -> None:
    """Put the shards of predict or evaluate -o together, in the order of the rows."""
    from squeezebert_mobile import parts
    from squeezebert_mobile.run import output

    shards = parts.merged(options.parts)
    if options.is_of_answers(shards.about["command"]):
        output.merge(shards, options.output, screen.note)
        return
    from squeezebert_mobile.training import comparison

    _judge(comparison.merged(shards, options.max_accuracy_drop), options.max_accuracy_drop, screen)


@command(FinetuneOptions, epilog=examples.shown())
def finetune(options: FinetuneOptions, screen: Screen) -> None:
    """Train on labelled data; accelerate launch uses several devices."""
    from squeezebert_mobile import preflight

    preflight.finetune(options)
    from squeezebert_mobile.training import finetune as library

    result = library.finetune(options)
    if int(os.environ.get("RANK", "0")) == 0:
        screen.show(result, render.training)


@command(RankOptions)
def rank(options: RankOptions, screen: Screen) -> None:
    """Measure what each layer and each width of a model is worth."""
    from squeezebert_mobile import preflight

    preflight.rank(options)
    from squeezebert_mobile.training import rank as library
    from squeezebert_mobile.training import ranking_page

    screen.show(library.rank(options), ranking_page.text)


@command(EvaluateOptions)
def evaluate(options: EvaluateOptions, screen: Screen) -> None:
    """Measure the accuracy of a bundle or checkpoint on data."""
    from squeezebert_mobile import preflight

    preflight.evaluate(options)
    from squeezebert_mobile.run import output
    from squeezebert_mobile.training import evaluate as library

    if options.output is not None:
        screen.show(library.write(options, output.shard_of(options.shard, screen.note)), render.written)
        return
    _judge(library.evaluate(options), options.max_accuracy_drop, screen)


def _judge(result: "EvaluateResult", largest: float | None, screen: Screen) -> None:
    """Show an evaluation, and hold its drops against the largest that is allowed."""
    from squeezebert_mobile.training import comparison

    screen.show(result, render.evaluation)
    comparison.require_drop(result, largest)
    if largest is not None:
        screen.judge(render.held(result, largest))


@command(BenchmarkCommandOptions, quiet=True)
def benchmark(options: BenchmarkCommandOptions, screen: Screen) -> None:
    """Measure latency: bundles, checkpoints, peers side by side."""
    from squeezebert_mobile import preflight
    from squeezebert_mobile.benchmarks import benchmark as library
    from squeezebert_mobile.benchmarks import page, phones, tables

    outputs = page.Outputs(options.markdown, options.html, options.png)
    page.require_writable(outputs, options.output)
    require_phone(options.device, options.cool_down)
    preflight.benchmark(options)
    if options.device:
        with screen.progress("measuring") as step:
            found = phones.benchmark(options.device, options, step, cool_down=options.cool_down)
    else:
        with screen.steps("measuring") as steps:
            found = (library.benchmark(options, steps),)
    summaries = [tables.summarize_run(run) for run in found]
    screen.show(summaries, lambda said: tables.text(found, said), tables.verdicts)
    page.write([run.result for run in found], outputs)
    if options.require_valid:
        tables.require_valid(summaries)


@command(SweepOptions, quiet=True)
def sweep(options: SweepOptions, screen: Screen) -> None:
    """Train, export, judge and time every cell of a grid, and choose."""
    from squeezebert_mobile.sweep import page
    from squeezebert_mobile.sweep import run as library

    if options.dry_run:
        screen.show(library.plan(options), page.planned, page.plan_verdict)
        return
    with screen.progress("sweeping") as step:
        found = library.sweep(options, step)
    page.write(found)
    screen.show(found, page.text, page.verdict)
    if options.pick is not None:
        screen.judge(page.picked(library.pick(found, options), options))


@command(ReproduceCommandOptions, quiet=True)
def reproduce(options: ReproduceCommandOptions, screen: Screen) -> None:
    """Repeat the paper's comparison with BERT-base and MobileBERT."""
    from squeezebert_mobile import preflight
    from squeezebert_mobile.benchmarks import paper

    paper.require_writable(options)
    preflight.reproduce(options)
    with screen.steps("reproducing") as steps:
        found = paper.reproduce(options, steps)
    screen.show(paper.summarize_reproduction(found), lambda _: paper.text(found))
    paper.write(found, markdown=options.markdown, html=options.html)


@command(ReportOptions)
def report(options: ReportOptions, screen: Screen) -> None:
    """Draw a page, tables or plots of runs that benchmark kept."""
    from squeezebert_mobile.benchmarks import benchmark as library
    from squeezebert_mobile.benchmarks import page, results, tables

    outputs = page.Outputs(options.markdown, options.html, options.png)
    page.require_writable(outputs, None)
    found = [library.BenchmarkResult(results.read(path), path, ()) for path in options.runs]
    summaries = [tables.summarize_run(run) for run in found]
    screen.show(summaries, lambda said: tables.text(found, said), tables.verdicts)
    page.write([run.result for run in found], outputs)


@command(CompareOptions)
def compare(options: CompareOptions, screen: Screen) -> None:
    """Compare two result files of one machine, case by case."""
    from squeezebert_mobile.benchmarks import compare as library

    found = library.compare(options)
    screen.show(found, library.text, library.verdict if options.max_slowdown is not None else None)
    library.require(found, options.after)


@command(CompareAnswersOptions)
def compare_answers(options: CompareAnswersOptions, screen: Screen) -> None:
    """Say how many answers change between two bundles, with examples."""
    from squeezebert_mobile.run import changes

    found = changes.compare_answers(options)
    screen.show(found, changes.text, changes.verdict)
    changes.require(found, options.after)


@command(Options)
def devices(_: Options, screen: Screen) -> None:
    """List the phones that benchmark --device can name."""
    from squeezebert_mobile.benchmarks import adb

    screen.show(adb.listed(), adb.text)


@dataclass(frozen=True)
class InfoOptions(ReadOptions):
    """What to describe."""

    EXAMPLES: ClassVar = ("my-bundle", "my-bundle.zip --json", "my-checkpoint --tokenizer other-folder")

    source: Annotated[Path, typer.Argument(metavar="BUNDLE_OR_MODEL", help="a bundle's folder or zip, or a checkpoint")]


@command(InfoOptions)
def info(options: InfoOptions, screen: Screen) -> None:
    """Describe a bundle or a checkpoint."""
    from squeezebert_mobile import info as library
    from squeezebert_mobile import preflight

    preflight.info(options.source, options)
    screen.show(library.info(options.source, options), render.information)


@command(Options)
def doctor(_: Options, screen: Screen) -> None:
    """Say what is installed, what works and what to install."""
    from squeezebert_mobile import doctor as library

    found = []
    for check in library.checks():
        found.append(check)
        screen.judge(render.check(check))
    result = library.Diagnosis.of(found)
    screen.show(result, lambda _: "", render.diagnosis)
    raise typer.Exit(0 if result.healthy else 7)


if __name__ == "__main__":
    main()
