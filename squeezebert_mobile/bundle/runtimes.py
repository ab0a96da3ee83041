"""In which versions of the runtimes files were tried, and which of them are known to be bad.

`runtimes.json` is compared with the kept matrix (benchmarks/results/runtimes.json) by a test.
"""

import importlib.metadata
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from squeezebert_mobile.bundle.manifest import Record
from squeezebert_mobile.tasks import Precision, Runtime

PACKAGES: dict[Runtime, str] = {"onnx": "onnxruntime", "executorch": "executorch", "coreai": "coreai-core"}
NAMES: dict[Runtime, str] = {"onnx": "ONNX Runtime", "executorch": "ExecuTorch", "coreai": "Core AI"}
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


class Tried(Record):
    """From which version on all files answered as the reference, by precision, and the newest that was tried."""

    oldest: dict[Precision, str]
    newest: str


class Fault(Record):
    """What is wrong from ``since`` on, on which processors, the release without it, and who says so."""

    runtime: Runtime
    since: str
    fixed: str
    processors: str
    what: str
    sources: tuple[str, ...]

    def hits(self, version: str) -> bool:
        """Whether a version has it."""
        return _key(self.since) <= _key(version) < _key(self.fixed)

    def __str__(self) -> str:
        where = f"{NAMES[self.runtime]} {self.since} to before {self.fixed} is known to be bad on {self.processors}"
        return f"{where}: {self.what} ({', '.join(self.sources)})"


class Known(Record):
    """The whole of runtimes.json."""

    tried: dict[Runtime, Tried]
    faults: tuple[Fault, ...]


@cache
def known() -> Known:
    """What is known of the runtimes."""
    return Known.model_validate_json(Path(__file__).with_suffix(".json").read_bytes())


def faults(runtime: Runtime, version: str | None = None) -> tuple[Fault, ...]:
    """The faults of a runtime, of one version of it for ``version``."""
    found = (fault for fault in known().faults if fault.runtime == runtime)
    return tuple(fault for fault in found if version is None or fault.hits(version))


def warnings(runtimes: Iterable[Runtime]) -> tuple[str, ...]:
    """A line for each fault of the runtimes that are installed."""
    found = []
    for runtime in runtimes:
        try:
            version = importlib.metadata.version(PACKAGES[runtime])
        except importlib.metadata.PackageNotFoundError:
            continue
        found += [f"{fault}; installed is {version}, take {fault.fixed}" for fault in faults(runtime, version)]
    return tuple(found)


def _key(version: str) -> tuple[int, ...]:
    """A version for comparing; what follows its numbers (``+cpu``) does not count."""
    match = _NUMBERS.match(version)
    return tuple(map(int, match[0].split("."))) if match else ()
