"""Steps of long work: never more done than planned, all accounted for, times that move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.steps import Step, Steps


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_step_ends_as_the_next_of_its_lane_begins() -> None:
    steps = Steps()
    steps.plan([Step("a", 1), Step("b", 1), Step("c", 1, "x"), Step("d", 1, "x")])
    steps.begin("a")
    steps.begin("c", "x")
    steps.begin("b")
    assert [step.name for step in steps.done] == ["a"]
    assert {step.name for step in steps.running} == {"b", "c"}


def test_what_turns_out_to_be_needless_is_left_out() -> None:
    steps = Steps()
    steps.plan([Step("a", 1), Step("b", 1), Step("c", 1), Step("d", 1, "x"), Step("e", 1, "x")])
    steps.begin("a")
    steps.begin("c")
    steps.begin("d", "x")
    steps.end("x")
    steps.end()
    assert {step.name for step in steps.done} == {"a", "c", "d"} == {step.name for step in steps.planned}


def test_a_later_plan_keeps_what_is_done_and_under_way() -> None:
    steps = Steps()
    steps.begin("reading")
    steps.plan([Step("reading", 1), Step("a", 1)])
    assert [step.name for step in steps.planned] == ["reading", "a"]
    steps.begin("a")
    steps.plan([Step("reading", 1), Step("a", 1), Step("b", 2)])
    assert [step.name for step in steps.planned] == ["reading", "a", "b"]


def test_steps_that_run_beside_each_other_take_as_long_as_the_longer_lane() -> None:
    steps = Steps(clock=Clock())
    steps.plan([Step("a", 10, "x"), Step("b", 4, "y"), Step("c", 2)], lanes=2)
    assert steps.remaining == 12
    steps.plan([Step("a", 10, "x"), Step("b", 4, "y"), Step("c", 2)], lanes=1)
    assert steps.remaining == 16


def test_the_remaining_time_falls_while_a_step_runs_and_never_to_nothing() -> None:
    clock = Clock()
    steps = Steps(clock=clock)
    steps.plan([Step("a", 10), Step("b", 10)])
    steps.begin("a")
    seen = []
    for now in (0, 5, 9, 100):
        clock.now = now
        seen.append(steps.remaining)
    assert seen == [20, 15, 11, 10.5]
    assert steps.share == pytest.approx(9.5 / 20)


def test_a_machine_of_half_the_speed_is_learnt() -> None:
    clock = Clock()
    steps = Steps(clock=clock)
    steps.plan([Step("a", 1000), Step("b", 100)])
    steps.begin("a")
    clock.now = 2000
    steps.begin("b")
    assert steps.remaining == pytest.approx(200, rel=0.01)


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["", "x", "y"]), st.floats(0, 9)), max_size=30),
    st.lists(st.sampled_from("abcdefgh"), unique=True),
)
def test_never_more_is_done_than_planned(events: list[tuple[str, str, float]], names: list[str]) -> None:
    """Whatever begins, planned or not, in whatever order."""
    clock = Clock()
    steps = Steps(clock=clock)
    steps.plan([Step(name, index, "xy"[index % 2]) for index, name in enumerate(names)], lanes=2)
    for name, lane, seconds in events:
        steps.begin(name, lane)
        clock.now += seconds
        assert len(steps.done) + len(steps.running) <= len(steps.planned)
        assert 0 <= steps.share <= 1
        assert steps.remaining is not None
        assert steps.remaining >= 0
    for lane in ("", "x", "y"):
        steps.end(lane)
    assert len(steps.done) <= len(steps.planned)
