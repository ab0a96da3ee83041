"""golden.json: texts with their ids and what the reference answers, so that any reader can test itself.

Outputs are kept as sampled entries (all of a small array, an even spread of a large one), because the vocabulary
logits of one text alone would be 15 MB.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle.manifest import Artifact, Index, Length, Manifest, Record, TensorSpec, validated
from squeezebert_mobile.errors import GateError, IntegrityError, counted
from squeezebert_mobile.files import dump_json, parse_json
from squeezebert_mobile.tasks import Precision, Task

GOLDEN_NAME = "golden.json"
# As the app's reader; real ones have up to 1 MB.
MAX_GOLDEN_BYTES = 4 << 20
_MAX_ENTRIES = 64
_MAX_VALUES = 2**31 - 1
# The same fp32 sums on another machine, in another order, where all values are small.
_NEGLIGIBLE = 1e-4
# The largest difference, as a share of the largest reference value, that is no other answer, whatever a bundle says of
# itself. Export's own gates allow fp16 a noise of 0.01 (40 dB) and int8 of 0.1 (20 dB), of which these are 10 and 7.5
# standard deviations; a model that answers nothing but zeros has 1.
_LARGEST_SHARE: dict[Precision, float] = {"fp32": 0.01, "fp16": 0.1, "int8": 0.75, "int8-static": 0.75}

Row = tuple[Index, ...]
Bit = Annotated[int, Field(ge=0, le=1)]


class GoldenOutput(Record):
    """Entries of one output: ``values[i]`` stands at flat index ``indices[i]`` of an array of ``shape``."""

    name: str
    shape: Annotated[tuple[Length, ...], Field(min_length=1)]
    indices: Annotated[tuple[Index, ...], Field(min_length=1)]
    values: tuple[float, ...]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        """Raise ValueError for an index outside of the shape, and where not each has its value."""
        if len(self.values) != len(self.indices):
            raise ValueError(f"{counted(len(self.values), 'value')} for {len(self.indices)} indices")
        size = prod(self.shape)
        if size > _MAX_VALUES or max(self.indices) >= size:
            raise ValueError("its shape is out of range, or its indices leave it")
        return self


class GoldenCase(Record):
    """One input with its answers. ``texts`` are (text), (text, pair) or, for choices, (text, option, option...).

    No texts: the ids were made directly. ``input_ids`` and ``token_type_ids`` have one row, or one per choice; rows
    of choices are padded to the longest with a mask of zeros.
    """

    name: str
    texts: tuple[str, ...]
    max_length: Length
    input_ids: Annotated[tuple[Row, ...], Field(min_length=1)]
    attention_mask: tuple[tuple[Bit, ...], ...]
    token_type_ids: tuple[Row, ...]
    outputs: Annotated[tuple[GoldenOutput, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        """Raise ValueError for rows of several lengths, too long ones, and a mask that does not begin with tokens."""
        widths = {tuple(map(len, rows)) for rows in (self.input_ids, self.attention_mask, self.token_type_ids)}
        if len(widths) > 1 or len(set(*widths)) > 1:
            raise ValueError("its rows have several lengths")
        if len(self.input_ids[0]) > self.max_length:
            raise ValueError("its rows are longer than max_length")
        if any(mask[:1] != (1,) or any(a < b for a, b in pairwise(mask)) for mask in self.attention_mask):
            raise ValueError("its rows do not begin with their tokens")
        return self

    def batch(self, rank: int) -> Batch:
        """The model inputs, [1, W] or [1, choices, W]."""
        rows = (self.input_ids, self.attention_mask, self.token_type_ids)
        batch = Batch(*(np.array(row, np.int64) for row in rows))
        return batch.of_choices() if rank == 3 else batch


class Golden(Record):
    """The whole of golden.json."""

    schema_version: Annotated[int, Field(ge=1, le=1)]
    cases: Annotated[tuple[GoldenCase, ...], Field(min_length=1)]


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


def largest_difference(precision: Precision, peak: float) -> float:
    """The largest difference from reference values of up to ``peak`` that is no other answer, whatever a gate says."""
    return max(_NEGLIGIBLE, _LARGEST_SHARE[precision] * peak)


def allowed_differences(artifact: Artifact, cases: Iterable[GoldenCase]) -> dict[str, float]:
    """By output, what `Artifact.allowed_differences` says, but no difference as large as the answers themselves.

    A bundle that states a large difference of its own, or a gate that refuses nothing, proves nothing by it.
    """
    largest: dict[str, float] = {}
    for output in (output for case in cases for output in case.outputs):
        largest[output.name] = max(largest.get(output.name, 0.0), *map(abs, output.values))
    limits = {name: largest_difference(artifact.precision, peak) for name, peak in largest.items()}
    return {name: min(stated, limits[name]) for name, stated in artifact.allowed_differences().items()}


def parse(data: bytes, file: str | Path) -> tuple[GoldenCase, ...]:
    """The cases in a golden.json. Raises as `files.parse_json`, and IntegrityError for what proves nothing."""
    parse_json(data, file)
    return validated(Golden, data, file, "a golden file").cases


def of_bundle(data: bytes, file: str | Path, described: Manifest) -> tuple[GoldenCase, ...]:
    """The cases in the golden.json of a bundle. Raises as `parse`, and IntegrityError where one is not of its model."""
    cases = parse(data, file)
    for number, case in enumerate(cases):
        if problem := _problem(case, described):
            what = f"does not fit bundle.json: case {number} {problem}"
            raise IntegrityError(file, what, fix="export the bundle again")
    return cases


def _problem(case: GoldenCase, described: Manifest) -> str:
    """What a case has that no input or output of the bundle's model has, empty where there is nothing."""
    rows, width = len(case.input_ids), len(case.input_ids[0])
    is_choice = described.task is Task.MULTIPLE_CHOICE
    if rows > 1 and not is_choice:
        return "has several rows"
    if case.texts and (len(case.texts) != rows + 1 if is_choice else len(case.texts) > 2):
        return "has not one row for its texts"
    for artifact in described.artifacts:
        if case.max_length > min(artifact.max_length, described.tokenizer.max_length):
            return "is longer than the model's longest text"
        if [output.name for output in case.outputs] != [output.name for output in artifact.outputs]:
            return "has other outputs"
        for output, spec in zip(case.outputs, artifact.outputs, strict=True):
            if output.shape != _shape(spec, rows, width, is_choice=is_choice):
                return f"has an output {output.name} of another shape"
    return ""


def _shape(spec: TensorSpec, rows: int, width: int, *, is_choice: bool) -> tuple[int, ...]:
    """The shape of an output for one text, or for one item of ``rows`` choices."""
    if is_choice:
        return (1, rows)
    return (1, *(width if isinstance(axis, str) else axis for axis in spec.axes[1:]))
