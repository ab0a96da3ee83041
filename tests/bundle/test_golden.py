"""What golden.json keeps of an output is enough to tell another answer, another shape and NaN."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.bundle.golden import GoldenCase
from squeezebert_mobile.bundle.manifest import Artifact, Parity
from squeezebert_mobile.errors import GateError

FILE = Path("model.onnx")
EXPECTED = np.linspace(-1, 1, 200, dtype=np.float32).reshape(1, 200)


def case(name: str = "a sentence", rows: int = 1) -> GoldenCase:
    ids = ((1, 2, 3),) * rows
    ones = ((1, 1, 1),) * rows
    outputs = (golden.sample("logits", EXPECTED), golden.sample("other", EXPECTED * 2))
    return GoldenCase(
        name=name, texts=(), max_length=8, input_ids=ids, attention_mask=ones, token_type_ids=ones, outputs=outputs
    )


def check(found: Mapping[str, Float32], **allowed: float) -> float:
    limits = {"logits": 0.1, "other": 0.1} | allowed
    return golden.check([case()], lambda _: found, rank=2, allowed=limits, file=FILE, fix="look")


def answers(logits: float = 0, other: float = 0) -> dict[str, Float32]:
    return {"logits": EXPECTED + np.float32(logits), "other": EXPECTED * 2 + np.float32(other)}


def test_the_worst_difference_of_any_output_is_given() -> None:
    assert check(answers()) == pytest.approx(0, abs=1e-6)
    assert check(answers(logits=0.01, other=-0.07)) == pytest.approx(0.07, abs=1e-6)


def test_each_output_has_its_own_limit() -> None:
    assert check(answers(other=0.15), other=0.2) == pytest.approx(0.15, abs=1e-6)
    what = r"^model\.onnx: output other for golden text 'a sentence' differs from the reference .found 0.15, .*most 0.1"
    with pytest.raises(GateError, match=what):
        check(answers(other=0.15), logits=0.2)


@pytest.mark.parametrize("array", [EXPECTED[:, :-1], np.full_like(EXPECTED, np.nan), np.full_like(EXPECTED, np.inf)])
def test_another_shape_and_no_number_are_infinitely_wrong(array: Float32) -> None:
    with pytest.raises(GateError, match=r"found inf"):
        check(answers() | {"logits": array}, logits=1e30)


def test_no_answer_is_infinitely_wrong() -> None:
    with pytest.raises(GateError, match=r"output other .*found inf"):
        check({"logits": EXPECTED})
    with pytest.raises(GateError, match=r"output other .*found inf"):
        golden.check([case()], lambda _: {"logits": EXPECTED}, rank=2, allowed={"logits": 1}, file=FILE, fix="look")


def test_the_largest_and_the_smallest_entry_are_always_kept() -> None:
    array = np.zeros((1, 5000), np.float32)
    array[0, 777], array[0, 778] = 9, -9
    kept = golden.sample("logits", array)
    assert {777, 778, 0, 4999} <= set(kept.indices)
    assert len(kept.indices) <= 66


def test_the_run_gets_the_rank_of_the_task() -> None:
    seen: list[Batch] = []

    def run(batch: Batch) -> dict[str, Float32]:
        seen.append(batch)
        return answers()

    for rank in (2, 3):
        golden.check([case(rows=2)], run, rank=rank, allowed={"logits": 1, "other": 1}, file=FILE, fix="look")
    assert [batch.input_ids.shape for batch in seen] == [(2, 3), (1, 2, 3)]


def test_another_machine_may_differ_twice_as_much_but_not_less_than_the_gate() -> None:
    def parity(output: str, atol: float | None, max_abs: float) -> Parity:
        return Parity(
            output=output, atol=atol, min_psnr_db=None, max_abs=max_abs, psnr_db=None, argmax_agreement=1, cases=1
        )

    measured = (parity("gated", 1e-3, 1e-6), parity("int8", None, 0.3), parity("tiny", None, 1e-9))
    artifact = Artifact.model_construct(parity=measured)
    assert artifact.allowed_differences() == {"gated": 1e-3, "int8": 0.6, "tiny": 1e-4}
