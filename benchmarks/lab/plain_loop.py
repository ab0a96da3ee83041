"""What one would write by hand where a bundle's ONNX file is to answer a .tsv: the measure of `throughput`.

`python plain_loop.py predict|evaluate BUNDLE MODEL DATA THREADS`; nothing of this project is imported.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

_BATCH = 32


def main(command: str, bundle: str, model: str, data: str, threads: str) -> None:
    """Print the shares of the labels of each text, or the share of right answers."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(Path(bundle, model), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(Path(bundle, "tokenizer.json")))
    rows = [line.split("\t") for line in Path(data).read_text(encoding="utf-8").splitlines()[1:]]
    encoded = [encoding.ids for encoding in tokenizer.encode_batch([row[0] for row in rows])]
    order = sorted(range(len(rows)), key=lambda number: len(encoded[number]))
    logits = np.empty((len(rows), 0))
    for first in range(0, len(order), _BATCH):
        numbers = order[first : first + _BATCH]
        ids, mask = np.zeros((2, len(numbers), len(encoded[numbers[-1]])), np.int64)
        for place, number in enumerate(numbers):
            own = encoded[number]
            ids[place, : len(own)], mask[place, : len(own)] = own, 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (found,) = session.run(["logits"], inputs)
        logits = logits if first else np.empty((len(rows), found.shape[1]), np.float32)
        logits[numbers] = found
    if command == "evaluate":
        sys.stdout.write(f"{(logits.argmax(1) == [int(row[1]) for row in rows]).mean()}\n")
        return
    shares = np.exp(logits - logits.max(1, keepdims=True))
    for (text, *_), own in zip(rows, (shares / shares.sum(1, keepdims=True)).tolist(), strict=True):
        sys.stdout.write(json.dumps({"text": text, "scores": own}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
