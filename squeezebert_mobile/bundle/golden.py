"""golden.json: texts with their ids and what the reference answers, so that any reader can test itself.

Outputs are kept as sampled entries (all of a small array, an even spread of a large one), because the vocabulary
logits of one text alone would be 15 MB.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle.manifest import Record, validated
from squeezebert_mobile.errors import GateError
from squeezebert_mobile.files import dump_json

GOLDEN_NAME = "golden.json"
_MAX_ENTRIES = 64


class GoldenOutput(Record):
    """Entries of one output: ``values[i]`` stands at flat index ``indices[i]`` of an array of ``shape``."""

    name: str
    shape: tuple[int, ...]
    indices: tuple[int, ...]
    values: tuple[float, ...]


class GoldenCase(Record):
    """One input with its answers. ``texts`` are (text), (text, pair) or, for choices, (text, option, option...).

    No texts: the ids were made directly. ``input_ids`` and ``token_type_ids`` have one row, or one per choice; rows
    of choices are padded to the longest with a mask of zeros.
    """

    name: str
    texts: tuple[str, ...]
    max_length: int
    input_ids: tuple[tuple[int, ...], ...]
    attention_mask: tuple[tuple[int, ...], ...]
    token_type_ids: tuple[tuple[int, ...], ...]
    outputs: tuple[GoldenOutput, ...]

    def batch(self, rank: int) -> Batch:
        """The model inputs, [1, W] or [1, choices, W]."""
        rows = (self.input_ids, self.attention_mask, self.token_type_ids)
        batch = Batch(*(np.array(row, np.int64) for row in rows))
        return batch.of_choices() if rank == 3 else batch


class Golden(Record):
    """The whole of golden.json."""

    schema_version: Literal[1]
    cases: tuple[GoldenCase, ...]


def sample(name: str, array: Float32) -> GoldenOutput:
    """An even spread of at most 64 entries of an output, always its first, last, largest and smallest."""
    flat = array.reshape(-1)
    picked = np.linspace(0, flat.size - 1, min(flat.size, _MAX_ENTRIES)).astype(int)
    indices = sorted({*map(int, picked), int(flat.argmax()), int(flat.argmin())})
    values = tuple(float(str(flat[i])) for i in indices)
    return GoldenOutput(name=name, shape=array.shape, indices=tuple(indices), values=values)


def difference(expected: GoldenOutput, found: Float32 | None) -> float:
    """The largest absolute difference over the sampled entries; infinite for another shape, NaN or no such output."""
    if found is None or found.shape != expected.shape:
        return float("inf")
    values = found.reshape(-1)[list(expected.indices)].astype(np.float64)
    worst = float(np.abs(values - np.array(expected.values)).max())
    return worst if np.isfinite(worst) else float("inf")


def check(
    cases: Iterable[GoldenCase],
    run: Callable[[Batch], Mapping[str, Float32]],
    *,
    rank: int,
    allowed: Mapping[str, float],
    file: str | Path,
    fix: str,
) -> float:
    """The largest difference of any output over all cases; ``rank`` is that of the inputs, ``allowed`` goes by output.

    Raises GateError, which names ``file``, for the first output that differs more than allowed.
    """
    worst = 0.0
    for case in cases:
        outputs = run(case.batch(rank))
        for expected in case.outputs:
            found, most = difference(expected, outputs.get(expected.name)), allowed.get(expected.name, 0.0)
            if found > most:
                what = f"output {expected.name} for golden text {case.name!r} differs from the reference"
                raise GateError(file, what, found=f"{found:.3g}", expected=f"at most {most:.3g}", fix=fix)
            worst = max(worst, found)
    return worst


def dump(cases: tuple[GoldenCase, ...]) -> bytes:
    """The deterministic bytes of golden.json."""
    return dump_json(Golden(schema_version=1, cases=cases).model_dump(mode="json"))


def parse(data: bytes, file: str) -> tuple[GoldenCase, ...]:
    """The cases in a golden.json. Raises IntegrityError for anything else."""
    return validated(Golden, data, file, "a golden file").cases
