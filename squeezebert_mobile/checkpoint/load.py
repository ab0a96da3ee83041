"""Loading and saving checkpoints: verified bytes in, a complete state dict out, whatever Hugging Face file holds it."""

from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from squeezebert_mobile.atomic import replace_file, staged_file
from squeezebert_mobile.checkpoint import hub, weights
from squeezebert_mobile.checkpoint.source import Source
from squeezebert_mobile.config import CONFIG_NAME, SqueezeBertConfig
from squeezebert_mobile.errors import UnsupportedModelError
from squeezebert_mobile.files import MAX_JSON_BYTES, dump_json, read_file
from squeezebert_mobile.model import PreTrained, model_class
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

_BODY = "transformer."
# The first names of every head that a SqueezeBERT checkpoint may carry; `cls.` also holds pre-training's second head.
_HEADS = ("classifier.", "qa_outputs.", "cls.")
_POOLER = "pooler.dense."
_READ_POOLER = (Task.FEATURE_EXTRACTION, Task.TEXT_CLASSIFICATION, Task.MULTIPLE_CHOICE)
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

    def require_task(self) -> Task:
        """The task that config.json names. Raises UnsupportedModelError where it names none."""
        if self.task is None:
            names = ", ".join(self.config.architectures) or "no architectures"
            raise UnsupportedModelError(
                self.folder / CONFIG_NAME, "does not say which task it is for", found=names, fix="pass --task"
            )
        return self.task

    def tokenizer(self) -> SqueezeBertTokenizerFast:
        """The tokenizer beside the weights. Raises as its `from_pretrained` and `check_against`."""
        tokenizer = SqueezeBertTokenizerFast.from_pretrained(self.folder)
        tokenizer.check_against(self.config.vocab_size)
        return tokenizer


@dataclass(frozen=True)
class Fitted:
    """A model with a checkpoint's weights, in eval mode, the names initialised at random, and what was changed."""

    model: PreTrained
    initialised: tuple[str, ...]
    notes: tuple[str, ...]


def load(
    source: str | Path, *, revision: str | None = None, state_key: str | None = None, strip_prefix: str | None = None
) -> Checkpoint:
    """The checkpoint in a folder, in a weights file beside its config.json, or in a hub repository.

    Every byte that is parsed was read once and hashed; see `files.read_file` for the digests that it is compared with,
    `weights.read` for the other arguments. Raises InputFileError, IntegrityError, UnsupportedModelError,
    EnvironmentFault or UsageError.
    """
    given = Path(source)
    folder = hub.resolve(given.parent if given.is_file() else source, revision=revision)
    path = given if given.is_file() else weights.locate(folder)
    data, config_file = read_file(folder / CONFIG_NAME, max_bytes=MAX_JSON_BYTES)
    config = SqueezeBertConfig.from_json(data, file=folder / CONFIG_NAME)
    read = weights.read(path, state_key=state_key, strip_prefix=strip_prefix)
    _refuse_oversized(config, read, folder / CONFIG_NAME)
    commit = hub.commit_of(folder)
    return Checkpoint(
        config=config,
        tensors=read.tensors,
        task=Task.from_architectures(config.architectures),
        folder=folder,
        weights_path=path,
        # A path tells where a checkpoint lay on one machine; its last part is the same everywhere.
        source=Source(
            name=given.resolve().name if given.exists() else str(source),
            revision=commit,
            files=(config_file, *read.files),
            notes=read.notes,
        ),
    )


def _refuse_oversized(config: SqueezeBertConfig, read: weights.Weights, file: Path) -> None:
    """A few bytes of config must not make a model of terabytes; closer misfits are named tensor by tensor in `fit`."""
    held = sum(tensor.numel() for tensor in read.tensors.values())
    if config.body_parameters > 2 * held:
        what, expected = "describes a larger model than the weights are", f"about {held} parameters"
        fix = "take config.json and weights of one checkpoint"
        raise UnsupportedModelError(file, what, found=config.body_parameters, expected=expected, fix=fix)


def load_model(
    checkpoint: Checkpoint,
    task: Task | None = None,
    *,
    config: SqueezeBertConfig | None = None,
    init_head: bool = False,
) -> Fitted:
    """The checkpoint's model; its own task and config unless others are given. Raises as `require_task` and `fit`."""
    made = model_class(task or checkpoint.require_task())(config or checkpoint.config)
    return fit(checkpoint, made, init_head=init_head)


