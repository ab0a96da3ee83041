"""Seeded damage to every file of a bundle and of a checkpoint, counted by what became of it.

python tests/helpers/mutation.py --count 10000 --seed 0

Three kinds of target: a bundle, whose digests must notice everything; a checkpoint beside the digests of its files,
the same; a checkpoint without them, which may load otherwise, but only into finite weights of the right shapes or one
of our errors. Any other exception is a crash, and a bundle or digested checkpoint read as something else is wrong.
"""

import argparse
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.files import sha256

SLOWEST_SECONDS = 30.0
GOLDEN = ROOT / "tests/data/bundle_v1"


@dataclass(frozen=True)
class Target:
    """A folder to damage, how to read it, and whether reading anything else than the original is wrong."""

    name: str
    folder: Path
    read: Callable[[Path], object]
    digested: bool


@dataclass(frozen=True)
class Report:
    """Outcomes by target and kind, the slowest read in seconds, and what crashed."""

    outcomes: Counter[tuple[str, str]]
    slowest: float
    crashes: tuple[str, ...]

    @property
    def wrong(self) -> int:
        return sum(count for (_, outcome), count in self.outcomes.items() if outcome == "WRONG")


def flip(data: bytes, rng: random.Random, other: bytes) -> bytes:  # noqa: ARG001
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        # Half of them near the start, where the headers are.
        changed[rng.randrange(min(len(data), 512) if rng.random() < 0.5 else len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(data: bytes, rng: random.Random, other: bytes) -> bytes:  # noqa: ARG001
    return data[: rng.randrange(len(data))]


def swap(data: bytes, rng: random.Random, other: bytes) -> bytes:  # noqa: ARG001
    size = rng.randint(1, max(1, len(data) // 4))
    a, b = sorted(rng.randrange(len(data)) for _ in range(2))
    one, two = data[a : a + size], data[b : b + size]
    return data[:a] + two + data[a + size : b] + one + data[b + size :]


def splice(data: bytes, rng: random.Random, other: bytes) -> bytes:
    start, at = rng.randrange(len(other)), rng.randrange(len(data))
    piece = other[start : start + rng.randint(1, 64)]
    return data[:at] + piece + data[at + rng.choice((0, len(piece))) :]


MUTATORS = (flip, truncate, swap, splice)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def read_bundle(folder: Path) -> object:
    return contents(bundles.read(folder).folder)


def read_checkpoint(folder: Path) -> object:
    loaded = checkpoint.load(folder)
    state = checkpoint.load_model(loaded).model.state_dict()
    assert all(tensor.isfinite().all() for tensor in state.values())
    return loaded.config, {name: tensor.numpy().tobytes() for name, tensor in state.items()}


def write_checkpoint(folder: Path, *, pickle: bool, sums: bool) -> Path:
    import tiny
    import torch

    from squeezebert_mobile.config import SqueezeBertConfig
    from squeezebert_mobile.tasks import Task

    config = SqueezeBertConfig(
        vocab_size=40, hidden_size=16, embedding_size=16, num_hidden_layers=1, num_attention_heads=4,
        intermediate_size=16, max_position_embeddings=16,
    )  # fmt: skip
    model = tiny.model(Task.TEXT_CLASSIFICATION, config)
    model.save_pretrained(folder)
    if pickle:
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    if sums:
        lines = [f"{sha256(data)}  {path}\n" for path, data in contents(folder).items()]
        (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def targets(scratch: Path) -> tuple[Target, ...]:
    made = [Target("bundle", GOLDEN, read_bundle, digested=True)]
    for pickle in (False, True):
        for sums in (True, False):
            name = f"{'pickle' if pickle else 'safetensors'} checkpoint{' with SHA256SUMS' if sums else ''}"
            folder = write_checkpoint(scratch / name, pickle=pickle, sums=sums)
            made.append(Target(name, folder, read_checkpoint, digested=sums))
    return tuple(made)


def outcome(target: Target, folder: Path, original: object) -> str:
    try:
        found = target.read(folder)
    except SqueezeBertMobileError as error:
        line = str(error)
        return f"refused with {error.exit_code}" if "; fix: " in line and "\n" not in line else "CRASH: no fix"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"CRASH: {type(error).__name__}: {error}"
    if found == original:
        return "read as it was"
    return "WRONG" if target.digested else "read as other weights"


def run(count: int, seed: int) -> Report:
    """Damage a file, read, put it back, ``count`` times; half of them in bundles."""
    rng = random.Random(seed)
    outcomes: Counter[tuple[str, str]] = Counter()
    crashes: list[str] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        every = targets(Path(scratch))
        copies = {target.name: Path(scratch) / f"copy of {target.name}" for target in every}
        originals = {target.name: target.read(shutil.copytree(target.folder, copies[target.name])) for target in every}
        for number in range(count):
            target = every[0] if number % 2 else rng.choice(every[1:])
            folder, files = copies[target.name], contents(target.folder)
            names = [name for name in files if name.name != "SHA256SUMS"]
            name, other = rng.choice(names), files[rng.choice(names)]
            mutant = rng.choice(MUTATORS)(files[name], rng, other)
            (folder / name).write_bytes(mutant)
            start = time.monotonic()
            found = outcome(target, folder, originals[target.name])
            slowest = max(slowest, time.monotonic() - start)
            (folder / name).write_bytes(files[name])
            if mutant == files[name]:
                found = "not changed" if found == "read as it was" else f"CRASH: the original is {found}"
            if found.startswith("CRASH") or found == "WRONG":
                crashes.append(f"mutation {number} of {target.name}/{name}: {found}")
            outcomes[target.name, found.split(":")[0]] += 1
    return Report(outcomes, slowest, tuple(crashes))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    report = run(arguments.count, arguments.seed)
    lines = [f"{name:40} {kind:24} {n:6}" for (name, kind), n in sorted(report.outcomes.items())]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    lines += [f"slowest {report.slowest:.2f} s, peak {peak} MiB, {len(report.crashes)} crashes or wrong answers"]
    sys.stdout.write("\n".join((*lines, *report.crashes)) + "\n")
    return bool(report.crashes)


if __name__ == "__main__":
    sys.exit(main())
