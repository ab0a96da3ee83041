"""Measure a bundle on Android phones through the demo app over adb, into the result format of the desktop.

The contract with the app (android_demo/README.md): files under the app's external folder, ``pushed/DIGEST/`` for
bundles, ``runs/ID.status.json`` while it measures and ``runs/ID.json`` with raw nanoseconds when it is done.
"""

import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from squeezebert_mobile import console
from squeezebert_mobile.benchmarks import benchmark as library
from squeezebert_mobile.benchmarks import results
from squeezebert_mobile.benchmarks.benchmark import BenchmarkResult
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.options import BenchmarkOptions
from squeezebert_mobile.benchmarks.protocol import Conditions, Protocol
from squeezebert_mobile.benchmarks.results import Case, Cold, Environment, Result, Run, Sample, Version
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME, Artifact
from squeezebert_mobile.errors import EnvironmentFault, IntegrityError, UsageError
from squeezebert_mobile.tasks import Runtime

PACKAGE = "org.squeezebert.demo.app"
ROOT = f"/sdcard/Android/data/{PACKAGE}/files"
RUNS = f"{ROOT}/runs"
MIN_API_LEVEL = 26
ABIS = ("arm64-v8a", "x86_64")
_PREFIX = "adb:"

Progress = Callable[[float], None]
_POLL_SECONDS = 1.0
# A slow phone reads and digests 200 MB before its first word.
_START_SECONDS = 120.0
_LOG_LINES = 40
_COMMAND_SECONDS = 60
_PUSH_SECONDS = 1800
# What adb says when the cable or the device is gone, as opposed to a command that failed on the device.
_GONE = ("not found", "offline", "no devices", "closed", "protocol fault", "connection reset", "broken pipe")
_STEPS = {
    "unauthorized": "unlock the device and allow this computer's key",
    "offline": "plug the device in again, or restart it",
    "no permissions": "add a udev rule for the device, or run adb as its user",
    "recovery": "start Android on the device",
    "bootloader": "start Android on the device",
}


@dataclass(frozen=True)
class Listed:
    """One line of ``adb devices -l``: serial, state and the model where adb knows it."""

    serial: str
    state: str
    model: str | None


@dataclass(frozen=True)
class Adb:
    """One device, ready for commands. Every method raises EnvironmentFault where the device is gone."""

    serial: str

    @classmethod
    def connect(cls, serial: str) -> Self:
        """The device of that serial number. Raises EnvironmentFault where it is not attached or not ready."""
        found = {device.serial: device for device in listed()}
        if serial not in found:
            have = ", ".join(found) or "none"
            raise _fault(serial, "is not attached", found=have, fix="plug it in, or choose one of those found")
        _require_ready(found[serial])
        return cls(serial)

    def shell(self, *command: str) -> str:
        """What a command on the device writes; its words are quoted for the device's shell.

        Raises EnvironmentFault where it fails.
        """
        return self._run("shell", shlex.join(command)).decode(errors="replace")

    def succeeds(self, *command: str) -> bool:
        """Whether a command on the device exits with 0."""
        return self.shell("sh", "-c", f"{shlex.join(command)} >/dev/null 2>&1 && echo yes || echo no").strip() == "yes"

    def read(self, path: str) -> bytes | None:
        """The bytes of a file on the device, None where there is none."""
        if not self.succeeds("test", "-f", path):
            return None
        return self._run("exec-out", shlex.join(("cat", path)))

    def push(self, source: Path, target: str) -> None:
        """Copy a file to a path on the device."""
        self._run("push", str(source), target, seconds=_PUSH_SECONDS)

    def _run(self, *arguments: str, seconds: float = _COMMAND_SECONDS) -> bytes:
        done = _adb("-s", self.serial, *arguments, seconds=seconds)
        if done.returncode == 0:
            return done.stdout
        message = " ".join((done.stderr + done.stdout).decode(errors="replace").split())[-300:]
        if any(sign in message.lower() for sign in _GONE):
            fix = "plug it in again and repeat the command, which also removes what was left on it"
            raise _fault(self.serial, f"was lost: {message}", fix=fix)
        if "no space left" in message.lower():
            raise _fault(self.serial, "has no space left", fix="free storage on the device")
        raise _fault(self.serial, f"refused {arguments[0]}: {message}", fix="see what the device says")


