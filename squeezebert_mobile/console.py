"""What the commands print: results on stdout, as text or one JSON value; everything else on stderr."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer

from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError

# Called with the steps done since the last call and a line on how it goes.
Advance = Callable[[int, str], None]
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Screen:
    """Where one command writes, as --json and --quiet ask."""

    as_json: bool = False
    quiet: bool = False

    def show(self, result: Result, text: Callable[[Result], str]) -> None:
        """Print a result: as one JSON value, or as what ``text`` makes of it."""
        typer.echo(to_json(result) if self.as_json else text(result).rstrip("\n"))

    def note(self, line: str) -> None:
        """Print a line that is no part of the result."""
        typer.echo(line, err=True)

    @contextmanager
    def progress(self, title: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
        """A bar; what it gives is called with what each step does, at its start."""
        with progress_bar(title, total, quiet=self.quiet) as advance:
            yield lambda description: advance(1, description)


def run(command: Callable[..., None]) -> None:
    """Run a tool of one command by its signature; an error of ours ends the process with its line and its exit code."""
    try:
        typer.run(command)
    except SqueezeBertMobileError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


def to_json(result: object) -> str:
    """One JSON value on one line; lone surrogates and other scripts are escaped, so every terminal can take it."""
    return json.dumps(plain(result), sort_keys=True, allow_nan=False)


def plain(value: object) -> object:
    """Data classes, pydantic records, paths and tuples as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


@contextmanager
def progress_bar(title: str, total: int | None, *, done: int = 0, quiet: bool = False) -> Iterator[Advance]:
    """A bar of ``total`` steps (None: unknown), ``done`` of which lie behind, on a terminal's stderr, else nothing."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[status]}"),
    )
    hidden = quiet or not console.is_terminal
    with progress.Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(title, total=total, completed=done, status="")
        yield lambda steps, status: bar.update(task, advance=steps, status=status)


def read_lines(source: Path) -> list[str]:
    """The lines of a UTF-8 text file, or of standard input for ``-``. Raises InputFileError where there is none."""
    try:
        data = sys.stdin.buffer.read() if str(source) == "-" else source.read_bytes()
    except OSError as error:
        fix = "give a text file with one text a line"
        raise InputFileError(source, f"cannot be read: {error.strerror}", fix=fix) from None
    text = data.decode("utf-8-sig", errors="replace")
    return text.removesuffix("\n").split("\n") if text else []


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns of text, as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows)]
    return "\n".join(line.rstrip() for line in lines)
