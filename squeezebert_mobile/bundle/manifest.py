"""bundle.json: what a bundle holds and how to call it. The only source of truth; file names mean nothing.

`bundle.schema.json`, published beside this file, is generated from these classes. The file also holds its own digest,
``seal``: the SHA-256 of its bytes with 64 zeros in the place of the seal. Without it one flipped bit in a label would
be a wrong answer. It shows damage; who made the bundle is shown by a signature (`signing`).
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from squeezebert_mobile.errors import IntegrityError, counted
from squeezebert_mobile.files import MAX_BYTES, dump_json, parse_json, require_digest, sha256
from squeezebert_mobile.licences import MAX_LENGTH, UNKNOWN
from squeezebert_mobile.tasks import POOLER_OUTPUT, SENTENCE_EMBEDDING, PoolingMode, Precision, Runtime, Task

SCHEMA_VERSION = 2
MANIFEST_NAME = "bundle.json"
# Where no absolute gate says more: fp32 sums in another order.
_ALLOWED = 1e-4
# What schema 2 added, as pydantic's ``exclude``. Each of these fields has the default that schema 1 meant.
_SINCE_2: dict[str, Any] = {
    "license": True,
    "release": True,
    "peer": True,
    "artifacts": {"__all__": {"accuracy", "files", "form"}},
    "tokenizer": {"added_tokens", "single", "pair", "truncation_side"},
    "postprocessing": {"pooling", "null_threshold"},
}
# fp16 is a file for phones, which a processor without such arithmetic runs slower than fp32.
_PREFERRED: tuple[Precision, ...] = ("int8", "int8-static", "fp32", "fp16")
_SEAL = "seal"
_UNSEALED = "0" * 64

Kind = Literal["none", "softmax", "sigmoid", "regression", "entity-spans", "answer-span", "mask-fillings", "choice"]
# Which make an answer of a task's outputs.
_FITTING: dict[Task, tuple[Kind, ...]] = {
    Task.FEATURE_EXTRACTION: ("none",),
    Task.FILL_MASK: ("mask-fillings",),
    Task.TEXT_CLASSIFICATION: ("softmax", "sigmoid", "regression"),
    Task.TOKEN_CLASSIFICATION: ("entity-spans",),
    Task.QUESTION_ANSWERING: ("answer-span",),
    Task.MULTIPLE_CHOICE: ("choice",),
}
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# The app has 32 bits for what it counts or holds in memory, else 64.
_INT = 1 << 31
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Size = Annotated[int, Field(ge=0, le=MAX_BYTES)]
Index = Annotated[int, Field(ge=0, lt=_INT)]
Length = Annotated[int, Field(ge=1, lt=_INT)]
# What identifiers and expressions are made of, and nothing that means something to YAML.
Licence = Annotated[str, Field(pattern=r"^[A-Za-z0-9(][A-Za-z0-9.+() -]*$", max_length=MAX_LENGTH)]
# Google's AI packs allow no more in a name.
_NAME = "^[A-Za-z][A-Za-z0-9_]{0,63}$"
# Semantic Versioning without builds, which have no order; numbers fit 32 bits.
_NUMBER, _LONGEST_VERSION = "(0|[1-9][0-9]{0,8})", 64
_IDENTIFIER = f"({_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = rf"^{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_IDENTIFIER}(\.{_IDENTIFIER})*)?$"


class Record(BaseModel):
    """A frozen record that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


_R = TypeVar("_R", bound=Record)


class FileEntry(Record):
    """A file by its path in the folder, with the digest and size of its bytes."""

    path: Annotated[str, Field(min_length=1, max_length=255)]
    sha256: Sha256
    bytes: Size


class Source(Record):
    """The checkpoint that a bundle was made from; ``digest`` is the SHA-256 over its files' digests."""

    name: str
    revision: str | None
    files: tuple[FileEntry, ...]
    digest: Sha256
    notes: tuple[str, ...]


class AddedToken(Record):
    """A token that is found in the text before WordPiece runs; flags as in ``tokenizers.AddedToken``."""

    id: Index
    content: Annotated[str, Field(min_length=1)]
    special: bool
    normalized: bool
    single_word: bool
    lstrip: bool
    rstrip: bool