def listed() -> list[Listed]:
    """All devices that adb sees, ready or not. Raises EnvironmentFault without adb."""
    done = _adb("devices", "-l", seconds=_COMMAND_SECONDS)
    if done.returncode:
        what = f"cannot list devices: {done.stderr.decode(errors='replace').strip()[-200:]}"
        raise _fault("adb", what, fix="adb kill-server, then again")
    return [_parse(line) for line in done.stdout.decode(errors="replace").splitlines()[1:] if line.strip()]


def ready() -> list[Adb]:
    """Every attached device. Raises EnvironmentFault where there is none, or one that is not ready."""
    found = listed()
    if not found:
        raise _fault("adb", "sees no device", fix="plug in a phone with USB debugging switched on")
    for device in found:
        _require_ready(device)
    return [Adb(device.serial) for device in found]


def _parse(line: str) -> Listed:
    serial, _, rest = line.partition(" ")
    state = "no permissions" if rest.strip().startswith("no permissions") else rest.split()[0]
    models = [word.removeprefix("model:") for word in rest.split() if word.startswith("model:")]
    return Listed(serial, state, models[0] if models else None)


def _require_ready(device: Listed) -> None:
    if device.state != "device":
        step = _STEPS.get(device.state, "look at the device's screen")
        raise _fault(device.serial, "is not ready", found=device.state, expected="device", fix=step)


