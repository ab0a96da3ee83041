"""Phones as benchmark devices: every artifact of a bundle on one or all attached devices, a result for each device."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from squeezebert_mobile.benchmarks import benchmark as library
from squeezebert_mobile.benchmarks import devices, samples
from squeezebert_mobile.benchmarks.adb import Adb, ready
from squeezebert_mobile.benchmarks.benchmark import BenchmarkResult
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.options import BenchmarkOptions
from squeezebert_mobile.benchmarks.protocol import Conditions, Protocol
from squeezebert_mobile.benchmarks.samples import Result
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.errors import UsageError

_PREFIX = "adb:"


def connect(device: str) -> list[Adb]:
    """The devices that ``adb:SERIAL`` or ``adb:all`` names.

    Raises UsageError for another form, EnvironmentFault where a device is not there or not ready.
    """
    if not device.startswith(_PREFIX) or device == _PREFIX:
        fix = "squeezebert-mobile devices lists what is attached"
        raise UsageError("--device", "is not one", found=device, expected="adb:SERIAL or adb:all", fix=fix)
    serial = device.removeprefix(_PREFIX)
    return ready() if serial == "all" else [Adb.connect(serial)]


def benchmark(device: str, options: BenchmarkOptions, report: Report = lambda _: None) -> tuple[BenchmarkResult, ...]:
    """Measure one bundle on each device, one device after the other.

    With ``output`` each device's result is kept, under that name where there is one device, else with the serial before
    the ending. Raises as `connect` and `devices.measure`; UsageError for what a phone does not run.
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
            found.append(devices.measure(adb, bundle, artifact, protocol, partial(_show, report, what)))
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
        samples.write(path, result)
    return BenchmarkResult(result, path, ())
