import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import make_result

from squeezebert_mobile.benchmarks import results
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.errors import InputFileError, IntegrityError


def test_a_natural_length_is_read_as_one() -> None:
    result = make_result({"a": [1]})
    protocol = Protocol(scenario="natural-length", tokens=None)
    natural = replace(result, cases=(result.cases[0].model_copy(update={"protocol": protocol}),))
    assert results.parse(results.dump(natural), "file") == natural


def test_what_is_written_is_read(tmp_path: Path) -> None:
    result = make_result({"a": [1, 2, 3], "b": [4]})
    results.write(tmp_path / "r.jsonl", result)
    assert results.read(tmp_path / "r.jsonl") == result
    assert [path.name for path in tmp_path.iterdir()] == ["r.jsonl"]


def test_every_line_is_json_of_a_known_record() -> None:
    lines = results.dump(make_result({"a": [1]})).splitlines()
    assert [json.loads(line)["record"] for line in lines] == ["run", "case", "sample", "conditions", "end"]


@given(st.data())
def test_any_changed_or_missing_byte_is_an_integrity_error(data: st.DataObject) -> None:
    whole = bytearray(results.dump(make_result({"a": [10, 20], "b": [30]})))
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[at]
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IntegrityError, match=r"^r\.jsonl: "):
        results.parse(bytes(whole), "r.jsonl")


@pytest.mark.parametrize("keep", [0, 1, 2, 3])
def test_a_cut_file_is_refused(keep: int) -> None:
    lines = results.dump(make_result({"a": [1, 2]})).splitlines(keepends=True)
    with pytest.raises(IntegrityError):
        results.parse(b"".join(lines[:keep]), "r.jsonl")


def test_a_forged_seal_does_not_hide_what_does_not_hold_together() -> None:
    lines = results.dump(make_result({"a": [1, 2]})).splitlines(keepends=True)

    def sealed(body: list[bytes]) -> bytes:
        end = json.loads(lines[-1]) | {"sha256": hashlib.sha256(b"".join(body)).hexdigest()}
        return b"".join(body) + json.dumps(end).encode() + b"\n"

    results.parse(sealed(lines[:-1]), "f")
    for body, words in (
        (lines[:1] + lines[2:-1], "unknown case"),
        (lines[:-3] + lines[-2:-1], "lacks samples"),
        ([lines[0], lines[1], *lines[1:-1]], "case twice"),
        (lines[1:-1], "one run"),
    ):
        with pytest.raises(IntegrityError, match=words):
            results.parse(sealed(body), "f")


def test_a_missing_file_is_a_bad_input_file(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        results.read(tmp_path / "none.jsonl")
