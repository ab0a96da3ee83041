"""Packages for the tests of clients, installed once for all test processes."""

import fcntl
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checkout import ROOT

sys.path.append(str(ROOT / "docs/web_demo"))
import web_page

CACHE = ROOT / "build" / "clients"


@contextmanager
def installing(folder: Path) -> Iterator[None]:
    """One process at a time, in a folder that exists."""
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the folder: uv takes a file of that name inside it for its own lock.
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def transformers_js() -> Path:
    """A folder whose node_modules has transformers.js, as the web demo pins it. Skips where there is no npm."""
    if shutil.which("npm") is None:
        pytest.skip("needs Node.js with npm")
    with installing(folder := CACHE / "transformers_js"):
        web_page.install(folder)
    return folder
