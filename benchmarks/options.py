"""What `benchmark`, `reproduce` and `compare` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.options import Listed, Options, Threads
from squeezebert_mobile.tasks import Precision, Timed

Scenario = Literal["fixed-length", "natural-length", "length-sweep", "thread-sweep", "sustained", "single-stream"]

Quick = Annotated[bool, typer.Option("--quick", help="few runs, for a look")]
RequireValid = Annotated[bool, typer.Option("--require-valid", help="exit 8 where a case is not valid as a claim")]
Output = Annotated[Path | None, typer.Option("--jsonl", help="keep every raw sample in this JSON lines file")]
Html = Annotated[Path | None, typer.Option(help="write a page with the plots, which fetches nothing")]
Markdown = Annotated[Path | None, typer.Option(help="write the tables as Markdown")]
Png = Annotated[Path | None, typer.Option(help="write each plot into this folder")]


# Loading heats a phone, which then rests for as long before it is measured.
COOL_DOWN_SECONDS = 30.0
CoolDown = Annotated[
    float | None, typer.Option(min=0, max=3600, help="seconds a phone rests before it is measured; default: 30")
]

# What kept the samples before each report had the name of its format.
_SAMPLES = {"-o": "--jsonl", "--output": "--jsonl"}


@dataclass(frozen=True)
class BenchmarkOptions(ReadOptions):
    """What to measure, how long, and where to keep it. None and empty tuples mean what scenario or bundle offers.

    ``peers`` are transformers' models as their users get them, with random weights or those of a checkpoint folder;
    ``best_peers`` adds them with our treatment. ``pad_to`` is the width that the tokens are padded to.
    """

    GROUPS: ClassVar = {
        "How it is measured": ("scenario", "threads", "batches", "tokens", "pad_to", "texts", "warmup", "min_runs",
                               "min_seconds", "quick", "seed"),
        "Reports": ("output",),
    }  # fmt: skip
    EXAMPLES: ClassVar = (
        "my-bundle",
        "my-bundle --peer bert-base --threads 1,2,4 --jsonl run.jsonl",
        "my-bundle other-bundle.zip --precision int8 --quick --html page.html",
    )
    ALIASES: ClassVar = {
        **_SAMPLES,
        "--batch": "--batch-size",
        "--checkpoint": "--model",
        "--texts": "--file",
    }

    bundles: Annotated[tuple[Path, ...], typer.Argument(metavar="BUNDLE", help="folders or zips of export")] = ()
    checkpoints: Annotated[
        tuple[Path, ...],
        typer.Option("-m", "--model", metavar="MODEL", help="checkpoint folder, measured in PyTorch"),
        Listed(),
    ] = ()
    peers: Annotated[
        tuple[str, ...],
        typer.Option(
            "--peer",
            metavar="NAME[=FOLDER]",
            help="another model: bert-base, mobilebert, distilbert, minilm-l6 ..., or all",
        ),
        Listed(),
    ] = ()
    best_peers: Annotated[bool, typer.Option("--best-peers", help="the peers with our treatment, too")] = False
    runtimes: Annotated[tuple[Timed, ...], typer.Option("--runtime", help="default: all")] = ()
    precisions: Annotated[tuple[Precision, ...], typer.Option("--precision", help="default: all")] = ()
    scenario: Annotated[Scenario, typer.Option(help="what is varied")] = "fixed-length"
    threads: Annotated[tuple[int, ...], typer.Option(min=1, help="threads of the runtime; default: 1")] = ()
    batches: Annotated[tuple[int, ...], typer.Option("--batch-size", min=1, help="texts a call")] = (1,)
    tokens: Annotated[tuple[int, ...], typer.Option(min=1, help="lengths of the input; default: 128")] = ()
    pad_to: Annotated[int | None, typer.Option(min=1, help="width that the tokens are padded to")] = None
    texts: Annotated[
        Path | None, typer.Option("--file", help="texts of natural-length, one a line; default: demo sentences")
    ] = None
    warmup: Annotated[int, typer.Option(min=0, help="runs before the first that counts")] = 3
    min_runs: Annotated[int | None, typer.Option(min=1, help="fewest runs of a case")] = None
    min_seconds: Annotated[float | None, typer.Option(min=0, help="least time of a case's runs")] = None
    quick: Quick = False
    seed: Annotated[int, typer.Option(min=0, help="of the texts and ids")] = 0
    output: Output = None


@dataclass(frozen=True)
class BenchmarkCommandOptions(BenchmarkOptions):
    """On which machines to measure, and the reports to write of it."""

    GROUPS: ClassVar = {"Reports": ("html", "markdown", "png", "require_valid")}

    device: Annotated[str | None, typer.Option(help="adb:SERIAL or adb:all: measure on phones")] = None
    cool_down: CoolDown = None
    html: Html = None
    markdown: Markdown = None
    png: Png = None
    require_valid: RequireValid = False


def require_phone(device: str | None, cool_down: float | None) -> None:
    """Raise UsageError for a phone's option without a phone."""
    if device is None and cool_down is not None:
        raise UsageError("--cool-down", "is for phones", fix="add --device adb:SERIAL, or leave it out")


