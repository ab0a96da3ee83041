"""A progress bar on a terminal, nothing in a pipe; always on stderr, where no result goes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# Called with the steps done since the last call and a line on how it goes.
Advance = Callable[[int, str], None]


@contextmanager
def progress_bar(title: str, total: int, *, done: int = 0, quiet: bool = False) -> Iterator[Advance]:
    """A bar of ``total`` steps, ``done`` of which lie behind; yields the function that moves it on."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
    )
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, disable=not shown) as bar:
        task = bar.add_task(title, total=total, completed=done, status="")
        yield lambda steps, status: bar.update(task, advance=steps, status=status)
