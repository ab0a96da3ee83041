"""The Android demo's tools as modules, and what its tests need of the machine."""

import fcntl
import importlib.util
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest
from checkout import ROOT

DEMO = ROOT / "android_demo"
TOOLS = DEMO / "tools"
JVM = {"java": "openjdk-17-jdk-headless", "mvn": "maven", "aapt2": "aapt"}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def require(**packages: str) -> None:
    """Skip where a program is missing; each by its name, with the Debian package that has it."""
    for program, package in packages.items():
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: install Debian's package {package}")


@contextmanager
def building() -> Iterator[None]:
    """One Maven at a time, and none while its classes are in use: two would compile into the same folders."""
    with (DEMO / "pom.xml").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def maven_properties() -> dict[str, str]:
    """What the Maven build's parent POM states."""
    namespace = "{http://maven.apache.org/POM/4.0.0}"
    found = ET.parse(DEMO / "pom.xml").getroot().find(f"{namespace}properties")
    assert found is not None
    return {element.tag.removeprefix(namespace): element.text or "" for element in found}
