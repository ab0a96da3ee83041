"""Loading and saving checkpoints: verified bytes in, a complete state dict out, whatever Hugging Face file holds it."""

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from squeezebert_mobile.atomic import replace_file, staged_file
from squeezebert_mobile.checkpoint import headers, hub, pickle, safetensors
from squeezebert_mobile.checkpoint.contents import SAFETENSORS
from squeezebert_mobile.checkpoint.described import Description, describe
from squeezebert_mobile.checkpoint.headers import INDEX
from squeezebert_mobile.checkpoint.names import BODY, HEADS, WORDS, prefixes, rename, strip
from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.checkpoint.sentence import score_keys
from squeezebert_mobile.checkpoint.source import Source
from squeezebert_mobile.config import CONFIG_NAME, SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError, UnsupportedModelError, UsageError, counted
from squeezebert_mobile.files import SourceFile, dump_json, read_file, read_json, unlisted
from squeezebert_mobile.model import PreTrained, SqueezeBertModel, model_class
from squeezebert_mobile.sentence import SentenceModel
from squeezebert_mobile.tasks import POOLER_OUTPUT, Pooling, Task

# How deep state dicts may lie inside others.
_DEPTH = 4
_CAST = (torch.float16, torch.bfloat16, torch.float64)
_POOLER = "pooler.dense."
_POSITION_IDS = "embeddings.position_ids"
_DECODER, _BIAS, _DECODER_BIAS = (f"cls.predictions.{name}" for name in ("decoder.weight", "bias", "decoder.bias"))
# Tables, with what config.json says about their number of rows.
_ROW_KEYS = {
    WORDS: "vocab_size",
    "embeddings.position_embeddings.weight": "max_position_embeddings",
    "embeddings.token_type_embeddings.weight": "type_vocab_size",
    "classifier.": "the number of names in id2label",
}


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Description):
    """A verified checkpoint: its fp32 tensors by SqueezeBERT's names, and where they came from."""

    tensors: dict[str, Tensor]
    source: Source

    def without_head(self) -> "Checkpoint":
        """The checkpoint's body alone, for a head that starts anew."""
        body = {name: tensor for name, tensor in self.tensors.items() if not name.startswith(HEADS)}
        return replace(self, tensors=body)


@dataclass(frozen=True)
class Fitted:
    """A model with a checkpoint's weights, in eval mode, the names initialised at random, and what was changed."""

    model: PreTrained
    initialised: tuple[str, ...]
    notes: tuple[str, ...]


def load(
    source: str | Path,
    *,
    revision: str | None = None,
    tokenizer: str | None = None,
    state_key: str | None = None,
    strip_prefix: str | None = None,
) -> Checkpoint:
    """`read` with options as keywords, see `ReadOptions`."""
    how = ReadOptions(revision=revision, tokenizer=tokenizer, state_key=state_key, strip_prefix=strip_prefix)
    return read(source, how)


def read(source: str | Path, options: ReadOptions) -> Checkpoint:
    """The checkpoint in a folder, in a weights file beside its config.json, or in a hub repository.

    Every byte that is parsed was read once and hashed; see `files.read_file` for the digests that it is compared with.
    Raises InputFileError, IntegrityError, UnsupportedModelError, EnvironmentFault or UsageError.
    """
    described = describe(source, options)
    path, config_file = described.weights_path, described.config_file
    raw, files = _read_shards(path) if INDEX.search(path.name) else _read_one(path)
    compared = unlisted(path.parent, (config_file, *files))
    state = _state_dict(path, raw, options.state_key)
    del raw  # so that `_cast` holds the last reference to each tensor
    renamed = rename(path, state, options.strip_prefix)
    state = {name: state[old] for name, old in renamed.names.items()}
    tensors, notes = _cast(path, state, limit=2 * sum(file.bytes for file in files))
    _refuse_oversized(described.config, tensors, described.folder / CONFIG_NAME)
    if options.tokenizer is not None:
        notes = (*notes, f"the tokenizer is that of {Path(options.tokenizer).name}")
    given = Path(source)
    return Checkpoint(
        **vars(described),
        tensors=tensors,
        # A path tells where a checkpoint lay on one machine; its last part is the same everywhere.
        source=Source(
            name=given.resolve().name if given.exists() else str(source),
            revision=hub.commit_of(described.declared.folder),
            files=(config_file, *files),
            notes=(*compared, *renamed.notes, *notes, *described.declared.notes()),
        ),
    )


