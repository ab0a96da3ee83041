"""Calls timed against each other in one run: a round takes each of them once, in an order that rotates.

Whatever the machine does meanwhile, it does to all of them, and none is always the one that finds the caches warm.
"""

from collections.abc import Callable, Sequence
from time import perf_counter


def order(count: int, number: int) -> list[int]:
    """The order of ``count`` things in round ``number``: every second round is the one before it backwards.

    In any 2 * ``count`` rounds from an even one, each thing stands twice in each place.
    """
    shift = number // 2 % count
    forwards = [*range(shift, count), *range(shift)]
    return forwards[::-1] if number % 2 else forwards


def interleaved(
    calls: Sequence[Callable[[], object]],
    *,
    rounds: int,
    seconds: float = 0.0,
    warmup: int = 0,
    clock: Callable[[], float] = perf_counter,
) -> list[list[float]]:
    """The seconds of each call in each round, at least ``rounds`` rounds and ``seconds`` of them all, [calls][rounds].

    ``warmup`` rounds before them are not timed.
    """
    for _ in range(warmup):
        for call in calls:
            call()
    taken: list[list[float]] = [[] for _ in calls]
    began, number = clock(), 0
    while number < rounds or clock() - began < seconds:
        for index in order(len(calls), number):
            started = clock()
            calls[index]()
            taken[index].append(clock() - started)
        number += 1
    return taken
