"""What is installed, what works, and what to install."""

import importlib
import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from squeezebert_mobile import extras
from squeezebert_mobile.run import huge_pages

# Distribution, the module that proves it, what it is for, and the extra that installs it: None for what exports need.
_PACKAGES = (
    ("torch", "torch", "the reference and every export", None),
    ("onnx", "onnx", "ONNX export", None),
    ("onnxscript", "onnxscript", "ONNX export", None),
    ("onnxruntime", "onnxruntime", "running ONNX", None),
    ("executorch", "executorch.extension.pybindings._portable_lib", "running .pte", None),
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
_PROGRAMS = (("adb", "phones as devices"), ("qemu-aarch64", "emulated ARM"), ("mvn", "the Android tests"))


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

    @property
    def healthy(self) -> bool:
        """True where all that an export needs works."""
        return all(check.works for check in self.checks if check.needed)


def doctor() -> Diagnosis:
    """Import every package and look for every program that some command uses."""
    checks = (*(_package(*row) for row in _PACKAGES), *(_program(*row) for row in _PROGRAMS), *_huge_pages())
    return Diagnosis(sys.version.split()[0], f"{platform.system()} {platform.machine()}", checks)


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
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a half-installed package can raise anything at import
        advice = f"does not import ({str(error)[:80]}): pip install --force-reinstall {name}"
        return Check(name, False, needed, version, advice)
    return Check(name, True, needed, version, f"for {purpose}")


def _program(name: str, purpose: str) -> Check:
    found = shutil.which(name) is not None
    advice = f"for {purpose}" if found else f"for {purpose}: install it with the system's package manager"
    return Check(name, found, False, None, advice)
