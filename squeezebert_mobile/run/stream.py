"""What a stream of many texts is made of: reading ahead, and rows of one shape together.

Only rows of as many tokens go into one call: none is padded, so that each gets the answer that it gets alone, to the
last bit on the machines where that was tried, and nothing depends on who its neighbours are.
"""

import threading
from collections.abc import Iterator, Sequence
from queue import Queue
from typing import Generic, Self, TypeVar

from squeezebert_mobile.batch import Batch

Item = TypeVar("Item")


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

    @property
    def is_waiting(self) -> bool:
        """Whether the next item is still to come."""
        return self._made.empty()

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


def alike(items: Sequence[Batch], size: int) -> Iterator[list[int]]:
    """The numbers of items of one shape, ``size`` or fewer at a time, short ones first."""
    shapes: dict[tuple[int, ...], list[int]] = {}
    for number, item in enumerate(items):
        shapes.setdefault(item.input_ids.shape, []).append(number)
    for _, numbers in sorted(shapes.items()):
        for first in range(0, len(numbers), size):
            yield numbers[first : first + size]
