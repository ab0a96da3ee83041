"""What is installed, what works, and what to install.

Packages are imported in processes of their own, side by side: one that dies or hangs at its import ends only that one.
Those in plain Python whose import takes seconds are looked at instead: every file there, every requirement met.
"""

import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import NamedTuple, Self

from packaging.requirements import Requirement

from squeezebert_mobile import extras
from squeezebert_mobile.bundle import runtimes
from squeezebert_mobile.console import quiet
from squeezebert_mobile.run import engines, huge_pages


class Package(NamedTuple):
    """A distribution, what it is for, its extra (None for what exports need), and the module that proves it.

    Without a module its files and requirements do.
    """

    name: str
    purpose: str
    extra: str | None = None
    module: str | None = None


# Each group is imported by one process, in this order: what shares an import stands together, and both take as long.
_GROUPS = (
    (
        Package("torch", "the reference and every export", module="torch"),
        Package("executorch", "running .pte", module="executorch"),
    ),
    (
        Package("onnx", "ONNX export", module="onnx"),
        Package("onnxruntime", "running ONNX", module="onnxruntime"),
        Package("tokenizers", "tokenizing", module="tokenizers"),
        Package("safetensors", "reading checkpoints", module="safetensors"),
        Package("huggingface-hub", "fetching checkpoints", module="huggingface_hub"),
        Package("torchao", "ExecuTorch export"),
        Package("onnxscript", "ONNX export"),
        Package("accelerate", "fine-tuning", "finetune"),
        Package("datasets", "data sets by name", "finetune"),
        Package("scikit-learn", "metrics of evaluate", "finetune"),
        Package("seqeval", "entities in evaluate", "finetune"),
        Package("transformers", "the peers of a benchmark", "benchmark"),
        # It imports OpenSSL without asking for it.
        Package("model-signing", "signing", "sign", "model_signing"),
        Package("scipy", "correlations in evaluate", "finetune", "scipy"),
        Package("coreai-core", "running Core AI", "coreai"),
        Package("coreai-torch", "Core AI export", "coreai"),
        Package("pyarrow", "parquet files", "finetune", "pyarrow"),
        Package("matplotlib", "plots", "benchmark", "matplotlib"),
    ),
)
_PROGRAMS = (
    ("adb", "phones as devices"),
    ("qemu-aarch64", "emulated ARM"),
    ("java", "the Android tests"),
    ("mvn", "the Android tests"),
    ("node", "the tests of the clients in JavaScript"),
)
# A version as programs print it, in the first line that has one.
_VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True)
class Check:
    """One package or program: whether it works, its version, and what to do where it does not."""

    name: str
    works: bool
    needed: bool
    version: str | None
    advice: str


@dataclass(frozen=True)
class Diagnosis:
    """All checks."""

    python: str
    machine: str
    checks: tuple[Check, ...]

    @classmethod
    def of(cls, checks: Sequence[Check]) -> Self:
        """The checks of this machine, what exports need first."""
        order = [package.name for group in _GROUPS for package in group] + [name for name, _ in _PROGRAMS]
        places = {name: place for place, name in enumerate(order)}
        found = sorted(checks, key=lambda check: (not check.needed, places.get(check.name, len(order))))
        return cls(sys.version.split()[0], f"{platform.system()} {platform.machine()}", tuple(found))

    @property
    def healthy(self) -> bool:
        """True where all that an export needs works."""
        return all(check.works for check in self.checks if check.needed)


def doctor() -> Diagnosis:
    """Import every package and look for every program that some command uses."""
    return Diagnosis.of(list(checks()))


def checks() -> Iterator[Check]:
    """The checks of `doctor`, side by side: each as soon as it is known."""
    found: Queue[Check | None] = Queue()

    def put(work: Callable[..., Iterator[Check]], *arguments: object) -> None:
        try:
            for check in work(*arguments):
                found.put(check)
        finally:
            found.put(None)

    calls = [
        (_huge_pages,),
        (_faults,),
        *((_group, group) for group in _GROUPS),
        *((_program, *row) for row in _PROGRAMS),
    ]
    for call in calls:
        Thread(target=put, args=call, daemon=True).start()
    running = len(calls)
    while running:
        check = found.get()
        if check is None:
            running -= 1
        else:
            yield check


def _faults() -> Iterator[Check]:
    """What is known to be wrong with the installed runtimes, here or on a phone."""
    for line in runtimes.warnings(runtimes.PACKAGES):
        yield Check("known fault", False, False, None, line)


def _huge_pages() -> Iterator[Check]:
    """Whether Linux gives huge pages to those who ask, as every process that runs a model does."""
    setting, purpose = huge_pages.setting(), "for short texts in less time"
    if setting == "never":
        yield Check("huge pages", False, False, setting, f"{purpose}: as root, echo madvise > {huge_pages.SETTING}")
    elif setting is not None:
        yield Check("huge pages", True, False, setting, purpose)


def _group(packages: Sequence[Package]) -> Iterator[Check]:
    """The checks of some packages by one process; where it dies of one, another goes on with the next."""
    left = list(packages)
    while left:
        command = [sys.executable, "-P", "-m", __name__, json.dumps(left)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            for line in child.stdout or ():
                yield Check(**json.loads(line))
                left.pop(0)
        if left:
            dead = left.pop(0)
            advice = f"does not import (its process ends with {child.returncode}): {_again(dead.name)}"
            yield Check(dead.name, False, dead.extra is None, _installed(dead.name), advice)


def _package(package: Package) -> Check:
    needed, version = package.extra is None, _installed(package.name)
    if version is None:
        return Check(package.name, False, needed, None, f"for {package.purpose}: {extras.install(package.name)}")
    try:
        if package.module is None:
            _look_through(importlib.metadata.distribution(package.name))
        elif package.module == "executorch":
            engines.import_executorch()
        else:
            importlib.import_module(package.module)
    except Exception as error:  # noqa: BLE001 - a half-installed package can raise anything at import
        advice = f"does not import ({str(error)[:80]}): {_again(package.name)}"
        return Check(package.name, False, needed, version, advice)
    return Check(package.name, True, needed, version, f"for {package.purpose}")


def _look_through(installed: importlib.metadata.Distribution) -> None:
    """Raise ImportError for the first file that is missing, or requirement that is not met."""
    for file in installed.files or ():
        if file.suffix != ".pyc" and not Path(file.locate()).exists():
            raise ImportError(f"{file} is missing")
    for requirement in map(Requirement, installed.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found = _installed(requirement.name)
            if found is None or not requirement.specifier.contains(found, prereleases=True):
                raise ImportError(
                    f"found {requirement.name} {found or 'missing'}, expected {requirement.specifier or 'any'}"
                )


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _again(name: str) -> str:
    return f"pip install --force-reinstall {name}"


def _program(name: str, purpose: str) -> Iterator[Check]:
    found = shutil.which(name) is not None
    advice = f"for {purpose}" if found else f"for {purpose}: install it with the system's package manager"
    yield Check(name, found, False, _version(name) if found else None, advice)


def _version(program: str) -> str | None:
    """What a program calls its version, None where it does not tell within ten seconds."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else None


def main(packages: Sequence[Package]) -> None:
    """Import packages one after the other, and print a line of JSON for each."""
    # What packages of others print and warn at import is no finding of ours.
    with quiet(), os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        for package in packages:
            answers.write(json.dumps(asdict(_package(package))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main([Package(*fields) for fields in json.loads(sys.argv[1])])
