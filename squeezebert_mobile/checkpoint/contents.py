"""The weights file of a folder, or, where it has none, what lies there and the step that makes a checkpoint of it."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from squeezebert_mobile.checkpoint.headers import INDEX, shapes
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError
from squeezebert_mobile.files import read_json

SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"
# The order of preference: safetensors before pickles, as transformers has it.
_NAMES = (SAFETENSORS, f"{SAFETENSORS}.index.json", PICKLE, f"{PICKLE}.index.json")
_ADAPTER_CONFIG = "adapter_config.json"
_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
# By the preference for the one to name.
_READABLE = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
_SHARD = re.compile(r"-\d+-of-\d+\.")
# How the names begin of what training leaves beside the weights.
_NO_WEIGHTS = ("training_args", "optimizer", "scheduler", "scaler", "rng_state", "random_states", "adapter_model")
_FOREIGN = (".h5", ".msgpack", ".gguf", ".onnx", ".pte", ".tflite", ".mlmodel", ".mlpackage")
_BUNDLE = "bundle.json"
# PEFT's classes by its names of the tasks; its general class reads what has no such name.
_PEFT = {
    "SEQ_CLS": "AutoPeftModelForSequenceClassification",
    "TOKEN_CLS": "AutoPeftModelForTokenClassification",
    "QUESTION_ANS": "AutoPeftModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoPeftModelForFeatureExtraction",
}


def locate(folder: Path) -> Path:
    """The weights file of a folder, or the index of its shards.

    Raises InputFileError where there is none, with what is there instead and the step to weights.
    """
    weights = _weights(folder)
    if weights is not None:
        return weights
    found, fix = _instead(folder)
    expected = f"{SAFETENSORS} or {PICKLE}"
    raise InputFileError(folder, "has no weights", found=", ".join(found)[:300] or None, expected=expected, fix=fix)


def is_weights(path: Path) -> bool:
    """True for a name that a weights file or the index of its shards may have."""
    # An exported program is none, but the reader of weights says so in its own words.
    return path.suffix in (*_READABLE, ".pt2") or INDEX.search(path.name) is not None


def _weights(folder: Path) -> Path | None:
    return next((folder / name for name in _NAMES if (folder / name).exists()), None)


def _instead(folder: Path) -> tuple[list[str], str]:
    """The names of what lies in a folder without weights, and what to do with it."""
    names = sorted((path.name for path in folder.iterdir() if path.is_file()), key=_natural)
    if _BUNDLE in names:
        return [_BUNDLE], "name the checkpoint that this bundle was exported from"
    if adapters := [name for name in names if name in _ADAPTERS]:
        return adapters, _merge(folder)
    if shards := [name for name in names if _SHARD.search(name) and name.endswith((".safetensors", ".bin"))]:
        if indices := [name for name in names if INDEX.search(name)]:
            return shards, f"name the index of its shards: {folder / indices[0]}"
        return shards, "put the index of these shards beside them, model.safetensors.index.json or alike"
    readable = [name for name in names if name.endswith(_READABLE) and not name.startswith(_NO_WEIGHTS)]
    if readable:
        readable.sort(key=lambda name: (_READABLE.index(Path(name).suffix), _natural(name)))
        return readable, f"name the file: {folder / readable[-1]}"
    inside = [path for path in sorted(folder.iterdir(), key=lambda path: _natural(path.name)) if _may_be_read(path)]
    if inside:
        return [path.name for path in inside], f"name the folder inside: {inside[-1]}"
    fix = f"save the model with save_pretrained, which writes {SAFETENSORS}"
    if foreign := [name for name in names if name.endswith(_FOREIGN)]:
        return foreign, f"give the PyTorch checkpoint that this was made from; {fix}"
    return [], fix


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """A key by which checkpoint-9 comes before checkpoint-10."""
    parts = re.split(r"(\d+)", name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _may_be_read(folder: Path) -> bool:
    if not folder.is_dir() or folder.is_symlink():
        return False
    return _weights(folder) is not None or any((folder / name).exists() for name in _ADAPTERS)


def _merge(folder: Path) -> str:
    """How PEFT makes a checkpoint of an adapter; a head that it holds says how many labels its model has."""
    try:
        config: Mapping[str, object] = read_json(folder / _ADAPTER_CONFIG)
    except SqueezeBertMobileError:
        return f"restore {_ADAPTER_CONFIG}, which names the model that it is an adapter of"
    cls = _PEFT.get(str(config.get("task_type")), "AutoPeftModel")
    held = shapes(folder / _ADAPTERS[0])
    if any(_is_grouped(name, held) for name in held):
        # What it adds mixes all channels, which the weights of a grouped convolution have no room for.
        return "train it on layers that PEFT can merge, as target_modules=['post_attention.conv1d'], or the whole model"
    target = json.dumps(f"{folder.resolve()}-merged")
    code = (
        f"from peft import {cls} as Model; model = Model.from_pretrained({json.dumps(str(folder.resolve()))}{{}}); "
        f"model.merge_and_unload().save_pretrained({target})"
    )
    labels = next((shape[0] for name, shape in held.items() if name.endswith("classifier.weight")), None)
    # The adapter holds the whole head, whatever that of the model below it is.
    head = f", num_labels={labels}, ignore_mismatched_sizes=True" if labels else ""
    command = shlex.join(["python", "-c", code.format(head)])
    return f"merge it with PEFT: {command}; then name {target[1:-1]}"


def _is_grouped(name: str, held: Mapping[str, tuple[int, ...]]) -> bool:
    """True for LoRA's second factor [C_out, rank / groups, 1] of a convolution with groups, which PEFT never merges."""
    first = held.get(name.replace("lora_B", "lora_A"))
    return "lora_B" in name and first is not None and held[name][1:2] != first[:1]
