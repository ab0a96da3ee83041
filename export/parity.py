"""Every artifact against the reference, on real text, padded and unpadded, alone and in a batch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from squeezebert_mobile import batch as batches
from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.bundle.golden import GoldenCase
from squeezebert_mobile.bundle.manifest import Parity
from squeezebert_mobile.errors import GateError, UsageError
from squeezebert_mobile.export import golden_texts
from squeezebert_mobile.files import read_file
from squeezebert_mobile.model import PreTrained, run_module
from squeezebert_mobile.tasks import Precision, Task
from squeezebert_mobile.tokenizer.settings import TokenizerSettings
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

# By name, with the shapes that the artifact's manifest entry gives them.
Outputs = dict[str, Float32]
# One call of an artifact or of the reference.
Run = Callable[[Batch], Outputs]

# Columns added on the right; small and odd, so that no kernel's tile hides a mistake.
_PADDING = 5
# The same fp32 sums on another machine, in another order.
_REFERENCE_ATOL = 1e-4
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Case:
    """One input, its texts (none where the ids were made directly) and the reference's outputs."""

    name: str
    texts: tuple[str, ...]
    batch: Batch
    expected: Outputs


@dataclass(frozen=True)
class Tolerance:
    """The gate for one output: a largest absolute difference, or a smallest PSNR in dB.

    With ``of`` no difference is allowed either that `verify` would take for another model's in that precision.
    """

    atol: float | None
    min_psnr_db: float | None
    of: Precision | None = None


def tolerance_of(precision: Precision, atol: float | None = None) -> Tolerance:
    """The gate of a precision, or the one that is asked for in its place.

    fp32 sums in another order through up to 12 layers; fp16 has 11 bits. For int8 the size of a harmless difference
    depends on the model, so the bound is relative: the noise must stay 20 dB, a tenth, below the largest value.
    """
    if atol is not None:
        return Tolerance(atol, None, precision)
    match precision:
        case "fp32":
            return Tolerance(1e-4, None, precision)
        case "fp16":
            return Tolerance(None, 40.0, precision)
        case _:
            return Tolerance(None, 20.0, precision)


def reference(model: PreTrained, batch: Batch) -> Outputs:
    """The reference's outputs by name."""
    return run_module(model, batch, model.output_names)


def build_cases(model: PreTrained, tokenizer: SqueezeBertTokenizerFast, max_length: int) -> tuple[Case, ...]:
    """The golden texts and lengths through tokenizer and reference."""
    if model.task is Task.MULTIPLE_CHOICE:
        inputs = list(_choice_inputs(tokenizer, max_length))
    else:
        inputs = [*_text_inputs(tokenizer, max_length), *_length_inputs(tokenizer, max_length)]
    return tuple(Case(name, texts, batch, reference(model, batch)) for name, texts, batch in inputs)


def _text_inputs(tokenizer: SqueezeBertTokenizerFast, max_length: int) -> Iterator[tuple[str, tuple[str, ...], Batch]]:
    for name, text in _single_texts(tokenizer).items():
        batch = encode(tokenizer, [text], None, max_length)
        if batch.input_ids.size:  # a tokenizer that adds no tokens makes none of an empty text
            yield name, (text,), batch
    for name, (text, pair) in golden_texts.PAIRS.items() if tokenizer.reads_pairs else ():
        yield name, (text, pair), encode(tokenizer, [text], [pair], max_length)


def _single_texts(tokenizer: SqueezeBertTokenizerFast) -> dict[str, str]:
    """The golden texts, and some with the tokens that this tokenizer has beside BERT's five."""
    usual = TokenizerSettings().special_tokens.values()
    added = [piece.content for piece in tokenizer.added_tokens.values() if piece.content not in usual]
    return golden_texts.SINGLE | golden_texts.with_added_tokens(added)


def _length_inputs(
    tokenizer: SqueezeBertTokenizerFast, max_length: int
) -> Iterator[tuple[str, tuple[str, ...], Batch]]:
    """The first tokens of a text that is long enough, at each of the lengths that matter."""
    full = encode(tokenizer, [golden_texts.LONG * 40], None, max_length)
    for length in sorted({min(length, max_length) for length in (*golden_texts.LENGTHS, max_length)}):
        yield f"{length} tokens", (), Batch(*(array[:, :length].copy() for array in full.arrays().values()))


