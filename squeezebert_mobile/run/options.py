"""What `predict`, `merge`, `verify` and `compare-answers` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.options import (
    BatchSize,
    Columns,
    Listed,
    MaxAccuracyDrop,
    NullThreshold,
    Options,
    PartOutput,
    ReplacePart,
    Resume,
    ShardOption,
    Threads,
    Workers,
    require_output,
)
from squeezebert_mobile.tasks import Precision, Runtime

BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="the folder or zip that export wrote")]


@dataclass(frozen=True)
class PredictOptions(Options):
    """Texts and the artifact that answers them."""

    GROUPS: ClassVar = {
        "The artifact": ("runtime", "precision", "threads"),
        "Many texts": ("file", "columns", "batch_size", "workers", "shard", "output", "resume", "force"),
    }
    EXAMPLES: ClassVar = (
        'my-bundle "A quiet film."',
        'my-bundle "Who sings?" "Ada sings." --runtime executorch --precision int8',
        "my-bundle --file reviews.tsv --column text=review --json",
    )

    bundle: BundlePath
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="the text, or the question")] = None
    text_pair: Annotated[str | None, typer.Argument(metavar="TEXT_PAIR", help="the second text, or the context")] = None
    file: Annotated[
        Path | None,
        typer.Option(
            help="a file that evaluate reads, or one text a line, a tab before a second text; - is standard input"
        ),
    ] = None
    columns: Columns = ()
    options: Annotated[tuple[str, ...], typer.Option("--option", help="an answer to choose from; repeatable")] = ()
    runtime: Annotated[Runtime | None, typer.Option(help="default: what the bundle recommends")] = None
    precision: Annotated[Precision | None, typer.Option(help="default: what the bundle recommends")] = None
    threads: Threads = 1
    top_k: Annotated[int, typer.Option(min=1, help="answers for each mask")] = 5
    null_threshold: NullThreshold = None
    batch_size: BatchSize = None
    workers: Workers = 1
    shard: ShardOption = None
    output: PartOutput = None
    resume: Resume = False
    force: ReplacePart = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.file is None and (self.output is not None or self.shard is not None):
            flag = "--output" if self.shard is None else "--shard"
            raise UsageError(flag, "is for many texts", fix="give them with --file")
        require_output(self.output, resume=self.resume, force=self.force)
        if self.resume and str(self.file) == "-":
            raise UsageError("--resume", "needs texts that can be read again", found="-", fix="give a file")


@dataclass(frozen=True)
class MergeOptions(Options):
    """The parts of a run, and where its lines go."""

    EXAMPLES: ClassVar = (
        "answers/ -o answers.jsonl",
        "part-1.jsonl part-2.jsonl part-3.jsonl",
        "measured/ --max-accuracy-drop 0.01",
    )

    parts: Annotated[
        tuple[Path, ...],
        typer.Argument(metavar="PART", help="files that predict or evaluate wrote with -o, or folders of them"),
    ]
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="write the answers there, not to standard output")
    ] = None
    max_accuracy_drop: MaxAccuracyDrop = None

    def is_of_answers(self, command: object) -> bool:
        """False for parts that ``evaluate`` wrote. Raises UsageError for options that are about the others."""
        is_predict = command == "predict"
        if not is_predict and self.output is not None:
            raise UsageError("--output", "is for answers; figures are printed", fix="leave it out")
        if is_predict and self.max_accuracy_drop is not None:
            raise UsageError("--max-accuracy-drop", "is for what evaluate wrote", fix="leave it out")
        return is_predict


@dataclass(frozen=True)
class VerifyOptions(Options):
    """A bundle, and how much of it is checked."""

    EXAMPLES: ClassVar = ("my-bundle", "my-bundle.zip --no-run", "my-bundle --public-key key.pub --json")

    bundle: BundlePath
    run: Annotated[bool, typer.Option(help="run every artifact on the golden texts")] = True
    public_key: Annotated[
        Path | None, typer.Option(help="require a signature by this PEM public key (extra: sign)")
    ] = None


@dataclass(frozen=True)
class CompareAnswersOptions(Options):
    """Two bundles, the older one first, and the texts that both are asked; with ``max_changed`` it is a gate.

    ``artifacts`` are paths as in bundle.json: one for both bundles, or one for each.
    """

    GROUPS: ClassVar = {"The artifacts": ("artifacts", "runtime", "precision")}
    EXAMPLES: ClassVar = (
        "old-bundle new-bundle --file texts.txt",
        "old-bundle new-bundle.zip --file reviews.tsv --column text=review --max-changed 0.01",
        "my-bundle my-bundle --file texts.txt --artifact onnx/model.onnx,onnx/model_quantized.onnx",
    )

    before: Annotated[Path, typer.Argument(metavar="A", help="the older bundle's folder or zip")]
    after: Annotated[Path, typer.Argument(metavar="B", help="the newer bundle's folder or zip")]
    file: Annotated[
        Path, typer.Option(help="a file that evaluate reads, or one text a line, a tab before a second text")
    ]
    columns: Columns = ()
    artifacts: Annotated[
        tuple[str, ...],
        typer.Option("--artifact", help="of both, or of A and of B; default: the recommended"),
        Listed(),
    ] = ()
    runtime: Annotated[Runtime | None, typer.Option(help="default: what each bundle recommends")] = None
    precision: Annotated[Precision | None, typer.Option(help="default: what each bundle recommends")] = None
    tolerance: Annotated[
        float, typer.Option(min=0, help="by how much values, or 1 less the cosine of vectors, may move")
    ] = 0.01
    examples: Annotated[int, typer.Option(min=0, help="so many changes are shown")] = 10
    max_changed: Annotated[
        float | None, typer.Option(min=0, max=1, help="exit 6 where a larger share changed (0.01 is 1 %)")
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.artifacts) > 2:
            fix = "give one for both, or one for each"
            raise UsageError("--artifact", "names more than two", found=", ".join(self.artifacts), fix=fix)
        if self.artifacts and (self.runtime or self.precision):
            option = "--runtime" if self.runtime else "--precision"
            raise UsageError(option, "is said by --artifact already", fix="leave it out")