class Slot(Record):
    """A place in a row: the token ``token_id`` where ``sequence`` is -1, else all tokens of text 0 or 1."""

    sequence: Literal[-1, 0, 1]
    token_id: Index | None
    type_id: Index


class TokenizerFacts(Record):
    """What a reader without `tokenizers` must know to reproduce the ids.

    ``vocab_size`` counts the pieces in vocab.txt. ``added_tokens`` stand in the order of their ids, special ones
    included, and may lie beyond it; where none are listed the named tokens are found in the text as they stand.
    ``single`` and ``pair`` are the rows for one text and for two; empty, they are ``[CLS] text [SEP]`` and
    ``[CLS] text [SEP] pair [SEP]`` with type 1 for the pair and its [SEP]. An id is null where there is no such token.
    """

    vocab_size: Length
    lowercase: bool
    strip_accents: bool
    tokenize_chinese_chars: bool
    max_length: Annotated[int, Field(ge=2, lt=_INT)]
    truncation_side: Literal["left", "right"] = "right"
    pad_token_id: Index | None
    unk_token_id: Index
    cls_token_id: Index | None
    sep_token_id: Index | None
    mask_token_id: Index | None
    added_tokens: tuple[AddedToken, ...] = ()
    single: tuple[Slot, ...] = ()
    pair: tuple[Slot, ...] = ()

    @model_validator(mode="after")
    def _fit(self) -> Self:
        """Raise ValueError for an id that no token has, and for a row that does not hold each text once, in order."""
        slots = [*self.single, *self.pair]
        if any((slot.sequence < 0) == (slot.token_id is None) for slot in slots):
            raise ValueError("a place in a row is neither a token nor a text")
        for row, texts in ((self.single, [0]), (self.pair, [0, 1])):
            if row and [slot.sequence for slot in row if slot.sequence >= 0] != texts:
                raise ValueError("a row does not hold each text once, in order")
        named = [self.pad_token_id, self.unk_token_id, self.cls_token_id, self.sep_token_id, self.mask_token_id]
        added = {token.id for token in self.added_tokens}
        for token_id in [*named, *(slot.token_id for slot in slots)]:
            if token_id is not None and token_id >= self.vocab_size and token_id not in added:
                raise ValueError(f"the id {token_id} has no token")
        return self


class TensorSpec(Record):
    """An input or output: its name, element type and axes; a named axis has a free length."""

    name: str
    dtype: Literal["int64", "int32", "float32"]
    axes: Annotated[tuple[str | Length, ...], Field(min_length=1)]


class LayerCount(Record):
    """How much of a model one kind of arithmetic holds: parameters, and FLOPs of one 128-token inference."""

    parameters: Count
    flops: Count


class Note(Record):
    """A layer that did not take the fast or the small form, and why."""

    name: str
    reason: str


class QuantizedRange(Record):
    """The calibrated range of one activation tensor."""

    name: str
    low: float
    high: float


class Inventory(Record):
    """What the passes did: which parts took the fast form, which fell back, what became int8 and what did not.

    A part whose function is an approximation is among ``fallbacks``, with what it computes.
    """

    fast: tuple[str, ...] = ()
    fallbacks: tuple[Note, ...] = ()
    quantized: LayerCount = LayerCount(parameters=0, flops=0)
    floating: LayerCount = LayerCount(parameters=0, flops=0)
    kept_float: tuple[Note, ...] = ()
    ranges: tuple[QuantizedRange, ...] = ()


class Parity(Record):
    """One output of an artifact against the reference over the golden cases, and the gate that it passed.

    PSNR is 20 log10(largest absolute reference value / root mean square error), null for equal arrays. The gate is
    ``atol`` on the largest absolute difference or ``min_psnr_db``, whichever is given.
    """

    output: str
    atol: float | None
    min_psnr_db: float | None
    max_abs: float
    psnr_db: float | None
    argmax_agreement: Annotated[float, Field(ge=0, le=1)]
    cases: Index


