"""What the commands print: results on stdout, as text or one JSON value; everything else on stderr."""

import dataclasses
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer

from squeezebert_mobile.errors import SqueezeBertMobileError, visible

# A figure as tables have it, with its unit and its interval, or a dash for none.
_NUMBER = re.compile(r"[-–]|[-+]?\d[\d.,]*(e[-+]\d+)?( ?%| ms|x)?( \(.*\))?")
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
        typer.echo(to_json(result) if self.as_json else _lines(text(result).rstrip("\n")))

    def note(self, line: str) -> None:
        """Print a line that is no part of the result."""
        typer.echo(_lines(line), err=True)

    @contextmanager
    def progress(self, title: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
        """A bar; what it gives is called with what each step does, at its start."""
        with progress_bar(title, total, quiet=self.quiet) as advance:
            yield lambda description: advance(1, description)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries say about their own internals off the user's screen, imports of them included."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def run(command: Callable[..., None]) -> None:
    """Run a tool of one command by its signature; an error of ours ends the process with its line and its exit code."""
    try:
        with quiet():
            typer.run(command)
    except SqueezeBertMobileError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


def _lines(text: str) -> str:
    """A text for a terminal, line by line."""
    return "\n".join(map(visible, text.split("\n")))


def to_json(result: object) -> str:
    """One JSON value on one line; lone surrogates and other scripts are escaped, so every terminal can take it."""
    return json.dumps(result, default=plain, sort_keys=True, allow_nan=False)


def plain(value: object) -> object:
    """A data class, a pydantic record or a path as what JSON knows, or what it asks for in turn."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    return value.model_dump(mode="json")  # type: ignore[attr-defined]


@contextmanager
def progress_bar(title: str, total: int | None, *, done: int = 0, quiet: bool = False) -> Iterator[Advance]:
    """A bar of ``total`` steps (None: unknown), ``done`` of which lie behind; lines where stderr is no terminal."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[status]}", markup=False),
    )
    if not quiet and not console.is_terminal:
        yield _plain(title, total, done)
        return
    with progress.Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task(title, total=total, completed=done, status="")
        yield lambda steps, status: bar.update(task, advance=steps, status=visible(status))


def _plain(title: str, total: int | None, done: int) -> Advance:
    """Lines for a log: every step of a few, about twenty of many, and fewer and fewer where nobody knows how many."""
    reached = done

    def advance(steps: int, status: str) -> None:
        nonlocal reached
        reached += steps
        is_told = reached & (reached - 1) == 0 if total is None else reached % max(1, total // 20) == 0
        if is_told:
            of = f"/{total}" if total is not None and reached <= total else ""
            typer.echo(_lines(f"{title} {reached}{of}: {status}"), err=True)

    return advance


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns of text, as wide as they need to be; numbers stand on the right, and a cell is one line."""
    cells = [tuple(map(visible, row)) for row in (header, *rows)]
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    aligned = [str.rjust if all(map(_NUMBER.fullmatch, column[1:])) else str.ljust for column in columns]
    lines = [
        "  ".join(align(cell, width) for cell, width, align in zip(row, widths, aligned, strict=True)) for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)
