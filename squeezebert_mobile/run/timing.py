"""Calls timed against each other in one run: a round takes each of them once, in an order that rotates.

Whatever the machine does meanwhile, it does to all of them, and none is always the one that finds the caches warm.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar

Result = TypeVar("Result")
Clock = Callable[[], float]


def order(count: int, number: int) -> list[int]:
    """The order of ``count`` things in round ``number``: every second round is the one before it backwards.

    In any 2 * ``count`` rounds from an even one, each thing stands twice in each place.
    """
    shift = number // 2 % count
    forwards = [*range(shift, count), *range(shift)]
    return forwards[::-1] if number % 2 else forwards


def one_round(
    calls: Sequence[Callable[[], Result]], number: int, clock: Clock = perf_counter
) -> list[tuple[Result, float]]:
    """What each call of round ``number`` returned and the seconds that it took, in the order of ``calls``."""
    found = {}
    for index in order(len(calls), number):
        started = clock()
        result = calls[index]()
        found[index] = result, clock() - started
    return [found[index] for index in range(len(calls))]


def interleaved(
    calls: Sequence[Callable[[], object]],
    *,
    rounds: int,
    seconds: float = 0.0,
    warmup: int = 0,
    clock: Clock = perf_counter,
) -> list[list[float]]:
    """The seconds of each call in each round, at least ``rounds`` rounds and ``seconds`` of them all, [calls][rounds].

    ``warmup`` rounds before them are not timed.
    """
    for number in range(warmup):
        one_round(calls, number, clock)
    taken: list[list[float]] = [[] for _ in calls]
    started, number = clock(), 0
    while number < rounds or clock() - started < seconds:
        for times, (_, duration) in zip(taken, one_round(calls, number, clock), strict=True):
            times.append(duration)
        number += 1
    return taken
