"""From what ran under QEMU to cycles: the windows of `trace.c`, scheduled by LLVM's model of a core.

A window is one straight line of executed instructions, with every branch taken as it was, so predicted. The model knows
a core's width, pipelines and latencies; it knows neither caches nor the forwarding of stores.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.errors import EnvironmentFault

_INSTALL = "apt-get install llvm-19"
_ENCODED = re.compile(r"^\s*(.*?)\s*(?:#|//) encoding: \[(.*)\]$", re.MULTILINE)
_SUMMARY = re.compile(r"^Instructions:\s+(\d+)\nTotal Cycles:\s+(\d+)", re.MULTILINE)
# The model gives a call a hundred cycles; as a jump it takes what the jump takes.
_CALL = re.compile(r"^(?:bl(r?)|(?:lcall|call)q?)\b")


@dataclass(frozen=True)
class Target:
    """Whose instructions they are, and the core that schedules them, as LLVM calls both."""

    triple: str
    model: str

    @property
    def is_arm(self) -> bool:
        """Whether it is 64-bit ARM; x86-64 otherwise."""
        return self.triple.startswith("aarch64")

    @property
    def features(self) -> list[str]:
        """What llvm-mc and llvm-mca are told of instructions that come with extensions; x86-64 has all of them on."""
        return ["-mattr=+all"] if self.is_arm else []


@dataclass(frozen=True)
class Section:
    """What ran between two marks: how many instructions, and windows of them, each in hexadecimal."""

    executed: int
    windows: tuple[tuple[str, ...], ...]

    def sample(self, most: int) -> list[str]:
        """The instructions of windows that lie as far apart as ``most`` of them allow."""
        step = max(1, -(-sum(map(len, self.windows)) // most))
        return [instruction for window in self.windows[step // 2 :: step] for instruction in window]


def read(path: Path) -> list[Section]:
    """What the plugin wrote."""
    blocks: dict[str, tuple[str, ...]] = {}
    found, windows = [], []
    with path.open() as lines:
        for line in lines:
            kind, *fields = line.split() or ("",)
            match kind:
                case "block":
                    blocks[fields[0]] = tuple(fields[1:])
                case "window":
                    windows.append(tuple(instruction for block in fields for instruction in blocks[block]))
                case "section":
                    found.append(Section(int(fields[0]), tuple(windows)))
                    windows = []
    return found


def cycles(samples: Sequence[Sequence[str]], target: Target) -> list[float | None]:
    """Cycles an instruction of each sample; None for an empty one. Raises EnvironmentFault without LLVM 19."""
    names = _disassembled(sorted({instruction for sample in samples for instruction in sample}), target)
    texts = ["\n".join(names[each] for each in sample if each in names) for sample in samples]
    regions = [f"# LLVM-MCA-BEGIN\n{text}\n# LLVM-MCA-END\n" for text in texts if text]
    quiet = [
        "-iterations=1",
        "-skip-unsupported-instructions=any",
        "-resource-pressure=false",
        "-instruction-info=false",
    ]
    said = _call(
        "llvm-mca-19",
        [f"-mtriple={target.triple}", *target.features, f"-mcpu={target.model}", *quiet],
        "".join(regions),
    )
    summaries = iter([int(taken) / int(count) for count, taken in _SUMMARY.findall(said)])
    return [next(summaries) if text else None for text in texts]


def _disassembled(instructions: Sequence[str], target: Target) -> dict[str, str]:
    """The text of each instruction, but for those that LLVM does not know."""
    given = "\n".join(re.sub("(..)", r"0x\1 ", each) for each in instructions)
    said = _call(
        "llvm-mc-19", ["--disassemble", "--show-encoding", f"--triple={target.triple}", *target.features], given
    )
    found = {re.sub("0x|,", "", encoding): text for text, encoding in _ENCODED.findall(said)}
    jump = r"b\1" if target.is_arm else "jmp"
    return {encoding: _CALL.sub(jump, text) for encoding, text in found.items()}


def version() -> str:
    """LLVM's version. Raises EnvironmentFault where it is not installed."""
    found = re.search(r"version (\S+)", _call("llvm-mca-19", ["--version"], ""))
    return found[1] if found else "unknown"


def _call(tool: str, options: Sequence[str], given: str) -> str:
    if shutil.which(tool) is None:
        raise EnvironmentFault(tool, "is not installed", fix=_INSTALL)
    done = subprocess.run([tool, *options], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
        raise EnvironmentFault(tool, f"failed: {said}", fix=_INSTALL)
    return done.stdout
