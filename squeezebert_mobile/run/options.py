"""What `predict` and `verify` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from squeezebert_mobile.options import BatchSize, Columns, NullThreshold, Options, Threads
from squeezebert_mobile.tasks import Precision, Runtime

BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="the folder or zip that export wrote")]


@dataclass(frozen=True)
class PredictOptions(Options):
    """Texts and the artifact that answers them."""

    GROUPS: ClassVar = {
        "The artifact": ("runtime", "precision", "threads"),
        "Many texts": ("file", "columns", "batch_size", "workers"),
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
    workers: Annotated[int, typer.Option(min=1, help="processes that run the artifact, each with its own copy")] = 1


@dataclass(frozen=True)
class VerifyOptions(Options):
    """A bundle, and how much of it is checked."""

    EXAMPLES: ClassVar = ("my-bundle", "my-bundle.zip --no-run", "my-bundle --public-key key.pub --json")

    bundle: BundlePath
    run: Annotated[bool, typer.Option(help="run every artifact on the golden texts")] = True
    public_key: Annotated[
        Path | None, typer.Option(help="require a signature by this PEM public key (extra: sign)")
    ] = None
