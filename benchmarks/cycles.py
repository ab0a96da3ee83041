"""Estimated cycles on ARM cores as they are kept, and the paper's comparison in them.

`benchmarks.lab.cycles` makes them: executed instructions, scheduled by LLVM's model of the core.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from squeezebert_mobile.benchmarks.peers import PAPER, Peer
from squeezebert_mobile.benchmarks.published import BEST, PUBLISHED_SECONDS, SETTINGS, fastest
from squeezebert_mobile.benchmarks.results import Version
from squeezebert_mobile.bundle.manifest import Record, Sha256, validated

KEPT = Path(__file__).with_name("cycles.json")
# QEMU's core that stands for a Cortex-A75, and the paper's length of a text.
PAPER_CORE, PAPER_TOKENS = "cortex-a57", 128
_LEAST_SHARE = 0.03


class Trial(Record):
    """A kernel on the machine that made the estimates: its cycles, measured and predicted."""

    kernel: str
    measured: int
    predicted: int


class Operator(Record):
    """All nodes of a kind. ``bounded`` are cycles where each node takes at least as long as its bytes do."""

    operator: str
    nodes: int
    instructions: int
    cycles: int
    bounded: int


class Estimate(Record):
    """One inference of a file, batch 1 without padding, on a core; ``operators`` is empty for a .pte."""

    cpu: str
    name: str
    sha256: Sha256
    tokens: int
    instructions: int
    cycles: int
    bounded: int | None
    operators: tuple[Operator, ...]

    @property
    def shares(self) -> str:
        """The operators that take at least 3 % of the cycles, with their shares; empty for a .pte."""
        shares = ((each.operator, each.cycles / self.cycles) for each in self.operators)
        return ", ".join(f"{name} {share:.0%}" for name, share in shares if share >= _LEAST_SHARE)


class CyclesRun(Record):
    """Estimates, with what they were made by and how the method did on this machine."""

    record: Literal["cycles"] = "cycles"
    qemu: str
    llvm: str
    versions: tuple[Version, ...]
    trials: tuple[Trial, ...]
    estimates: tuple[Estimate, ...]


def read(path: Path = KEPT) -> CyclesRun:
    """A kept run, the package's own by default. Raises IntegrityError for a file that is not one."""
    return validated(CyclesRun, path.read_bytes(), path, "a run of cycles", fix="measure again")


@dataclass(frozen=True)
class CoreLine:
    """A model's fastest file in a setting of the paper's comparison, and BERT-base's cycles there over its own."""

    setting: str
    model: str
    estimate: Estimate
    speedup: float
    published_seconds: float


def paper_lines(run: CyclesRun) -> tuple[CoreLine, ...]:
    """The paper's comparison on a core like the paper's; a setting is left out where BERT-base's file is lacking."""
    core = [each for each in run.estimates if (each.cpu, each.tokens) == (PAPER_CORE, PAPER_TOKENS)]
    lines = []
    for setting, forms in SETTINGS.items():
        # A model's best file may be one that another setting names.
        allowed = {form for known in SETTINGS.values() for form in known} if setting == BEST else set(forms)
        chosen = {
            peer: fastest(core, peer, allowed, lambda file: file.name, lambda file: file.cycles) for peer in PAPER
        }
        bert = chosen[Peer.BERT_BASE]
        if bert is not None:
            lines += [
                CoreLine(setting, str(peer), found, bert.cycles / found.cycles, PUBLISHED_SECONDS[peer])
                for peer, found in chosen.items()
                if found is not None
            ]
    return tuple(lines)
