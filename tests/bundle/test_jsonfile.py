"""JSON objects are read strictly and written in one way."""

from pathlib import Path

import pytest

from squeezebert_mobile import jsonfile
from squeezebert_mobile.errors import InputFileError


def test_objects_are_written_sorted_indented_and_in_utf_8() -> None:
    assert jsonfile.dump({"b": [1], "a": "é"}) == '{\n  "a": "é",\n  "b": [\n    1\n  ]\n}\n'.encode()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(jsonfile.dump({"a": "é"}))
    assert jsonfile.read_object(tmp_path / "a.json") == {"a": "é"}


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="nan"):
        jsonfile.dump({"a": float("nan")})


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": 1}')
    assert jsonfile.read_object(tmp_path / "a.json", max_bytes=8) == {"a": 1}
    with pytest.raises(InputFileError, match="too large"):
        jsonfile.read_object(tmp_path / "a.json", max_bytes=7)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xef\xbb\xbf{}", "starts with a byte order mark"),
        (b'{"a": \xff}', "is not UTF-8 at byte 6"),
        (b'{\n "a" 1}', "is not JSON: Expecting ':' delimiter at line 2 column 6"),
        (b'{"a": NaN}', "contains NaN, which JSON does not have"),
        (b'{"a": 1, "a": 2}', "has the key 'a' twice"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "is not JSON: Exceeds the limit"),
        (b"[]", "is not an object"),
    ],
)
def test_what_is_not_an_object_in_strict_json_is_refused_with_its_place(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(InputFileError) as caught:
        jsonfile.read_object(path)
    assert caught.value.what.startswith(what)
    assert caught.value.file == str(path)
