"""What is installed, what works, and what to install."""

import contextlib
import importlib
import importlib.metadata
import io
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from squeezebert_mobile import extras
from squeezebert_mobile.console import quiet
from squeezebert_mobile.run import engines, huge_pages

# Distribution, the module that proves it, what it is for, and the extra that installs it: None for what exports need.
_PACKAGES = (
    ("torch", "torch", "the reference and every export", None),
    ("onnx", "onnx", "ONNX export", None),
    ("onnxscript", "onnxscript", "ONNX export", None),
    ("onnxruntime", "onnxruntime", "running ONNX", None),
    ("executorch", "executorch", "running .pte", None),
    ("torchao", "torchao", "ExecuTorch export", None),
    ("tokenizers", "tokenizers", "tokenizing", None),
    ("safetensors", "safetensors", "reading checkpoints", None),
    ("huggingface-hub", "huggingface_hub", "fetching checkpoints", None),
    ("transformers", "transformers", "the peers of a benchmark", "benchmark"),
    ("matplotlib", "matplotlib", "plots", "benchmark"),
    ("accelerate", "accelerate", "fine-tuning", "finetune"),
    ("datasets", "datasets", "data sets by name", "finetune"),
    ("model-signing", "model_signing", "signing", "sign"),
)
_PROGRAMS = (
    ("adb", "phones as devices"),
    ("qemu-aarch64", "emulated ARM"),
    ("java", "the Android tests"),
    ("mvn", "the Android tests"),
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
        """The checks of this machine."""
        return cls(sys.version.split()[0], f"{platform.system()} {platform.machine()}", tuple(checks))

    @property
    def healthy(self) -> bool:
        """True where all that an export needs works."""
        return all(check.works for check in self.checks if check.needed)


def doctor() -> Diagnosis:
    """Import every package and look for every program that some command uses."""
    return Diagnosis.of(list(checks()))


def checks() -> Iterator[Check]:
    """The checks of `doctor`, each as soon as it is known; packages are imported, which takes seconds."""
    yield from (_package(*row) for row in _PACKAGES)
    yield from (_program(*row) for row in _PROGRAMS)
    yield from _huge_pages()


def _huge_pages() -> Iterator[Check]:
    """Whether Linux gives huge pages to those who ask, as every process that runs a model does."""
    setting, purpose = huge_pages.setting(), "for short texts in less time"
    if setting == "never":
        yield Check("huge pages", False, False, setting, f"{purpose}: as root, echo madvise > {huge_pages.SETTING}")
    elif setting is not None:
        yield Check("huge pages", True, False, setting, purpose)


def _package(name: str, module: str, purpose: str, extra: str | None) -> Check:
    needed = extra is None
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, needed, None, f"for {purpose}: {extras.install(name)}")
    try:
        # What packages of others print and warn at import is no finding of ours.
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            if name == "executorch":
                engines.import_executorch()
            else:
                importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a half-installed package can raise anything at import
        advice = f"does not import ({str(error)[:80]}): pip install --force-reinstall {name}"
        return Check(name, False, needed, version, advice)
    return Check(name, True, needed, version, f"for {purpose}")


def _program(name: str, purpose: str) -> Check:
    found = shutil.which(name) is not None
    advice = f"for {purpose}" if found else f"for {purpose}: install it with the system's package manager"
    return Check(name, found, False, _version(name) if found else None, advice)


def _version(program: str) -> str | None:
    """What a program calls its version, None where it does not tell within ten seconds."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else None
