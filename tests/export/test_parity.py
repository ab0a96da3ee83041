"""The proof that every file answers as the reference does: which calls are made, and what each mistake comes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from tokenizers import AddedToken

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.bundle.manifest import Parity, Precision
from squeezebert_mobile.errors import GateError, InputFileError, IntegrityError
from squeezebert_mobile.export import golden_texts, parity
from squeezebert_mobile.export.parity import Case, Outputs, Run, Tolerance
from squeezebert_mobile.tasks import Task

FILE = "onnx/model.onnx"
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8", "int8-static")
MAX_LENGTH = 40
LOOSE = Tolerance(1e9, None)


def batch(*ids: int) -> Batch:
    """One unpadded row whose second half is the second text."""
    row = np.array([ids], np.int64)
    return Batch(row, np.ones_like(row), (np.arange(len(ids)) >= len(ids) // 2).astype(np.int64)[None])


def answer(asked: Batch) -> Outputs:
    """A model of two outputs that reads all three inputs, and whose rows of padding are nonsense.

    pooled [N, 2] and tokens [N, W, 3], each of at most 1.
    """
    mask = asked.attention_mask.astype(np.float32)
    values = (asked.input_ids + asked.token_type_ids * 0.5).astype(np.float32) / 10 * mask
    mean = values.sum(-1) / mask.sum(-1)
    tokens = np.stack([values, mean[:, None] - values, np.broadcast_to(mean[:, None], values.shape)], -1)
    tokens[mask == 0] = np.nan
    return {"pooled": np.stack([mean, 1 - mean], -1), "tokens": tokens}


def cases(*rows: Sequence[int]) -> tuple[Case, ...]:
    made = (batch(*row) for row in rows)
    return tuple(Case(name, (), each, answer(each)) for name, each in zip("abcdefgh", made, strict=False))


@dataclass
class Recorder:
    """A run that keeps what it was asked, and answers by ``spoil`` where it says so."""

    spoil: Callable[[Batch, Outputs], Outputs] = lambda _, found: found
    calls: list[Batch] = field(default_factory=list)

    def __call__(self, asked: Batch) -> Outputs:
        self.calls.append(asked)
        return self.spoil(asked, answer(asked))


def measure(
    run: Run, given: Sequence[Case], tolerance: Tolerance = LOOSE, *, pad_to: int = 0, batched: bool = False
) -> tuple[Parity, ...]:
    return parity.measure(run, given, tolerance=tolerance, file=FILE, pad_to=pad_to, batched=batched)


def moved(found: Outputs, by: float, *names: str) -> Outputs:
    """The same outputs, those of ``names`` (all where none is given) with every value moved."""
    return {name: value + np.float32(by if not names or name in names else 0) for name, value in found.items()}


THREE = cases((1, 2, 3), (9, 8), (4,))


# What is run


def test_a_case_runs_alone_then_with_five_columns_of_padding() -> None:
    run = Recorder()
    found = measure(run, cases((7, 8, 9)), pad_to=50)
    assert [call.input_ids.tolist() for call in run.calls] == [[[7, 8, 9]], [[7, 8, 9, 0, 0, 0, 0, 0]]]
    assert [call.attention_mask.tolist() for call in run.calls] == [[[1, 1, 1]], [[1, 1, 1, 0, 0, 0, 0, 0]]]
    assert [call.token_type_ids.tolist() for call in run.calls] == [[[0, 1, 1]], [[0, 1, 1, 0, 0, 0, 0, 0]]]
    assert [each.cases for each in found] == [2, 2]


@pytest.mark.parametrize(("pad_to", "widths"), [(2, [3]), (3, [3]), (4, [3, 4]), (7, [3, 7]), (8, [3, 8]), (9, [3, 8])])
def test_padding_stops_at_the_longest_input(pad_to: int, widths: list[int]) -> None:
    run = Recorder()
    (found, _) = measure(run, cases((7, 8, 9)), pad_to=pad_to)
    assert [call.input_ids.shape[-1] for call in run.calls] == widths
    assert found.cases == len(widths)


def test_three_cases_run_in_one_batch_of_their_longest() -> None:
    run = Recorder()
    found = measure(run, THREE, batched=True)
    *alone, together = run.calls
    assert [call.input_ids.tolist() for call in alone] == [[[1, 2, 3]], [[9, 8]], [[4]]]
    assert together.input_ids.tolist() == [[1, 2, 3], [9, 8, 0], [4, 0, 0]]
    assert together.attention_mask.tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert together.token_type_ids.tolist() == [[0, 1, 1], [0, 1, 0], [1, 0, 0]]
    assert [each.cases for each in found] == [6, 6]


@pytest.mark.parametrize(("count", "groups"), [(1, ""), (2, ""), (3, "abc"), (5, "abc"), (6, "abcdef"), (7, "abcdef")])
def test_every_full_three_is_a_batch_and_nothing_runs_twice(count: int, groups: str) -> None:
    run = Recorder()
    given = cases(*([number + 1] * (number + 1) for number in range(count)))
    (found, _) = measure(run, given, pad_to=60, batched=True)
    batches = [call for call in run.calls if len(call.input_ids) > 1]
    assert [row[0] for call in batches for row in call.input_ids.tolist()] == ["abcdefgh".index(n) + 1 for n in groups]
    assert all(len(call.input_ids) == 3 for call in batches)
    assert len(run.calls) == 2 * count + len(groups) // 3
    assert found.cases == 2 * count + len(groups)


def test_no_batch_runs_where_the_file_takes_one_text() -> None:
    run = Recorder()
    (found, _) = measure(run, THREE, pad_to=4)
    assert [call.input_ids.shape for call in run.calls] == [(1, 3), (1, 4), (1, 2), (1, 4), (1, 1), (1, 4)]
    assert found.cases == 6


def test_choices_are_padded_on_the_right_of_every_choice() -> None:
    rows = np.array([[[5, 6], [7, 0]]], np.int64)
    asked = Batch(rows, (rows > 0).astype(np.int64), np.zeros_like(rows))
    calls: list[Batch] = []

    def run(call: Batch) -> Outputs:
        calls.append(call)
        return {"logits": call.input_ids.sum(-1).astype(np.float32)}

    (found,) = measure(run, [Case("a", (), asked, {"logits": np.array([[11, 7]], np.float32)})], pad_to=3)
    assert calls[1].input_ids.tolist() == [[[5, 6, 0], [7, 0, 0]]]
    assert calls[1].attention_mask.tolist() == [[[1, 1, 0], [1, 0, 0]]]
    assert (found.max_abs, found.cases) == (0, 2)


# What is refused


def padded(asked: Batch) -> bool:
    return len(asked.input_ids) == 1 and not asked.attention_mask.all()


SPOILT: dict[str, Callable[[Batch], bool]] = {
    "c": lambda asked: asked.input_ids.tolist() == [[4]],
    "c, padded": lambda asked: padded(asked) and asked.input_ids[0, 0] == 4,
    "c, in a batch": lambda asked: len(asked.input_ids) == 3,
}
SPOILT_ROW = {"c": 0, "c, padded": 0, "c, in a batch": 2}


def spoilt(variant: str, damage: Callable[[Outputs, int], Outputs]) -> Recorder:
    """A run that does ``damage`` to the answers of one variant of case c, whose row in them it is given."""
    return Recorder(lambda asked, found: damage(found, SPOILT_ROW[variant]) if SPOILT[variant](asked) else found)


def wrong(output: str, by: float) -> Callable[[Outputs, int], Outputs]:
    """Damage of every value of one row of one output."""

    def damage(found: Outputs, row: int) -> Outputs:
        found[output][row] += np.float32(by)
        return found

    return damage


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_reference_itself_passes_every_gate(precision: Precision) -> None:
    for found in measure(Recorder(), THREE, parity.tolerance_of(precision), pad_to=50, batched=True):
        assert (found.max_abs, found.psnr_db, found.argmax_agreement, found.cases) == (0, None, 1, 9)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("output", ["pooled", "tokens"])
@pytest.mark.parametrize("variant", SPOILT)
def test_a_wrong_answer_is_refused_wherever_it_appears(variant: str, output: str, precision: Precision) -> None:
    run = spoilt(variant, wrong(output, 3))
    with pytest.raises(GateError) as caught:
        measure(run, THREE, parity.tolerance_of(precision), pad_to=50, batched=True)
    assert caught.value.file == FILE
    assert caught.value.exit_code == 6
    assert caught.value.what == f"output {output} is not the reference's, worst for the text {variant!r}"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("output", ["pooled", "tokens"])
@pytest.mark.parametrize("variant", SPOILT)
def test_one_value_that_is_not_finite_is_refused(variant: str, output: str, value: float, precision: Precision) -> None:
    def damage(found: Outputs, row: int) -> Outputs:
        found[output][row].flat[1] = value
        return found

    run = spoilt(variant, damage)
    with pytest.raises(GateError) as caught:
        measure(run, THREE, parity.tolerance_of(precision), pad_to=50, batched=True)
    assert caught.value.what == f"output {output} is not finite or has another shape for the text {variant!r}"
    assert caught.value.file == FILE


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("pad_to", [0, 50])
@pytest.mark.parametrize(
    "shape",
    [
        lambda value: value[..., :1],  # would broadcast to the right shape
        lambda value: np.concatenate([value, value], -1),
        lambda value: np.concatenate([value, value], 0),
        lambda value: value[None],
        lambda value: value[0],
        lambda value: value[:0],
    ],
)
def test_another_shape_is_refused(shape: Callable[[np.ndarray], np.ndarray], pad_to: int, precision: Precision) -> None:
    run = Recorder(lambda _, found: found | {"pooled": shape(found["pooled"])})
    with pytest.raises(GateError, match="output pooled is not finite or has another shape for the text 'a"):
        measure(run, cases((1, 2, 3)), parity.tolerance_of(precision), pad_to=pad_to)


def test_a_batch_of_one_row_is_no_answer_to_three() -> None:
    run = Recorder(lambda _, found: {name: value[:1] for name, value in found.items()})
    with pytest.raises(GateError, match="another shape for the text 'c, in a batch'"):
        measure(run, THREE, parity.tolerance_of("int8"), batched=True)


def test_an_unusable_answer_stays_the_worst_whatever_comes_after_it() -> None:
    run = Recorder(lambda asked, found: moved(found, np.nan if asked.input_ids.shape == (1, 3) else 5))
    with pytest.raises(GateError, match="output pooled is not finite or has another shape for the text 'a'"):
        measure(run, THREE)


ONE = (Case("a", (), batch(1, 2), {"logits": np.array([[1.0, -1.0]], np.float32)}),)


def off_by(error: float) -> Run:
    return lambda _: moved(ONE[0].expected, error)


# The largest reference value is 1, so an error of e everywhere is -20 log10(e) dB.
@pytest.mark.parametrize(
    ("precision", "allowed", "refused", "found", "expected"),
    [
        ("fp32", 0.99e-4, 1.02e-4, "0.000102", "at most 0.0001"),
        ("fp16", 0.00999, 0.0102, "PSNR 39.8 dB", "at least 40 dB"),
        ("int8", 0.0999, 0.102, "PSNR 19.8 dB", "at least 20 dB"),
        ("int8-static", 0.0999, 0.102, "PSNR 19.8 dB", "at least 20 dB"),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_each_precision_has_its_limit(
    precision: Precision, allowed: float, refused: float, found: str, expected: str, sign: int
) -> None:
    tolerance = parity.tolerance_of(precision)
    (passed,) = measure(off_by(sign * allowed), ONE, tolerance)
    assert passed.max_abs == pytest.approx(allowed, rel=0.005)
    assert passed.psnr_db == pytest.approx(-20 * np.log10(allowed), abs=0.06)
    assert (passed.atol, passed.min_psnr_db) == (tolerance.atol, tolerance.min_psnr_db)
    with pytest.raises(GateError, match="output logits is not the reference's, worst for the text 'a'") as caught:
        measure(off_by(sign * refused), ONE, tolerance)
    assert (caught.value.found, caught.value.expected) == (found, expected)
    assert "--atol" in caught.value.fix


def test_a_difference_of_exactly_the_limit_passes() -> None:
    (found,) = measure(off_by(0.5), ONE, Tolerance(0.5, None))
    assert (found.max_abs, found.psnr_db) == (0.5, 6.0)
    (found,) = measure(off_by(1.0), ONE, Tolerance(None, 0.0))
    assert (found.max_abs, found.psnr_db) == (1.0, 0.0)


def test_a_reference_of_zeros_has_no_room_for_noise() -> None:
    """PSNR is relative to the largest value: with none, every error is infinitely large."""
    zeros = (replace(ONE[0], expected={"logits": np.zeros((1, 2), np.float32)}),)
    with pytest.raises(GateError, match="is not the reference's"):
        measure(off_by(0.0), zeros, parity.tolerance_of("int8"))
    (found,) = measure(lambda _: {"logits": np.zeros((1, 2), np.float32)}, zeros, parity.tolerance_of("int8"))
    assert (found.max_abs, found.psnr_db) == (0, None)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_has_its_own_gate_or_the_one_that_is_given(precision: Precision) -> None:
    own = {"fp32": (1e-4, None), "fp16": (None, 40.0), "int8": (None, 20.0), "int8-static": (None, 20.0)}[precision]
    assert parity.tolerance_of(precision) == Tolerance(*own, precision)
    assert parity.tolerance_of(precision, 0.5) == Tolerance(0.5, None, precision)


@pytest.mark.parametrize(("precision", "share"), [*zip(PRECISIONS, (0.01, 0.1, 0.75, 0.75), strict=True)])
def test_no_gate_lets_through_what_verify_takes_from_no_file(precision: Precision, share: float) -> None:
    given = parity.tolerance_of(precision, 1e9)
    (passed,) = measure(off_by(0.98 * share), ONE, given)
    assert (passed.atol, passed.min_psnr_db) == (1e9, None)
    with pytest.raises(GateError) as caught:
        measure(off_by(1.02 * share), ONE, given)
    words = "output logits is further from the reference for the text 'a' than verify takes from any file"
    assert (caught.value.file, caught.value.what) == (FILE, words)
    assert (caught.value.found, caught.value.expected) == (f"{1.02 * share:.3g}", f"at most {share:.3g}")
    assert "a larger --atol does not help" in caught.value.fix
    measure(off_by(1.02 * share), ONE, LOOSE)
    measure(off_by(0.75), ONE, parity.tolerance_of("int8", 1e9))


# What is recorded


@pytest.mark.parametrize("pairs", [((1, 1.2), (2, 2)), ((2, 1.8), (1, 1))])
def test_psnr_is_over_all_values_of_all_calls(pairs: tuple[tuple[float, float], ...]) -> None:
    """Errors of 0.2 and 0 over a peak of 2: a mean square of 0.02."""
    given = [Case("a", (), batch(1), {"logits": np.full((1, 4), value, np.float32)}) for value, _ in pairs]
    answers = iter([np.full((1, 4), value, np.float32) for _, value in pairs])
    (found,) = measure(lambda _: {"logits": next(answers)}, given)
    assert found.psnr_db == round(20 * np.log10(2 / 0.02**0.5), 1)


def test_psnr_is_of_squares_that_fp32_cannot_hold() -> None:
    large = (Case("a", (), batch(1), {"logits": np.full((1, 2), 1e30, np.float32)}),)
    (found,) = measure(lambda _: {"logits": np.zeros((1, 2), np.float32)}, large, Tolerance(None, -1.0))
    assert found.psnr_db == 0.0


def test_the_peak_is_the_largest_absolute_value() -> None:
    negative = (Case("a", (), batch(1), {"logits": np.array([[-10, 1]], np.float32)}),)
    (found,) = measure(lambda _: {"logits": np.array([[-9, 2]], np.float32)}, negative)
    assert found.psnr_db == 20.0


@pytest.mark.parametrize("worst", ["a", "b", "c", "a, padded", "b, padded", "c, padded", "a, in a batch"])
def test_the_worst_case_is_named(worst: str) -> None:
    first = {"a": 1, "b": 9, "c": 4}[worst[0]]

    def spoil(asked: Batch, found: Outputs) -> Outputs:
        one = len(asked.input_ids) == 1
        kind = "" if one and asked.attention_mask.all() else ", padded" if one else ", in a batch"
        hit = worst[1:] == kind and (not one or int(asked.input_ids[0, 0]) == first)
        by = np.full(len(asked.input_ids), 0.2, np.float32)
        by[0] = 0.25 if hit else 0.2
        return {"pooled": found["pooled"] + by[:, None], "tokens": found["tokens"]}

    with pytest.raises(GateError, match=f"worst for the text '{worst}' .found 0.25, expected at most 0.1"):
        measure(Recorder(spoil), THREE, Tolerance(0.1, None), pad_to=50, batched=True)


def test_the_largest_difference_is_kept_in_three_digits_for_each_output() -> None:
    pooled, tokens = measure(Recorder(lambda _, found: moved(found, -0.0123456, "tokens")), THREE)
    assert (pooled.output, pooled.max_abs, pooled.psnr_db) == ("pooled", 0, None)
    assert (tokens.output, tokens.max_abs) == ("tokens", 0.0123)


def test_agreement_counts_the_rows_with_the_same_largest_value() -> None:
    """Over two texts of 2 and 1 tokens: one token of three changes its label."""
    rows = ([[0, 1, 2], [0, 1, 2]], [[2, 1, 0]])
    given = [
        Case(name, (), batch(*range(len(row))), {"logits": np.array([row], np.float32)})
        for name, row in zip("ab", rows, strict=True)
    ]
    answers = iter(([[1, 0, 2], [0, 2, 1]], [[5, 3, 4]]))
    (found,) = measure(lambda _: {"logits": np.array([next(answers)], np.float32)}, given)
    assert found.argmax_agreement == 0.666667


# Against real models


@pytest.mark.parametrize("task", Task)
def test_padding_and_company_do_not_move_the_reference(task: Task) -> None:
    model, given = tiny.model(task), tiny_cases(task)
    choices = task is Task.MULTIPLE_CHOICE
    results = parity.measure(
        lambda asked: parity.reference(model, asked), given, tolerance=parity.tolerance_of("fp32"),
        file=FILE, pad_to=MAX_LENGTH, batched=not choices,
    )  # fmt: skip
    assert tuple(found.output for found in results) == task.output_names
    short = sum(case.batch.input_ids.shape[-1] < MAX_LENGTH for case in given)
    assert 0 < short < len(given)
    grouped = 0 if choices else len(given) // 3 * 3
    assert {found.cases for found in results} == {len(given) + short + grouped}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("task", Task)
def test_another_model_is_refused(task: Task, precision: Precision) -> None:
    other = tiny.model(task, seed=1)
    with pytest.raises(GateError, match="is not the reference's"):
        parity.measure(
            lambda asked: parity.reference(other, asked), tiny_cases(task)[:4], pad_to=0, batched=False,
            tolerance=parity.tolerance_of(precision), file=FILE,
        )  # fmt: skip


@cache
def tiny_cases(task: Task, max_length: int = MAX_LENGTH) -> tuple[Case, ...]:
    return parity.build_cases(tiny.model(task), tiny.tokenizer(), max_length)


# The cases


def test_every_golden_text_and_length_is_a_case() -> None:
    """Longest input 40: 1, 2, 31 and 32 tokens are shorter, 128 is cut to it."""
    names = [case.name for case in tiny_cases(Task.TEXT_CLASSIFICATION)]
    lengths = [f"{length} tokens" for length in (1, 2, 31, 32, 40)]
    assert names == [*golden_texts.SINGLE, *golden_texts.PAIRS, *lengths]
    longer = [case.name for case in tiny_cases(Task.TEXT_CLASSIFICATION, 130)]
    assert longer[-6:] == [f"{length} tokens" for length in (1, 2, 31, 32, 128, 130)]


@pytest.mark.parametrize("task", [Task.TEXT_CLASSIFICATION, Task.MULTIPLE_CHOICE])
def test_some_golden_texts_hold_each_token_that_was_added(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "reference", lambda *_: {})
    tokenizer = tiny.tokenizer().with_settings(tiny.tokenizer().settings)
    tokenizer.add_tokens(["covid19", AddedToken("New York", single_word=True, lstrip=True)])
    tokenizer.add_special_tokens({"extra_special_tokens": ["[USER]"], "mask_token": "<mask>"})
    cases = parity.build_cases(tiny.model(task), tokenizer, 64)
    ids = {id_ for case in cases if case.texts for id_ in case.batch.input_ids.flat}
    assert ids >= {*range(tokenizer.vocab_size, tokenizer.vocab_size + 4)}
    assert [case.name for case in cases if "added" in case.name] == [f"added token {n}" for n in (1, 2, 3, 4)]


def test_of_many_added_tokens_eight_have_a_golden_text() -> None:
    assert golden_texts.with_added_tokens([]) == {}
    for count, texts in ((8, 8), (9, 5), (1000, 8)):
        found = golden_texts.with_added_tokens([f"<{number}>" for number in range(count)])
        assert len(found) == texts
        assert found["added token 1"] == "<0> is good,  <0> <0><0> x<0>y \u4e2d<0> ."


@pytest.mark.parametrize("task", [task for task in Task if task is not Task.MULTIPLE_CHOICE])
def test_a_case_holds_its_texts_the_tokenizers_ids_and_the_models_answers(task: Task) -> None:
    model, tokenizer = tiny.model(task), tiny.tokenizer()
    texts = {name: (text,) for name, text in golden_texts.SINGLE.items()} | golden_texts.PAIRS
    for case in tiny_cases(task):
        assert case.texts == texts.get(case.name, ())
        if case.texts:
            first, *second = case.texts
            rows = tokenizer.rows(first, second[0] if second else None, max_length=MAX_LENGTH)
            assert np.array_equal(case.batch.input_ids, rows.input_ids)
            assert np.array_equal(case.batch.token_type_ids, rows.token_type_ids)
        assert case.batch.attention_mask.all()
        assert case.batch.input_ids.shape[-1] <= MAX_LENGTH
        with torch.inference_mode():
            answers = model.tensors(*map(torch.from_numpy, case.batch.arrays().values()))
        assert tuple(case.expected) == task.output_names
        assert all(map(np.array_equal, answers, case.expected.values()))


def test_a_case_of_a_length_is_the_beginning_of_a_text_that_fills_the_model() -> None:
    by_name = {case.name: case.batch for case in tiny_cases(Task.TEXT_CLASSIFICATION)}
    full = by_name["truncated"]
    assert full.input_ids.shape == (1, MAX_LENGTH)
    assert by_name["pair truncated"].input_ids.shape == (1, MAX_LENGTH)
    for length in (1, 2, 31, 32, 40):
        cut = by_name[f"{length} tokens"]
        assert cut.input_ids.flags.c_contiguous
        assert all(np.array_equal(cut.arrays()[name], full.arrays()[name][:, :length]) for name in full.arrays())


def test_every_choice_is_a_text_with_the_next_two_as_its_options() -> None:
    tokenizer, texts = tiny.tokenizer(), list(golden_texts.SINGLE.values())
    found = tiny_cases(Task.MULTIPLE_CHOICE)
    assert [case.name for case in found] == list(golden_texts.SINGLE)
    for index, case in enumerate(found):
        assert case.texts == (texts[index], *(texts[(index + step) % len(texts)] for step in (1, 2)))
        assert case.batch.input_ids.shape[:2] == (1, 2)
        assert case.expected["logits"].shape == (1, 2)
        for choice, option in enumerate(case.texts[1:]):
            rows, width = (
                tokenizer.rows(case.texts[0], option, max_length=MAX_LENGTH),
                case.batch.attention_mask.sum(-1),
            )
            assert np.array_equal(case.batch.input_ids[0, choice, : width[0, choice]], rows.input_ids[0])
            assert np.array_equal(case.batch.token_type_ids[0, choice, : width[0, choice]], rows.token_type_ids[0])


# golden.json


@pytest.mark.parametrize("task", Task)
def test_golden_cases_give_back_the_same_inputs_and_answers(task: Task) -> None:
    given = tiny_cases(task)
    kept = golden.parse(golden.dump(parity.golden_cases(given, MAX_LENGTH)), "golden.json")
    assert [(each.name, each.texts, each.max_length) for each in kept] == [(c.name, c.texts, MAX_LENGTH) for c in given]
    for case, each in zip(given, kept, strict=True):
        again = each.batch(3 if task is Task.MULTIPLE_CHOICE else 2)
        for name, array in case.batch.arrays().items():
            assert np.array_equal(again.arrays()[name], array)
            assert again.arrays()[name].dtype == np.int64
        assert [output.name for output in each.outputs] == list(case.expected)
        assert all(golden.difference(output, case.expected[output.name]) < 1e-6 for output in each.outputs)


def write_golden(file: Path, task: Task) -> Path:
    file.write_bytes(golden.dump(parity.golden_cases(tiny_cases(task), MAX_LENGTH)))
    return file


@pytest.mark.parametrize("task", Task)
def test_a_checkpoint_answers_its_own_golden_file_alone(task: Task, tmp_path: Path) -> None:
    file = write_golden(tmp_path / "golden.json", task)
    parity.check_reference(tiny.model(task), file)
    with pytest.raises(GateError, match="for golden text 'empty' differs from the reference") as caught:
        parity.check_reference(tiny.model(task, seed=1), file)
    assert caught.value.file == str(file)
    assert caught.value.exit_code == 6


def test_a_golden_file_allows_what_another_machine_rounds_otherwise(tmp_path: Path) -> None:
    """The end logits alone move, by their bias."""
    file = write_golden(tmp_path / "golden.json", Task.QUESTION_ANSWERING)
    model = tiny.model(Task.QUESTION_ANSWERING)
    with torch.no_grad():
        model.qa_outputs.bias[1] += 0.9e-4
        parity.check_reference(model, file)
        model.qa_outputs.bias[1] += 0.2e-4
    with pytest.raises(GateError, match="output end_logits for golden text 'empty' differs") as caught:
        parity.check_reference(model, file)
    assert float(str(caught.value.found)) == pytest.approx(1.1e-4, rel=0.02)
    assert caught.value.expected == "at most 0.0001"


def test_the_last_golden_text_counts_as_much_as_the_first(tmp_path: Path) -> None:
    *first, last = parity.golden_cases(tiny_cases(Task.TEXT_CLASSIFICATION), MAX_LENGTH)
    (logits,) = last.outputs
    changed = logits.model_copy(update={"values": (logits.values[0], logits.values[1] + 1)})
    file = tmp_path / "golden.json"
    file.write_bytes(golden.dump((*first, last.model_copy(update={"outputs": (changed,)}))))
    with pytest.raises(GateError, match=f"golden text '{last.name}' differs") as caught:
        parity.check_reference(tiny.model(Task.TEXT_CLASSIFICATION), file)
    assert caught.value.found == "1"


def test_cases_are_padded_on_the_right_and_cut_whatever_the_tokenizer_does() -> None:
    own = tiny.tokenizer()
    left = own.with_settings(replace(own.settings, padding_side="left"))
    asked = parity.encode(left, ["a quiet film " * 9, "a"], None, 8)
    assert asked.attention_mask.tolist() == [[1] * 8, [1, 1, 1, 0, 0, 0, 0, 0]]


def test_a_model_of_one_type_is_asked_no_pairs() -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.serve(1)
    one = tiny.model(Task.TEXT_CLASSIFICATION, replace(tiny.CONFIG, type_vocab_size=1))
    names = {case.name for case in parity.build_cases(one, tokenizer, MAX_LENGTH)}
    assert names & {*golden_texts.SINGLE} and not names & {*golden_texts.PAIRS}


def test_a_golden_file_is_the_checkpoints_own_and_no_larger_than_the_apps_reader_takes(tmp_path: Path) -> None:
    file = write_golden(tmp_path / "golden.json", Task.TEXT_CLASSIFICATION)
    small = tiny.model(Task.TEXT_CLASSIFICATION, replace(tiny.CONFIG, vocab_size=3))
    for other, words in ((tiny.model(Task.TEXT_CLASSIFICATION, seed=1), "differs"), (small, "cannot take")):
        with pytest.raises(GateError, match=words) as caught:
            parity.check_reference(other, file)
        assert caught.value.fix == "give the checkpoint that this file was made from"
    file.write_bytes(file.read_bytes().ljust(golden.MAX_GOLDEN_BYTES + 1))
    with pytest.raises(InputFileError, match="is too large"):
        parity.check_reference(tiny.model(Task.TEXT_CLASSIFICATION), file)


def test_a_golden_file_of_another_task_is_refused(tmp_path: Path) -> None:
    file = write_golden(tmp_path / "golden.json", Task.QUESTION_ANSWERING)
    with pytest.raises(GateError, match="output start_logits for golden text 'empty' differs"):
        parity.check_reference(tiny.model(Task.TEXT_CLASSIFICATION), file)
    file.write_text("{}")
    with pytest.raises(IntegrityError) as caught:
        parity.check_reference(tiny.model(Task.TEXT_CLASSIFICATION), file)
    assert caught.value.file == str(file)