def _choice_inputs(
    tokenizer: SqueezeBertTokenizerFast, max_length: int
) -> Iterator[tuple[str, tuple[str, ...], Batch]]:
    """Each text as the question, two others as its options."""
    items = list(_single_texts(tokenizer).items())
    for index, (name, text) in enumerate(items):
        options = [items[(index + step) % len(items)][1] for step in (1, 2)]
        flat = encode(tokenizer, [text] * len(options), options, max_length)
        yield name, (text, *options), flat.of_choices()


def encode(
    tokenizer: SqueezeBertTokenizerFast, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int
) -> Batch:
    """Texts as a batch, padded to its longest row."""
    return tokenizer.rows(texts, pairs, max_length=max_length, padding="longest", padding_side="right").batch()


def golden_cases(cases: Sequence[Case], max_length: int) -> tuple[GoldenCase, ...]:
    """The cases as golden.json keeps them."""
    return tuple(
        GoldenCase(
            name=case.name,
            texts=case.texts,
            max_length=max_length,
            input_ids=_rows(case.batch.input_ids),
            attention_mask=_rows(case.batch.attention_mask),
            token_type_ids=_rows(case.batch.token_type_ids),
            outputs=tuple(golden.sample(name, value) for name, value in case.expected.items()),
        )
        for case in cases
    )


def check_reference(model: PreTrained, file: Path) -> None:
    """Raise GateError unless the reference answers an earlier golden.json of this model.

    Two convolutions of a SqueezeBERT can have one shape, so swapped weights load without an error: only answers tell.
    """
    fix, config = "give the checkpoint that this file was made from", model.config

    def answer(batch: Batch) -> Outputs:
        try:
            batches.check(
                batch,
                rank=model.task.rank,
                vocab_size=config.vocab_size,
                type_vocab_size=config.type_vocab_size,
                max_length=config.max_position_embeddings,
            )
        except UsageError as error:
            what = f"holds inputs that this model cannot take: {error.file} {error.what}"
            raise GateError(file, what, found=error.found, expected=error.expected, fix=fix) from None
        return reference(model, batch)

    golden.check(
        golden.parse(read_file(file, max_bytes=golden.MAX_GOLDEN_BYTES)[0], str(file)),
        answer,
        rank=model.task.rank,
        allowed=dict.fromkeys(model.output_names, _REFERENCE_ATOL),
        file=file,
        fix=fix,
    )


def _rows(array: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, row)) for row in array.reshape(-1, array.shape[-1]))


def measure(
    run: Run, cases: Sequence[Case], *, tolerance: Tolerance, file: str, pad_to: int, batched: bool
) -> tuple[Parity, ...]:
    """Run every case alone, padded (up to ``pad_to`` tokens) and, where ``batched``, three at a time, and judge.

    Raises GateError with the worst example where an output is not finite or misses the tolerance.
    """
    tallies = {name: _Tally() for name in cases[0].expected}
    groups = _batches_of_three(run, cases) if batched else iter(())
    for pair in chain.from_iterable((*(_variants(run, case, pad_to) for case in cases), groups)):
        for name, tally in tallies.items():
            tally.add(pair.name, pair.expected[name], pair.found[name])
    return tuple(_judge(name, tally, tolerance, file) for name, tally in tallies.items())


