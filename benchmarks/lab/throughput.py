"""`predict --file` and `evaluate` beside the obvious loop: tokenizers' batch encoding, sorted by length, batches of 32.

`python -m squeezebert_mobile.benchmarks.lab.throughput BUNDLE --texts FILE [-o FILE] [--rounds N] [--threads N]`

FILE is a .tsv of a text classifier's data: a head, then a text and the number of its label a line. Each command, each
loop and each ONNX file is a process of its own, timed from its start to its end; they take turns. The loop prints the
same shares of the labels as JSON, or counts the right answers. Dynamic int8, which goes text by text, is timed with
--batch-size 32 as well.
"""

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import typer

from squeezebert_mobile import console
from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.benchmarks import environment, tables
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.results import Environment
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.manifest import Record, validated
from squeezebert_mobile.run.predict import depends_on_neighbours
from squeezebert_mobile.run.timing import interleaved
from squeezebert_mobile.tasks import Precision

Command = Literal["predict", "evaluate"]
HEADS = ("command", "file", "texts a second", "loop", "as a share of the loop")
# That of the loop.
_BATCH = 32
_LOOP = Path(__file__).with_name("plain_loop.py")


class Compared(Record):
    """One command with one file: the seconds of each round, and those of the loop in the same round."""

    command: Command
    precision: Precision
    batch_size: int | None
    seconds: tuple[float, ...]
    loop_seconds: tuple[float, ...]

    @property
    def share(self) -> float:
        """How fast the command is, the loop being 1: the median over the rounds."""
        return median(loop / own for own, loop in zip(self.seconds, self.loop_seconds, strict=True))


class ThroughputRun(Record):
    """All comparisons on one machine."""

    record: Literal["throughput"] = "throughput"
    environment: Environment
    texts: int
    threads: int
    compared: tuple[Compared, ...]


def measure(bundle: Path, texts: Path, *, rounds: int, threads: int, report: Report = lambda _: None) -> ThroughputRun:
    """Both commands with every ONNX file of a bundle, each beside its loop."""
    program, found = [sys.executable, "-m", "squeezebert_mobile"], []
    for artifact in bundles.read(bundle).artifacts(["onnx"]):
        how = ["--runtime", "onnx", "--precision", artifact.precision, "--threads", str(threads), "--json"]
        own: dict[Command, list[str]] = {
            "predict": [*program, "predict", str(bundle), "--file", str(texts), *how],
            "evaluate": [*program, "evaluate", str(bundle), "--data", str(texts), *how],
        }
        for (command, line), size in product(
            own.items(), [None, _BATCH] if depends_on_neighbours(artifact) else [None]
        ):
            report(f"{command} {artifact.precision}")
            ours = line if size is None else [*line, "--batch-size", str(size)]
            loop = [sys.executable, str(_LOOP), command, str(bundle), artifact.path, str(texts), str(threads)]
            seconds, beside = map(tuple, interleaved([partial(_run, ours), partial(_run, loop)], rounds=rounds))
            precision = artifact.precision
            found.append(
                Compared(command=command, precision=precision, batch_size=size, seconds=seconds, loop_seconds=beside)
            )
    count = sum(1 for line in texts.read_bytes().splitlines() if line.strip()) - 1
    return ThroughputRun(environment=environment.describe(), texts=count, threads=threads, compared=tuple(found))


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def rows(run: ThroughputRun) -> list[tuple[str, ...]]:
    """A line for each comparison."""
    return [
        (
            each.command,
            f"ONNX {each.precision}" + ("" if each.batch_size is None else f", --batch-size {each.batch_size}"),
            f"{run.texts / median(each.seconds):.0f}",
            f"{run.texts / median(each.loop_seconds):.0f}",
            f"{each.share:.2f}x",
        )
        for each in run.compared
    ]


def read(path: Path) -> ThroughputRun:
    """A kept run. Raises IntegrityError for a file that is not one."""
    return validated(ThroughputRun, path.read_bytes(), path, "a run of throughput", fix="measure again")


def main() -> None:
    """Measure, print the table and keep the run."""

    def command(
        bundle: Annotated[Path, typer.Argument(metavar="BUNDLE")],
        texts: Annotated[Path, typer.Option(help="a .tsv with a head, then a text and its label a line")],
        output: Annotated[Path | None, typer.Option("-o", "--output", help="keep the run as JSON")] = None,
        rounds: Annotated[int, typer.Option(min=1)] = 3,
        threads: Annotated[int, typer.Option(min=1)] = 1,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        screen = console.Screen(as_json=as_json)
        with screen.progress("comparing") as step:
            found = measure(bundle, texts, rounds=rounds, threads=threads, report=step)
        if output is not None:
            replace_file(output, found.model_dump_json(indent=1).encode() + b"\n")
        screen.show(found, lambda run: "\n".join(tables.lines(HEADS, rows(run))))

    console.run(command)


if __name__ == "__main__":
    main()
