"""Small data for each task, and fine-tuning in other processes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.options import FinetuneOptions

GOOD, BAD = ("a fine warm film", "it moves and sings"), ("a dull cold film", "it limps and bores")
PEOPLE, PLACES = ("Ada", "Grace", "Alan"), ("Paris", "Oslo", "Rome")


def write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def rows_for(task: Task) -> list[dict[str, object]]:
    match task:
        case Task.TEXT_CLASSIFICATION:
            texts = [(text, "positive") for text in GOOD] + [(text, "negative") for text in BAD]
            return [{"text": text, "label": label} for text, label in texts * 4]
        case Task.TOKEN_CLASSIFICATION:
            tags = ["B-PER", "O", "O", "B-LOC"]
            return [{"tokens": [a, "lives", "in", b], "tags": tags} for a in PEOPLE for b in PLACES]
        case Task.QUESTION_ANSWERING:
            return [
                {"question": f"Where is {a}?", "context": f"{a} is in {b} now.", "answer_text": b,
                 "answer_start": len(f"{a} is in ")}
                for a in PEOPLE for b in PLACES
            ]  # fmt: skip
        case Task.FILL_MASK:
            return [{"text": f"{a} lives in {b}"} for a in PEOPLE for b in PLACES]
        case _:
            endings = ["in Paris.", "a stone."]
            return [
                {"text": f"{a} lives", "choices": endings[::s], "label": int(s < 0)} for a in PEOPLE for s in (1, -1)
            ]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def run_script(tmp_path: Path, options: FinetuneOptions, before: str, launcher: list[str]) -> int:
    """Fine-tune in another process, or in several."""
    script = tmp_path / "script.py"
    text = f"import torch, datetime\nfrom pathlib import Path, PosixPath\n{before}\n"
    text += "from squeezebert_mobile.training.finetune import FinetuneOptions, finetune\n"
    text += "from squeezebert_mobile.tasks import Task\ntorch.set_num_threads(1)\n"
    call = re.sub("<Task[^>]*>", f"Task({str(options.task)!r})", repr(options))
    text += f"if __name__ == '__main__':\n    finetune({call})\n"
    script.write_text(text, encoding="utf-8")
    env = {**os.environ, "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run([sys.executable, *launcher, str(script)], env=env, capture_output=True, text=True)
    if done.returncode > 0:
        pytest.fail(done.stderr[-3000:])
    return done.returncode
