"""Charts by what they may not do: touch, cut, hide or leave out."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from squeezebert_mobile.reports import charts
from squeezebert_mobile.reports.charts import Axis, Bar, Curve, Group, Point
from squeezebert_mobile.reports.document import Figure, to_png
from squeezebert_mobile.reports.drawing import LIGHT, WIDTH, Dot, Drawing, Line, Rect, Text, width_of

VALUES = st.floats(0.01, 1e4)
POINTS = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12)


def boxes(found: Drawing, names: set[str]) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each text that is a name."""
    texts = [mark for mark in found.marks if isinstance(mark, Text) and mark.text in names]
    return [(mark.x, mark.y - 12, mark.x + width_of(mark.text), mark.y + 3) for mark in texts]


def touch(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@given(POINTS)
def test_names_of_points_touch_no_other_and_stay_inside(values: list[tuple[float, float]]) -> None:
    points = [Point(x, y, f"file {n}", "", ours=n % 2 == 0) for n, (x, y) in enumerate(values)]
    found = charts.plane(points, Axis("MB", log=True), Axis("ms", log=True))
    placed = boxes(found, {point.name for point in points})
    assert placed
    assert not [1 for n, one in enumerate(placed) for other in placed[:n] if touch(one, other)]
    assert all(left >= 0 and right <= WIDTH + 1 and bottom <= found.height for left, _, right, bottom in placed)
    dots = [mark for mark in found.marks if isinstance(mark, Dot)]
    assert len(dots) == len(points), "a point without room for its name is still there"


@given(POINTS)
def test_no_file_beats_one_on_the_line(values: list[tuple[float, float]]) -> None:
    points = [Point(x, y, "", "", ours=True) for x, y in values]
    best = charts.pareto(points)
    for one in points:
        beaten = [p for p in best if one.x <= p.x and one.y <= p.y and (one.x, one.y) != (p.x, p.y)]
        assert not beaten
        assert any(p.x <= one.x and p.y <= one.y for p in best)


@given(POINTS)
def test_where_high_is_better_the_line_is_that_of_the_values_turned_round(values: list[tuple[float, float]]) -> None:
    turned = charts.pareto([Point(x, -y, "", "", ours=True) for x, y in values])
    best = charts.pareto([Point(x, y, "", "", ours=True) for x, y in values], rises=True)
    assert [(point.x, -point.y) for point in turned] == [(point.x, point.y) for point in best]


def test_an_interval_is_drawn_whole_through_its_point() -> None:
    point = Point(3.37, 5.0, "", "", ours=True, low=1.0, high=20.0)
    found = charts.plane([point, Point(4.0, 6.0, "", "", ours=True)], Axis("MB"), Axis("%"), rises=True)
    (dot, *_) = (mark for mark in found.marks if isinstance(mark, Dot))
    (line,) = (m for m in found.marks if isinstance(m, Line) and {x for x, _ in m.points} == {dot.x})
    (_, bottom), (_, top) = line.points
    assert 0 < top < dot.y < bottom < found.height


@given(st.lists(VALUES, min_size=1, max_size=20))
def test_names_of_curves_do_not_touch(ends: list[float]) -> None:
    curves = [Curve(f"curve {n}", ((1.0, 1.0), (2.0, end)), ours=True) for n, end in enumerate(ends)]
    found = charts.curves(curves, Axis("threads", values=(1.0, 2.0)), Axis("ms", from_zero=True))
    placed = boxes(found, {curve.name for curve in curves})
    assert len(placed) == len(curves)
    assert not [1 for n, one in enumerate(placed) for other in placed[:n] if touch(one, other)]
    assert all(top >= 0 and bottom <= found.height for _, top, _, bottom in placed)


@pytest.mark.parametrize("log", [False, True])
@given(values=st.lists(VALUES, min_size=1, max_size=6))
def test_an_axis_has_few_ticks_that_no_two_share_a_place(values: list[float], log: bool) -> None:
    curve = Curve("c", tuple((value, value) for value in values), ours=True)
    found = charts.curves([curve], Axis("x", log=log), Axis("y", log=log))
    labels = [mark for mark in found.marks if isinstance(mark, Text) and mark.anchor == "end" and mark.text != "x"]
    assert len(labels) <= 7
    assert len({mark.y for mark in labels}) == len(labels)


def test_bars_start_at_zero_and_are_as_long_as_their_values() -> None:
    found = charts.bars(
        [Group("g", (Bar("a", 4.0, "4x", ours=True), Bar("b", 1.0, "1x", ours=False, low=0.5, high=9.0)))]
    )
    a, b = (mark for mark in found.marks if isinstance(mark, Rect))
    assert (a.x, a.width, a.role, b.width, b.role) == (0, WIDTH, "ours", WIDTH / 4, "peer")
    (whisker,) = (mark for mark in found.marks if isinstance(mark, Line))
    assert whisker.points[1][0] == WIDTH, "an interval beyond the longest bar ends at the edge"


def test_a_long_name_leaves_room_for_its_value() -> None:
    found = charts.bars(
        [Group("", (Bar("a name that is longer than any phone is wide " * 2, 1.0, "1.00x", ours=True),))]
    )
    name, value = (mark for mark in found.marks if isinstance(mark, Text))
    assert name.text.endswith("…")
    assert name.x + width_of(name.text) <= value.x - width_of(value.text, bold=True)


def test_a_picture_holds_its_title_words_and_drawing() -> None:
    drawn = charts.bars([Group("", (Bar("a", 1.0, "1x", ours=True),))])
    one, two = (imread(io.BytesIO(to_png([Figure("n", "Title", "words", drawn)] * n))) for n in (1, 2))
    assert one.shape[1] == two.shape[1] == 2 * (WIDTH + 20)
    assert two.shape[0] > 1.5 * one.shape[0] - 60
    colours = {
        tuple(int(value[n : n + 2], 16) for n in (1, 3, 5)) for value in (LIGHT["ours"], LIGHT["ink"], "#ffffff")
    }
    assert colours <= set(map(tuple, (255 * one[..., :3]).round().astype(int).reshape(-1, 3).tolist()))