class _Tally:
    """Running figures of one output, because vocabulary logits of all cases together would not fit."""

    def __init__(self) -> None:
        self.max_abs, self.worst = 0.0, ""
        self.peak = self.squares = 0.0
        self.values = self.rows = self.agreeing = self.cases = 0

    def add(self, case: str, expected: Float32, found: Float32) -> None:
        """Take one answer in; an answer of another shape or with NaN counts as infinitely wrong."""
        self.cases += 1
        broken = expected.shape != found.shape or not np.isfinite(found).all()
        error = np.float32(np.inf) if broken else np.abs(expected - found)
        if float(np.max(error)) >= self.max_abs:
            self.max_abs, self.worst = float(np.max(error)), case
        if broken:
            return
        self.peak = max(self.peak, float(np.abs(expected).max()))
        self.squares += float(np.square(error, dtype=np.float64).sum())
        self.values += expected.size
        same = expected.argmax(-1) == found.argmax(-1)
        self.rows += same.size
        self.agreeing += int(same.sum())

    @property
    def psnr_db(self) -> float | None:
        """PSNR over all values, None for equal arrays; hugely negative where the reference is all zeros."""
        rmse = (self.squares / max(self.values, 1)) ** 0.5
        return 20 * float(np.log10(max(self.peak, _TINY) / rmse)) if rmse > 0 else None


@dataclass(frozen=True)
class _Pair:
    """What the reference said and what the artifact said, over the real tokens."""

    name: str
    expected: Outputs
    found: Outputs


def _variants(run: Run, case: Case, pad_to: int) -> Iterator[_Pair]:
    yield _Pair(case.name, case.expected, run(case.batch))
    width = case.batch.input_ids.shape[-1]
    extra = min(_PADDING, pad_to - width)
    if extra > 0:
        padded = run(case.batch.padded(width + extra))
        yield _Pair(f"{case.name}, padded", case.expected, _crop(padded, case.expected))


def _batches_of_three(run: Run, cases: Sequence[Case]) -> Iterator[_Pair]:
    """Rows of different lengths together; each must answer as it does alone."""
    for first in range(0, len(cases) - 2, 3):
        group = cases[first : first + 3]
        width = max(case.batch.input_ids.shape[-1] for case in group)
        arrays = zip(*(case.batch.padded(width).arrays().values() for case in group), strict=True)
        found = run(Batch(*(np.concatenate(rows) for rows in arrays)))
        for index, case in enumerate(group):
            row = {name: value[index : index + 1] for name, value in found.items()}
            yield _Pair(f"{case.name}, in a batch", case.expected, _crop(row, case.expected))


def _crop(found: Outputs, expected: Outputs) -> Outputs:
    """Outputs of a padded call, without the padding's columns."""
    return {name: value[tuple(map(slice, expected[name].shape[: value.ndim]))] for name, value in found.items()}


def _judge(name: str, tally: _Tally, tolerance: Tolerance, file: str) -> Parity:
    if not np.isfinite(tally.max_abs):
        what = f"output {name} is not finite or has another shape for the text {tally.worst!r}"
        raise GateError(file, what, fix="report the model; no bundle was written")
    psnr = tally.psnr_db
    if tolerance.atol is not None and tally.max_abs > tolerance.atol:
        _refuse(file, name, tally.worst, f"{tally.max_abs:.3g}", f"at most {tolerance.atol:g}")
    if tolerance.min_psnr_db is not None and psnr is not None and psnr < tolerance.min_psnr_db:
        _refuse(file, name, tally.worst, f"PSNR {psnr:.1f} dB", f"at least {tolerance.min_psnr_db:g} dB")
    most = None if tolerance.of is None else golden.largest_difference(tolerance.of, tally.peak)
    if most is not None and tally.max_abs > most:
        what = (
            f"output {name} is further from the reference for the text {tally.worst!r} than verify takes from any file"
        )
        fix = "check that the weights are right, or take a finer precision: a larger --atol does not help"
        raise GateError(file, what, found=f"{tally.max_abs:.3g}", expected=f"at most {most:.3g}", fix=fix)
    return Parity(
        output=name,
        atol=tolerance.atol,
        min_psnr_db=tolerance.min_psnr_db,
        max_abs=float(f"{tally.max_abs:.3g}"),
        psnr_db=None if psnr is None else round(psnr, 1),
        argmax_agreement=round(tally.agreeing / tally.rows, 6),
        cases=tally.cases,
    )


def _refuse(file: str, output: str, case: str, found: str, expected: str) -> None:
    what = f"output {output} is not the reference's, worst for the text {case!r}"
    fix = "check that the weights are right, or set a tolerance that you can justify with --atol"
    raise GateError(file, what, found=found, expected=expected, fix=fix)
