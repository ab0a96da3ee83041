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
    "café": CHARACTER,
    "\u017f.txt": CHARACTER,
    "\u202egpj.exe": CHARACTER,
    "\ufeffa": CHARACTER,
    "a\x7f": CHARACTER,
    "COM¹.txt": CHARACTER,
    "conin$": CHARACTER,
    "-rf": CHARACTER,
    "onnx/-x": CHARACTER,
    "a;b$(c).txt": CHARACTER,
    "con .txt": RESERVED,
    "onnx/CON.txt": RESERVED,
    "com0": RESERVED,
    "config.": RESERVED,
    "config ": RESERVED,
    "x" * 256: "is too long",
}


@pytest.mark.parametrize("path", PROBLEMS)
def test_a_path_that_is_not_the_same_everywhere_is_refused(path: str) -> None:
    with pytest.raises(InputFileError) as caught:
        require_portable([path], "bundle.json")
    assert caught.value.what == f"names the path {path[:100]!r}, which {PROBLEMS[path]}"


def test_paths_may_have_blanks_inside_dots_in_front_and_255_bytes() -> None:
    require_portable(["a b", "X", ".a/b-c_d+e@f.onnx", "config", "x" * 255], "bundle.json")


@pytest.mark.parametrize(("one", "other"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")])
def test_what_is_a_file_and_a_folder_is_refused_by_name(one: str, other: str) -> None:
    with pytest.raises(InputFileError, match="which are a file and a folder"):
        require_portable([one, other], "bundle.json")
    with pytest.raises(InputFileError, match="names 'a' and 'a/', which are a file and a folder"):
        require_portable(["a"], "bundle.json", folders=["a"])


def test_two_folders_that_differ_in_case_alone_are_refused_by_name() -> None:
    with pytest.raises(InputFileError, match="names 'onnx/' and 'ONNX/', which differ only in case"):
        require_portable(["onnx/a", "ONNX/b"], "bundle.json")


def test_folders_may_be_named_as_often_as_one_likes() -> None:
    require_portable(["a/b", "a/c"], "bundle.json", folders=["a", "a", "a/d"])


def test_two_paths_that_differ_in_case_alone_are_refused_by_name() -> None:
    with pytest.raises(InputFileError, match="names 'some' and 'SOME', which differ only in case"):
        require_portable(["some", "other", "SOME"], "bundle.json")


def test_long_paths_are_named_by_their_first_100_characters() -> None:
    with pytest.raises(InputFileError) as caught:
        require_portable(["a" * 101, "A" * 101], "bundle.json")
    assert f"{'a' * 100!r} and {'A' * 100!r}, which" in caught.value.what
