"""Ctrl-C and SIGTERM end a command that is reading a large checkpoint, before it has read it."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from squeezebert_mobile.checkpoint.source import DEMO_MODEL

# A sparse file of 1.2 GB, which takes seconds, and what the command holds of it when the signal comes.
TENSORS, NUMBERS, HELD = 1_200, 1 << 18, 600_000_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    shutil.copy(DEMO_MODEL / "config.json", folder)
    size = 4 * NUMBERS
    entries = {
        f"transformer.weight{n}": {"dtype": "F32", "shape": [NUMBERS], "data_offsets": [size * n, size * (n + 1)]}
        for n in range(TENSORS)
    }
    header = json.dumps(entries).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size * TENSORS)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_reading_of_a_large_checkpoint(large: Path, sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "squeezebert_mobile", "info", str(large)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            while psutil.Process(child.pid).memory_info().rss < HELD:
                assert child.poll() is None
                time.sleep(0.01)
            child.send_signal(sent)
            out, said = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 128 + sent
    assert out == "" and "Traceback" not in said
