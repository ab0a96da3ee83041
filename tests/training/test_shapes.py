"""Which layers and widths a student can have."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.training import shapes


def test_half_of_twelve_layers_are_those_of_distilbert() -> None:
    assert shapes.spread(6, 12) == (0, 2, 4, 7, 9, 11)


@given(st.integers(1, 40), st.data())
def test_spread_layers_ascend_from_the_first_to_the_last(depth: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, depth))
    found = shapes.spread(count, depth)
    assert len(found) == count and list(found) == sorted(set(found))
    assert found[0] == 0 and (count == 1 or found[-1] == depth - 1)
    gaps = [after - before for before, after in pairwise(found)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_no_layers_are_all_one_number_is_how_many_and_several_are_which() -> None:
    assert shapes.named((), 4) == (0, 1, 2, 3)
    assert shapes.named((2,), 4) == (0, 3)
    assert shapes.named((1, 2), 4) == (1, 2)


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ((0,), r"no number of layers .* .found 0, expected 1 to 4.; fix: pass --layers 4"),
        ((5,), r"found 5, expected 1 to 4"),
        ((1, 4), r"names a layer .* .found 4, expected 0 to 3.; fix: pass --layers 2"),
    ],
)
def test_layers_that_a_teacher_has_not_are_refused(layers: tuple[int, ...], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        shapes.named(layers, 4)


@pytest.mark.parametrize(("layers", "right"), [((2, 1), "1,2"), ((0, 1, 1), "0,1"), ((3, 3), "1")])
def test_layers_out_of_order_are_refused_with_the_order(layers: tuple[int, ...], right: str) -> None:
    with pytest.raises(UsageError, match=rf"fix: pass --layers {right}$"):
        shapes.require_ascending(layers)


@pytest.mark.parametrize(("size", "nearest"), [(50, 48), (5, 12), (1000, 96), (96 + 12, 96)])
def test_a_width_that_the_groups_do_not_divide_is_refused_with_the_next_one(size: int, nearest: int) -> None:
    config = SqueezeBertConfig(intermediate_size=96, intermediate_groups=4, output_groups=6)
    line = rf"expected a multiple of 12, at most 96.; fix: pass --intermediate-size {nearest}$"
    with pytest.raises(UsageError, match=line):
        shapes.require_width(size, config)
    shapes.require_width(nearest, config)
