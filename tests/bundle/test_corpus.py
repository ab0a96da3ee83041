"""Python's readers on the corpus that they share with the app's (tests/android), which is asked where there is Java."""

import random
from pathlib import Path

import pytest
from corpus import readers


@pytest.mark.parametrize("kind", readers.KINDS)
def test_each_case_by_hand_is_taken_or_refused_as_it_must(kind: str, tmp_path: Path) -> None:
    cases = [(name, case) for name, case in readers.by_hand() if name == kind]
    assert len(cases) > 30
    assert readers.compare(cases, [], tmp_path) == []


def test_whatever_the_grammars_make_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    assert readers.compare(readers.generated(random.Random(1), 400), [], tmp_path) == []


def test_a_reader_that_does_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(path: Path, _: Path) -> str:
        raise ZeroDivisionError(path.name)

    cases = [case for case in readers.by_hand() if case[0] == "json"][:2]
    (tmp_path / "sound").mkdir()
    assert readers.compare(cases, [], tmp_path / "sound") == []
    monkeypatch.setitem(readers.KINDS, "json", readers.Kind(readers.texts, wrong))
    (tmp_path / "wrong").mkdir()
    first, second = readers.compare(cases, [], tmp_path / "wrong")
    assert first == f"json/0: Python crashes: ZeroDivisionError: 0: {cases[0][1].name}"
    assert second.startswith("json/1: Python crashes: ZeroDivisionError: 1")
