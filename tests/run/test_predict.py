"""Predictions from a bundle, and what the app must have in common with them."""

import re

import pytest
from checkout import ROOT

from squeezebert_mobile.tasks import window_stride

PREDICTOR = ROOT / "android_demo/core/src/main/java/org/squeezebert/demo/core/Predictor.java"


@pytest.mark.parametrize(("max_length", "expected"), [(512, 128), (384, 96), (32, 8), (1024, 128)])
def test_windows_share_128_tokens_or_a_quarter_of_their_length(max_length: int, expected: int) -> None:
    assert window_stride(max_length) == expected


def test_windows_share_as_many_tokens_in_the_app() -> None:
    assert re.findall(r"STRIDE = (\d+);", PREDICTOR.read_text(encoding="utf-8")) == [str(window_stride(10_000))]
