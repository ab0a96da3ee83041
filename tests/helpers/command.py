"""The command as a user types it, and what every error of it looks like."""

import os
import subprocess
import sys
from pathlib import Path

import schemas


def run(*arguments: str | Path, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a call prints; values of --json, also of a call that fails, are held to the command's published schema."""
    command = [sys.executable, "-m", "squeezebert_mobile", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=os.environ | environment)
    if "--json" in arguments and "--help" not in arguments:
        schemas.require_valid(str(arguments[0]), done.stdout)
    return done


def assert_error(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "; fix: " in line
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in line
