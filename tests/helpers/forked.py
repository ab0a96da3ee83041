"""Calls of the command, each in a fork of one process that imported it once, and what heavy each of them imported.

    python tests/helpers/forked.py [["export", "-o", "x"], ...]

prints a JSON list of [exit code, standard error, heavy packages].
"""

import contextlib
import io
import json
import os
import sys

HEAVY = {"torch", "onnx", "onnxruntime", "executorch", "torchao", "transformers", "accelerate", "datasets"}


def call(arguments: list[str]) -> tuple[int | str | None, str, list[str]]:
    """One call, in this process."""
    from squeezebert_mobile import shell

    said = io.StringIO()
    sys.argv = ["squeezebert-mobile", *arguments]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            shell.main()
        except SystemExit as stop:
            return stop.code, said.getvalue(), sorted(HEAVY & set(sys.modules))
    raise AssertionError("a command ends by exiting")


def forked(arguments: list[str]) -> object:
    """One call, in a fork of this process."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as file:
            json.dump(call(arguments), file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        found = json.load(file)
    os.wait()
    return found


if __name__ == "__main__":
    from squeezebert_mobile import cli, preflight

    assert cli.app and preflight and not HEAVY & set(sys.modules)
    json.dump([forked(arguments) for arguments in json.loads(sys.argv[1])], sys.stdout)
