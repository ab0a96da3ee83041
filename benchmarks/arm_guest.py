"""The program that runs inside the emulated ARM machine: answers a file of inputs with an ONNX model.

`python arm_guest.py MODEL INPUTS OUTPUTS`: two npz files with arrays named ``CASE/INPUT`` and ``CASE/OUTPUT``. Another
interpreter runs it, so it imports nothing of this package.
"""

import os
import sys
from contextlib import suppress

import numpy as np

# What the counting plugin waits for; see icount.c.
_MARK = 0x5351


def main() -> None:
    """Run every case, and the last one a second time between two marks."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    model, inputs, outputs = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    cases: dict[str, dict[str, np.ndarray]] = {}
    with np.load(inputs) as given:
        for name in given.files:
            case, _, argument = name.partition("/")
            if argument in wanted:
                cases.setdefault(case, {})[argument] = given[name]
    names = [value.name for value in session.get_outputs()]
    found: dict[str, np.ndarray] = {}
    for case, feed in cases.items():
        found |= {f"{case}/{name}": value for name, value in zip(names, session.run(names, feed), strict=True)}
    _mark()
    session.run(names, feed)
    _mark()
    np.savez(outputs, **found)  # type: ignore[arg-type]  # its stub takes any name for allow_pickle


def _mark() -> None:
    with suppress(OSError):
        os.getpriority(os.PRIO_PROCESS, _MARK)


if __name__ == "__main__":
    main()
