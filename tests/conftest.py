"""What holds for every test: one thread, no network, and in CI no skip that goes unnoticed."""

import fcntl
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from clock import Clock

# A deadline would be a timing assertion: it fails where another program has the processor.
settings.register_profile("untimed", deadline=None)
# The same examples for each mutant, and no time spent on the smallest that shows it.
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("untimed")

# Before any test module imports a library that reads them once. Two workers share two cores, so one thread each.
os.environ.update(
    OMP_NUM_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    MPLBACKEND="Agg",
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    ORT_DISABLE_TELEMETRY="1",
)

# What a shell starts in the background ignores it, and so would the children that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What CI's machine cannot have. A test that is skipped there for any other reason counts as failed.
SKIPS_THAT_CI_ALLOWS = (
    "needs an ARM host",
    "needs a phone",
    "needs a GPU",
    "needs the Android SDK",
    "needs huge pages",
    "needs macOS",
    "needs SST-2",
)


def pytest_runtest_setup(item: pytest.Function) -> None:
    """In mutation tests, forget what the module's cached functions kept from code that is another now."""
    if "MUTANT_UNDER_TEST" in os.environ:
        for member in vars(item.module).values():
            if hasattr(member, "cache_clear"):
                member.cache_clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that was skipped in CI for a reason that is not on the list."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself as a whole."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or os.environ.get("CI") != "true":
        return
    path, line, message = report.longrepr  # type: ignore[misc]
    reason = message.removeprefix("Skipped: ")
    if not reason.startswith(SKIPS_THAT_CI_ALLOWS):
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: CI has to run what this test needs: {reason}"


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny text classifier in fp32 for both runtimes; one for all test processes, not to be changed."""
    return _shared_bundle(tmp_path_factory, "tiny_bundle", precisions=("fp32",))


@pytest.fixture(scope="session")
def tiny_onnx_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for ONNX Runtime alone, in fp32 and int8."""
    return _shared_bundle(tmp_path_factory, "tiny_onnx_bundle", runtimes=("onnx",), precisions=("fp32", "int8"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    """The clock of every module that asks ``time`` for nanoseconds, which only the test moves."""
    from clock import Clock

    made = Clock()
    monkeypatch.setattr(time, "perf_counter_ns", made.perf_counter_ns)
    return made


def _shared_bundle(factory: pytest.TempPathFactory, name: str, **options: tuple[str, ...]) -> Path:
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = shared / name
        if not target.exists():
            from tiny import checkpoint

            from squeezebert_mobile.export.pipeline import ExportOptions, export
            from squeezebert_mobile.tasks import Task

            model = checkpoint(shared / f"{name}.model", Task.TEXT_CLASSIFICATION)
            export(ExportOptions(target, model, **options))
    return target
