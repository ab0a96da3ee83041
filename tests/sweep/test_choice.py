"""Rules and the front, by what they promise of any cells."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.sweep.choice import Measured, Rule, choose, decide, front

VALUES = st.integers(0, 8)


@st.composite
def measured(draw: st.DrawFn) -> list[Measured]:
    """Cells of a few values each, so that many are level in one of them."""
    is_timed = draw(st.booleans())
    return [
        Measured(
            name=str(number),
            bundle=f"runs/{number}",
            artifact="onnx/model.onnx",
            accuracy=0.9 - below / 200,
            low=0.8,
            high=1.0,
            below=below / 200,
            drop=0.0,
            megabytes=float(1 + draw(VALUES)),
            time=float(1 + draw(VALUES)) if is_timed or draw(st.booleans()) else None,
            faults=(),
        )
        for number, below in enumerate(draw(st.lists(VALUES, min_size=1, max_size=8)))
    ]


LIMITS = st.one_of(st.none(), VALUES)
RULES = st.builds(
    lambda goal, points, most, time: (
        goal
        + ("" if points is None else f" within {points} points")
        + ("" if most is None else f" under {most} MB")
        + ("" if time is None else f" under {time} ms")
    ),
    st.sampled_from(["smallest", "fastest", "most accurate"]), LIMITS, LIMITS, LIMITS,
)  # fmt: skip


def keeps(cell: Measured, text: str) -> bool:
    """Whether a cell keeps to a rule, read from its words anew."""
    parts = text.split()
    for word, number, unit in zip(parts, parts[1:], parts[2:], strict=False):
        if word == "within" and cell.below > float(number) / 100 + 1e-9:
            return False
        if word == "under" and unit == "MB" and cell.megabytes > float(number):
            return False
        if word == "under" and unit == "ms" and (cell.time is None or cell.time > float(number)):
            return False
    return not (text.startswith("fastest") and cell.time is None)


@given(measured(), RULES)
def test_a_rule_chooses_the_best_of_those_that_keep_to_it(cells: list[Measured], text: str) -> None:
    chosen = choose(Rule.parse(text), cells, "ms")
    kept = [cell for cell in cells if keeps(cell, text)]
    assert (chosen is None) == (not kept)
    if chosen is None:
        return
    assert chosen in kept
    for cell in kept:
        if text.startswith("smallest"):
            assert chosen.megabytes <= cell.megabytes
        elif text.startswith("fastest"):
            assert chosen.time is not None and cell.time is not None and chosen.time <= cell.time
        else:
            assert chosen.below <= cell.below


@given(measured(), RULES)
def test_a_choice_is_on_the_front_of_those_that_keep_to_its_rule(cells: list[Measured], text: str) -> None:
    kept = [cell for cell in cells if keeps(cell, text)]
    chosen = choose(Rule.parse(text), cells, "ms")
    assert chosen is None or chosen in front(kept) or any(cell.time is None for cell in kept)


def beats(one: Measured, other: Measured, *, with_time: bool) -> bool:
    gains = [other.below - one.below, other.megabytes - one.megabytes]
    gains += [(other.time or 0) - (one.time or 0)] if with_time else []
    return min(gains) >= 0 and max(gains) > 0


@given(measured())
def test_the_front_is_what_no_cell_beats_and_beats_all_others(cells: list[Measured]) -> None:
    with_time = all(cell.time is not None for cell in cells)
    best = front(cells)
    assert best
    for cell in cells:
        beaten_by = [other for other in best if beats(other, cell, with_time=with_time)]
        assert bool(beaten_by) == (cell not in best)


@given(measured(), st.randoms())
def test_the_order_of_the_cells_does_not_matter(cells: list[Measured], random: object) -> None:
    shuffled = sorted(cells, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert {cell.name for cell in front(cells)} == {cell.name for cell in front(shuffled)}


def test_where_a_rule_chooses_none_it_says_so() -> None:
    cell = Measured("one", "runs/1", "onnx/model.onnx", 0.9, 0.8, 1.0, 0.0, 0.0, 4.0, 5.0, ())
    told = decide(Rule.parse("fastest under 3 MB"), [cell], "accuracy", "ms")
    assert (told.name, told.sentence) == (None, "fastest under 3 MB: none, no cell keeps to it")
    told = decide(Rule.parse("most accurate under 9 ms"), [cell], "accuracy", "Mcycles")
    assert told.sentence == "most accurate under 9 ms: none, times are in Mcycles"
    told = decide(Rule.parse("smallest"), [replace(cell, faults=("busy",))], "f1", "ms")
    assert told.sentence == "smallest: one; f1 0.9000 (0.8000 to 1.0000), 4 MB, 5 ms (not valid as a claim)"


@pytest.mark.parametrize("text", ["", "best", "smallest within", "fastest under 5", "fastest under 5 kg", "smallest x"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write it as 'fastest within 1 point'"):
        Rule.parse(text)
