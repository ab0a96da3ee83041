"""What a stream of many texts is made of: blocks of them, reading ahead, and rows of one shape together.

Only rows of as many tokens go into one call: none is padded, so that each gets the answer that it gets alone, to the
last bit on the machines where that was tried, and nothing depends on who its neighbours are.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import prod
from queue import Queue
from typing import Generic, Self, TypeVar

from squeezebert_mobile.errors import SqueezeBertMobileError

Item = TypeVar("Item")
Own = TypeVar("Own")
Call = TypeVar("Call")
Answer = TypeVar("Answer")

# Rows and tokens that go to a runtime together: more take memory, and no less time.
BATCH, TOKENS = 64, 4096
# Texts that are sorted by length together: as many as give full batches, and few where what is kept of one is large.
BLOCK, SMALL_BLOCK = 4096, 128
# Rows of several shapes that are sent to a runtime's process at once; few of a masked language model, which answers
# with a whole vocabulary for each of their tokens.
CALL, MASKED = 256, 8
# Characters of texts that are read together, but for the last one's.
HEAVY = 4 << 20


class ReadAhead(Generic[Item]):
    """What an iterator gives, made in a thread that is one item ahead; use it as a context manager.

    The thread may wait for standard input for ever, so it does not keep the program from ending.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._made: Queue[tuple[Item | None, BaseException | None]] = Queue(maxsize=1)
        self._left = threading.Event()
        threading.Thread(target=self._make, daemon=True).start()

    def _make(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                self._made.put((item, None))
                if self._left.is_set():
                    return
        except BaseException as raised:  # noqa: BLE001 - raised again where the items are taken
            error = raised
        self._made.put((None, error))

    def next(self) -> Item | None:
        """The next item, None at the end. Raises what the iterator raises."""
        item, error = self._made.get()
        if error is not None:
            raise error
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        while not self._made.empty():
            self._made.get()


def alike(items: Iterable[tuple[tuple[int, ...], bool]], size: int | None = None) -> Iterator[list[int]]:
    """The numbers of items of one shape and kind, ``size`` or fewer at a time, short ones first.

    Without a size there are as many as make `BATCH` or `TOKENS`, or one alone.
    """
    found: dict[tuple[tuple[int, ...], bool], list[int]] = {}
    for number, item in enumerate(items):
        found.setdefault(item, []).append(number)
    for (shape, _), numbers in sorted(found.items()):
        step = size or min(BATCH, max(1, TOKENS // prod(shape)))
        for first in range(0, len(numbers), step):
            yield numbers[first : first + step]


def packed(groups: Iterable[list[int]], size: int) -> Iterator[list[list[int]]]:
    """Groups in their order, as many together as have ``size`` items, or one that has more."""
    pack: list[list[int]] = []
    for group in groups:
        if pack and sum(map(len, pack)) + len(group) > size:
            yield pack
            pack = []
        pack.append(group)
    if pack:
        yield pack


@dataclass(frozen=True)
class Window(Generic[Own, Call]):
    """Items that are answered together, the calls that answer them, and what is wrong with the item after the last."""

    own: Own
    calls: Sequence[Call]
    fault: Exception | None


def blocks(
    items: Iterable[Item], largest: int, weigh: Callable[[Item], int], done: int = 0
) -> Iterator[tuple[int, list[Item], Exception | None]]:
    """Items in blocks that double, so that the first answers come at once: the number of the first, all, and an error.

    The error is what ended the items. A block ends where its items ``weigh`` too much, and none is given whose items
    are among the first ``done``.
    """
    rest, start, size = iter(items), 0, 1
    fault: Exception | None = None
    while fault is None:
        found: list[Item] = []
        weight = 0
        try:
            for item in islice(rest, size):
                found.append(item)
                weight += weigh(item)
                if weight > HEAVY:
                    break
        except (SqueezeBertMobileError, OSError) as error:
            fault = error
        if not found and fault is None:
            return
        if fault is not None or start + len(found) > done:
            yield start, found, fault
        start, size = start + len(found), min(2 * size, largest)


def answered(
    windows: Iterator[Window[Own, Call]], ask: Callable[[Call], Answer], workers: int
) -> Generator[tuple[Own, list[Answer]]]:
    """What windows own, with the answers of their calls, in order, while later windows are still read.

    Raises what ``ask`` raises, and a window's fault after its answers.
    """
    pool = ThreadPoolExecutor(workers)
    # Asked by the thread that reads: what runs is never without work while the answers before are made of.
    asked = ((window, pool.map(ask, window.calls)) for window in windows)
    try:
        with ReadAhead(asked) as ahead:
            while (item := ahead.next()) is not None:
                window, answers = item
                yield window.own, list(answers)
                if window.fault is not None:
                    raise window.fault
    finally:
        pool.shutdown(cancel_futures=True)
