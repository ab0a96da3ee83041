"""A result file: JSON lines with the run, its cases, every raw sample, and a last line that seals them.

The lines are, in this order: one ``run``, a ``case`` for each thing measured, a ``sample`` for each inference, a
``pace`` for each turn where the reference kernel was timed, the ``conditions``, and one ``end`` with the SHA-256 of all
bytes before it. Hosts write this format; what a phone reports is turned into it (`phones`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.benchmarks.protocol import (
    ALONE,
    DRIFTING,
    NOTED_STEAL,
    Conditions,
    Protocol,
    case_faults,
    machine_faults,
    spread_faults,
)
from squeezebert_mobile.benchmarks.statistics import Drift, Turns, case_drift, machine_drift
from squeezebert_mobile.bundle.manifest import Record, Sha256
from squeezebert_mobile.bundle.runtimes import NAMES
from squeezebert_mobile.errors import InputFileError, IntegrityError
from squeezebert_mobile.files import MAX_BYTES, require_plain
from squeezebert_mobile.tasks import Timed

Nanoseconds = Annotated[int, Field(ge=0)]
_FIX = "measure again; a result file is never repaired"
# What the runtimes that are timed are called.
RUNTIMES: dict[Timed, str] = {"torch": "PyTorch", "onnx": NAMES["onnx"], "executorch": NAMES["executorch"]}


def label(model: str, runtime: Timed, precision: str, form: str) -> str:
    """What a model's file is called: the beginning of the names of its cases."""
    return f"{model}, {RUNTIMES[runtime]}, {precision}, {form}"


class Version(Record):
    """A package, runtime or system part with its version."""

    name: str
    version: str


class Clocks(Record):
    """The cores that share a clock, in kHz, and who sets it."""

    cores: tuple[int, ...]
    governor: str | None = None
    min_khz: int | None = None
    max_khz: int | None = None


class Build(BaseModel):
    """A phone's system and the app on it, as the app tells them and results keep them; null where unknown."""

    fingerprint: str | None = None
    security_patch: str | None = None
    kernel: str | None = None
    api_level: int | None = None
    page_bytes: int | None = None
    emulator: bool | None = None
    app_version: str | None = None
    debuggable: bool | None = None
    affinity: str | None = None
    sustained_performance: bool | None = None


class Phone(Record, Build):
    """What a phone's figure needs to be published: its build, its clocks, and where the app ran; null where unknown.

    ``cores_used`` are those that the measuring thread was seen on, ``cpusets`` and ``battery_celsius`` what they were
    before and after, ``priority`` is the thread's nice value.
    """

    priority: int | None = None
    cool_down_seconds: float = 0.0
    clocks: tuple[Clocks, ...] = ()
    cores_used: tuple[int, ...] = ()
    cpusets: tuple[str | None, ...] = ()
    battery_celsius: tuple[float | None, ...] = ()


class Environment(Record):
    """The machine and the software that a run was made with; null where unknown."""

    cpu: str
    architecture: str
    cores: int
    memory_bytes: int | None = None
    system: str
    governor: str | None = None
    huge_pages: str | None = None
    features: tuple[str, ...]
    versions: tuple[Version, ...]
    commit: str | None = None
    device: str | None = None
    phone: Phone | None = None


class Run(Record):
    """The first line: which run this is and where it was made; ``started`` is UTC, ISO 8601."""

    record: Literal["run"] = "run"
    format: Literal[1] = 1
    run_id: str
    started: str
    environment: Environment


class Cold(Record):
    """A case alone in a fresh process: nanoseconds to load and to infer once, and peak memory over an empty runtime.

    ``load_ns`` is null for random weights that are made instead of loaded.
    """

    load_ns: Nanoseconds | None = None
    first_ns: Nanoseconds
    base_bytes: int | None = None
    peak_bytes: int | None = None


class Case(Record):
    """One thing measured: a model in a form, in a runtime, under a protocol.

    ``form`` says how the file was made (``bundle``, ``plain``, ``quantize_dynamic`` ...), ``agreement`` how often the
    answer equals the reference's.
    """

    # Earlier versions also wrote `loadgen` and `accuracy`, which are null in every kept run.
    model_config = ConfigDict(extra="ignore")
    record: Literal["case"] = "case"
    name: str
    model: str
    form: str
    runtime: Literal["torch", "onnx", "executorch"]
    runtime_version: str
    precision: str
    protocol: Protocol
    file_sha256: Sha256 | None = None
    file_bytes: int | None = None
    bundle_sha256: Sha256 | None = None
    cold: Cold | None = None
    agreement: float | None = None

    @property
    def label(self) -> str:
        """What its file is called."""
        return label(self.model, self.runtime, self.precision, self.form)


