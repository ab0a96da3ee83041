"""The SqueezeBERT configuration: Hugging Face's keys and defaults, every value checked, no torch."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn, Self

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.errors import UnsupportedModelError
from squeezebert_mobile.files import dump_json, parse_json, read_file

ACTIVATIONS = (
    "gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh", "hardswish", "leaky_relu", "linear", "mish", "quick_gelu",
    "relu", "relu2", "relu6", "sigmoid", "silu", "swish", "tanh",
)  # fmt: skip
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
CONFIG_NAME = "config.json"

_MAX_BYTES = 4 * 1024 * 1024

# Bounds that no SqueezeBERT comes near; they keep a hostile config from asking for all of the memory.
_CHANNELS = range(1, 65_536 + 1)
_ROWS = range(1, 4_194_304 + 1)
_GROUP_KEYS = ("q_groups", "k_groups", "v_groups", "post_attention_groups", "intermediate_groups", "output_groups")
_WHOLE_NUMBERS = {
    **dict.fromkeys(("hidden_size", "num_attention_heads", "intermediate_size", "embedding_size"), _CHANNELS),
    **dict.fromkeys(_GROUP_KEYS, _CHANNELS),
    **dict.fromkeys(("vocab_size", "max_position_embeddings", "type_vocab_size"), _ROWS),
    "num_hidden_layers": range(1, 1_024 + 1),
}
# The largest value of each; the smallest is 0.
_REAL_NUMBERS = {
    "hidden_dropout_prob": 1.0,
    "attention_probs_dropout_prob": 1.0,
    "initializer_range": 100.0,
    "layer_norm_eps": 1.0,
}


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
        for key, found, expected in _faults(self):
            _refuse(CONFIG_NAME, key, found, expected)

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
        """The config in a config.json. Raises as `files.read_file`, `files.parse_json` and `from_dict`."""
        data, _ = read_file(path, max_bytes=_MAX_BYTES)
        return cls.from_json(data, file=path)

    @classmethod
    def from_json(cls, data: bytes, *, file: str | Path = CONFIG_NAME) -> Self:
        """The config in the bytes of a config.json. Raises as `files.parse_json` and `from_dict`."""
        return cls.from_dict(parse_json(data, file), file=file)

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
        replace_file(Path(folder) / CONFIG_NAME, dump_json(self.to_dict()))


def _faults(config: SqueezeBertConfig) -> Iterator[tuple[str, object, str]]:
    """Each key whose value breaks its rule, with the value and the rule; later rules rely on the earlier ones."""
    for key, allowed in _WHOLE_NUMBERS.items():
        yield from _not_whole(config, key, allowed)
    yield from _not_whole(config, "pad_token_id", range(config.vocab_size))
    for key, most in _REAL_NUMBERS.items():
        value = getattr(config, key)
        if type(value) not in (int, float) or not 0 <= value <= most:
            yield key, repr(value), f"a number from 0.0 to {most}"
    tied: Any = config.tie_word_embeddings
    if type(tied) is not bool:
        yield "tie_word_embeddings", repr(tied), "true or false"
    if config.hidden_act not in ACTIVATIONS:
        yield "hidden_act", config.hidden_act, f"one of {', '.join(ACTIVATIONS)}"
    if config.problem_type not in (None, *PROBLEM_TYPES):
        yield "problem_type", config.problem_type, f"null or one of {', '.join(PROBLEM_TYPES)}"
    if config.embedding_size != config.hidden_size:
        yield "embedding_size", config.embedding_size, f"hidden_size, {config.hidden_size}"
    rules = [(key, "hidden_size") for key in ("num_attention_heads", *_GROUP_KEYS)]
    rules += [(key, "intermediate_size") for key in ("intermediate_groups", "output_groups")]
    for divisor, dividend in rules:
        if getattr(config, dividend) % getattr(config, divisor):
            yield divisor, getattr(config, divisor), f"a divisor of {dividend}, {getattr(config, dividend)}"
    if twice := [label for label, count in Counter(config.id2label).items() if count > 1]:
        yield "id2label", f"{twice[0]!r} twice", "distinct names"
    if not config.id2label:
        yield "id2label", "no labels", "at least one"


def _not_whole(config: SqueezeBertConfig, key: str, allowed: range) -> Iterator[tuple[str, object, str]]:
    value = getattr(config, key)
    if type(value) is not int or value not in allowed:
        yield key, repr(value), f"a whole number from {allowed[0]} to {allowed[-1]}"


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
        if type(number) is not int or not 1 <= number <= _CHANNELS[-1]:
            _refuse(file, "num_labels", repr(number), f"a whole number from 1 to {_CHANNELS[-1]}")
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