def _adb(*arguments: str, seconds: float) -> subprocess.CompletedProcess[bytes]:
    if shutil.which("adb") is None:
        raise _fault("adb", "is not installed", fix="install Android's platform-tools, or Debian's package adb")
    try:
        return subprocess.run(["adb", *arguments], capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        fix = "plug the device in again"
        raise _fault("adb", f"gave no answer to {arguments[-1][:80]!r} in {seconds:g} s", fix=fix) from None


def _fault(
    file: str, what: str, *, fix: str, found: str | None = None, expected: str | None = None
) -> EnvironmentFault:
    return EnvironmentFault(file, what, fix=fix, found=found, expected=expected)


class _Reply(BaseModel):
    """A record that the app wrote; members that this version does not use are let through, as facts may grow."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class _Status(_Reply):
    run_id: str
    state: Literal["running", "done", "failed"]
    fraction: float
    error: str | None


class _State(_Reply):
    thermal_status: int | None
    battery_percent: int | None
    charging: bool
    screen_on: bool


class _File(_Reply):
    path: str
    sha256: str


class _Device(_Reply):
    manufacturer: str = "unknown"
    model: str = "unknown"
    soc: str = "unknown"
    android: str = "unknown"
    abi: str = "unknown"
    max_core_clocks_khz: tuple[int, ...] = ()


class Facts(_Reply):
    """What a run's validity is judged by: raw nanoseconds, the clock, and the phone before and after."""

    latencies_ns: tuple[int, ...]
    seconds: float
    clock_jump_ms: int
    cancelled: bool
    before: _State
    after: _State


class _Measured(Facts):
    schema_version: Literal[1]
    run_id: str
    bundle_digest: str
    artifact: _File
    runtime_version: str
    device: _Device
    cold_load_ns: int
    first_ns: int


def _require_fitting(adb: Adb) -> None:
    """Raise EnvironmentFault where the device's API level or ABIs are not those of the app."""
    level = adb.shell("getprop", "ro.build.version.sdk").strip()
    abis = tuple(filter(None, adb.shell("getprop", "ro.product.cpu.abilist").strip().split(",")))
    if not level.isdecimal() or int(level) < MIN_API_LEVEL:
        fix = "use a device with Android 8 or newer"
        raise EnvironmentFault(adb.serial, "is too old", found=f"API {level}", expected=f"API {MIN_API_LEVEL}", fix=fix)
    if not set(abis) & set(ABIS):
        found, expected = ", ".join(abis) or "none", " or ".join(ABIS)
        raise EnvironmentFault(adb.serial, "has no ABI of the app", found=found, expected=expected, fix="use another")


def measure(
    adb: Adb, bundle: Bundle, artifact: Artifact, protocol: Protocol, progress: Progress = lambda _: None
) -> Result:
    """Push the bundle where it is not there yet, run the app's benchmark, and return its raw samples.

    Raises UsageError for a protocol that a phone does not run, EnvironmentFault for whatever goes wrong on the device,
    IntegrityError where the reply is not the answer to this request.
    """
    tokens = _require_supported(protocol)
    _require_fitting(adb)
    if not adb.succeeds("pm", "path", PACKAGE):
        fix = "build android_demo and adb install its APK"
        raise EnvironmentFault(adb.serial, f"lacks the app {PACKAGE}", fix=fix)
    push(adb, bundle)
    run_id, started = uuid.uuid4().hex, datetime.now(UTC).isoformat(timespec="seconds")
    adb.shell("rm", "-rf", RUNS)  # of a run whose host or cable went away; starting the app again ends it
    try:
        _start(adb, run_id, bundle, artifact, protocol, tokens)
        _wait(adb, run_id, progress)
        measured = _pull(adb, run_id, bundle, artifact)
    finally:
        _remove_quietly(adb, RUNS)
    return _result(measured, started, bundle, artifact, protocol, tokens)


def _require_supported(protocol: Protocol) -> int:
    """The number of tokens. The app calls with one text, whose tokens are all real."""
    if protocol.batch != 1 or protocol.tokens is None or protocol.pad_to is not None:
        found = f"batch {protocol.batch}, {protocol.length}"
        fix = "give a number of tokens and batch 1"
        raise UsageError("--device", "measures single texts of a fixed length", found=found, fix=fix)
    return protocol.tokens


def push(adb: Adb, bundle: Bundle) -> bool:
    """Copy the bundle to the device unless the same one is there; True where it was copied.

    It appears under its final name in one rename, and what an interrupted copy left is removed first.
    """
    target, unfinished = f"{ROOT}/pushed/{bundle.digest}", f"{ROOT}/pushing"
    adb.shell("rm", "-rf", unfinished)
    entries = bundle.manifest.every_file()
    sizes = adb.shell("sh", "-c", f"cd {target} 2>/dev/null && find . -type f -exec wc -c {{}} + || true")
    have = {name: int(size) for size, name in (line.split(maxsplit=1) for line in sizes.splitlines())}
    if all(have.get(f"./{entry.path}") == entry.bytes for entry in entries) and f"./{MANIFEST_NAME}" in have:
        return False  # equal sizes are enough: the app compares every digest before it runs anything
    try:
        for path in [MANIFEST_NAME, *(entry.path for entry in entries)]:
            adb.shell("mkdir", "-p", f"{unfinished}/{path}".rpartition("/")[0])
            adb.push(bundle.folder / path, f"{unfinished}/{path}")
        adb.shell("mkdir", "-p", f"{ROOT}/pushed")
        adb.shell("rm", "-rf", target)
        adb.shell("mv", unfinished, target)
    except EnvironmentFault:
        _remove_quietly(adb, unfinished)
        raise
    return True


def _start(adb: Adb, run_id: str, bundle: Bundle, artifact: Artifact, protocol: Protocol, tokens: int) -> None:
    texts = {"run_id": run_id, "bundle": bundle.digest, "artifact": artifact.path}
    numbers = {
        "threads": protocol.threads,
        "tokens": tokens,
        "warmup": protocol.warmup,
        "min_runs": protocol.min_runs,
        "min_seconds": round(protocol.min_seconds),
    }
    extras = [word for name, value in texts.items() for word in ("--es", name, value)]
    extras += [word for name, value in numbers.items() for word in ("--ei", name, str(value))]
    said = adb.shell("am", "start", "-W", "-S", "-n", f"{PACKAGE}/.MainActivity", *extras)
    if "Error" in said:
        raise EnvironmentFault(
            adb.serial, f"cannot start the app: {' '.join(said.split())[-200:]}", fix="install it again"
        )


def _wait(adb: Adb, run_id: str, progress: Progress) -> None:
    """Return when the app is done. Raises EnvironmentFault where it failed, died or stays silent."""
    begin = time.monotonic()
    last_process = ""
    while True:
        process = adb.shell("sh", "-c", f"pidof {PACKAGE} || true").strip()
        last_process = process or last_process
        status = _status(adb, run_id)
        if status is not None:
            progress(status.fraction)
            if status.state == "done":
                return
            if status.state == "failed":
                raise EnvironmentFault(adb.serial, f"the app says: {status.error}", fix="do what it says, then again")
        if not process:
            what = f"the app died while it measured: {_last_words(adb, last_process)}"
            raise EnvironmentFault(adb.serial, what, fix=f"adb -s {adb.serial} logcat")
        if status is None and time.monotonic() - begin > _START_SECONDS:
            raise EnvironmentFault(adb.serial, "the app does not answer", fix="unlock the device's screen, then again")
        time.sleep(_POLL_SECONDS)


def _status(adb: Adb, run_id: str) -> _Status | None:
    data = adb.read(f"{RUNS}/{run_id}.status.json")
    if data is None:
        return None
    try:
        return _Status.model_validate_json(data)
    except ValidationError:
        fix = "install the app that belongs to this version"
        raise IntegrityError(adb.serial, "malformed status from the app", found=repr(data[:80]), fix=fix) from None


def _last_words(adb: Adb, process: str) -> str:
    """The end of the process's log, on one line; of the crash log where the process was never seen."""
    of_process = ("-b", "main,crash", f"--pid={process}") if process else ("-b", "crash")
    log = adb.shell("logcat", "-d", *of_process, "-t", str(_LOG_LINES))
    return " ".join(log.split())[-400:] or "the log is empty"


def _pull(adb: Adb, run_id: str, bundle: Bundle, artifact: Artifact) -> _Measured:
    name = f"{RUNS}/{run_id}.json"
    data = adb.read(name)
    try:
        measured = _Measured.model_validate_json(data or b"")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = f"is not a result: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise IntegrityError(name, what, fix="install the app that belongs to this version") from None
    for what, found, expected in (
        ("another run", measured.run_id, run_id),
        ("another bundle", measured.bundle_digest, bundle.digest),
        ("another file", measured.artifact.sha256, artifact.sha256),
    ):
        if found != expected:
            raise IntegrityError(name, f"is of {what}", found=found, expected=expected, fix="measure again")
    return measured


def _remove_quietly(adb: Adb, path: str) -> None:
    """Remove what this run left; a lost device keeps it until the next run, and its loss is reported already."""
    try:
        adb.shell("rm", "-rf", path)
    except EnvironmentFault:
        return


def _result(
    measured: _Measured, started: str, bundle: Bundle, artifact: Artifact, protocol: Protocol, tokens: int
) -> Result:
    device = measured.device
    environment = Environment(
        cpu=f"{device.soc}, cores up to {', '.join(str(khz // 1000) for khz in device.max_core_clocks_khz) or '?'} MHz",
        architecture=device.abi,
        cores=max(1, len(device.max_core_clocks_khz)),
        system=f"Android {device.android}",
        features=(),
        versions=(Version(name=artifact.runtime, version=measured.runtime_version),),
        device=f"{device.manufacturer} {device.model}",
    )
    runtime: Runtime = artifact.runtime
    name = f"{runtime} {artifact.precision}, {protocol.threads} threads, {tokens} tokens"
    case = Case(
        name=name,
        model="SqueezeBERT",
        form="bundle",
        runtime=runtime,
        runtime_version=measured.runtime_version,
        precision=artifact.precision,
        protocol=protocol,
        file_sha256=artifact.sha256,
        file_bytes=artifact.bytes,
        bundle_sha256=bundle.digest,
        cold=Cold(load_ns=measured.cold_load_ns, first_ns=measured.first_ns),
    )
    # The app runs back to back and keeps durations only, so each start is the sum of those before. Runs in a row share
    # the phone's state, as those of a turn do on a host.
    starts = (0, *accumulate(measured.latencies_ns))  # one more than there are samples
    samples = tuple(
        Sample(case=name, turn=number // protocol.turn_runs, at_ns=start, tokens=tokens, infer_ns=latency)
        for number, (start, latency) in enumerate(zip(starts, measured.latencies_ns, strict=False))
    )
    run = Run(run_id=measured.run_id, started=started, environment=environment)
    return Result(run=run, cases=(case,), samples=samples, conditions=conditions(measured))


def conditions(measured: Facts) -> Conditions:
    """The worse of before and after."""
    jump = measured.clock_jump_ms / 1000
    before = Conditions(seconds=measured.seconds, clock_jump_seconds=jump, **measured.before.model_dump())
    return _worst([before, Conditions(seconds=0.0, cancelled=measured.cancelled, **measured.after.model_dump())])


def connect(device: str) -> list[Adb]:
    """The devices that ``adb:SERIAL`` or ``adb:all`` names.

    Raises UsageError for another form, EnvironmentFault where a device is not there or not ready.
    """
    if not device.startswith(_PREFIX) or device == _PREFIX:
        fix = "squeezebert-mobile devices lists what is attached"
        raise UsageError("--device", "unknown device", found=device, expected="adb:SERIAL or adb:all", fix=fix)
    serial = device.removeprefix(_PREFIX)
    return ready() if serial == "all" else [Adb.connect(serial)]


def benchmark(device: str, options: BenchmarkOptions, report: Report = lambda _: None) -> tuple[BenchmarkResult, ...]:
    """Measure one bundle on each device, one device after the other.

    With ``output`` each device's result is kept, under that name where there is one device, else with the serial before
    the ending. Raises as `connect` and `measure`; UsageError for what a phone does not run.
    """
    bundle = _require_bundle(options)
    artifacts = bundle.artifacts(options.runtimes, options.precisions)
    attached = connect(device)
    protocols = library.protocols(options)
    return tuple(
        _keep(_measure(adb, bundle, artifacts, protocols, report), _path(options.output, adb, len(attached)))
        for adb in attached
    )


def _require_bundle(options: BenchmarkOptions) -> Bundle:
    if len(options.bundles) != 1 or options.checkpoints or options.peers:
        raise UsageError("--device", "measures one bundle", fix="give one bundle, and no checkpoint or peer")
    if options.scenario not in ("fixed-length", "length-sweep"):
        fix = "use the scenario fixed-length or length-sweep"
        raise UsageError("--device", "does not run this scenario", found=options.scenario, fix=fix)
    return bundles.read(options.bundles[0])


def _measure(
    adb: Adb, bundle: Bundle, artifacts: Sequence[Artifact], protocols: Sequence[Protocol], report: Report
) -> Result:
    """One device's result. The app runs one case at a time, so nothing is interleaved there."""
    found = []
    for protocol in protocols:
        for artifact in artifacts:
            what = f"{adb.serial}: {artifact.runtime} {artifact.precision}"
            report(what)
            found.append(measure(adb, bundle, artifact, protocol, partial(_show, report, what)))
    return join(found)


def _show(report: Report, what: str, done: float) -> None:
    report(f"{what} {done:.0%}")


def join(found: Sequence[Result]) -> Result:
    """The runs of one device as one: its cases side by side, under the worst conditions that any of them saw."""
    first = found[0]
    return replace(
        first,
        cases=tuple(case for result in found for case in result.cases),
        samples=tuple(sample for result in found for sample in result.samples),
        conditions=_worst([result.conditions for result in found]),
    )


def _worst(found: Sequence[Conditions]) -> Conditions:
    thermal = [c.thermal_status for c in found if c.thermal_status is not None]
    battery = [c.battery_percent for c in found if c.battery_percent is not None]
    return Conditions(
        seconds=sum(c.seconds for c in found),
        clock_jump_seconds=max((c.clock_jump_seconds for c in found), key=abs),
        thermal_status=max(thermal, default=None),
        battery_percent=min(battery, default=None),
        charging=any(c.charging for c in found),
        screen_on=all(c.screen_on for c in found),
        cancelled=any(c.cancelled for c in found),
    )


def _path(output: Path | None, adb: Adb, count: int) -> Path | None:
    if output is None or count == 1:
        return output
    serial = "".join(letter if letter.isalnum() else "-" for letter in adb.serial)
    return output.with_name(f"{output.stem}-{serial}{output.suffix}")


def _keep(result: Result, path: Path | None) -> BenchmarkResult:
    if path is not None:
        results.write(path, result)
    return BenchmarkResult(result, path, ())


def text(found: Sequence[Listed]) -> str:
    """The attached devices, for people."""
    rows = [(f"{_PREFIX}{device.serial}", device.state, device.model or "-") for device in found]
    return console.table(("device", "state", "model"), rows) if rows else "no device is attached"
