"""Reading the weights of a checkpoint: which files hold them, what wraps them, and their cast to fp32."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from squeezebert_mobile.checkpoint import pickle as weights_pickle
from squeezebert_mobile.checkpoint import safetensors as weights_safetensors
from squeezebert_mobile.errors import InputFileError, UnsupportedModelError, UsageError
from squeezebert_mobile.files import MAX_JSON_BYTES, SourceFile, parse_json, read_file

SAFETENSORS_NAME = "model.safetensors"
PICKLE_NAME = "pytorch_model.bin"
_INDEX_SUFFIX = ".index.json"
# The order of preference: safetensors before pickles, as transformers has it.
_NAMES = (SAFETENSORS_NAME, SAFETENSORS_NAME + _INDEX_SUFFIX, PICKLE_NAME, PICKLE_NAME + _INDEX_SUFFIX)
_ANY_EMBEDDING = "embeddings.word_embeddings.weight"
_POSITION_IDS = "embeddings.position_ids"
# Every container of weights has such a byte among its first.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_CAST = (torch.float16, torch.bfloat16, torch.float64)


@dataclass(frozen=True)
class Weights:
    """Tensors in fp32 by their names, the file to name in errors, all files that were read, and what was changed."""

    tensors: dict[str, Tensor]
    path: Path
    files: tuple[SourceFile, ...]
    notes: tuple[str, ...]


def locate(folder: Path) -> Path:
    """The weights file of a folder, or the index of its shards. Raises InputFileError where there is none."""
    for name in _NAMES:
        if (folder / name).exists():
            return folder / name
    others = sorted(
        path.name for path in folder.iterdir() if path.suffix in (".h5", ".msgpack", ".onnx", ".bin", ".pt")
    )
    found = f"found {', '.join(others)}" if others else None
    fix = f"save the model with save_pretrained, which writes {SAFETENSORS_NAME}"
    raise InputFileError(
        folder, "has no weights", found=found, expected=f"{SAFETENSORS_NAME} or {PICKLE_NAME}", fix=fix
    )


def read(path: Path, *, state_key: str | None = None, strip_prefix: str | None = None) -> Weights:
    """The weights in ``path``, which is a safetensors file, a torch.save file or the index of several.

    ``state_key`` names the entry that holds the state dict where a training loop saved more than that; every name must
    then start with ``strip_prefix``, if given. Raises InputFileError, IntegrityError or UnsupportedModelError.
    """
    raw, files = _read_shards(path) if path.name.endswith(_INDEX_SUFFIX) else _read_one(path)
    tensors = _without_prefix(path, _state_dict(path, raw, state_key), strip_prefix)
    del raw  # so that `_cast` holds the last reference to each tensor
    return _cast(path, tensors, files)


def _read_one(path: Path) -> tuple[object, tuple[SourceFile, ...]]:
    data, file = read_file(path)
    _refuse_text(path, data)
    parse = weights_safetensors.parse if path.suffix == ".safetensors" else weights_pickle.parse
    return parse(path, data), (file,)


def _refuse_text(path: Path, data: bytes) -> None:
    if data.startswith(b"version https://git-lfs"):
        raise InputFileError(path, "is a git-lfs pointer, not the weights", fix="run git lfs pull in its folder")
    # A pickle of protocol 0 is text as well, and is named for what it would run.
    if _CONTROL.search(data[:512]) is None and not weights_pickle.is_pickle(data):
        shown = " ".join(data[:60].decode("utf-8-sig", errors="replace").split())
        raise InputFileError(path, "is text, not weights", found=repr(shown), fix="download it again")


def _read_shards(index: Path) -> tuple[object, tuple[SourceFile, ...]]:
    data, file = read_file(index, max_bytes=MAX_JSON_BYTES)
    weight_map = parse_json(data, index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputFileError(
            index, "has no weight_map", expected="an object of tensor and file", fix="restore the index"
        )
    suffix = PurePosixPath(index.name.removesuffix(_INDEX_SUFFIX)).suffix
    tensors: dict[str, object] = {}
    files = [file]
    for shard in sorted({_shard_name(index, name, suffix) for name in weight_map.values()}):
        path = index.with_name(shard)
        raw, shard_files = _read_one(path)
        if not isinstance(raw, Mapping):
            raise InputFileError(path, "is not a state dict", found=type(raw).__name__, fix="save a state dict")
        _check_shard(path, set(raw), {name for name, where in weight_map.items() if where == shard})
        tensors |= raw
        files += shard_files
    return tensors, tuple(files)


def _shard_name(index: Path, name: object, suffix: str) -> str:
    """A plain file name: an index must not reach out of its folder."""
    if (
        not isinstance(name, str)
        or name != Path(name).name
        or "\\" in name
        or "\0" in name
        or not name.endswith(suffix)
    ):
        fix = "restore the index, which names files of its own folder"
        raise InputFileError(
            index, "names a file that is not a shard", found=repr(name)[:80], expected=f"*{suffix}", fix=fix
        )
    return name


def _check_shard(path: Path, found: set[object], expected: set[str]) -> None:
    fix = "download the shards and their index again"
    if missing := sorted(expected - found):
        raise InputFileError(path, f"lacks {missing[0]}, which the index places in it", fix=fix)
    if extra := sorted(map(str, found - expected)):
        raise InputFileError(path, f"holds {extra[0]}, which the index does not place in it", fix=fix)


def _state_dict(path: Path, raw: object, state_key: str | None) -> dict[str, Tensor]:
    if state_key is not None:
        if not isinstance(raw, Mapping) or not isinstance(raw.get(state_key), Mapping):
            raise UsageError(
                path, f"has no state dict under {state_key!r}", found=_keys(raw), fix="correct --state-key"
            )
        raw = raw[state_key]
    if not isinstance(raw, Mapping):
        raise InputFileError(path, "is not a state dict", found=type(raw).__name__, fix="save model.state_dict()")
    wrapped = [str(key) for key, value in raw.items() if isinstance(value, Mapping)]
    if wrapped:
        fix = f"pass --state-key {wrapped[0]}"
        raise UnsupportedModelError(path, "wraps its state dict", found=f"the keys {_keys(raw)}", fix=fix)
    if others := [key for key, value in raw.items() if not isinstance(value, Tensor) or not isinstance(key, str)]:
        found = f"{type(raw[others[0]]).__name__} at {others[0]!r}"
        raise UnsupportedModelError(path, "is not a state dict", found=found, fix="save model.state_dict()")
    return dict(raw)


def _keys(raw: object) -> str:
    return ", ".join(sorted(map(str, raw)))[:200] if isinstance(raw, Mapping) else type(raw).__name__


def _without_prefix(path: Path, tensors: dict[str, Tensor], prefix: str | None) -> dict[str, Tensor]:
    if prefix is not None:
        if others := sorted(name for name in tensors if not name.startswith(prefix)):
            fix = "correct --strip-prefix"
            raise UsageError(path, f"has names that do not start with {prefix!r}", found=others[0], fix=fix)
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    for name in tensors:
        found = name.removesuffix(_ANY_EMBEDDING).removesuffix("transformer.")
        if name.endswith(_ANY_EMBEDDING) and found:
            keys = ", ".join(sorted(tensors)[:5])
            fix = f"pass --strip-prefix {found}"
            raise UnsupportedModelError(
                path, f"prefixes its names with {found!r}", found=f"the keys {keys}, ...", fix=fix
            )
    return tensors


def _cast(path: Path, tensors: dict[str, Tensor], files: tuple[SourceFile, ...]) -> Weights:
    """All tensors in fp32 and finite; each is released as it is cast, so that the file's types never stand twice."""
    result: dict[str, Tensor] = {}
    casts: Counter[str] = Counter()
    ignored: list[str] = []
    limit = 2 * sum(file.bytes for file in files)  # a tied table stands in one storage under two names
    while tensors:
        name, tensor = tensors.popitem()
        if name.endswith(_POSITION_IDS):
            ignored.append(f"{name} is ignored: positions are counted")
            continue
        limit -= tensor.numel() * tensor.element_size()
        if limit < 0:
            raise InputFileError(path, f"holds {name} larger than the file itself", fix="download it again")
        if tensor.dtype in _CAST:
            casts[str(tensor.dtype).removeprefix("torch.")] += 1
        elif tensor.dtype is not torch.float32:
            fix = "save the model in float32 or float16; int8 is made by export"
            raise UnsupportedModelError(path, f"holds {name} as {tensor.dtype}", expected="a float type", fix=fix)
        result[name] = _finite(path, name, tensor.detach().to(torch.float32).contiguous())
    notes = [f"{count} {dtype} tensors are cast to float32" for dtype, count in sorted(casts.items())]
    return Weights(dict(sorted(result.items())), path, files, (*notes, *ignored))


def _finite(path: Path, name: str, tensor: Tensor) -> Tensor:
    bad = tensor.numel() - int(tensor.isfinite().sum())
    if bad:
        found = f"{bad} of {tensor.numel()} values NaN or infinite"
        raise InputFileError(
            path, f"holds {name} with values that are no numbers", found=found, fix="take an earlier save"
        )
    return tensor
