"""The program of `pieces` inside the emulated ARM machine: `python pieces_guest.py FOLDER COUNT`.

FOLDER holds COUNT models and their inputs, 0.onnx, 0.npz and so on. Each runs a second time between two marks.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnxruntime

# What the counting plugin waits for; see trace.c.
_MARK = 0x5351


def main(folder: str, count: str) -> None:
    """Run every model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    for number in range(int(count)):
        path = Path(folder) / f"{number}.onnx"
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        with np.load(path.with_suffix(".npz")) as given:
            feeds = {name: given[name] for name in given.files}
        session.run(None, feeds)
        _mark()
        session.run(None, feeds)
        _mark()


def _mark() -> None:
    with suppress(OSError):
        os.getpriority(os.PRIO_PROCESS, _MARK)


if __name__ == "__main__":
    main(*sys.argv[1:])
