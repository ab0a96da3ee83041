"""Pickles that no library writes: each of under 1 MB is refused in its time and memory, in one line and alone."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hostile_pickles
import pytest
import safetensors.torch
import tiny
import torch

from squeezebert_mobile.checkpoint import pickle
from squeezebert_mobile.tasks import Task

# Many times what all of them take: one that hangs is a failure, not a wait.
LIMIT_SECONDS = 300
FILES = {
    **{name: (hostile_pickles.archive(data), word) for name, data, word in hostile_pickles.by_hand()},
    "a key of 2^60 values in the old layout": (
        hostile_pickles.legacy(hostile_pickles.entry(hostile_pickles.doubled(60), b"N")),
        "has a tuple as a key",
    ),
    "more entries than it says": (hostile_pickles.many_entries(10_500), "describes a larger model than its weights"),
    "too many entries": (hostile_pickles.many_entries(12_000), "over 11000 records"),
}


@dataclass(frozen=True)
class Verdict:
    code: int
    line: str
    seconds: float
    bytes: int


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("saved") / "model", Task.TEXT_CLASSIFICATION, tiny.SMALL)


@pytest.fixture(scope="module")
def verdicts(saved: Path) -> dict[str, Verdict]:
    """What a process of its own makes of each, which may hang or die."""
    paths = [saved.parent / f"{number}.bin" for number in range(len(FILES))]
    for path, (data, _) in zip(paths, FILES.values(), strict=True):
        path.write_bytes(data)
    shutil.copy(saved / "config.json", saved.parent)
    command = [sys.executable, hostile_pickles.__file__, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (len(found), [*FILES][len(found) :][:1], done.stderr[-500:])
    return {name: Verdict(*rest) for name, (_, *rest) in zip(FILES, found, strict=True)}


@pytest.mark.parametrize("name", FILES)
def test_it_is_refused_in_its_time_and_memory(verdicts: dict[str, Verdict], name: str) -> None:
    data, word = FILES[name]
    found = verdicts[name]
    assert found.code in (3, 5), found.line
    assert word in found.line and "; fix: " in found.line and "weights_only" not in found.line
    assert len(found.line) < 1000
    # A process of its own, on its own clock, several times faster than this on an idle core.
    assert found.seconds < 6
    assert found.bytes < 100_000_000 and len(data) < 1_100_000


def test_what_torch_writes_is_read_as_torch_reads_it(tmp_path: Path, saved: Path) -> None:
    """Metadata, numbered keys, shared and transposed memory, a parameter and each protocol."""
    state = safetensors.torch.load_file(saved / "model.safetensors")
    table = torch.nn.Parameter(torch.randn(6, 4))
    content: dict[str, Any] = {
        "state_dict": torch.nn.Linear(3, 2).state_dict() | state,
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999)}]},
        "odd": [table, table.detach().T, table[2:, 1:3], torch.empty(0, 3), torch.tensor(7), torch.tensor([True])],
    }
    shutil.copy(saved / "config.json", tmp_path)
    for protocol in (2, 3, 4, 5):
        for zipped in (True, False):
            path = tmp_path / f"{protocol}{zipped}.pt"
            torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
            found = pickle.parse(path, path.read_bytes())
            assert isinstance(found, dict) and found["optimizer"]["param_groups"] == [
                {"lr": 1e-3, "betas": (0.9, 0.999)}
            ]
            assert found["optimizer"]["state"][0]["step"] == 3
            assert found["state_dict"].keys() == content["state_dict"].keys()
            assert all(torch.equal(tensor, found["state_dict"][name]) for name, tensor in content["state_dict"].items())
            assert all(map(torch.equal, found["odd"], content["odd"]))
            assert found["odd"][0].data_ptr() == found["odd"][1].data_ptr()


def test_numbers_of_a_machine_of_the_other_byte_order(tmp_path: Path) -> None:
    torch.save({"a": torch.tensor([1.0, -2.5])}, tmp_path / "big.pt")
    data = (tmp_path / "big.pt").read_bytes()
    assert b"little" in data
    path = tmp_path / "swapped.pt"
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(path, "w") as new:
        for record in old.infolist():
            content = old.read(record)
            if record.filename.endswith("/byteorder"):
                content = b"big"
            if record.filename.endswith("/data/0"):
                content = torch.tensor([1.0, -2.5]).numpy().byteswap().tobytes()
            new.writestr(record, content)
    found = pickle.parse(path, path.read_bytes())
    assert isinstance(found, dict) and found["a"].tolist() == [1.0, -2.5]
