"""The SqueezeBERT configuration: Hugging Face's keys and defaults, every value checked, no torch."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NoReturn, Self

from squeezebert_mobile import jsonfile
from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.errors import UnsupportedModelError
from squeezebert_mobile.source import read_file

ACTIVATIONS = (
    "gelu",
    "gelu_fast",
    "gelu_new",
    "gelu_pytorch_tanh",
    "hardswish",
    "leaky_relu",
    "linear",
    "mish",
    "quick_gelu",
    "relu",
    "relu2",
    "relu6",
    "sigmoid",
    "silu",
    "swish",
    "tanh",
)
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
CONFIG_NAME = "config.json"

# Bounds that no SqueezeBERT comes near; they keep a hostile config from asking for all of the memory.
_MAX_CHANNELS = 65_536
_MAX_ROWS = 4_194_304
_MAX_LAYERS = 1_024
_MAX_BYTES = 4 * 1024 * 1024

_CHANNEL_KEYS = ("hidden_size", "num_attention_heads", "intermediate_size", "embedding_size")
_ROW_KEYS = ("vocab_size", "max_position_embeddings", "type_vocab_size")
_GROUP_KEYS = ("q_groups", "k_groups", "v_groups", "post_attention_groups", "intermediate_groups", "output_groups")


@dataclass(frozen=True)
class SqueezeBertConfig:
    """Sizes and switches of a SqueezeBERT (Iandola et al. 2020), under the names of Hugging Face's config.json.

    ``id2label`` holds the labels in the order of their ids. Raises UnsupportedModelError for values that no
    SqueezeBERT can have.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    embedding_size: int = 768
    q_groups: int = 4
    k_groups: int = 4
    v_groups: int = 4
    post_attention_groups: int = 1
    intermediate_groups: int = 4
    output_groups: int = 4
    tie_word_embeddings: bool = True
    problem_type: str | None = None
    id2label: tuple[str, ...] = ("LABEL_0", "LABEL_1")
    architectures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        validate(self, CONFIG_NAME)

    @property
    def num_labels(self) -> int:
        """The number of labels, which is the width of a classifier."""
        return len(self.id2label)

    @property
    def head_size(self) -> int:
        """Channels of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def body_parameters(self) -> int:
        """The number of weights in the embeddings and the encoder, biases and norms left out."""
        c, wide = self.hidden_size, self.intermediate_size
        rows = self.vocab_size + self.max_position_embeddings + self.type_vocab_size
        square = sum(
            c * c // groups for groups in (self.q_groups, self.k_groups, self.v_groups, self.post_attention_groups)
        )
        feed_forward = c * wide // self.intermediate_groups + wide * c // self.output_groups
        return rows * c + self.num_hidden_layers * (square + feed_forward)

    @classmethod
    def from_dict(cls, values: Mapping[str, object], *, file: str | Path = CONFIG_NAME) -> Self:
        """The config that a parsed config.json describes; keys that do not concern SqueezeBERT are ignored.

        Raises UnsupportedModelError for another model type, custom code or a value out of its range.
        """
        _require_squeezebert(values, file)
        known = {field.name for field in fields(cls)} - {"id2label", "architectures"}
        chosen = {key: value for key, value in values.items() if key in known}
        if chosen.get("pad_token_id", 0) is None:
            chosen["pad_token_id"] = 0
        chosen["id2label"] = _labels(values, file)
        chosen["architectures"] = _strings(values.get("architectures") or (), "architectures", file)
        try:
            return cls(**chosen)  # type: ignore[arg-type]
        except UnsupportedModelError as error:
            raise UnsupportedModelError(
                file, error.what, found=error.found, expected=error.expected, fix=error.fix
            ) from None

    @classmethod
    def from_json_file(cls, path: Path) -> Self:
        """The config in a config.json. Raises as `source.read_file`, `jsonfile.parse_object` and `from_dict`."""
        data, _ = read_file(path, max_bytes=_MAX_BYTES)
        return cls.from_json(data, file=path)

    @classmethod
    def from_json(cls, data: bytes, *, file: str | Path = CONFIG_NAME) -> Self:
        """The config in the bytes of a config.json. Raises as `jsonfile.parse_object` and `from_dict`."""
        return cls.from_dict(jsonfile.parse_object(data, file), file=file)

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None) -> Self:
        """The config of a checkpoint folder or hub repository. Raises as `hub.resolve` and `from_json_file`."""
        from squeezebert_mobile.checkpoint import hub

        return cls.from_json_file(hub.resolve(source, revision=revision, weights=False) / CONFIG_NAME)

    def to_dict(self) -> dict[str, object]:
        """The content of a config.json that transformers reads."""
        values = asdict(self)
        values["id2label"] = {str(index): label for index, label in enumerate(self.id2label)}
        values["label2id"] = {label: index for index, label in enumerate(self.id2label)}
        values["architectures"] = list(self.architectures)
        values["model_type"] = "squeezebert"
        return values

    def save_pretrained(self, folder: Path) -> None:
        """Write config.json into ``folder``, which is made where it is missing. Raises as `atomic.replace_file`."""
        replace_file(Path(folder) / CONFIG_NAME, jsonfile.dump(self.to_dict()))


def validate(config: SqueezeBertConfig, file: str | Path) -> None:
    """Raise UnsupportedModelError for the first key whose value breaks its rule."""
    for key in _CHANNEL_KEYS + _GROUP_KEYS:
        _check_int(config, key, 1, _MAX_CHANNELS, file)
    for key in _ROW_KEYS:
        _check_int(config, key, 1, _MAX_ROWS, file)
    _check_int(config, "num_hidden_layers", 1, _MAX_LAYERS, file)
    _check_int(config, "pad_token_id", 0, config.vocab_size - 1, file)
    for key in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        _check_real(config, key, 1.0, file)
    _check_real(config, "initializer_range", 100.0, file)
    _check_real(config, "layer_norm_eps", 1.0, file)
    _check_bool(config, "tie_word_embeddings", file)
    if config.hidden_act not in ACTIVATIONS:
        _refuse(file, "hidden_act", config.hidden_act, f"one of {', '.join(ACTIVATIONS)}")
    if config.problem_type is not None and config.problem_type not in PROBLEM_TYPES:
        _refuse(file, "problem_type", config.problem_type, f"null or one of {', '.join(PROBLEM_TYPES)}")
    _check_divisions(config, file)
    _check_labels(config.id2label, file)


def _check_divisions(config: SqueezeBertConfig, file: str | Path) -> None:
    if config.embedding_size != config.hidden_size:
        _refuse(file, "embedding_size", config.embedding_size, f"hidden_size, {config.hidden_size}")
    rules = [("num_attention_heads", "hidden_size")]
    rules += [(key, "hidden_size") for key in _GROUP_KEYS]
    rules += [(key, "intermediate_size") for key in ("intermediate_groups", "output_groups")]
    for divisor, dividend in rules:
        if getattr(config, dividend) % getattr(config, divisor):
            expected = f"a divisor of {dividend}, {getattr(config, dividend)}"
            _refuse(file, divisor, getattr(config, divisor), expected)


def _check_labels(labels: tuple[str, ...], file: str | Path) -> None:
    duplicates = [label for label, count in Counter(labels).items() if count > 1]
    if duplicates:
        _refuse(file, "id2label", f"{duplicates[0]!r} twice", "distinct names")
    if not labels:
        _refuse(file, "id2label", "no labels", "at least one")


def _check_int(config: SqueezeBertConfig, key: str, low: int, high: int, file: str | Path) -> None:
    value = getattr(config, key)
    if type(value) is not int or not low <= value <= high:
        _refuse(file, key, repr(value), f"a whole number from {low} to {high}")


def _check_real(config: SqueezeBertConfig, key: str, high: float, file: str | Path) -> None:
    value = getattr(config, key)
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= high:
        _refuse(file, key, repr(value), f"a number from 0.0 to {high}")


def _check_bool(config: SqueezeBertConfig, key: str, file: str | Path) -> None:
    value = getattr(config, key)
    if type(value) is not bool:
        _refuse(file, key, repr(value), "true or false")


def _refuse(file: str | Path, key: str, found: object, expected: str) -> NoReturn:
    text = str(found)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    raise UnsupportedModelError(file, f"{key} is not valid", found=shown, expected=expected, fix=f"correct {key}")


def _require_squeezebert(values: Mapping[str, object], file: str | Path) -> None:
    if values.get("auto_map"):
        fix = "use a checkpoint without custom code; it is never run"
        raise UnsupportedModelError(file, "asks for custom code (auto_map)", fix=fix)
    model_type = values.get("model_type")
    if model_type != "squeezebert":
        fix = "give a SqueezeBERT checkpoint"
        raise UnsupportedModelError(file, "is not SqueezeBERT", found=repr(model_type), expected="squeezebert", fix=fix)


def _labels(values: Mapping[str, object], file: str | Path) -> tuple[str, ...]:
    """The labels in id order; ``num_labels`` alone gives LABEL_n, as in transformers, whose default is two."""
    mapping, count = values.get("id2label"), values.get("num_labels")
    if mapping is None:
        number = 2 if count is None else count
        if type(number) is not int or not 1 <= number <= _MAX_CHANNELS:
            _refuse(file, "num_labels", repr(number), f"a whole number from 1 to {_MAX_CHANNELS}")
        return tuple(f"LABEL_{index}" for index in range(number))
    if not isinstance(mapping, Mapping):
        _refuse(file, "id2label", type(mapping).__name__, "an object of id and label")
    by_id = {str(key): label for key, label in mapping.items()}
    expected = [str(index) for index in range(len(mapping))]
    if set(by_id) != set(expected):
        _refuse(file, "id2label", f"ids {', '.join(by_id)}", f"ids 0 to {len(mapping) - 1}, one label each")
    if count is not None and count != len(mapping):
        _refuse(file, "num_labels", repr(count), f"the {len(mapping)} of id2label")
    return _strings([by_id[key] for key in expected], "id2label", file)


def _strings(values: object, key: str, file: str | Path) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)):
        _refuse(file, key, type(values).__name__, "a list of strings")
    others = [value for value in values if not isinstance(value, str)]
    if others:
        _refuse(file, key, repr(others[0]), "strings")
    return tuple(values)
