"""What the commands print: results on stdout, as text or one JSON value; everything else on stderr."""

import dataclasses
import json
import logging
import os
import re
import shutil
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import typer

from squeezebert_mobile.errors import SqueezeBertMobileError, visible
from squeezebert_mobile.steps import Step, Steps

# A figure as tables have it, with its unit and its interval, or a dash for none.
_NUMBER = re.compile(r"[-–]|[-+]?\d[\d.,]*(e[-+]\d+)?( ?%| ms|x)?( \(.*\))?")
# Called with the steps done since the last call and a line on how it goes.
Advance = Callable[[int, str], None]
Result = TypeVar("Result")


# Between columns, and what a name is never made narrower than.
_GAP, _SHORTEST_NAME = "  ", 24


class Verdict(NamedTuple):
    """What follows from a result: whether it is good, None where that cannot be told, and a sentence that says so."""

    holds: bool | None
    text: str


@dataclasses.dataclass(frozen=True)
class Screen:
    """Where one command writes, as --json and --quiet ask."""

    as_json: bool = False
    quiet: bool = False

    def show(
        self, result: Result, text: Callable[[Result], str], verdict: Callable[[Result], "Verdict"] | None = None
    ) -> None:
        """Print a result: as one JSON value, or as what ``text`` makes of it, with what follows from it at the end."""
        if self.as_json:
            _print(to_json(result))
            return
        if shown := text(result).rstrip("\n"):
            _print(_folded(_lines(shown)))
        if verdict is not None:
            self.judge(verdict(result))

    def judge(self, verdict: "Verdict") -> None:
        """Print a verdict, with its mark on a terminal; nothing with --json."""
        if not self.as_json:
            mark = f"{_mark(verdict.holds)} " if sys.stdout.isatty() else ""
            # Folded with room for the mark.
            _print(mark + _folded(_GAP + _lines(verdict.text)).removeprefix(_GAP))

    def note(self, line: str) -> None:
        """Print a line that is no part of the result."""
        typer.echo(_lines(line), err=True)

    @contextmanager
    def steps(self, title: str) -> Iterator[Steps]:
        """What long work plans and follows; shown as a bar on a terminal, as a line a step elsewhere."""
        with shown_steps(title, quiet=self.quiet) as steps:
            yield steps

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


def _print(text: str) -> None:
    with while_read():
        typer.echo(text)


@contextmanager
def while_read() -> Iterator[None]:
    """End the command, as done, where the reader of standard output has gone; click would take it for a failure."""
    try:
        yield
    except BrokenPipeError:
        # A flush at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None


def run(command: Callable[..., None]) -> None:
    """Run a tool of one command by its signature; an error of ours ends the process with its line and its exit code."""
    try:
        with quiet():
            typer.run(command)
    except SqueezeBertMobileError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


def _mark(holds: bool | None) -> str:
    """A sign that colours nothing where NO_COLOR asks for that."""
    sign, colour = {True: ("✓", 32), False: ("✗", 31), None: ("?", 33)}[holds]
    return sign if "NO_COLOR" in os.environ else f"\033[1;{colour}m{sign}\033[0m"


def _folded(text: str) -> str:
    """A text whose sentences end where the terminal does, between words; as it is elsewhere.

    What holds two spaces is a row of a table, which has its width already.
    """
    if not sys.stdout.isatty():
        return text
    width, lines = screen_width(), text.split("\n")
    folded = ([line] if _columns(line) <= width or _GAP in line.strip() else _words(line, width) for line in lines)
    return "\n".join(line for found in folded for line in found)


def _lines(text: str) -> str:
    """A text for a terminal, line by line."""
    return "\n".join(map(visible, text.split("\n")))


def to_json(result: object) -> str:
    """One JSON value on one line; lone surrogates and other scripts are escaped, so every terminal can take it."""
    return _ENCODER.encode(result)


def plain(value: object) -> object:
    """A data class, a pydantic record or a path as what JSON knows, or what it asks for in turn."""
    kind: Any = type(value)
    names = _names(kind)
    if names is not None:
        return {name: getattr(value, name) for name in names}
    if isinstance(value, Path):
        return str(value)
    return value.model_dump(mode="json")  # type: ignore[attr-defined]


# Made once: json.dumps makes one for each of a stream's lines.
_ENCODER = json.JSONEncoder(default=plain, sort_keys=True, allow_nan=False)


@cache
def _names(kind: Any) -> tuple[str, ...] | None:
    """The fields of a data class; None for another class."""
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


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


