"""What `predict` and `verify` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from squeezebert_mobile.options import Columns, NullThreshold, Options, Threads
from squeezebert_mobile.tasks import Precision, Runtime

BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="the folder or zip that export wrote")]


@dataclass(frozen=True)
class PredictOptions(Options):
    """Texts and the artifact that answers them."""

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
    runtime: Annotated[Runtime | None, typer.Option(help="default: the bundle's first")] = None
    precision: Annotated[Precision | None, typer.Option(help="default: the bundle's first")] = None
    threads: Threads = 1
    top_k: Annotated[int, typer.Option(min=1, help="answers for each mask")] = 5
    null_threshold: NullThreshold = None


@dataclass(frozen=True)
class VerifyOptions(Options):
    """A bundle, and how much of it is checked."""

    bundle: BundlePath
    run: Annotated[bool, typer.Option(help="run every artifact on the golden texts")] = True
    public_key: Annotated[
        Path | None, typer.Option(help="require a signature by this PEM public key (extra: sign)")
    ] = None
