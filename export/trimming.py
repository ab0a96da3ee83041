"""A smaller model for a smaller vocabulary: pieces that a user's texts never need go, in tokenizer and table alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from squeezebert_mobile.batch import Float32
from squeezebert_mobile.errors import GateError, InputFileError
from squeezebert_mobile.export.texts import Row, draw, encode, read_rows
from squeezebert_mobile.model import PreTrained, run_module
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.tokenizer.vocabulary import Trimmed, trim

# Tensors with a row per piece, by the end of their names.
_TABLES = ("word_embeddings.weight", "cls.predictions.decoder.weight", "cls.predictions.bias", "decoder.bias")
# Texts that both models answer, and how far the answers may lie apart: the same sums over the same rows.
_PROOFS = 32
_ATOL = 1e-5


@dataclass(frozen=True)
class TrimmedModel:
    """Model and tokenizer over the kept pieces, and one sentence about what went."""

    model: PreTrained
    tokenizer: SqueezeBertTokenizerFast
    note: str


def trim_vocabulary(model: PreTrained, tokenizer: SqueezeBertTokenizerFast, file: Path) -> TrimmedModel:
    """``model`` for the pieces that the texts in ``file`` use, which it answers as before.

    Raises InputFileError for a file without texts, GateError where an answer moved.
    """
    trimmed = trim(tokenizer, (column for _, row in read_rows(file) for column in row))
    if len(trimmed.kept_ids) <= len(tokenizer.settings.added):
        raise InputFileError(file, "has no texts", fix="give texts as your users write them, one a line")
    smaller = _with_rows(model, trimmed)
    rows = draw(file, model.task, rows=_PROOFS, seed=0)
    _require_the_same(model, tokenizer, smaller, trimmed, rows, file)
    note = (
        f"trimmed to {len(trimmed.kept_ids)} of {len(tokenizer)} pieces by {file.name}, "
        f"of whose tokens {trimmed.unknown_share:.2%} are unknown"
    )
    return TrimmedModel(smaller, trimmed.tokenizer, note)


def _with_rows(model: PreTrained, trimmed: Trimmed) -> PreTrained:
    kept = torch.from_numpy(trimmed.kept_ids)
    config = replace(model.config, vocab_size=len(kept), pad_token_id=trimmed.tokenizer.pad_token_id)
    smaller = model.like(config)
    state = {
        name: tensor[kept] if name.endswith(_TABLES) and len(tensor) == model.config.vocab_size else tensor
        for name, tensor in model.state_dict().items()
    }
    smaller.load_state_dict(state)
    return smaller.eval()


def _require_the_same(
    model: PreTrained,
    tokenizer: SqueezeBertTokenizerFast,
    smaller: PreTrained,
    trimmed: Trimmed,
    rows: Sequence[Row],
    file: Path,
) -> None:
    length = min(model.config.max_position_embeddings, tokenizer.model_max_length)
    before = encode(tokenizer, rows, model.task, length)
    after = encode(trimmed.tokenizer, rows, model.task, length)
    for row, old, new in zip(rows, before, after, strict=True):
        expected, found = (run_module(m, batch, m.output_names) for m, batch in ((model, old), (smaller, new)))
        if model.task is Task.FILL_MASK:
            expected = {name: value[..., trimmed.kept_ids] for name, value in expected.items()}
        same = (_equal(value, found[name]) for name, value in expected.items())
        if not all(same):
            fix = "leave --trim-vocab out, and report the text"
            raise GateError(file, f"the trimmed model answers {row[0][:80]!r} otherwise", fix=fix)


def _equal(expected: Float32, found: Float32) -> bool:
    return expected.shape == found.shape and np.allclose(found, expected, atol=_ATOL, rtol=0)