def fit(checkpoint: Checkpoint, model: PreTrained, *, init_head: bool = False) -> Fitted:
    """Load the checkpoint's tensors into ``model``, complete and of the right shapes, and set it to eval mode.

    The body may stand under ``transformer.`` or not; heads of other tasks are left out. With ``init_head``, missing
    tensors of the head and of the pooler keep the model's own random values and are listed. Raises
    UnsupportedModelError for missing tensors, tensors that belong nowhere, and other shapes.
    """
    own = model.state_dict()
    prefix = "" if model.task is Task.FEATURE_EXTRACTION else _BODY
    given = _complete_decoder(checkpoint, _under(checkpoint, prefix), own, prefix)
    extra = sorted(set(given) - set(own))
    _refuse_extra(checkpoint, [name for name in extra if not name.startswith(_HEADS)])
    for name in own:
        if name in given:
            _check_shape(checkpoint, name, given[name], own[name])
    missing = [name for name in own if name not in given]
    # These tasks have a pooler by inheritance only: any value gives the same outputs.
    unread = [name for name in missing if model.task not in _READ_POOLER and name.startswith(prefix + _POOLER)]
    head = (*_HEADS, prefix + _POOLER)
    initialised = [name for name in missing if init_head and name not in unread and name.startswith(head)]
    _refuse_missing(checkpoint, [name for name in missing if name not in {*unread, *initialised}])
    state = {name: given.get(name, own[name]) for name in own} | {name: torch.zeros_like(own[name]) for name in unread}
    notes = [f"{name} is left out: it belongs to another head" for name in extra]
    notes += [f"{name} is missing and set to zero: {model.task} does not read it" for name in unread]
    notes += [f"{name} is missing and initialised at random" for name in initialised]
    model.load_state_dict(state)
    return Fitted(model.eval(), tuple(initialised), tuple(notes))


def _under(checkpoint: Checkpoint, prefix: str) -> dict[str, Tensor]:
    """The tensors with the body's names under ``prefix``, whether the file has them under ``transformer.`` or not."""
    result: dict[str, Tensor] = {}
    for name, tensor in checkpoint.tensors.items():
        own = name if name.startswith(_HEADS) else prefix + name.removeprefix(_BODY)
        if own in result:
            what = f"holds {name} with and without the prefix {_BODY}"
            raise UnsupportedModelError(checkpoint.weights_path, what, fix="remove one of them")
        result[own] = tensor
    return result


def _complete_decoder(
    checkpoint: Checkpoint, given: dict[str, Tensor], own: dict[str, Tensor], prefix: str
) -> dict[str, Tensor]:
    """Fill in the masked-LM decoder: its bias has two names, its weight is the embedding table where they are tied."""
    if _DECODER not in own:
        return given
    same = {_BIAS: _DECODER_BIAS, _DECODER_BIAS: _BIAS}
    if checkpoint.config.tie_word_embeddings:
        same[_DECODER] = prefix + _WORDS
    result = dict(given)
    for name, other in same.items():
        if other not in given:
            continue
        if not torch.equal(result.setdefault(name, given[other]), given[other]):
            what = f"holds {name} and {other}, which are one tensor, with different values"
            fix = f"remove one of them, or set tie_word_embeddings to false in {CONFIG_NAME}"
            raise UnsupportedModelError(checkpoint.weights_path, what, fix=fix)
    return result


def _refuse_extra(checkpoint: Checkpoint, names: list[str]) -> None:
    if names:
        what, fix = "has unexpected tensors", f"check num_hidden_layers in {CONFIG_NAME}"
        raise UnsupportedModelError(checkpoint.weights_path, what, found=_listed(names), fix=fix)


def _refuse_missing(checkpoint: Checkpoint, names: list[str]) -> None:
    if not names:
        return
    fix = "take a complete checkpoint"
    if all(name.startswith(_HEADS) or _POOLER in name for name in names):
        fix = "take a checkpoint that was fine-tuned for this task, or fine-tune this one with --init-head"
    raise UnsupportedModelError(checkpoint.weights_path, f"lacks {_listed(names)}", fix=fix)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"


def _check_shape(checkpoint: Checkpoint, name: str, found: Tensor, expected: Tensor) -> None:
    """Raise for another shape, naming the key of config.json that is at fault where only a number of rows differs."""
    if found.shape == expected.shape:
        return
    config_path = checkpoint.folder / CONFIG_NAME
    rows_only = found.dim() == expected.dim() and found.shape[1:] == expected.shape[1:]
    key = next((key for ending, key in _ROW_KEYS.items() if rows_only and name.endswith(ending)), None)
    if key is not None:
        what, rows = f"{key} does not fit {name}", found.shape[0]
        fix = f"set {key} to {rows}, or take the config.json of these weights"
        raise UnsupportedModelError(config_path, what, found=expected.shape[0], expected=f"{rows}, its rows", fix=fix)
    if rows_only and name.startswith("classifier."):
        what, rows = f"has labels that do not fit {name}", found.shape[0]
        fix = f"give id2label {rows} names, or take the config.json of these weights"
        raise UnsupportedModelError(config_path, what, found=expected.shape[0], expected=f"{rows}, its rows", fix=fix)
    raise UnsupportedModelError(
        checkpoint.weights_path,
        f"{name} has another shape",
        found=tuple(found.shape),
        expected=tuple(expected.shape),
        fix=f"make {CONFIG_NAME} describe these weights",
    )


def save(folder: Path, model: PreTrained, *, dtype: torch.dtype = torch.float32) -> None:
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
    replace_file(folder / CONFIG_NAME, dump_json(config.to_dict()))
