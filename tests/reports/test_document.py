"""Pages by what they may not do: run what a name holds, fetch, or leave a number without its head."""

import re

import pytest

from squeezebert_mobile.reports import document
from squeezebert_mobile.reports.document import Figure, Headline, Table
from squeezebert_mobile.reports.drawing import DARK, LIGHT, Dot, Drawing, Rect, Text

EVIL = '<script>alert("1")</script>&\'"'


def test_no_text_becomes_markup() -> None:
    drawing = Drawing(10, (Text(0, 0, EVIL), Rect(0, 0, 1, 1, "ours", EVIL), Dot(0, 0, 1, "peer", title=EVIL)))
    page = document.page(
        EVIL,
        [
            document.headlines([Headline(EVIL, EVIL, EVIL)]),
            document.notice(EVIL, [EVIL]),
            document.figures([Figure(EVIL, EVIL, EVIL, drawing)]),
            document.table(Table(EVIL, (EVIL, EVIL), ((EVIL, EVIL),))),
            document.heading(EVIL),
            document.paragraph(EVIL),
        ],
        below=EVIL,
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 16


def test_a_wide_table_names_each_cell_for_its_cards() -> None:
    page = document.table(Table("t", ("a", "b", "c", "d"), (("1", "2", "3", "–"),), frozenset({0})))
    assert re.findall(r'data-head="(.)"', page) == ["b", "c", "d"]
    assert 'class="wide"' in page
    assert '<tr role="row" class="ours">' in page
    assert 'class="number none"' in page, "a card leaves out what there is not"


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize(("theme", "paper", "raised"), [(LIGHT, "#ffffff", "#f4f5f7"), (DARK, "#14161a", "#1e2126")])
def test_colours_stand_out_from_the_page(theme: dict[str, str], paper: str, raised: str) -> None:
    assert paper in document.STYLE and raised in document.STYLE
    for role, least in (("ours", 4.5), ("peer", 3.0), ("ink", 7.0), ("muted", 4.5)):
        for behind in (paper, raised):
            high, low = sorted((luminance(theme[role]), luminance(behind)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= least, role
