"""A folder without weights: what lies there, and a step that ends in a checkpoint."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import tiny
import torch

from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.tasks import Task


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("saved") / "model", Task.TEXT_CLASSIFICATION, tiny.SMALL)


def steps(folder: Path, saved: Path) -> None:
    for number in (5, 9, 10):
        shutil.copytree(saved, folder / f"checkpoint-{number}")
    (folder / "checkpoint-11").mkdir()


def lightning(folder: Path, saved: Path) -> None:
    shutil.copy(saved / "config.json", folder)
    state = safetensors.torch.load_file(saved / "model.safetensors")
    for name in ("epoch=1.ckpt", "last.ckpt"):
        torch.save(state, folder / name)


def variant(folder: Path, saved: Path) -> None:
    shutil.copy(saved / "config.json", folder)
    state = safetensors.torch.load_file(saved / "model.safetensors")
    half = {name: tensor.half() for name, tensor in state.items()}
    safetensors.torch.save_file(half, folder / "model.fp16.safetensors")
    torch.save(state, folder / "training_args.bin")
    torch.save(state, folder / "optimizer.pt")


def variant_shards(folder: Path, saved: Path) -> None:
    shutil.copy(saved / "config.json", folder)
    state = safetensors.torch.load_file(saved / "model.safetensors")
    shards = {f"model.fp16-0000{part + 1}-of-00002.safetensors": sorted(state)[part::2] for part in range(2)}
    for file, names in shards.items():
        safetensors.torch.save_file({name: state[name] for name in names}, folder / file)
    weight_map = {name: file for file, names in shards.items() for name in names}
    (folder / "model.safetensors.index.fp16.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize(
    ("fill", "found", "named"),
    [
        (steps, "checkpoint-5, checkpoint-9, checkpoint-10", "checkpoint-10"),
        (lightning, "epoch=1.ckpt, last.ckpt", "last.ckpt"),
        (variant, "model.fp16.safetensors", "model.fp16.safetensors"),
        (variant_shards, "model.fp16-00001-of-00002.safetensors", "model.safetensors.index.fp16.json"),
    ],
)
def test_the_file_or_folder_to_name_is_named(
    tmp_path: Path, saved: Path, fill: Callable[[Path, Path], None], found: str, named: str
) -> None:
    fill(tmp_path, saved)
    with pytest.raises(InputFileError, match=rf"has no weights \(found {re.escape(found)}") as caught:
        checkpoint.load(tmp_path)
    step = Path(caught.value.fix.rpartition(": ")[2])
    assert step == tmp_path / named
    assert checkpoint.load(step).tensors.keys() == checkpoint.load(saved).tensors.keys()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("tf_model.h5", "the PyTorch checkpoint"),
        ("flax_model.msgpack", "the PyTorch checkpoint"),
        ("model.gguf", "the PyTorch checkpoint"),
        ("bundle.json", "the checkpoint that this bundle was exported from"),
        ("adapter_model.safetensors", "adapter_config.json"),
        ("model-00001-of-00002.safetensors", "model.safetensors.index.json"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_is_needed(tmp_path: Path, file: str, words: str) -> None:
    (tmp_path / file).touch()
    with pytest.raises(InputFileError, match=rf"found {file}, expected .*; fix: .*{words}"):
        checkpoint.load(tmp_path)


def test_what_training_leaves_beside_the_weights_is_not_taken_for_them(tmp_path: Path) -> None:
    for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (tmp_path / name).touch()
    with pytest.raises(InputFileError, match=r"has no weights \(expected .*fix: save the model with save_pretrained"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("task_type", ["SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION", None])
def test_an_adapter_is_merged_by_the_command_that_is_named(tmp_path: Path, task_type: str | None) -> None:
    head = {"base_model.model.classifier.weight": torch.zeros(3, 4), "base_model.model.x.lora_A.weight": torch.zeros(1)}
    safetensors.torch.save_file(head, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"task_type": task_type, "peft_type": "LORA"}))
    with pytest.raises(InputFileError, match=r"found adapter_model.safetensors.*merge .* python -c ") as caught:
        checkpoint.load(tmp_path)
    code = caught.value.fix.partition("python -c '")[2].partition("'; then name ")[0]
    compile(code, "advice", "exec")
    assert "num_labels=3" in code and f"{tmp_path}-merged" in code