class Sample(Record):
    """One call: a batch of N snippets. The stages that a case does not have are null.

    ``turn`` numbers the rounds of the run, ``at_ns`` is the start on the run's monotonic clock, ``tokens`` the width W.
    """

    record: Literal["sample"] = "sample"
    case: str
    turn: int
    at_ns: Nanoseconds
    tokens: int
    infer_ns: int
    tokenize_ns: int | None = None
    postprocess_ns: int | None = None

    @property
    def total_ns(self) -> int:
        """End to end: tokenise, infer and post-process."""
        return self.infer_ns + (self.tokenize_ns or 0) + (self.postprocess_ns or 0)


class Pace(Record):
    """The machine's own speed just before a turn of a case: nanoseconds of the `ReferenceKernel`."""

    record: Literal["pace"] = "pace"
    case: str
    turn: int
    product_ns: Annotated[int, Field(gt=0)]


class End(Record):
    """The last line: the number of samples and the seal over the bytes before."""

    record: Literal["end"] = "end"
    samples: int
    sha256: Sha256


@dataclass(frozen=True)
class Result:
    """A whole run in memory."""

    run: Run
    cases: tuple[Case, ...]
    samples: tuple[Sample, ...]
    conditions: Conditions
    paces: tuple[Pace, ...] = ()

    @cached_property
    def by_case(self) -> Mapping[str, tuple[Sample, ...]]:
        """The samples of each case by its name, in the order of measuring; empty for a case without any."""
        return {case.name: tuple(s for s in self.samples if s.case == case.name) for case in self.cases}

    def case(self, name: str) -> Case:
        """The case of that name. Raises KeyError for another."""
        return {case.name: case for case in self.cases}[name]

    def latencies(self, name: str) -> tuple[int, ...]:
        """Nanoseconds of inference alone, of every sample of a case."""
        return tuple(sample.infer_ns for sample in self.by_case[name])

    def pace(self, name: str) -> tuple[int, ...]:
        """Nanoseconds of the reference kernel before each turn of a case; empty where it was not read."""
        readings = sorted((pace.turn, pace.product_ns) for pace in self.paces if pace.case == name)
        return tuple(product_ns for _, product_ns in readings)

    def faults(self, name: str) -> tuple[str, ...]:
        """Why a case's figures do not count; empty where they do."""
        protocol = self.case(name).protocol
        latencies = self.latencies(name)
        found = machine_faults(self.conditions) + case_faults(protocol, latencies, self._drifts[name])
        return found + (spread_faults(latencies) if self.run.environment.phone is not None else ())

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures has to know although they count."""
        notes = []
        stolen = self.conditions.stolen or 0
        if stolen > NOTED_STEAL:
            notes.append(
                f"steal time of {stolen:.2f} cores: milliseconds are longer than on a machine of one's own. "
                "Ratios stand, because the cases took turns."
            )
        shared = list(self._shared.values())
        found = machine_drift(shared) if len(shared) > 1 else None
        if found is not None and found.is_proven:
            notes.append(
                f"all cases took {found.value:+.1%} in the last third of the run: the machine's own speed changed. "
                "Ratios stand, because the cases took turns; milliseconds hold for this run only."
            )
        judged = [case.name for case in self.cases if case.protocol.scenario not in DRIFTING]
        if any(self._drifts[name] is None for name in judged):
            notes.append("too few turns to tell whether a case's speed changed during the run")
        return tuple(notes)

    @cached_property
    def _shared(self) -> Mapping[str, Turns]:
        """The turns of the cases that were measured in the same rounds, which phones' first results lack."""
        if self.run.environment.device is not None and self.run.environment.phone is None:
            return {}
        return {case.name: self._turns(case.name) for case in self.cases if case.protocol.scenario not in ALONE}

    @cached_property
    def _drifts(self) -> Mapping[str, Drift | None]:
        return {case.name: self._drift(case) for case in self.cases}

    def _drift(self, case: Case) -> Drift | None:
        shared = {} if case.protocol.scenario in ALONE else self._shared
        others = [turns for name, turns in shared.items() if name != case.name and turns]
        return case_drift(self._turns(case.name), others)

    def _turns(self, name: str) -> Turns:
        """The median latency of each turn, in nanoseconds."""
        taken: dict[int, list[int]] = {}
        for sample in self.by_case[name]:
            taken.setdefault(sample.turn, []).append(sample.infer_ns)
        return {turn: median(values) for turn, values in taken.items()}


