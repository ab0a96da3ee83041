"""Names in MLIR's bytecode, as coreai's own writer made it."""

import re

import pytest
import tiny

from squeezebert_mobile.export.coreai import lower
from squeezebert_mobile.export.coreai.names import numbered
from squeezebert_mobile.tasks import Task

pytest.importorskip("coreai_torch", reason="needs the extra coreai, for Linux on x86-64 and macOS")
NAME = re.compile(rb"resource_(\d+)\0")


@pytest.fixture(scope="module")
def program() -> bytes:
    """What the converter wrote, its own names in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lower, "numbered", lambda program: program)
        model = tiny.model(Task.TEXT_CLASSIFICATION, tiny.SMALL)
        files = lower.lower_coreai(model, scheme=None, max_seq_len=None).data
    assert not isinstance(files, bytes)
    return files["main.mlirb"]


def test_weights_are_called_by_their_numbers_and_nothing_else_changes(program: bytes) -> None:
    drawn = NAME.findall(program)
    assert drawn and all(len(number) > 9 for number in drawn), "the converter has other names now"
    found = numbered(program)
    assert [int(number) for number in NAME.findall(found)] == [*range(len(drawn))]
    assert found[: len(found) * 3 // 4] == program[: len(found) * 3 // 4], "operators and weights"
    assert NAME.split(found)[-1] == NAME.split(program)[-1], "what follows the names"


def test_what_has_its_numbers_stays_as_it_is(program: bytes) -> None:
    assert numbered(numbered(program)) == numbered(program)