class Range(Record):
    """Both ends of a 95 % interval."""

    low: float
    high: float


class Accuracy(Record):
    """The leading metric of an artifact on labelled data, and the gate that it passed.

    ``drop`` is by how much it is worse than ``checkpoint``, the unconverted model on the same rows, and at most
    ``allowed_drop``. The intervals are of a bootstrap over the rows. ``chance`` is what the commonest label alone would
    reach, null where there is no single label a row. ``data_sha256`` is over the rows as they were read, whatever
    format holds them. ``float_units`` went back to float for this accuracy.
    """

    metric: str
    value: float
    interval: Range
    checkpoint: float
    checkpoint_interval: Range
    drop: float
    drop_interval: Range
    allowed_drop: float
    chance: float | None
    rows: Length
    data: str
    data_sha256: Sha256
    float_units: tuple[str, ...]

    @property
    def is_chance(self) -> bool:
        """Whether the checkpoint itself is not surely better than its commonest label, so that a drop says nothing."""
        return self.chance is not None and self.checkpoint_interval.low <= self.chance


class Artifact(Record):
    """One runnable file, or a folder of ``files``. ``batch`` is null where any goes; ``max_length`` counts tokens.

    A folder's ``bytes`` are those of its files, and its ``sha256`` is that of their sums (`folder_digest`).
    ``accuracy`` is null where no gate measured it. ``form`` is "ort" for a graph in ONNX Runtime's own format, which is
    optimized already and which builds of that runtime with fewer operators need.
    """

    path: Annotated[str, Field(min_length=1, max_length=255)]
    sha256: Sha256
    bytes: Size
    runtime: Runtime
    precision: Precision
    version: str
    batch: Length | None
    max_length: Length
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    inventory: Inventory
    parity: tuple[Parity, ...]
    oldest_runtime: str
    accuracy: Accuracy | None = None
    files: Annotated[tuple[FileEntry, ...], Field(exclude_if=lambda files: not files)] = ()
    form: Annotated[Literal["ort"] | None, Field(exclude_if=lambda form: form is None)] = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        """Raise ValueError for a folder's files that lie elsewhere, or do not make its digest and size.

        And for ONNX Runtime's format of another runtime.
        """
        if self.form and self.runtime != "onnx":
            raise ValueError(f"{self.path} is of {self.runtime}, which has no form {self.form}")
        if bool(self.files) != (self.runtime == "coreai"):
            raise ValueError(f"{self.path} is of {self.runtime}, where a folder is Core AI's")
        if not all(entry.path.startswith(f"{self.path}/") for entry in self.files):
            raise ValueError(f"{self.path} has files outside of it")
        if self.files and (self.sha256, self.bytes) != (folder_digest(self.files), sum(e.bytes for e in self.files)):
            raise ValueError(f"{self.path} is not what its files make")
        return self

    def every_file(self) -> tuple[FileEntry, ...]:
        """The files that it is made of: what lists, copies or compares an artifact asks this."""
        return self.files or (FileEntry(path=self.path, sha256=self.sha256, bytes=self.bytes),)

    @property
    def agreement(self) -> float | None:
        """On what share of the golden answers the largest logit is the reference's; None where no output is logits."""
        return min((p.argmax_agreement for p in self.parity if p.output.endswith("logits")), default=None)

    @property
    def preference(self) -> int:
        """Its place among a runtime's files where nobody says which to take: int8 first."""
        return _PREFERRED.index(self.precision)

    def allowed_differences(self) -> dict[str, float]:
        """The largest absolute difference from the reference, by output, that another machine or runtime may show.

        Twice what was found at export, since kernels differ in the order of their sums, and never less than the gate.
        """
        return {p.output: max(2 * p.max_abs, p.atol or _ALLOWED) for p in self.parity}


class RecommendedCall(Record):
    """The call that is fastest and whose result does not depend on the other texts in the batch."""

    batch: Length
    padding: Literal["none", "longest"]
    threads: Length


class PoolingFacts(Record):
    """How the artifacts themselves make the output sentence_embedding of their hidden states."""

    mode: PoolingMode
    normalize: bool


