"""Measure bundles on Android phones through the demo app over adb, into the result format of the desktop.

The contract with the app (android_demo/README.md): files under the app's folder, ``ready.json`` from its first start
on, ``pushed/DIGEST/`` for bundles, ``runs/ID.status.json`` while it measures and ``runs/ID.json`` with raw nanoseconds
when it is done.
"""

import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from squeezebert_mobile.benchmarks import benchmark as library
from squeezebert_mobile.benchmarks import candidates, peers, results
from squeezebert_mobile.benchmarks.adb import PREFIX, Adb, Answer, fault, ready
from squeezebert_mobile.benchmarks.benchmark import BenchmarkResult
from squeezebert_mobile.benchmarks.candidates import Candidate
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.options import COOL_DOWN_SECONDS, BenchmarkOptions
from squeezebert_mobile.benchmarks.peers import Form, PeerModel
from squeezebert_mobile.benchmarks.protocol import Conditions, Protocol
from squeezebert_mobile.benchmarks.results import Build, Cold, Environment, Phone, Result, Run, Sample, Version
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME, Artifact
from squeezebert_mobile.errors import EnvironmentFault, IntegrityError, UsageError

PACKAGE = "org.squeezebert.demo.app"
# The entry for adb's shell alone: a release build measures for nobody else.
ACTIVITY = f"{PACKAGE}/.Measure"
# Where adb may write on every phone; Android 11 and newer let its daemon write into no app's folder.
STAGE = "/data/local/tmp/squeezebert"
RUNS, PUSHED = "runs", "pushed"
# What app and host agree on (android_demo/README.md).
CONTRACT = 4
MIN_API_LEVEL = 26
ABIS = ("arm64-v8a", "x86_64")

# Each question to the phone takes time from what it measures.
_POLL_SECONDS, _LONGEST_POLL_SECONDS = 10.0, 60.0
_OPEN_SECONDS, _OPEN_POLL_SECONDS = 30.0, 0.5
# A slow phone loads and warms up before its first word, and may then be as silent as this.
_START_SECONDS, _SILENT_SECONDS, _SILENT_RUNS = 120.0, 60.0, 20
_LOG_LINES = 40
# What USB 2 carries at least.
PUSH_BYTES_PER_SECOND = 10e6


class _Reply(BaseModel):
    """A record that the app wrote; members that this version does not use are let through, as facts may grow."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class _Ready(_Reply):
    contract: int


class _Status(_Reply):
    run_id: str
    state: Literal["running", "done", "failed"]
    fraction: float
    error: str | None


class _State(_Reply):
    thermal_status: int | None
    thermal_headroom: float | None
    battery_percent: int | None
    battery_celsius: float | None
    charging: bool
    screen_on: bool
    in_front: bool
    locked: bool
    power_save: bool
    emulator: bool
    clocks_known: bool
    cpuset: str | None


class _File(_Reply):
    bundle: str
    path: str
    sha256: str


class _Clocks(_Reply):
    cores: tuple[int, ...]
    governor: str | None
    min_khz: int | None
    max_khz: int | None


class _Device(_Reply, Build):
    manufacturer: str = "unknown"
    model: str = "unknown"
    soc: str = "unknown"
    android: str = "unknown"
    abi: str = "unknown"
    cores: int = 1
    memory_bytes: int | None = None
    clocks: tuple[_Clocks, ...] = ()


class Facts(_Reply):
    """What a run's validity is judged by beside its latencies: the clock, and the phone before, during and after."""

    seconds: float
    clock_jump_ms: int
    cancelled: bool
    states: Annotated[tuple[_State, ...], Field(min_length=1)]


_NO_CONDITION = {"battery_celsius", "cpuset"}


class _Case(_Reply):
    artifact: _File
    runtime_version: str
    cold_load_ns: int
    first_ns: int
    latencies_ns: tuple[int, ...]
    at_ns: tuple[int, ...]
    turns: tuple[int, ...]


class _Measured(Facts):
    schema_version: Literal[3]
    run_id: str
    device: _Device
    cases: tuple[_Case, ...]
    cores_used: tuple[int, ...]
    priority: int | None
    cool_down_seconds: float


