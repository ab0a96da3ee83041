"""What a measurement is: the knobs that fix it, and the rules by which one does not count."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from squeezebert_mobile.benchmarks.options import Scenario
from squeezebert_mobile.benchmarks.statistics import Drift
from squeezebert_mobile.bundle.manifest import Record
from squeezebert_mobile.errors import counted

# Of a core, used by other programs while ours ran. A desktop's own housekeeping stays below it.
MAX_OTHER_LOAD = 0.15
# Steal time in cores, kept from a virtual machine by its host. Every case suffers that alike, so ratios of interleaved
# cases stand and only the milliseconds grow, which a note says; beyond the larger bound little of the machine is left.
NOTED_STEAL, MAX_STEAL = 0.05, 1.0
MAX_CLOCK_JUMP_SECONDS = 1.0
MIN_BATTERY_PERCENT = 20
# Android's PowerManager: 0 none, 1 light, 2 moderate, from which on the clocks are lowered.
THERMAL_MODERATE = 2
# PowerManager.getThermalHeadroom: 1 is where severe throttling begins.
MAX_THERMAL_HEADROOM = 1.0
# p90 over p50 on a phone, where no other clock than the calls' own tells that it changed its cores or clocks meanwhile.
MAX_SPREAD = 1.3
# Measured one after the other; all other scenarios' cases take turns.
ALONE: tuple[Scenario, ...] = ("sustained", "single-stream")
# The sustained scenario exists to show the drift, and texts of different lengths differ by themselves.
DRIFTING: tuple[Scenario, ...] = ("sustained", "natural-length")


class Protocol(Record):
    """How one case is measured. ``tokens`` is null for texts at their natural length.

    ``pad_to`` is the width to which those tokens are padded, with a mask; null for none.
    ``turn_runs`` runs are recorded each time that the case's turn comes, after ``turn_warmup`` that are not: they bring
    the weights back into the caches that the other cases took. ``seed`` draws the texts and ids.
    """

    scenario: Scenario = "fixed-length"
    threads: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=1)] = 1
    tokens: Annotated[int, Field(ge=1)] | None = 128
    pad_to: Annotated[int, Field(ge=1)] | None = None
    warmup: Annotated[int, Field(ge=0)] = 3
    turn_warmup: Annotated[int, Field(ge=0)] = 1
    turn_runs: Annotated[int, Field(ge=1)] = 4
    min_runs: Annotated[int, Field(ge=1)] = 100
    min_seconds: Annotated[float, Field(ge=0)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def conditions(self) -> str:
        """Threads, batch and tokens in words."""
        return f"{counted(self.threads, 'thread')}, batch {self.batch}, {self.length}"

    @property
    def length(self) -> str:
        """The tokens in words."""
        if self.tokens is None:
            return "natural length"
        return counted(self.tokens, "token") + (f" padded to {self.pad_to}" if self.pad_to else "")


class Conditions(Record):
    """What the machine did while it was measured; null where the machine cannot say.

    ``other_load`` and ``stolen`` (by the host of a virtual machine) are in cores, ``throttle_events`` counts the
    kernel's thermal interventions, ``slowest_mhz`` and ``fastest_mhz`` are the core clocks' extremes as seen before
    each turn. From ``thermal_status`` to ``clocks_known`` the fields are a phone's, the worst of what it said before,
    during and after the run; ``in_front`` is of the app that measured.
    """

    record: Literal["conditions"] = "conditions"
    seconds: float
    other_load: float | None = None
    stolen: float | None = None
    clock_jump_seconds: float = 0.0
    throttle_events: int | None = None
    slowest_mhz: float | None = None
    fastest_mhz: float | None = None
    thermal_status: int | None = None
    thermal_headroom: float | None = None
    battery_percent: int | None = None
    charging: bool | None = None
    screen_on: bool | None = None
    in_front: bool | None = None
    locked: bool | None = None
    power_save: bool | None = None
    emulator: bool | None = None
    clocks_known: bool | None = None
    cancelled: bool = False


def case_faults(protocol: Protocol, latencies: Sequence[int], drift: Drift | None) -> tuple[str, ...]:
    """Why a case's latencies (ns) do not count; empty where they do. ``drift`` is the case's, where it can be told."""
    faults = []
    seconds = sum(latencies) / 1e9
    if len(latencies) < protocol.min_runs:
        faults.append(f"{counted(len(latencies), 'run')} of at least {protocol.min_runs}")
    if seconds < protocol.min_seconds:
        faults.append(f"{seconds:.2f} s of at least {protocol.min_seconds:g} s")
    if any(value <= 0 for value in latencies):
        faults.append("a latency is not above zero")
    if protocol.scenario not in DRIFTING and drift is not None and drift.is_proven:
        faults.append(
            f"the last third took {drift.value:+.1%} of the first ({drift.low:+.1%} to {drift.high:+.1%}) "
            "beside the run's other cases: throttling, or another load"
        )
    return tuple(faults)


def spread_faults(latencies: Sequence[int]) -> tuple[str, ...]:
    """Why a phone's latencies (ns) lie too far apart to be of one state; empty where they do not."""
    p50, p90 = np.percentile(latencies or (0,), (50, 90))
    if p50 <= 0 or p90 / p50 <= MAX_SPREAD:
        return ()
    return (f"p90 is {p90 / p50:.2f} times p50, at most {MAX_SPREAD:g} times is one state of the phone",)


def machine_faults(conditions: Conditions) -> tuple[str, ...]:
    """Why nothing measured under these conditions counts; empty where it does."""
    c = conditions
    told = (c.other_load, c.stolen, c.throttle_events, c.thermal_status, c.thermal_headroom)
    load, stolen, throttled, status, headroom = (value or 0 for value in told)
    rules = (
        (c.cancelled, "cancelled"),
        (abs(c.clock_jump_seconds) > MAX_CLOCK_JUMP_SECONDS, f"the clock jumped by {c.clock_jump_seconds:.1f} s"),
        (load > MAX_OTHER_LOAD, f"other programs used {load:.2f} cores"),
        (stolen > MAX_STEAL, f"steal time of {stolen:.2f} cores"),
        (throttled > 0, f"the processor throttled {counted(int(throttled), 'time')}"),
        (status >= THERMAL_MODERATE, f"thermal status {status:g}, moderate or worse"),
        (
            headroom >= MAX_THERMAL_HEADROOM,
            f"thermal headroom {headroom:.2f}, throttling from {MAX_THERMAL_HEADROOM:g}",
        ),
        (
            c.battery_percent is not None and c.battery_percent < MIN_BATTERY_PERCENT,
            f"battery at {c.battery_percent} %, at least {MIN_BATTERY_PERCENT} % needed",
        ),
        (c.screen_on is False, "screen off"),
        (c.in_front is False, "the app was not in front for the whole run"),
        (c.locked is True, "the phone was locked"),
        (c.power_save is True, "battery saver"),
        (c.emulator is True, "an emulator, not a phone"),
        (c.clocks_known is False, "cores and clocks are unknown"),
    )
    return tuple(reason for broken, reason in rules if broken)