Line = Run | Case | Sample | Pace | Conditions | End
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="record")])


def dump(result: Result) -> bytes:
    """The bytes of a result file."""
    records = (result.run, *result.cases, *result.samples, *result.paces, result.conditions)
    body = b"".join(map(_line, records))
    end = End(samples=len(result.samples), sha256=hashlib.sha256(body).hexdigest())
    return body + _line(end)


def write(path: Path, result: Result) -> None:
    """Write a result file in one rename. Raises EnvironmentFault where that is not possible."""
    replace_file(path, dump(result))


def read(path: Path) -> Result:
    """The result in a file, as sealed.

    Raises IntegrityError for a file that was cut, changed, or does not hold together; InputFileError for none.
    """
    try:
        require_plain(path, max_bytes=MAX_BYTES)
        data = path.read_bytes()
    except OSError as error:
        fix = "give the file that benchmark --jsonl wrote"
        raise InputFileError(path, f"cannot be read: {error.strerror}", fix=fix) from None
    return parse(data, path)


def parse(data: bytes, file: str | Path) -> Result:
    """The result in the bytes of a file; ``file`` names it in errors (raised as in `read`)."""
    # Whatever happened to a result file, some of its lines still say what they are.
    if data and b'"record":' not in data:
        fix = "give the file that benchmark --jsonl wrote"
        raise InputFileError(file, "is not a result file of benchmark", fix=fix)
    body, newline, last = data.rstrip(b"\n").rpartition(b"\n")
    end = _parse_line(last, file, data.count(b"\n"))
    if not data.endswith(b"\n") or not isinstance(end, End):
        raise IntegrityError(file, "has no end: it was cut off, or is still being written", fix=_FIX)
    found = hashlib.sha256(body + newline).hexdigest()
    if found != end.sha256:
        raise IntegrityError(file, "was changed after it was written", found=found, expected=end.sha256, fix=_FIX)
    records = [_parse_line(line, file, number) for number, line in enumerate(body.split(b"\n"), 1)]
    runs = [record for record in records if isinstance(record, Run)]
    cases = tuple(record for record in records if isinstance(record, Case))
    samples = tuple(record for record in records if isinstance(record, Sample))
    paces = tuple(record for record in records if isinstance(record, Pace))
    names = [case.name for case in cases]
    order = [Run, *[Case] * len(cases), *[Sample] * len(samples), *[Pace] * len(paces), Conditions]
    if [type(record) for record in records] != order:
        raise IntegrityError(file, "does not hold one run in the order of the format", fix=_FIX)
    conditions = records[-1]
    assert isinstance(conditions, Conditions)
    if len(set(names)) != len(names):
        raise IntegrityError(file, "names a case twice", fix=_FIX)
    if stray := ({s.case for s in samples} | {p.case for p in paces}) - set(names):
        raise IntegrityError(file, f"has samples of an unknown case {min(stray)!r}", fix=_FIX)
    if paces and {(p.case, p.turn) for p in paces} != {(s.case, s.turn) for s in samples}:
        raise IntegrityError(file, "lacks the reference kernel's time before some turns", fix=_FIX)
    if len(samples) != end.samples:
        raise IntegrityError(file, "lacks samples", found=len(samples), expected=end.samples, fix=_FIX)
    return Result(runs[0], cases, samples, conditions, paces)


def _line(record: Record) -> bytes:
    # A protocol's null tokens say something; its default is another length.
    return record.model_dump_json(exclude_none=not isinstance(record, Case)).encode() + b"\n"


def _parse_line(line: bytes, file: str | Path, number: int) -> Line:
    try:
        return _LINE.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise IntegrityError(file, f"is damaged at line {number}: {where}: {first['msg']}", fix=_FIX) from None