def _read_one(path: Path) -> tuple[object, tuple[SourceFile, ...]]:
    data, file = read_file(path)
    headers.require_no_pointer(path, data)
    # A pickle of protocol 0 is text as well, and is named for what it would run.
    if headers.is_text(data) and not pickle.is_pickle(data):
        raise headers.text_error(path, data)
    parse = safetensors.parse if path.suffix == ".safetensors" else pickle.parse
    return parse(path, data), (file,)


def _read_shards(index: Path) -> tuple[object, tuple[SourceFile, ...]]:
    file, weight_map = headers.read_index(index)
    tensors: dict[str, object] = {}
    files = [file]
    for shard in sorted(set(weight_map.values())):
        path = index.with_name(shard)
        raw, shard_files = _read_one(path)
        if not isinstance(raw, Mapping):
            raise InputFileError(path, "is not a state dict", found=type(raw).__name__, fix="save a state dict")
        if misplaced := set(raw) ^ {name for name, where in weight_map.items() if where == shard}:
            what = f"and its index disagree on {min(map(str, misplaced))}"
            raise InputFileError(path, what, fix="download the shards and their index again")
        tensors |= raw
        files += shard_files
    return tensors, tuple(files)


def _state_dict(path: Path, raw: object, state_key: str | None) -> dict[str, Tensor]:
    holders = _holders(raw)
    if state_key is not None:
        entry = _entry(raw, state_key)
        if not isinstance(entry, Mapping):
            fix = _advice(holders) if holders else "leave --state-key out"
            raise UsageError(path, f"has no state dict under {state_key!r}", found=_keys(raw), fix=fix)
        raw, holders = entry, _holders(entry, f"{state_key}.")
    if not isinstance(raw, Mapping):
        raise InputFileError(path, "is not a state dict", found=type(raw).__name__, fix="save model.state_dict()")
    if holders:
        found = f"the keys {_keys(raw)}"
        raise UnsupportedModelError(path, "wraps its state dict", found=found, fix=_advice(holders))
    if others := [key for key, value in raw.items() if not isinstance(value, Tensor) or not isinstance(key, str)]:
        found = f"{type(raw[others[0]]).__name__} at {others[0]!r}"
        raise UnsupportedModelError(path, "is not a state dict", found=found, fix="save model.state_dict()")
    return dict(raw)


def _holders(raw: object, before: str = "") -> dict[str, list[str]]:
    """The keys of entries that hold a table of words, joined by dots where one lies inside another; its prefixes."""
    found: dict[str, list[str]] = {}
    seen = {id(raw)}
    queue = [(before, raw)]
    for key_of, mapping in queue:
        for key, value in mapping.items() if isinstance(mapping, Mapping) else ():
            if not isinstance(value, Mapping) or id(value) in seen:
                continue
            seen.add(id(value))  # a pickle may hold itself
            if tables := prefixes(map(str, value)):
                found[f"{key_of}{key}"] = tables
            elif key_of.count(".") < _DEPTH:
                queue.append((f"{key_of}{key}.", value))
    return found


def _entry(raw: object, key: str) -> object:
    """What stands under a key of `_holders`; None where nothing does."""
    if not isinstance(raw, Mapping) or key in raw:
        return raw.get(key) if isinstance(raw, Mapping) else None
    dots = (at for at, letter in enumerate(key) if letter == ".")
    found = (_entry(raw[key[:at]], key[at + 1 :]) for at in dots if key[:at] in raw)
    return next((entry for entry in found if entry is not None), None)


def _advice(holders: Mapping[str, list[str]]) -> str:
    """How the first of these entries is read."""
    key, (prefix, *_) = next(iter(holders.items()))
    return f"pass --state-key {shlex.quote(key)}" + (f" {strip(prefix)}" if prefix else "")


def _keys(raw: object) -> str:
    return ", ".join(sorted(map(str, raw)))[:200] if isinstance(raw, Mapping) else type(raw).__name__


def _cast(path: Path, tensors: dict[str, Tensor], limit: int) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """All tensors in fp32 and finite, and what was changed; each is released as it is cast.

    The file's types thus never stand twice. ``limit`` is the most bytes that the file can hold: a tied table stands in
    one storage under two names.
    """
    result: dict[str, Tensor] = {}
    casts: Counter[str] = Counter()
    ignored: list[str] = []
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
        result[name] = tensor.detach().to(torch.float32).contiguous()
        if bad := tensor.numel() - int(result[name].isfinite().sum()):
            found = f"{bad} of {tensor.numel()} values NaN or infinite"
            raise InputFileError(path, f"holds {name} with non-finite values", found=found, fix="take an earlier save")
    notes = [f"cast to float32: {counted(count, f'{dtype} tensor')}" for dtype, count in sorted(casts.items())]
    return dict(sorted(result.items())), (*notes, *ignored)