@dataclass(frozen=True)
class ReproduceOptions(Options):
    """``bundle`` is our SqueezeBERT; without it the best of each lacks it. ``device`` measures on a phone."""

    GROUPS: ClassVar = {"Reports": ("output", "html", "markdown")}
    EXAMPLES: ClassVar = ("--quick", "my-bundle --html page.html", "my-bundle --device adb:SERIAL --jsonl phone.jsonl")
    ALIASES: ClassVar = _SAMPLES

    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="BUNDLE", help="a full-size bundle, for the best that SqueezeBERT reaches"),
    ] = None
    tokens: Annotated[int, typer.Option(min=1, max=512, help="length of the input")] = 128
    threads: Threads = 1
    quick: Quick = False
    device: Annotated[str | None, typer.Option(help="adb:SERIAL: measure on that phone")] = None
    cool_down: CoolDown = None
    output: Output = None


@dataclass(frozen=True)
class ReproduceCommandOptions(ReproduceOptions):
    """The reports to write of it."""

    html: Html = None
    markdown: Markdown = None


@dataclass(frozen=True)
class ReportOptions(Options):
    """Kept runs, each a section of the reports; without a report they are printed."""

    GROUPS: ClassVar = {"Reports": ("html", "markdown", "png")}
    EXAMPLES: ClassVar = ("run.jsonl", "run.jsonl --html page.html", "host.jsonl phone.jsonl --png plots --json")

    runs: Annotated[tuple[Path, ...], typer.Argument(metavar="RUN", help="result files, of hosts or phones")]
    html: Html = None
    markdown: Markdown = None
    png: Png = None


@dataclass(frozen=True)
class CompareOptions(Options):
    """Two result files, the older one first; with ``max_slowdown`` the comparison is a gate.

    Cases are paired by everything but versions and digests: a new checkpoint, export or runtime is what a comparison
    is for.
    """

    EXAMPLES: ClassVar = (
        "before.jsonl after.jsonl",
        "before.jsonl after.jsonl --max-slowdown 0.05",
        "before.jsonl after.jsonl --max-slowdown 0.05 --json",
    )

    before: Annotated[Path, typer.Argument(metavar="A", help="the older result file")]
    after: Annotated[Path, typer.Argument(metavar="B", help="the newer result file")]
    max_slowdown: Annotated[
        float | None,
        typer.Option(min=0, help="exit 6 where a case is slower by more (0.05 is 5 %), 8 where that cannot be told"),
    ] = None
    noise: Annotated[float, typer.Option(min=0, help="the change that two runs of the same thing may show")] = 0.02