@dataclass(frozen=True)
class Target:
    """A file to measure, the bundle that brings it to the phone, and what results say of it."""

    bundle: Bundle
    artifact: Artifact
    candidate: Candidate

    @property
    def wanted(self) -> str:
        """The file as the app is asked for it."""
        return f"{self.bundle.digest}/{self.artifact.path}"


@dataclass(frozen=True)
class App:
    """The app of the user in front, and the way to its files.

    ``through`` goes before every command on ``folder``: nothing where the shell may work there, else ``run-as``.
    """

    adb: Adb
    user: str
    folder: str
    through: tuple[str, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether the app is to use its private folder, which only ``run-as`` reaches."""
        return bool(self.through)

    def ask(self, *command: str) -> Answer:
        """The answer to a command that may work on the app's folder."""
        return self.adb.ask(*self.through, *command)

    def shell(self, *command: str) -> str:
        """What such a command writes. Raises EnvironmentFault where it fails."""
        return self.adb.shell(*self.through, *command)

    def remove(self, *paths: str) -> None:
        """Remove what this run left; a lost device keeps it until the next run, and its loss is reported already."""
        with suppress(EnvironmentFault):
            self.ask("rm", "-rf", *paths)

    def start(self, *extras: str) -> None:
        """Bring the app to the front, in a fresh process. Raises EnvironmentFault where that is refused."""
        fresh = ("-W", "-S", "--activity-clear-task", "--user", self.user)
        said = self.adb.ask("am", "start", *fresh, "-n", ACTIVITY, *extras)
        if said.status or "Error" in said.words or "Exception" in said.words:
            raise fault(self.adb.serial, f"cannot start the app: {said.words[-200:]}", fix="install it again")

    def stop(self) -> None:
        """End the app, as far as the device is still there."""
        with suppress(EnvironmentFault):
            self.adb.ask("am", "force-stop", "--user", self.user, PACKAGE)


def require_fitting(adb: Adb) -> None:
    """Raise EnvironmentFault where the device's API level or ABIs are not those of the app."""
    level = adb.shell("getprop", "ro.build.version.sdk")
    abis = tuple(filter(None, adb.shell("getprop", "ro.product.cpu.abilist").split(",")))
    if not level.isdecimal() or int(level) < MIN_API_LEVEL:
        fix = "use a device with Android 8 or newer"
        raise fault(adb.serial, "is too old", found=f"API {level}", expected=f"API {MIN_API_LEVEL}", fix=fix)
    if not set(abis) & set(ABIS):
        found, expected = ", ".join(abis) or "none", " or ".join(ABIS)
        raise fault(adb.serial, "has no ABI of the app", found=found, expected=expected, fix="use another")


def require_awake(adb: Adb) -> None:
    """Raise EnvironmentFault, with the step, for a phone whose state spoils every figure or hides the app.

    What a phone does not answer is not held against it: the app itself says what it ran under.
    """
    timeout = adb.ask("settings", "get", "system", "screen_off_timeout").text
    seconds = f"; its screen timeout is {int(timeout) / 1000:g} s" if timeout.isdecimal() else ""
    if re.search(r"mWakefulness=(?!Awake)\w", adb.ask("dumpsys", "power").text):
        raise fault(adb.serial, "has its screen off", fix=f"wake and unlock it{seconds}")
    policy = adb.ask("dumpsys", "window", "policy").text
    if re.search(r"\b(showing|mShowingLockscreen|mKeyguardShowing|isKeyguardShowing)=true\b", policy):
        raise fault(adb.serial, "shows its lock screen", fix=f"unlock it{seconds}")
    if adb.ask("settings", "get", "global", "low_power").text == "1":
        raise fault(adb.serial, "is in battery saver", fix="switch battery saver off in its settings")
    if (idle := adb.ask("dumpsys", "deviceidle", "get", "deep").text) in ("IDLE", "IDLE_MAINTENANCE", "OVERRIDE"):
        fix = f"adb -s {adb.serial} shell dumpsys deviceidle unforce, or pick it up"
        raise fault(adb.serial, "dozes", found=idle, expected="ACTIVE", fix=fix)


def open_app(adb: Adb) -> App:
    """The app, started once so that it made its folder itself, and the way to that folder.

    A folder that the shell made first would belong to the shell, and Android would keep app and shell apart in it.
    Raises EnvironmentFault where the device does not fit, sleeps, lacks the app, or lets nobody at its files.
    """
    require_fitting(adb)
    require_awake(adb)
    current = adb.ask("am", "get-current-user").text
    user = current if current.isdecimal() else "0"
    if adb.ask("pm", "path", "--user", user, PACKAGE).status:
        fix = "build android_demo and adb install its APK" + (f", for user {user} too" if user != "0" else "")
        raise fault(adb.serial, f"lacks the app {PACKAGE}", fix=fix)
    storage = "/sdcard" if user == "0" else f"/storage/emulated/{user}"
    shared = App(adb, user, f"{storage}/Android/data/{PACKAGE}/files")
    run_as = ("run-as", PACKAGE, "--user", user) if user != "0" else ("run-as", PACKAGE)
    private = App(adb, user, f"/data/user/{user}/{PACKAGE}/files", run_as)
    shared.start()
    end = time.monotonic() + _OPEN_SECONDS
    while True:
        told = [(app, app.ask("cat", f"{app.folder}/ready.json")) for app in (shared, private)]
        for app, said in told:
            if said.status == 0 and app.ask("mkdir", "-p", f"{app.folder}/{PUSHED}").status == 0:
                _require_contract(adb, said)
                return app
        if time.monotonic() > end:
            break
        time.sleep(_OPEN_POLL_SECONDS)
    if "denied" in told[0][1].words or told[0][1].status == 0:
        what = f"lets nobody at the app's files: {told[1][1].words or told[0][1].words}"
        raise fault(adb.serial, what, fix="install the app's debug build, which run-as may enter")
    require_awake(adb)
    raise fault(adb.serial, "the app does not answer", fix="install the app that belongs to this version")


def _require_contract(adb: Adb, said: Answer) -> None:
    try:
        found = str(_Ready.model_validate_json(said.output).contract)
    except ValidationError:
        found = repr(said.text[:80])
    if found != str(CONTRACT):
        fix = "install the app that belongs to this version"
        raise IntegrityError(adb.serial, "has another app", found=found, expected=str(CONTRACT), fix=fix)


def measure(
    adb: Adb,
    targets: Sequence[Target],
    protocol: Protocol,
    report: Report = lambda _: None,
    *,
    cool_down: float | None = None,
) -> Result:
    """Push the bundles that are not there yet, let the app measure the files in turns, and return raw samples.

    Peers are removed again. Raises UsageError for a protocol that a phone does not run, EnvironmentFault for whatever
    goes wrong on the device, IntegrityError where the reply is not the answer to this request.
    """
    tokens = _require_supported(protocol)
    rest = COOL_DOWN_SECONDS if cool_down is None else cool_down
    app = open_app(adb)
    opened = {target.bundle.digest: target.bundle for target in targets}
    push(app, tuple(opened.values()), report)
    require_awake(adb)
    run_id, started = uuid.uuid4().hex, datetime.now(UTC).isoformat(timespec="seconds")
    runs = f"{app.folder}/{RUNS}"
    app.remove(runs)  # of a run whose host or cable went away; starting the app again ends it
    try:
        app.start(*_extras(app, run_id, targets, protocol, tokens, rest))
        what = f"{adb.serial}: {', '.join(target.candidate.label for target in targets)}"
        runs_expected = protocol.min_runs * len(targets)
        before = rest + _bytes(opened.values()) / PUSH_BYTES_PER_SECOND
        _wait(app, run_id, runs_expected, before, lambda done: report(f"{what} {done:.0%}"))
        measured = _pull(app, run_id, targets)
    except BaseException:  # Ctrl-C too: a phone that nobody waits for stops measuring
        app.stop()
        raise
    finally:
        app.remove(runs)
    if theirs := [_target(app, bundle) for bundle in opened.values() if bundle.manifest.peer is not None]:
        app.remove(*theirs)
    return _result(measured, started, targets, protocol, tokens)


def _require_supported(protocol: Protocol) -> int:
    """The number of tokens. The app calls with one text, whose tokens are all real."""
    if protocol.batch != 1 or protocol.tokens is None or protocol.pad_to is not None:
        found = f"batch {protocol.batch}, {protocol.length}"
        fix = "give a number of tokens and batch 1"
        raise UsageError("--device", "measures single texts of a fixed length", found=found, fix=fix)
    return protocol.tokens


def push(app: App, opened: Sequence[Bundle], report: Report = lambda _: None) -> bool:
    """Copy the bundles to the app that are not there; True where any was copied.

    adb writes each below /data/local/tmp, from where the phone itself copies it. It appears under its final name in one
    rename, and whatever a copy leaves that did not come so far is removed.
    """
    # Equal sizes are enough: the app compares every digest before it runs anything.
    missing = [bundle for bundle in opened if not _is_pushed(app, _target(app, bundle), bundle)]
    _require_time(app.adb, _bytes(missing))
    for bundle in missing:
        _push(app, bundle, report)
    return bool(missing)


def _bytes(opened: Iterable[Bundle]) -> int:
    return sum(entry.bytes for bundle in opened for entry in bundle.manifest.every_file())


def _target(app: App, bundle: Bundle) -> str:
    return f"{app.folder}/{PUSHED}/{bundle.digest}"


def _push(app: App, bundle: Bundle, report: Report) -> None:
    target, unfinished = _target(app, bundle), f"{app.folder}/pushing"
    try:
        _stage(app.adb, bundle, report)
        app.shell("rm", "-rf", unfinished, target)
        app.shell("cp", "-R", STAGE, unfinished)
        app.shell("chmod", "-R", "a+rX", unfinished)
        app.shell("mv", unfinished, target)
    finally:
        with suppress(EnvironmentFault):
            app.adb.ask("rm", "-rf", STAGE)
        app.remove(unfinished)


def _is_pushed(app: App, target: str, bundle: Bundle) -> bool:
    sizes = app.ask("find", target, "-type", "f", "-exec", "stat", "-c", "%s %n", "{}", "+").text
    have = {name: size for size, _, name in (line.partition(" ") for line in sizes.splitlines())}
    entries = bundle.manifest.every_file()
    return all(have.get(f"{target}/{entry.path}") == str(entry.bytes) for entry in entries) and (
        f"{target}/{MANIFEST_NAME}" in have
    )


def _stage(adb: Adb, bundle: Bundle, report: Report) -> None:
    """Push the bundle to where adb may write, for everybody to read."""
    entries, total = bundle.manifest.every_file(), _bytes([bundle])
    adb.shell("rm", "-rf", STAGE)
    sent = 0

    def show(there: int) -> None:
        report(f"{adb.serial}: pushing, {(sent + there) / 1e6:.0f} of {total / 1e6:.0f} MB")

    for path, size in ((MANIFEST_NAME, 0), *((entry.path, entry.bytes) for entry in entries)):
        adb.shell("mkdir", "-p", f"{STAGE}/{path}".rpartition("/")[0])
        adb.push(bundle.folder / path, f"{STAGE}/{path}", show)
        sent += size
        show(0)
    adb.shell("chmod", "-R", "a+rX", STAGE)


def _require_time(adb: Adb, size: int) -> None:
    """Raise EnvironmentFault where the screen would go off, and the phone lock itself, while files are pushed."""
    timeout = adb.ask("settings", "get", "system", "screen_off_timeout").text
    seconds = size / PUSH_BYTES_PER_SECOND
    if timeout.isdecimal() and int(timeout) / 1000 < seconds:
        what = f"would switch its screen off while {size / 1e6:.0f} MB are pushed"
        raise fault(
            adb.serial,
            what,
            found=f"a screen timeout of {int(timeout) / 1000:g} s",
            expected=f"{seconds:.0f} s",
            fix="set a longer screen timeout in its settings",
        )


def _extras(
    app: App, run_id: str, targets: Sequence[Target], protocol: Protocol, tokens: int, cool_down: float
) -> tuple[str, ...]:
    texts = {"run_id": run_id, "artifacts": ",".join(target.wanted for target in targets)}
    texts |= {"folder": "private"} if app.is_private else {}
    numbers = {
        "threads": protocol.threads,
        "tokens": tokens,
        "warmup": protocol.warmup,
        "turn_warmup": protocol.turn_warmup,
        "turn_runs": protocol.turn_runs,
        "min_runs": protocol.min_runs,
        "min_seconds": round(protocol.min_seconds),
        "cool_down": round(cool_down),
    }
    return tuple(
        word
        for kind, extras in (("--es", texts), ("--ei", numbers))
        for name, value in extras.items()
        for word in (kind, name, str(value))
    )


def _wait(app: App, run_id: str, runs: int, before: float, progress: Callable[[float], None]) -> None:
    """Return when the app is done. Raises EnvironmentFault where it failed, died or fell silent.

    ``before`` are the seconds that copying the bundles and resting take. The phone is asked when the run should have
    ended, and every ten seconds to a minute before.
    """
    begin = moved = time.monotonic()
    fraction, pause, silent, process = 0.0, _POLL_SECONDS, _START_SECONDS + before, ""
    while True:
        time.sleep(pause)
        status, now = _status(app, run_id), time.monotonic()
        if _is_done(app, status, progress):
            return
        if status is not None and status.fraction > fraction:
            fraction, moved = status.fraction, now
            whole = (now - begin) / fraction
            silent = max(_SILENT_SECONDS, _SILENT_RUNS * whole / runs)
            pause = min(max(_POLL_SECONDS, whole * (1 - fraction)), _LONGEST_POLL_SECONDS)
            progress(fraction)
            continue
        alive = app.adb.ask("pidof", PACKAGE).text
        if not alive:
            # It may have ended well since it was asked.
            if _is_done(app, _status(app, run_id), progress):
                return
            what = f"the app died while it measured: {_last_words(app.adb, process)}"
            raise fault(app.adb.serial, what, fix=f"adb -s {app.adb.serial} logcat")
        process, pause = alive, _POLL_SECONDS
        if now - moved > silent:
            require_awake(app.adb)
            what = f"the app stopped at {fraction:.0%} and reports nothing for {now - moved:.0f} s"
            raise fault(app.adb.serial, what, fix="keep the app in front until it is done, then again")


def _is_done(app: App, status: _Status | None, progress: Callable[[float], None]) -> bool:
    """Whether the run ended well. Raises EnvironmentFault where it failed."""
    if status is not None and status.state == "failed":
        raise fault(app.adb.serial, f"the app says: {status.error}", fix="do what it says, then again")
    if status is None or status.state != "done":
        return False
    progress(1.0)
    return True


def _status(app: App, run_id: str) -> _Status | None:
    said = app.ask("cat", f"{app.folder}/{RUNS}/{run_id}.status.json")
    if said.status:
        return None
    try:
        return _Status.model_validate_json(said.output)
    except ValidationError:
        fix = "install the app that belongs to this version"
        what = "malformed status from the app"
        raise IntegrityError(app.adb.serial, what, found=repr(said.output[:80]), fix=fix) from None


def _last_words(adb: Adb, process: str) -> str:
    """The end of the process's log, on one line; of the crash log where the process was never seen."""
    of_process = ("-b", "main,crash", f"--pid={process}") if process else ("-b", "crash")
    log = adb.ask("logcat", "-d", *of_process, "-t", str(_LOG_LINES))
    return log.words or "the log is empty"


def _pull(app: App, run_id: str, targets: Sequence[Target]) -> _Measured:
    name = f"{app.folder}/{RUNS}/{run_id}.json"
    data = app.ask("cat", name).output
    try:
        measured = _Measured.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = f"is not a result: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise IntegrityError(name, what, fix="install the app that belongs to this version") from None
    for what, found, expected in (
        ("another run", measured.run_id, run_id),
        (
            "other files",
            " ".join(f"{case.artifact.bundle}/{case.artifact.sha256}" for case in measured.cases),
            " ".join(f"{target.bundle.digest}/{target.artifact.sha256}" for target in targets),
        ),
    ):
        if found != expected:
            raise IntegrityError(name, f"is of {what}", found=found, expected=expected, fix="measure again")
    return measured


def _result(measured: _Measured, started: str, targets: Sequence[Target], protocol: Protocol, tokens: int) -> Result:
    cases, samples = [], []
    for told, target in zip(measured.cases, targets, strict=True):
        cold = Cold(load_ns=told.cold_load_ns, first_ns=told.first_ns)
        said = {"runtime_version": told.runtime_version, "cold": cold}
        case = target.candidate.case(protocol).model_copy(update=said)
        cases.append(case)
        samples += [
            Sample(case=case.name, turn=turn, at_ns=at, tokens=tokens, infer_ns=latency)
            for turn, at, latency in zip(told.turns, told.at_ns, told.latencies_ns, strict=True)
        ]
    versions = {str(case.runtime): case.runtime_version for case in cases}
    run = Run(run_id=measured.run_id, started=started, environment=_environment(measured, versions))
    return Result(run=run, cases=tuple(cases), samples=tuple(samples), conditions=conditions(measured))


def _environment(measured: _Measured, versions: Mapping[str, str]) -> Environment:
    device = measured.device
    clocks = [f"{len(c.cores)} up to {c.max_khz // 1000} MHz" for c in device.clocks if c.max_khz]
    governors = sorted({c.governor for c in device.clocks if c.governor})
    own = {name: value for name, value in device.model_dump().items() if name in Phone.model_fields}
    phone = Phone(
        **own,
        priority=measured.priority,
        cool_down_seconds=measured.cool_down_seconds,
        cores_used=measured.cores_used,
        cpusets=(measured.states[0].cpuset, measured.states[-1].cpuset),
        battery_celsius=(measured.states[0].battery_celsius, measured.states[-1].battery_celsius),
    )
    return Environment(
        cpu=f"{device.soc}, cores: {', '.join(clocks) or 'clocks unknown'}",
        architecture=device.abi,
        cores=max(1, device.cores),
        memory_bytes=device.memory_bytes,
        system=f"Android {device.android}",
        governor=", ".join(governors) or None,
        features=(),
        versions=tuple(Version(name=name, version=version) for name, version in versions.items()),
        device=f"{device.manufacturer} {device.model}",
        phone=phone,
    )


def conditions(measured: Facts) -> Conditions:
    """The worst of all states that the phone told."""
    said = [Conditions(seconds=0.0, **state.model_dump(exclude=_NO_CONDITION)) for state in measured.states]
    whole = {"seconds": measured.seconds, "clock_jump_seconds": measured.clock_jump_ms / 1000}
    return _worst([said[0].model_copy(update=whole | {"cancelled": measured.cancelled}), *said[1:]])


def connect(device: str) -> list[Adb]:
    """The devices that ``adb:SERIAL`` or ``adb:all`` names.

    Raises UsageError for another form, EnvironmentFault where a device is not there or not ready.
    """
    if not device.startswith(PREFIX) or device == PREFIX:
        fix = "squeezebert-mobile devices lists what is attached"
        raise UsageError("--device", "unknown device", found=device, expected="adb:SERIAL or adb:all", fix=fix)
    serial = device.removeprefix(PREFIX)
    return ready() if serial == "all" else [Adb.connect(serial)]


def benchmark(
    device: str,
    options: BenchmarkOptions,
    report: Report = lambda _: None,
    *,
    cool_down: float | None = None,
) -> tuple[BenchmarkResult, ...]:
    """Measure bundles and peers on each device, one device after the other.

    With ``output`` each device's result is kept, under that name where there is one device, else with the serial before
    the ending. Raises as `connect` and `measure`; UsageError for what a phone does not run.
    """
    _require_runnable(options)
    attached = connect(device)
    protocols = library.protocols(options)
    with ExitStack() as stack:
        opened = [stack.enter_context(archive.opened(path)) for path in options.bundles]
        found = targets(opened, options, report)
        return tuple(
            keep(
                join([measure(adb, found, protocol, report, cool_down=cool_down) for protocol in protocols]),
                _path(options.output, adb, len(attached)),
            )
            for adb in attached
        )


def _require_runnable(options: BenchmarkOptions) -> None:
    if options.checkpoints or not (options.bundles or options.peers):
        raise UsageError("--device", "measures bundles and peers", fix="give a bundle or a peer, and no checkpoint")
    if options.peers and options.runtimes and "onnx" not in options.runtimes:
        found = ", ".join(options.runtimes)
        raise UsageError("--device", "measures peers in ONNX Runtime", found=found, fix="add --runtime onnx")
    if options.scenario not in ("fixed-length", "length-sweep"):
        fix = "use the scenario fixed-length or length-sweep"
        raise UsageError("--device", "does not run this scenario", found=options.scenario, fix=fix)


def targets(opened: Sequence[Bundle], options: BenchmarkOptions, report: Report) -> tuple[Target, ...]:
    """The files of bundles, then of peers, which are exported and sealed where they are not in the cache."""
    found = []
    for bundle in opened:
        model = "SqueezeBERT" if len(opened) == 1 else f"SqueezeBERT {bundle.folder.name}"
        runtimes, precisions = options.runtimes, options.precisions
        ours = candidates.from_bundle(bundle, model=model, runtimes=runtimes, precisions=precisions)
        timed = candidates.timed(bundle, runtimes, precisions)
        found += [Target(bundle, artifact, one) for (_, artifact), one in zip(timed, ours, strict=True)]
    asked = peers.parse(options.peers)
    for peer, _, form in candidates.forms(asked, ("onnx",), options.precisions, best=options.best_peers):
        report(f"export {peer.peer}, {form}")
        found.append(_peer(peer, form))
    return tuple(found)


def _peer(model: PeerModel, form: Form) -> Target:
    from squeezebert_mobile.benchmarks.peer_bundles import bundle_of  # it proves them, which takes torch

    bundle = bundle_of(model, form)
    candidate = candidates.from_peer(model, "onnx", form, tokens=model.max_length, tokenizer=None)
    artifact = bundle.artifact()
    said = replace(candidate, bundle_sha256=bundle.digest, agreement=artifact.agreement)
    return Target(bundle, artifact, said)


def join(found: Sequence[Result]) -> Result:
    """The runs of one device as one: its cases side by side, under the worst conditions that any of them saw.

    Cases of two runs shared no turn, so the turns of each are counted on from those of the one before.
    """
    samples: list[Sample] = []
    for result in found:
        turns = max((sample.turn for sample in samples), default=-1) + 1
        samples += [sample.model_copy(update={"turn": sample.turn + turns}) for sample in result.samples]
    return replace(
        found[0],
        cases=tuple(case for result in found for case in result.cases),
        samples=tuple(samples),
        conditions=_worst([result.conditions for result in found]),
    )


def _worst(found: Sequence[Conditions]) -> Conditions:

    def worst(choose: Callable[[list[float]], float], name: str) -> Any:
        known = [value for c in found if (value := getattr(c, name)) is not None]
        return choose(known) if known else None

    return Conditions(
        seconds=sum(c.seconds for c in found),
        clock_jump_seconds=max((c.clock_jump_seconds for c in found), key=abs),
        thermal_status=worst(max, "thermal_status"),
        thermal_headroom=worst(max, "thermal_headroom"),
        battery_percent=worst(min, "battery_percent"),
        charging=worst(max, "charging"),
        screen_on=worst(min, "screen_on"),
        in_front=worst(min, "in_front"),
        locked=worst(max, "locked"),
        power_save=worst(max, "power_save"),
        emulator=worst(max, "emulator"),
        clocks_known=worst(min, "clocks_known"),
        cancelled=any(c.cancelled for c in found),
    )


def _path(output: Path | None, adb: Adb, count: int) -> Path | None:
    if output is None or count == 1:
        return output
    serial = "".join(letter if letter.isalnum() else "-" for letter in adb.serial)
    return output.with_name(f"{output.stem}-{serial}{output.suffix}")


def keep(result: Result, path: Path | None) -> BenchmarkResult:
    """The result, written to ``path`` where one is given."""
    if path is not None:
        results.write(path, result)
    return BenchmarkResult(result, path, ())