class PostProcessing(Record):
    """What makes answers of the outputs; schema 1 has the ``kind`` alone in its place.

    ``pooling`` is null where no output is the vector of a text. ``null_threshold`` is for answer spans: by how many
    logits "no answer", the first token's start and end, must lead the best span to be the answer; null where every
    question is answered.
    """

    kind: Kind
    pooling: PoolingFacts | None = None
    null_threshold: float | None = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        """Raise ValueError for what an answer of this kind has no use for."""
        if self.pooling is not None and self.kind != "none":
            raise ValueError(f"{self.kind} has no pooling")
        if self.null_threshold is not None and self.kind != "answer-span":
            raise ValueError(f"{self.kind} has no null_threshold")
        return self


class Producer(Record):
    """The versions that wrote the bundle."""

    squeezebert_mobile: str
    torch: str
    onnx: str
    onnxruntime: str
    executorch: str


class Release(Record):
    """What makes a bundle a pack: by ``name`` an app finds its versions, which are ordered as on semver.org.

    ``update`` is the rule by which it takes one: the newest version whose bytes and self-test are sound, so that a
    newer one that fails leaves the last one that passed in its place.
    """

    name: Annotated[str, Field(pattern=_NAME)]
    version: Annotated[str, Field(pattern=_VERSION, max_length=_LONGEST_VERSION)]
    update: Literal["newest-that-passes"] = "newest-that-passes"

    @staticmethod
    def is_name(text: str) -> bool:
        """Whether a pack can have this name."""
        return re.fullmatch(_NAME, text) is not None

    @staticmethod
    def is_version(text: str) -> bool:
        """Whether a pack can have this version."""
        return len(text) <= _LONGEST_VERSION and re.fullmatch(_VERSION, text) is not None


class Manifest(Record):
    """The whole of bundle.json; ``license`` is the model's, as in `licences.known`.

    ``release`` is null where the bundle is no pack. ``peer`` names the model of somebody else that a phone measures
    beside ours, and with which nobody answers; null in every other bundle.
    """

    schema_version: Literal[1, 2]
    task: Task = Field(strict=False)
    labels: tuple[str, ...]
    postprocessing: PostProcessing
    tokenizer: TokenizerFacts
    files: tuple[FileEntry, ...]
    artifacts: tuple[Artifact, ...]
    recommended_call: RecommendedCall
    producer: Producer
    source: Source
    license: Licence = UNKNOWN
    release: Release | None = None
    peer: Annotated[str, Field(pattern="^[ -~]+$", max_length=255)] | None = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        """Raise ValueError where task, labels, post-processing and the artifacts' outputs do not fit each other."""
        if self.postprocessing.kind not in _FITTING[self.task]:
            raise ValueError(f"the post-processing {self.postprocessing.kind} is not one of {self.task}")
        if self.task.has_labels != bool(self.labels):
            raise ValueError(f"{self.task} with {counted(len(self.labels), 'label')}")
        if not self.artifacts:
            raise ValueError("it has no artifacts")
        for artifact in self.artifacts:
            self._require_outputs(artifact)
        return self

    def _require_outputs(self, artifact: Artifact) -> None:
        """Raise ValueError for other outputs than the task's, and for one without a figure of its parity."""
        names = tuple(output.name for output in artifact.outputs)
        task = self.task.output_names
        if self.task is Task.FEATURE_EXTRACTION:
            vector = (SENTENCE_EMBEDDING,) if self.postprocessing.pooling else ()
            task = (task[0], *((POOLER_OUTPUT,) if POOLER_OUTPUT in names else ()), *vector)
        if names != task or names != tuple(parity.output for parity in artifact.parity):
            has, needs = ", ".join(names)[:100], ", ".join(task)
            raise ValueError(f"{artifact.path} has the outputs {has}, not {needs} with the parity of each")
        for output in artifact.outputs:
            if len(output.axes) != self.task.rank_of(output.name) or output.dtype != "float32":
                raise ValueError(f"{artifact.path} has an output {output.name} of another rank or type")
            if self.labels and output.axes[-1] != len(self.labels):
                raise ValueError(
                    f"{artifact.path} has {output.axes[-1]!r} {output.name} for {counted(len(self.labels), 'label')}"
                )

    def every_file(self) -> list[FileEntry]:
        """Each file of the bundle but bundle.json, artifacts included."""
        return [*self.files, *(entry for artifact in self.artifacts for entry in artifact.every_file())]


