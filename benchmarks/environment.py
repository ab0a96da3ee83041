"""What machine and software a run was made with, and what the machine did meanwhile: read from Linux's /proc and /sys,
and from a reference kernel.

On systems without them the fields are null: a missing figure is no proof of quiet, and the report says so.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import cycle
from pathlib import Path

import numpy as np

from squeezebert_mobile.benchmarks.protocol import Conditions
from squeezebert_mobile.benchmarks.results import Environment, Version
from squeezebert_mobile.run import huge_pages

_PACKAGES = ("squeezebert-mobile", "torch", "onnxruntime", "executorch", "transformers", "onnx", "numpy", "tokenizers")
# The instruction sets that decide which int8 and fp32 kernels the runtimes take.
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX-VNNI",
    "amx_int8": "AMX int8",
    "asimd": "NEON",
    "asimddp": "dot product",
    "i8mm": "i8mm",
    "sve": "SVE",
    "sme": "SME",
}
_CPU_PARTS = {
    "0xd07": "Cortex-A57",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse N1",
    "0xd40": "Neoverse V1",
    "0xd4f": "Neoverse V2",
}

# Of a text of 128 tokens with the widest layer of BERT-base's size: 9.4 MB of weights, one after the other of 47 MB.
# For each megabyte read it computes as much as an encoder does.
_TOKENS, _CHANNELS, _WIDE = 128, 768, 3072
_WEIGHTS, _TAKEN = 5, 2


def describe() -> Environment:
    """The machine, its packages and the commit of the checkout that this package runs from, if it does."""
    facts = _cpuinfo()
    flags = f"{facts.get('flags', '')} {facts.get('Features', '')}".split()
    part = facts.get("CPU part", "")
    return Environment(
        cpu=facts.get("model name") or _CPU_PARTS.get(part, part) or platform.processor() or "unknown",
        architecture=platform.machine(),
        cores=os.cpu_count() or 1,
        memory_bytes=_memory(),
        system=f"{platform.system()} {platform.release()}",
        governor=_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        huge_pages=huge_pages.setting(),
        features=tuple(name for flag, name in _FEATURES.items() if flag in flags),
        versions=(Version(name="python", version=platform.python_version()), *versions()),
        commit=_commit(),
    )


def versions() -> tuple[Version, ...]:
    """The installed packages that a latency depends on."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(Version(name=name, version=metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


def runtime_version(runtime: str) -> str:
    """The version of the package behind a runtime."""
    return metadata.version({"onnx": "onnxruntime", "executorch": "executorch", "torch": "torch"}[runtime])


def _commit() -> str | None:
    """The commit of the checkout, with ``+`` behind it where files differ; None outside of one."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changes.strip() else "")


def _cpuinfo() -> dict[str, str]:
    """The fields of the first processor; sysctl's name for it on macOS."""
    if sys.platform == "darwin":
        name = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
        return {"model name": name.stdout.strip()}
    text = _read("/proc/cpuinfo") or ""
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


@dataclass(frozen=True)
class _Reading:
    """The machine's counters at one moment; seconds."""

    monotonic: float
    wall: float
    busy: float | None
    stolen: float | None
    ours: float | None
    throttled: int | None


class Watch:
    """Follows the machine through a run; ``children`` gives the process ids whose work is ours, not another load."""

    def __init__(self, children: Callable[[], Sequence[int]]) -> None:
        self._children = children
        self._mhz: list[float] = []
        self._start = self._reading()

    def look(self) -> None:
        """Note the core clocks; called before each turn."""
        self._mhz.extend(_frequencies())

    def finish(self) -> Conditions:
        """The conditions from the start of the watch to now; the children must still live."""
        start, end = self._start, self._reading()
        seconds = end.monotonic - start.monotonic
        other = _minus(_minus(end.busy, end.ours), _minus(start.busy, start.ours))
        stolen = _minus(end.stolen, start.stolen)
        throttled = _minus(end.throttled, start.throttled)
        return Conditions(
            seconds=seconds,
            other_load=None if other is None else max(0.0, other / seconds),
            stolen=None if stolen is None else stolen / seconds,
            clock_jump_seconds=(end.wall - start.wall) - seconds,
            throttle_events=None if throttled is None else round(throttled),
            slowest_mhz=min(self._mhz, default=None),
            fastest_mhz=max(self._mhz, default=None),
        )

    def _reading(self) -> _Reading:
        busy, stolen = _busy_and_stolen()
        spent = [_process_seconds(pid) for pid in (os.getpid(), *self._children())]
        ours = None if busy is None else sum(value for value in spent if value is not None)
        return _Reading(time.monotonic(), time.time(), busy, stolen, ours, _throttle_events())


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _busy_and_stolen() -> tuple[float | None, float | None]:
    """Seconds that all cores together worked (user, nice, system, irq, softirq), and that the host took (steal)."""
    text = _read("/proc/stat")
    if text is None:
        return None, None
    ticks = os.sysconf("SC_CLK_TCK")
    user, nice, system, _idle, _wait, irq, softirq, steal = (int(value) / ticks for value in text.split()[1:9])
    return user + nice + system + irq + softirq, steal


def _process_seconds(pid: int) -> float | None:
    """Processor time of all threads of a process; None where it has ended."""
    text = _read(f"/proc/{pid}/stat")
    if text is None:
        return None
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _frequencies() -> list[float]:
    files = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    return [int(text) / 1000 for file in files if (text := _read(str(file)))]


def _throttle_events() -> int | None:
    files = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    counts = [int(text) for file in files if (text := _read(str(file)))]
    return sum(counts) if counts else None


class ReferenceKernel:
    """How fast the machine is from moment to moment, by a product that no change to a model touches; about 10 ms.

    On a shared machine other tenants take memory bandwidth and clock for seconds to minutes. The product is of the
    models' own kind, on as many threads, with weights that no cache keeps, so it suffers what they suffer; `compare`
    divides by it.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._rows = rng.standard_normal((_TOKENS, _CHANNELS), np.float32)
        self._weights = cycle([rng.standard_normal((_CHANNELS, _WIDE), np.float32) for _ in range(_WEIGHTS)])
        self._product = np.empty((_TOKENS, _WIDE), np.float32)

    def measure_ns(self) -> int:
        """Nanoseconds of the product with the next weights."""
        weights = [next(self._weights) for _ in range(_TAKEN)]
        start = time.perf_counter_ns()
        for each in weights:
            np.matmul(self._rows, each, out=self._product)
        return time.perf_counter_ns() - start
