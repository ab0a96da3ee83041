"""Write vectors/validity.json, which proves that the app judges a run as the host does (benchmarks/protocol.py).

Drift is left out: the host alone judges it, from the raw latencies.
"""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks import phones
from squeezebert_mobile.benchmarks.protocol import Protocol, case_faults, machine_faults, spread_faults

OUTPUT = Path(__file__).parents[1] / "bench/src/test/resources/vectors/validity.json"
QUIET: dict[str, Any] = {
    "thermal_status": 0,
    "thermal_headroom": 0.5,
    "battery_percent": 80,
    "battery_celsius": 30.5,
    "charging": False,
    "screen_on": True,
    "in_front": True,
    "locked": False,
    "power_save": False,
    "emulator": False,
    "clocks_known": True,
    "cpuset": "/top-app",
}
STATES: tuple[dict[str, Any], ...] = (
    *({"thermal_status": value} for value in (None, 1, 2, 6)),
    *({"thermal_headroom": value} for value in (None, 0.99, 1.0, 1.375)),
    *({"battery_percent": value} for value in (None, 0, 19, 20)),
    {"charging": True},
    *(
        {name: not QUIET[name]}
        for name in ("screen_on", "in_front", "locked", "power_save", "emulator", "clocks_known")
    ),
    {
        "thermal_status": 3,
        "thermal_headroom": 1.5,
        "battery_percent": 15,
        "charging": True,
        "screen_on": False,
        "in_front": False,
        "locked": True,
        "power_save": True,
        "emulator": True,
        "clocks_known": False,
    },
)
MEASURED: tuple[dict[str, Any], ...] = (
    {},
    {"cancelled": True},
    *({"clock_jump_ms": value} for value in (1000, -1000, 1001, -1250, 1050, 1150, 90_000)),
    *({"latencies_ns": value} for value in ([], [10**7] * 3, [10**7, 0, 10**7, 10**7], [10**7, 10**7, 10**7, -1])),
    *({"min_seconds": value, "min_runs": 1} for value in (0.04, 0.041, 0.05, 1, 2.5, 60)),
    # Spread: p90 over p50 at its bound, beyond, and where it cannot be told.
    *({"latencies_ns": [10**7] * 8 + [value] * 3} for value in (13 * 10**6, 13 * 10**6 + 1, 159 * 10**6)),
    # Twice as slow in the end, which is also a spread; the drift is the host's to judge.
    {"latencies_ns": [10**7] * 20 + [2 * 10**7] * 20},
)


def cases() -> Iterator[dict[str, Any]]:
    """One rule at a time, at its bound and beyond, before, during and after the run; then all at once."""
    usual = {"min_runs": 4, "min_seconds": 0, "latencies_ns": [10**7] * 4, "seconds": 0.05, "clock_jump_ms": 0}
    usual |= {"cancelled": False, "states": [QUIET] * 3}
    yield from (usual | change for change in MEASURED)
    for state, place in product(STATES, range(3)):
        yield usual | {"states": [QUIET | state if number == place else QUIET for number in range(3)]}
    worst = {"states": [QUIET | STATES[-1]], "cancelled": True, "clock_jump_ms": 2500}
    yield usual | worst | {"latencies_ns": [0], "min_seconds": 1}


def faults(case: dict[str, Any]) -> tuple[str, ...]:
    """What the host says of a run that the app reports so."""
    state = {name: case[name] for name in phones.Facts.model_fields}
    protocol = Protocol(min_runs=case["min_runs"], min_seconds=float(case["min_seconds"]))
    found = machine_faults(phones.conditions(phones.Facts.model_validate_json(json.dumps(state))))
    return found + case_faults(protocol, case["latencies_ns"], None) + spread_faults(case["latencies_ns"])


def main() -> None:
    """Write the file."""
    value = [case | {"want": faults(case)} for case in cases()]
    OUTPUT.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