def folder_digest(files: Iterable[FileEntry]) -> str:
    """The SHA-256 of a folder's files: of a line for each, as sha256sum writes them."""
    return sha256("".join(f"{entry.sha256}  {entry.path}\n" for entry in files).encode())


def parse(data: bytes, file: str | Path) -> Manifest:
    """The manifest in the bytes of a bundle.json.

    Raises InputFileError where it is not strict JSON, IntegrityError for an unknown schema version, a seal that its
    bytes do not have, or anything that the schema does not allow.
    """
    values = parse_json(data, file)
    version = values.get("schema_version")
    # True and 1.0 equal 1 too.
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        fix = "read it with the version of squeezebert-mobile that wrote it, or export again"
        what, found = "has an unknown schema_version", repr(version)[:40]
        raise IntegrityError(file, what, found=found, expected=f"1 to {SCHEMA_VERSION}", fix=fix)
    _require_seal(data, values.pop(_SEAL, None), file)
    if version == 1:
        values["postprocessing"] = {"kind": values.get("postprocessing")}
    described = validated(Manifest, json.dumps(values), file, "a manifest")
    said = described.model_dump(exclude_unset=True)
    if version == 1 and said != described.model_dump(exclude_unset=True, exclude=_SINCE_2):
        what = "is not a manifest: it says what schema_version 1 cannot"
        raise IntegrityError(file, what, fix="export the bundle again")
    return described


def validated(
    kind: type[_R], data: bytes | str, file: str | Path, name: str, fix: str = "export the bundle again"
) -> _R:
    """The record in JSON bytes. Raises IntegrityError, which says that ``file`` is not ``name``, and where."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the top"
        raise IntegrityError(file, f"is not {name}: {where}: {first['msg']}", fix=fix) from None


def dump(manifest: Manifest) -> bytes:
    """The deterministic bytes of bundle.json."""
    return sealed(_values(manifest))


def sealed(values: Mapping[str, object]) -> bytes:
    """The bytes of a bundle.json with these values, closed by its seal."""
    data = dump_json({**values, _SEAL: _UNSEALED})
    return data.replace(_line(_UNSEALED), _line(sha256(data)))


def schema() -> bytes:
    """The JSON schema of bundle.json, as published in `bundle.schema.json`."""
    values = Manifest.model_json_schema()
    kind = values["$defs"]["PostProcessing"]["properties"]["kind"]
    values["properties"]["postprocessing"] = {"anyOf": [values["properties"]["postprocessing"], kind]}
    values["properties"][_SEAL] = {"pattern": "^[0-9a-f]{64}$", "title": "Seal", "type": "string"}
    values["required"].append(_SEAL)
    return dump_json(values)


def _values(manifest: Manifest) -> dict[str, object]:
    """What the file of a manifest holds: only what its schema version knows, so that its digest stays.

    Nor what came late into schema 2 and says nothing: bundles were kept without it.
    """
    if manifest.schema_version == 2:
        unsaid = {name: getattr(manifest, name) is None for name in ("release", "peer")}
        silent = {"license": manifest.license == UNKNOWN, **unsaid}
        return manifest.model_dump(exclude={name for name, says_nothing in silent.items() if says_nothing})
    return manifest.model_dump(exclude=_SINCE_2) | {"postprocessing": manifest.postprocessing.kind}


def _line(seal: str) -> bytes:
    return f'"{_SEAL}": "{seal}"'.encode()


def _require_seal(data: bytes, seal: object, file: str | Path) -> None:
    found = None
    if isinstance(seal, str) and re.fullmatch("[0-9a-f]{64}", seal):
        found = sha256(data.replace(_line(seal), _line(_UNSEALED)))
    require_digest(file, found, seal, what="SHA-256 mismatch with its seal")