def _refuse_oversized(config: SqueezeBertConfig, tensors: dict[str, Tensor], file: Path) -> None:
    """A few bytes of config must not make a model of terabytes; closer misfits are named tensor by tensor in `fit`."""
    held = sum(tensor.numel() for tensor in tensors.values())
    if config.body_parameters > 2 * held:
        what, expected = "describes a larger model than its weights", f"about {held} parameters"
        fix = "take config.json and weights of one checkpoint"
        raise UnsupportedModelError(file, what, found=config.body_parameters, expected=expected, fix=fix)


def load_model(
    checkpoint: Checkpoint,
    task: Task | None = None,
    *,
    config: SqueezeBertConfig | None = None,
    pooling: Pooling | None = None,
    init_head: bool = False,
) -> Fitted:
    """The checkpoint's model; its own task and config unless others are given. Raises as `require_task` and `fit`.

    A body without a pooler, or with ``pooling``, is a `SentenceModel`.
    """
    chosen = task or checkpoint.require_task()
    config = config_for(chosen, config or checkpoint.config)
    made = _body(checkpoint, config, pooling) if chosen is Task.FEATURE_EXTRACTION else model_class(chosen)(config)
    return fit(checkpoint, made, init_head=init_head)


def _body(checkpoint: Checkpoint, config: SqueezeBertConfig, pooling: Pooling | None) -> SqueezeBertModel:
    has_pooler = any(_POOLER in name for name in checkpoint.tensors)
    plain = has_pooler and pooling is None
    return SqueezeBertModel(config) if plain else SentenceModel(config, pooling, has_pooler=has_pooler)


def config_for(task: Task, config: SqueezeBertConfig) -> SqueezeBertConfig:
    """The config for a head of ``task``: a span has a start and an end, whatever labels another head had."""
    if task is Task.QUESTION_ANSWERING and config.num_labels != 2:
        return replace(config, id2label={0: "LABEL_0", 1: "LABEL_1"})
    return config


def dtype_of(checkpoint: Checkpoint) -> torch.dtype:
    """The type of weights that config.json names, fp32 where it names none."""
    values = read_json(checkpoint.folder / CONFIG_NAME)
    named = getattr(torch, str(values.get("dtype") or values.get("torch_dtype")), None)
    return named if isinstance(named, torch.dtype) else torch.float32


def without_misfits(checkpoint: Checkpoint, model: PreTrained) -> Checkpoint:
    """The checkpoint without the tensors of a head of another size than the model's."""
    own = model.state_dict()
    misfits = {
        name
        for name, tensor in checkpoint.tensors.items()
        if name.startswith(HEADS) and name in own and own[name].shape != tensor.shape
    }
    return replace(checkpoint, tensors={n: t for n, t in checkpoint.tensors.items() if n not in misfits})


def fit(checkpoint: Checkpoint, model: PreTrained, *, init_head: bool = False) -> Fitted:
    """Load the checkpoint's tensors into ``model``, complete and of the right shapes, and set it to eval mode.

    The body may stand under ``transformer.`` or not; heads of other tasks are left out. With ``init_head``, missing
    tensors of the head and of the pooler keep the model's own random values and are listed. Raises
    UnsupportedModelError for missing tensors, tensors that belong nowhere, and other shapes.
    """
    own = model.state_dict()
    prefix = "" if model.task is Task.FEATURE_EXTRACTION else BODY
    given = _complete_decoder(checkpoint, _under(checkpoint, prefix), own, prefix)
    extra = sorted(set(given) - set(own))
    if unexpected := [name for name in extra if not name.startswith(HEADS)]:
        what, fix = "has unexpected tensors", f"check num_hidden_layers in {CONFIG_NAME}"
        raise UnsupportedModelError(checkpoint.weights_path, what, found=_listed(unexpected), fix=fix)
    for name in own:
        if name in given:
            _check_shape(checkpoint, name, given[name], own[name])
    missing = [name for name in own if name not in given]
    # Models without one have a pooler by inheritance only: any value gives the same outputs.
    unread = [name for name in missing if not _reads_pooler(model) and name.startswith(prefix + _POOLER)]
    head = (*HEADS, prefix + _POOLER)
    initialised = [name for name in missing if init_head and name not in unread and name.startswith(head)]
    _refuse_missing(checkpoint, [name for name in missing if name not in {*unread, *initialised}])
    state = {name: given.get(name, own[name]) for name in own} | {name: torch.zeros_like(own[name]) for name in unread}
    notes = [f"{name} is left out: it belongs to another head" for name in extra]
    reader = "no output reads" if model.task is Task.FEATURE_EXTRACTION else f"{model.task} does not read"
    notes += [f"{name} is missing and set to zero: {reader} it" for name in unread]
    notes += [f"{name} is missing and initialised at random" for name in initialised]
    model.load_state_dict(state)
    return Fitted(model.eval(), tuple(initialised), tuple(notes))


