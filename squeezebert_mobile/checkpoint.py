"""Loading and saving checkpoints: verified bytes in, a complete state dict out, whatever Hugging Face file holds it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors.torch
import torch
from torch import Tensor

from squeezebert_mobile import hub, jsonfile, weights
from squeezebert_mobile.atomic import replace_file, staged_file
from squeezebert_mobile.config import CONFIG_NAME, SqueezeBertConfig
from squeezebert_mobile.errors import UnsupportedModelError
from squeezebert_mobile.source import Source, read_file
from squeezebert_mobile.tasks import Task

if TYPE_CHECKING:
    from squeezebert_mobile.model import PreTrained

_BODY = "transformer."
# The first names of every head that a SqueezeBERT checkpoint may carry; `cls.` also holds pre-training's second head.
_HEADS = ("classifier.", "qa_outputs.", "cls.")
_POOLER = "pooler.dense."
_READS_POOLER = (Task.FEATURE_EXTRACTION, Task.TEXT_CLASSIFICATION, Task.MULTIPLE_CHOICE)
_WORDS = "embeddings.word_embeddings.weight"
_DECODER, _BIAS, _DECODER_BIAS = (f"cls.predictions.{name}" for name in ("decoder.weight", "bias", "decoder.bias"))
# The embedding tables and the config keys that give their numbers of rows.
_ROW_KEYS = {
    _WORDS: "vocab_size",
    "embeddings.position_embeddings.weight": "max_position_embeddings",
    "embeddings.token_type_embeddings.weight": "type_vocab_size",
}


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint: its config, its fp32 tensors under the names of the file, and where they came from.

    ``task`` is None where ``architectures`` names no SqueezeBERT class; ``folder`` also holds the tokenizer's files.
    """

    config: SqueezeBertConfig
    tensors: dict[str, Tensor]
    task: Task | None
    folder: Path
    weights_path: Path
    source: Source


@dataclass(frozen=True)
class Fitted:
    """A complete state dict for one model, the names that were initialised at random, and what was changed for it."""

    state_dict: dict[str, Tensor]
    initialised: tuple[str, ...]
    notes: tuple[str, ...]


def load(
    source: str | Path, *, revision: str | None = None, state_key: str | None = None, strip_prefix: str | None = None
) -> Checkpoint:
    """The checkpoint in a folder, in a weights file beside its config.json, or in a hub repository.

    Every byte that is parsed was read once and hashed; see `source.read_file` for the digests that it is compared with.
    Raises InputFileError, IntegrityError, UnsupportedModelError, EnvironmentFault or UsageError.
    """
    found = hub.resolve(source, revision=revision)
    folder, path = (found, weights.locate(found)) if found.is_dir() else (found.parent, found)
    data, config_file = read_file(folder / CONFIG_NAME, max_bytes=jsonfile.MAX_BYTES)
    config = SqueezeBertConfig.from_dict(jsonfile.parse_object(data, folder / CONFIG_NAME), file=folder / CONFIG_NAME)
    read = weights.read(path, state_key=state_key, strip_prefix=strip_prefix)
    return Checkpoint(
        config=config,
        tensors=read.tensors,
        task=Task.from_architectures(config.architectures),
        folder=folder,
        weights_path=path,
        source=Source(str(source), None, (config_file, *read.files), read.notes),
    )


def state_dict_for(checkpoint: Checkpoint, model: "PreTrained", *, init_head: bool = False) -> dict[str, Tensor]:
    """The state dict of `fit`."""
    return fit(checkpoint, model, init_head=init_head).state_dict


def fit(checkpoint: Checkpoint, model: "PreTrained", *, init_head: bool = False) -> Fitted:
    """The checkpoint's tensors under the names of ``model``, complete and of the right shapes.

    The body may stand under ``transformer.`` or not; heads of other tasks are left out. With ``init_head``, missing
    tensors of the head and of the pooler keep the model's own random values and are listed. Raises
    UnsupportedModelError for missing tensors, tensors that belong nowhere, and other shapes.
    """
    own = model.state_dict()
    prefix = "" if model.task is Task.FEATURE_EXTRACTION else _BODY
    given = {_renamed(name, prefix): tensor for name, tensor in checkpoint.tensors.items()}
    given, notes = _decoder(checkpoint, given, own, prefix)
    extra = sorted(set(given) - set(own))
    _refuse_extra(checkpoint, [name for name in extra if not name.startswith(_HEADS)])
    notes += [f"{name} is left out: it belongs to another head" for name in extra]
    _check_shapes(checkpoint, given, own, prefix)
    missing = [name for name in own if name not in given]
    if model.task not in _READS_POOLER:
        unread = [name for name in missing if name.startswith(prefix + _POOLER)]
        given |= {name: torch.zeros_like(own[name]) for name in unread}
        notes += [f"{name} is missing and set to zero: {model.task} does not read it" for name in unread]
        missing = [name for name in missing if name not in unread]
    initialised = tuple(name for name in missing if init_head and name.startswith((*_HEADS, prefix + _POOLER)))
    if len(initialised) < len(missing):
        _refuse_missing(checkpoint, missing)
    notes += [f"{name} is missing and initialised at random" for name in initialised]
    state = {name: own[name] if name in initialised else given[name] for name in own}
    return Fitted(state, initialised, tuple(notes))


