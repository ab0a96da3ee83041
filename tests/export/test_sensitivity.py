"""What a ranking of units advises, and how it is shown."""

import json
from pathlib import Path

import numpy as np
import pytest
from browser import assert_readable
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.export import sensitivity
from squeezebert_mobile.export.sensitivity import Effect, advise
from squeezebert_mobile.reports.drawing import Line

RANKING = (
    Effect("head", 3.0, 9.0, 1_000_000),
    Effect("embeddings", 1.0, 2.0, 2_000_000),
    Effect("rest", 0.5, 1.0, 500),
)


def joint(effects: list[Effect]) -> float:
    return float(np.sqrt(sum(effect.rms**2 for effect in effects)))


@given(st.lists(st.tuples(st.floats(0.001, 1000), st.integers(1, 10**6)), min_size=1, max_size=12))
def test_the_advice_halves_the_effect_and_needs_each_of_its_units(values: list[tuple[float, int]]) -> None:
    ranking = [Effect(f"u{n}", rms, rms, parameters) for n, (rms, parameters) in enumerate(values)]
    kept = advise(ranking)
    rest = [effect for effect in ranking if effect not in kept]
    assert joint(rest) <= 0.5 * joint(ranking)
    assert joint([*rest, kept[-1]]) > 0.5 * joint(ranking)
    least = min(effect.rms**2 / effect.parameters for effect in kept)
    assert all(effect.rms**2 / effect.parameters <= least for effect in rest)


def test_bytes_count_in_the_advice() -> None:
    table = Effect("embeddings", 1.2, 3.5, 2_900_000)
    assert table not in advise([Effect("head", 1.9, 5.0, 37_000), Effect("layers.0", 1.4, 4.6, 65_000), table])


def test_units_without_an_effect_need_no_advice() -> None:
    assert advise([Effect("a", 0.0, 0.0, 1)]) == ()


def test_a_ranking_is_kept_as_numbers_a_page_and_a_picture(tmp_path: Path) -> None:
    sensitivity.write({"int8": RANKING}, tmp_path / "s.json", "my model")
    kept = json.loads((tmp_path / "s.json").read_text())
    assert [effect["unit"] for effect in kept["int8"]] == ["head", "embeddings", "rest"]
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "s.html").read_text()
    assert "my model" in page
    assert "--keep-float head<" in page
    assert "+3.0 MB" in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_at_both_widths(tmp_path: Path, scheme: str) -> None:
    sensitivity.write({"int8": RANKING, "int8-static": RANKING}, tmp_path / "s.json", "my model")
    names = ["units-int8", "units-int8-static", "together-int8", "together-int8-static"]
    assert_readable(tmp_path / "s.html", scheme, names)


def test_the_joint_effect_grows_as_the_file_shrinks() -> None:
    _, together = sensitivity.figures("int8", RANKING)
    words = together.words
    assert "all in float, right" in words
    lines = [mark for mark in together.drawing.marks if isinstance(mark, Line)]
    (curve,) = [line for line in lines if len(line.points) == len(RANKING) + 1]
    xs, ys = zip(*curve.points, strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys), "units of the drawing, downwards"
