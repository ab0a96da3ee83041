"""Calls in turns, by a clock that moves only when a call says so."""

from collections import Counter
from collections.abc import Callable

import pytest

from squeezebert_mobile.run import timing


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_in_two_rounds_for_each_call_every_call_stands_twice_in_every_place(count: int) -> None:
    orders = [timing.order(count, number) for number in range(2 * count)]
    places = Counter((index, place) for order in orders for place, index in enumerate(order))
    assert places == dict.fromkeys(((i, place) for i in range(count) for place in range(count)), 2)


def test_every_second_round_is_the_one_before_it_backwards() -> None:
    assert [timing.order(3, number) for number in range(4)] == [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]]
    assert [timing.order(2, number) for number in range(4)] == [[0, 1], [1, 0], [1, 0], [0, 1]]


class Machine:
    """Calls that take the seconds they are given, and the clock that they move."""

    def __init__(self, *durations: float) -> None:
        self.now = 0.0
        self.log: list[int] = []
        self.calls = [self._call(index, duration) for index, duration in enumerate(durations)]

    def _call(self, index: int, duration: float) -> Callable[[], None]:
        def call() -> None:
            self.now += duration
            self.log.append(index)

        return call

    def clock(self) -> float:
        return self.now


def test_each_call_has_its_own_seconds_once_a_round() -> None:
    machine = Machine(1, 2, 4)
    assert timing.interleaved(machine.calls, rounds=2, clock=machine.clock) == [[1, 1], [2, 2], [4, 4]]
    assert machine.log == [0, 1, 2, 2, 1, 0]


def test_rounds_go_on_until_the_seconds_are_over() -> None:
    machine = Machine(1, 2)
    assert timing.interleaved(machine.calls, rounds=2, seconds=10, clock=machine.clock) == [[1] * 4, [2] * 4]


def test_the_warm_up_is_not_timed_and_does_not_count_for_the_seconds() -> None:
    machine = Machine(1, 2)
    assert timing.interleaved(machine.calls, rounds=1, seconds=3, warmup=5, clock=machine.clock) == [[1], [2]]
    assert len(machine.log) == 12
