"""Which paths a bundle may name, and what each other one is told."""

import pytest

from squeezebert_mobile.bundle.paths import require_portable
from squeezebert_mobile.errors import InputFileError

CHARACTER = "has a non-portable character"
RESERVED = "is a reserved name on Windows"
PROBLEMS = {
    "/etc/passwd": "is absolute",
    "../config.json": "climbs out of the folder",
    "onnx/../../config.json": "climbs out of the folder",
    "": "has an empty part",
    "onnx//model.onnx": "has an empty part",
    "./config.json": "has an empty part",
    "onnx\\model": CHARACTER,
    "a\0b": CHARACTER,
    "a\x1fb": CHARACTER,
    "c:model": CHARACTER,
    "cafe\u0301": "is not NFC-normalised",
    "onnx/CON.txt": RESERVED,
    "com0": RESERVED,
    "config.": RESERVED,
    "config ": RESERVED,
    "é" * 128: "is too long",
}


@pytest.mark.parametrize("path", PROBLEMS)
def test_a_path_that_is_not_the_same_everywhere_is_refused(path: str) -> None:
    with pytest.raises(InputFileError) as caught:
        require_portable([path], "bundle.json")
    assert caught.value.what == f"names the path {path[:100]!r}, which {PROBLEMS[path]}"


def test_paths_may_have_blanks_inside_any_letters_and_255_bytes() -> None:
    require_portable(["a b", "X", "café/模型.onnx", "config", "é" * 127 + "x"], "bundle.json")


def test_two_paths_that_differ_in_case_alone_are_refused_by_name() -> None:
    with pytest.raises(InputFileError, match="names 'straße' and 'STRASSE', which differ only in case"):
        require_portable(["straße", "other", "STRASSE"], "bundle.json")


def test_long_paths_are_named_by_their_first_100_characters() -> None:
    with pytest.raises(InputFileError) as caught:
        require_portable(["a" * 101, "A" * 101], "bundle.json")
    assert f"{'a' * 100!r} and {'A' * 100!r}, which" in caught.value.what