def _renamed(name: str, prefix: str) -> str:
    return name if name.startswith(_HEADS) else prefix + name.removeprefix(_BODY)


def _decoder(
    checkpoint: Checkpoint, given: dict[str, Tensor], own: dict[str, Tensor], prefix: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Complete the masked-LM decoder: its bias has two names, its weight is the embedding table where they are tied."""
    if _DECODER not in own:
        return given, []
    given = dict(given)
    for one, other in ((_BIAS, _DECODER_BIAS), (_DECODER_BIAS, _BIAS)):
        if one in given:
            given.setdefault(other, given[one])
    if _BIAS in given and not torch.equal(given[_BIAS], given[_DECODER_BIAS]):
        what = f"gives {_BIAS} and {_DECODER_BIAS} different values"
        raise UnsupportedModelError(checkpoint.weights_path, what, fix="remove one of them")
    words = prefix + _WORDS
    if checkpoint.config.tie_word_embeddings and words in given:
        if not torch.equal(given.setdefault(_DECODER, given[words]), given[words]):
            what = f"gives {_DECODER} other values than {words}, to which the config ties it"
            raise UnsupportedModelError(checkpoint.weights_path, what, fix="set tie_word_embeddings to false in config.json")
    return given, []


def _refuse_extra(checkpoint: Checkpoint, names: list[str]) -> None:
    if names:
        found = _listed(names)
        fix = "check that num_hidden_layers and the model are right"
        raise UnsupportedModelError(checkpoint.weights_path, "holds tensors that no SqueezeBERT has", found=found, fix=fix)


def _refuse_missing(checkpoint: Checkpoint, names: list[str]) -> None:
    heads = all(name.startswith(_HEADS) or _POOLER in name for name in names)
    fix = "fine-tune it with --init-head, or take a checkpoint with this head" if heads else "take a complete checkpoint"
    raise UnsupportedModelError(checkpoint.weights_path, f"lacks {_listed(names)}", fix=fix)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"


def _check_shapes(checkpoint: Checkpoint, given: dict[str, Tensor], own: dict[str, Tensor], prefix: str) -> None:
    for name, expected in own.items():
        if name not in given or given[name].shape == expected.shape:
            continue
        found = given[name]
        key = _ROW_KEYS.get(name.removeprefix(prefix))
        if key is not None and found.shape[1:] == expected.shape[1:]:
            rows = found.shape[0]
            what = f"{key} is not the number of rows of {name} in {checkpoint.weights_path.name}"
            file = checkpoint.folder / CONFIG_NAME
            raise UnsupportedModelError(
                file, what, found=expected.shape[0], expected=rows, fix=f"set {key} to {rows} in {CONFIG_NAME}"
            )
        if name.startswith("classifier.") and found.dim() == expected.dim() and found.shape[1:] == expected.shape[1:]:
            rows = found.shape[0]
            raise UnsupportedModelError(
                checkpoint.folder / CONFIG_NAME, f"labels do not fit {name}", found=f"{expected.shape[0]} labels",
                expected=rows, fix=f"give id2label {rows} names, or pass --labels",
            )  # fmt: skip
        shapes = (tuple(found.shape), tuple(expected.shape))
        fix = f"make {CONFIG_NAME} describe these weights"
        raise UnsupportedModelError(
            checkpoint.weights_path, f"{name} has another shape", found=shapes[0], expected=shapes[1], fix=fix
        )


def save(folder: Path, model: "PreTrained", *, dtype: torch.dtype = torch.float32) -> None:
    """Write config.json and model.safetensors, which transformers reads; the same model gives the same bytes.

    Each file is replaced whole. Tied weights are written once, under the name that transformers keeps. ``dtype`` may be
    torch.float16 for half the size. Raises EnvironmentFault where the folder cannot be written.
    """
    config = replace(model.config, architectures=(model.task.architecture,))
    tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in model.state_dict().items()}
    tensors.pop(_DECODER_BIAS, None)
    if config.tie_word_embeddings:
        tensors.pop(_DECODER, None)
    with staged_file(folder / weights.SAFETENSORS_NAME) as partial:
        safetensors.torch.save_file(dict(sorted(tensors.items())), partial, metadata={"format": "pt"})
    replace_file(folder / CONFIG_NAME, jsonfile.dump(config.to_dict()))