def _reads_pooler(model: PreTrained) -> bool:
    return model.task.reads_first_token_only or POOLER_OUTPUT in model.output_names


def _under(checkpoint: Checkpoint, prefix: str) -> dict[str, Tensor]:
    """The tensors with the body's names under ``prefix``, whether the file has them under ``transformer.`` or not."""
    result: dict[str, Tensor] = {}
    for name, tensor in checkpoint.tensors.items():
        own = name if name.startswith(HEADS) else prefix + name.removeprefix(BODY)
        if own in result:
            what = f"holds {name} with and without the prefix {BODY}"
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
        same[_DECODER] = prefix + WORDS
    elif _DECODER_BIAS in given:
        # transformers then reads the decoder's own and leaves the other as it was.
        given = given | {_BIAS: given[_DECODER_BIAS]}
    result = dict(given)
    for name, other in same.items():
        if other not in given:
            continue
        if not torch.equal(result.setdefault(name, given[other]), given[other]):
            what = f"holds {name} and {other}, which are one tensor, with different values"
            fix = f"remove one of them, or set tie_word_embeddings to false in {CONFIG_NAME}"
            raise UnsupportedModelError(checkpoint.weights_path, what, fix=fix)
    return result


def _refuse_missing(checkpoint: Checkpoint, names: list[str]) -> None:
    if not names:
        return
    fix = "take a complete checkpoint"
    if all(name.startswith(HEADS) or _POOLER in name for name in names):
        fix = "take a checkpoint that was fine-tuned for this task, or fine-tune this one with --init-head"
    raise UnsupportedModelError(checkpoint.weights_path, f"lacks {_listed(names)}", fix=fix)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"


def _check_shape(checkpoint: Checkpoint, name: str, found: Tensor, expected: Tensor) -> None:
    """Raise for another shape, naming the key of config.json that is at fault where only a number of rows differs."""
    if found.shape == expected.shape:
        return
    rows_only = found.dim() == expected.dim() and found.shape[1:] == expected.shape[1:]
    key = next((key for part, key in _ROW_KEYS.items() if rows_only and part in name), None)
    if key is not None:
        file, what, rows = checkpoint.folder / CONFIG_NAME, f"{key} does not fit {name}", found.shape[0]
        fix = f"make it {rows}, or take the config.json of these weights"
        raise UnsupportedModelError(file, what, found=expected.shape[0], expected=f"{rows}, its rows", fix=fix)
    what, fix = f"shape mismatch for {name}", f"make {CONFIG_NAME} describe these weights"
    sizes = tuple(found.shape), tuple(expected.shape)
    raise UnsupportedModelError(checkpoint.weights_path, what, found=sizes[0], expected=sizes[1], fix=fix)


def save(folder: Path, model: PreTrained, *, dtype: torch.dtype = torch.float32) -> None:
    """Write config.json and model.safetensors, which transformers reads; the same model gives the same bytes.

    Each file is replaced whole. Tied weights are written once, under the name that transformers keeps. ``dtype`` may be
    torch.float16 for half the size. Raises EnvironmentFault where the folder cannot be written.
    """
    config = replace(model.config, architectures=[model.task.architecture])
    tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in model.state_dict().items()}
    if isinstance(model, SentenceModel) and not model.has_pooler:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(_POOLER)}
    if config.tie_word_embeddings:
        tensors.pop(_DECODER, None)
        tensors.pop(_DECODER_BIAS, None)
    with staged_file(folder / SAFETENSORS) as partial:
        save_file(dict(sorted(tensors.items())), partial, metadata={"format": "pt"})
    replace_file(folder / CONFIG_NAME, dump_json(config.to_dict() | score_keys(model.activation)))