@contextmanager
def shown_steps(title: str, *, quiet: bool = False) -> Iterator[Steps]:
    """Steps to plan and follow. On a terminal a bar with the time that passed and what remains, in 80 columns."""
    from rich import progress
    from rich.console import Console
    from rich.table import Column

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Steps() if quiet else Steps(lambda steps, step: _tell(title, steps, step))
        return
    steps = Steps()
    whole = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=16),
        progress.TextColumn("{task.fields[status]}", markup=False, table_column=whole),
    )
    with progress.Progress(*columns, console=console, transient=True, auto_refresh=False, expand=True) as bar:
        task = bar.add_task(title, total=1.0, status="")

        def draw() -> None:
            names = ", ".join(step.name for step in steps.running)
            bar.update(task, completed=steps.share, status=f"{reached(steps)}  {visible(names)}", refresh=True)

        with _refreshed(draw):
            yield steps


def _tell(title: str, steps: Steps, step: Step) -> None:
    typer.echo(_lines(f"{title} {reached(steps)}: {step.name}"), err=True)


def reached(steps: Steps) -> str:
    """How far the work has come: steps done, time passed and remaining."""
    remaining = steps.remaining
    left = "" if remaining is None else f", about {_clock(remaining)} left"
    count = f"{len(steps.done)}/{len(steps.planned)} " if steps.planned else ""
    return f"{count}{_clock(steps.elapsed)}{left}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


# Held while a line is drawn: a process that is forked meanwhile would find the terminal's own locks taken for ever.
_DRAWING = threading.RLock()
os.register_at_fork(before=_DRAWING.acquire, after_in_parent=_DRAWING.release, after_in_child=_DRAWING.release)


@contextmanager
def _refreshed(draw: Callable[[], None]) -> Iterator[None]:
    """Draw four times a second, beside what is done here."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(0.25):
            with _DRAWING:
                draw()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _plain(title: str, total: int | None, done: int) -> Advance:
    """Lines for a log: every step of a few, about twenty of many, and fewer and fewer where nobody knows how many."""
    reached = done

    def advance(steps: int, status: str) -> None:
        nonlocal reached
        reached += steps
        is_told = reached & (reached - 1) == 0 if total is None else reached % max(1, total // 20) == 0
        if steps and is_told:
            of = f"/{total}" if total is not None and reached <= total else ""
            typer.echo(_lines(f"{title} {reached}{of}{status and f': {status}'}"), err=True)

    return advance


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], width: int | None = None) -> str:
    """Columns of text, as wide as they need to be; numbers stand on the right, and a cell is one line.

    What is wider than ``width``, by default the terminal, gets names of several lines, then several blocks: each has
    the names again. No word is broken, where rich's Table breaks names and cuts figures or leaves them out.
    """
    width = screen_width() if width is None else width
    cells = [tuple(map(visible, row)) for row in (header, *rows)]
    names, *columns = zip(*cells, strict=True)
    widths = [max(map(_columns, column)) for column in columns]
    room = max(width - sum(widths) - len(_GAP) * len(widths), _SHORTEST_NAME)
    wrapped = [_words(name, room) for name in names]
    longest = max(_columns(line) for lines in wrapped for line in lines)
    blocks = [_block(wrapped, longest, [columns[n] for n in chosen]) for chosen in _fitting(widths, width - longest)]
    return "\n\n".join(blocks)


def _fitting(widths: Sequence[int], room: int) -> list[list[int]]:
    """The columns of each block, as many as there is room for."""
    blocks: list[list[int]] = [[]]
    left = room
    for column, width in enumerate(widths):
        if blocks[-1] and left < len(_GAP) + width:
            blocks.append([])
            left = room
        blocks[-1].append(column)
        left -= len(_GAP) + width
    return blocks


def _block(names: Sequence[Sequence[str]], longest: int, columns: Sequence[Sequence[str]]) -> str:
    lines = []
    widths = [max(map(_columns, column)) for column in columns]
    right = [all(map(_NUMBER.fullmatch, column[1:])) for column in columns]
    for (first, *more), *row in zip(names, *columns, strict=True):
        aligned = [_padded(*each) for each in zip(row, widths, right, strict=True)]
        lines += [_GAP.join([_padded(first, longest), *aligned]), *more]
    return "\n".join(line.rstrip() for line in lines)


def _words(text: str, width: int) -> list[str]:
    """A text in lines that are as wide, but for words that are longer."""
    first, *words = text.split() or [""]
    lines = [text[: len(text) - len(text.lstrip())] + first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        lines[-1:] = [longer] if _columns(longer) <= width else [lines[-1], word]
    return lines


def _padded(text: str, width: int, on_the_right: bool = False) -> str:
    room = " " * (width - _columns(text))
    return room + text if on_the_right else text + room


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: characters of Chinese and emoji take two, accents none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def screen_width() -> int:
    """The columns of the terminal, 80 where there is none."""
    return shutil.get_terminal_size().columns
