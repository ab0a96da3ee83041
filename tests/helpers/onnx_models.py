"""Tiny models in ONNX Runtime, the newest and the oldest, beside the reference."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.export.calibration import calibrate
from squeezebert_mobile.export.quantization import Ranges
from squeezebert_mobile.tasks import Task

MAX = 24


OLDEST = "1.20.1"


def batch(task: Task, n: int, w: int, seed: int) -> Batch:
    """Random ids under a random mask with at least one real token a row."""
    draw = np.random.default_rng(seed)
    shape = (n, 2, w) if task is Task.MULTIPLE_CHOICE else (n, w)
    mask = draw.integers(0, 2, shape)
    mask[..., draw.integers(w)] = 1
    return Batch(draw.integers(0, tiny.CONFIG.vocab_size, shape), mask, draw.integers(0, 2, shape))


def worst(task: Task, given_batch: Batch, found: dict[str, np.ndarray]) -> float:
    """The largest difference from the reference over real tokens."""
    with torch.inference_mode():
        expected = tiny.model(task).tensors(*(torch.from_numpy(array) for array in given_batch.arrays().values()))
    differences = []
    for name, theirs in zip(task.output_names, expected, strict=True):
        assert found[name].shape == tuple(theirs.shape)
        tokens = name in ("last_hidden_state", "start_logits", "end_logits") or task in (
            Task.FILL_MASK,
            Task.TOKEN_CLASSIFICATION,
        )
        real = given_batch.attention_mask.astype(bool) if tokens else ...
        differences.append(np.abs(found[name] - theirs.numpy())[real].max())
    return float(max(differences))


RUN_OLD = """
import sys, numpy as np, onnxruntime
assert onnxruntime.__version__ == sys.argv[1], onnxruntime.__version__
for path in sys.argv[2:]:
    session = onnxruntime.InferenceSession(path + ".onnx", providers=["CPUExecutionProvider"])
    inputs = dict(np.load(path + ".npz"))
    np.save(path + ".npy", session.run(None, inputs)[0])
"""


@pytest.fixture(scope="session")
def oldest_runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the oldest ONNX Runtime that artifacts are for; kept between runs."""
    folder = Path.home() / ".cache" / "squeezebert-mobile-tests" / f"onnxruntime-{OLDEST}-{sys.version_info.minor}"
    if not (folder / "onnxruntime").is_dir():
        made = tmp_path_factory.mktemp("ort") / "packages"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "uv",
                "pip",
                "install",
                "-q",
                "--target",
                made,
                f"onnxruntime=={OLDEST}",
                "numpy==2.1.3",
            ],
            check=True,
        )
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.rename(folder)
    return folder


def run_oldest(runtime: Path, folder: Path, files: dict[str, tuple[bytes, Batch]]) -> dict[str, np.ndarray]:
    """The first output of each file in the oldest ONNX Runtime, in a process of its own."""
    for name, (data, inputs) in files.items():
        (folder / f"{name}.onnx").write_bytes(data)
        np.savez(folder / f"{name}.npz", **inputs.arrays())
    paths = [str(folder / name) for name in files]
    environment = {"PYTHONPATH": str(runtime), "ORT_DISABLE_TELEMETRY": "1", "PATH": ""}
    subprocess.run([sys.executable, "-c", RUN_OLD, OLDEST, *paths], check=True, env=environment)
    return {name: np.load(folder / f"{name}.npy") for name in files}


@cache
def ranges(task: Task) -> Ranges:
    return calibrate(tiny.model(task), [batch(task, 4, 20, seed) for seed in range(8)])
