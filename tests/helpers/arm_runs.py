"""Hand-made runs on emulated ARM, and what real ones need."""

import shutil

import pytest

from squeezebert_mobile.benchmarks.lab.arm import Answer, ArmRun, Count

ANSWER = Answer(
    cpu="cortex-a76",
    name="ours",
    texts=34,
    max_abs=1e-6,
    allowed=1e-4,
    counts=(Count(tokens=128, instructions=2_500_000), Count(tokens=20, instructions=400_000)),
)


WRONG = ANSWER.model_copy(update={"cpu": "max", "max_abs": 0.5, "counts": ()})


PEER = Answer(
    cpu="cortex-a76",
    name="BERT-base",
    texts=None,
    max_abs=None,
    allowed=None,
    counts=(Count(tokens=128, instructions=9_000_000),),
)


RUN = ArmRun(bundle_sha256="0" * 64, qemu="7.2", versions=(), answers=(ANSWER, WRONG, PEER))


def require_qemu() -> None:
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("needs QEMU: apt-get install qemu-user")


def require_llvm() -> None:
    if shutil.which("llvm-mca-19") is None:
        pytest.skip("needs LLVM 19: apt-get install llvm-19")
