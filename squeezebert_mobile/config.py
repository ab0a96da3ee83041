"""The SqueezeBERT configuration: Hugging Face's keys and defaults, every value checked, no torch."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.errors import UnsupportedModelError, UsageError
from squeezebert_mobile.files import dump_json, parse_json, read_file
from squeezebert_mobile.pushing import PushToHub

TANH_GELUS = ("gelu_accurate", "gelu_fast", "gelu_new", "gelu_python_tanh", "gelu_pytorch_tanh")
ACTIVATIONS = (
    "gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh", "gelu_pytorch_tanh",
    "hardswish", "laplace", "leaky_relu", "linear", "mish", "prelu", "quick_gelu", "relu", "relu2", "relu6", "sigmoid",
    "silu", "sqrtsoftplus", "swish", "tanh", "xielu",
)  # fmt: skip
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
CONFIG_NAME = "config.json"

_MAX_BYTES = 4 * 1024 * 1024

# Bounds that no SqueezeBERT comes near; they keep a hostile config from asking for all of the memory.
_CHANNELS = range(1, 65_536 + 1)
_ROWS = range(1, 4_194_304 + 1)
_GROUP_KEYS = ("q_groups", "k_groups", "v_groups", "post_attention_groups", "intermediate_groups", "output_groups")
_WHOLE_NUMBERS = {
    # Normalized alone, one channel would be the same whatever the text says.
    **dict.fromkeys(("hidden_size", "embedding_size"), _CHANNELS[1:]),
    **dict.fromkeys(("num_attention_heads", "intermediate_size"), _CHANNELS),
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
_SWITCHES = ("tie_word_embeddings", "output_attentions", "output_hidden_states", "return_dict")
_NULL_IS_DEFAULT = ("pad_token_id", *_SWITCHES[1:])
_MOST_LOGITS = 1_000_000


@dataclass(init=False)
class SqueezeBertConfig(PushToHub):
    """Sizes and switches of a SqueezeBERT (Iandola et al. 2020), under the names of Hugging Face's config.json.

    Called as transformers' class is: any key by name, ``num_labels`` and ``label2id`` included, ``id2label`` as a
    mapping or as the labels in the order of their ids; keys that do not concern SqueezeBERT are ignored. Values may be
    changed afterwards. Raises UnsupportedModelError for values that no SqueezeBERT can have: here, in `update`, and
    where a model is made of them.

    ``null_threshold`` is a key of this project's own: for question answering, by how many logits "no answer" must lead
    the best span to be the answer; None, and then left out of config.json, where every question is answered.
    """

    model_type: ClassVar[str] = "squeezebert"

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
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    embedding_size: int = 768
    q_groups: int = 4
    k_groups: int = 4
    v_groups: int = 4
    post_attention_groups: int = 1
    intermediate_groups: int = 4
    output_groups: int = 4
    tie_word_embeddings: bool = True
    output_attentions: bool = False
    output_hidden_states: bool = False
    return_dict: bool = True
    problem_type: str | None = None
    null_threshold: float | None = None
    id2label: dict[int, str] = field(default_factory=lambda: _numbered(2))
    architectures: list[str] = field(default_factory=list)

    def __init__(self, **values: Any) -> None:
        values |= {"id2label": _labels(values), "architectures": values.get("architectures") or []}
        for name in _KEYS:
            default = getattr(type(self), name, None)
            value = values.get(name, default)
            setattr(self, name, default if value is None and name in _NULL_IS_DEFAULT else value)
        self.check()

    def __setattr__(self, name: str, value: object) -> None:
        # A mapping from JSON, whose keys are strings, and a list become what transformers keeps.
        if name == "id2label":
            value = dict(enumerate(_label_names(value)))
        if name == "architectures":
            value = list(_strings(value, name))
        super().__setattr__(name, value)

    def check(self) -> None:
        """Raise UnsupportedModelError for the first value that no SqueezeBERT can have."""
        for key, found, expected in _faults(self):
            _refuse(key, found, expected, _step(key, getattr(self, key), expected))

    @property
    def num_labels(self) -> int:
        """The number of labels, which is the width of a classifier; another one names them LABEL_n."""
        return len(self.id2label)

    @num_labels.setter
    def num_labels(self, number: int) -> None:
        if number != self.num_labels:
            self.id2label = _numbered(_label_count(number))

    @property
    def label2id(self) -> dict[str, int]:
        """The ids by label: `id2label` the other way round, whichever of them was set last."""
        return {label: index for index, label in self.id2label.items()}

    @label2id.setter
    def label2id(self, ids: Mapping[str, int]) -> None:
        self.id2label = dict(enumerate(_label_names(_inverted(ids))))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of their ids."""
        return tuple(self.id2label.values())

    @property
    def is_regression(self) -> bool:
        """True where a text has values for labels: as ``problem_type`` says or, where it is null, one label alone."""
        return self.problem_type == "regression" or (self.problem_type is None and self.num_labels == 1)

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

    def update(self, values: Mapping[str, object]) -> None:
        """Set every key of ``values``. Raises UnsupportedModelError as the constructor; nothing is changed then."""
        changed = copy(self)
        for key, value in values.items():
            setattr(changed, key, value)
        changed.check()
        vars(self).update(vars(changed))

    def override(self, values: Mapping[str, object]) -> None:
        """`update` that raises UsageError for what is no key of a config."""
        if unknown := [name for name in values if name not in (*_KEYS, *_LABEL_KEYS)]:
            expected = "a key of config.json"
            raise UsageError(unknown[0], "is no setting of a config", expected=expected, fix="leave it out")
        self.update(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, object], *, file: str | Path = CONFIG_NAME) -> Self:
        """The config that a parsed config.json describes; keys that do not concern SqueezeBERT are ignored.

        Raises UnsupportedModelError for another model type, custom code or a value out of its range.
        """
        _require_squeezebert(values, file)
        try:
            return cls(**values)
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
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None, **overrides: object) -> Self:
        """The config of a checkpoint folder or hub repository, with the keys of ``overrides`` set to other values.

        Raises as `hub.resolve`, `from_json_file` and `override`.
        """
        from squeezebert_mobile.checkpoint import hub

        config = cls.from_json_file(hub.resolve(source, revision=revision, weights=False) / CONFIG_NAME)
        config.override(overrides)
        return config

    def to_dict(self) -> dict[str, object]:
        """The content of a config.json that transformers reads."""
        names = [*_KEYS, "label2id", "model_type"]
        if self.null_threshold is None:
            names.remove("null_threshold")
        return {name: copy(getattr(self, name)) for name in names}

    def to_json_string(self) -> str:
        """The text of a config.json, keys sorted."""
        return dump_json(self.to_dict()).decode()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json into ``folder``, which is made where it is missing. Raises as `atomic.replace_file`."""
        replace_file(Path(folder) / CONFIG_NAME, dump_json(self.to_dict()))


_KEYS = tuple(item.name for item in fields(SqueezeBertConfig))
_SURROGATE = re.compile("[\ud800-\udfff]")
# Views of id2label, which are set and written but are no values of their own.
_LABEL_KEYS = ("num_labels", "label2id")


def _faults(config: SqueezeBertConfig) -> Iterator[tuple[str, object, str]]:
    """Each key whose value breaks its rule, with the value and the rule; later rules rely on the earlier ones."""
    for key, allowed in _WHOLE_NUMBERS.items():
        yield from _not_whole(config, key, allowed)
    yield from _not_whole(config, "pad_token_id", range(config.vocab_size))
    for key, most in _REAL_NUMBERS.items():
        value = getattr(config, key)
        if type(value) not in (int, float) or not 0 <= value <= most:
            yield key, repr(value), f"a number from 0.0 to {most}"
    yield from _of_another_type(config)
    if config.hidden_act not in ACTIVATIONS:
        yield "hidden_act", config.hidden_act, f"one of {', '.join(ACTIVATIONS)}"
    if config.problem_type not in (None, *PROBLEM_TYPES):
        yield "problem_type", config.problem_type, f"null or one of {', '.join(PROBLEM_TYPES)}"
    yield from _not_null_or_logits(config, "null_threshold")
    if config.embedding_size != config.hidden_size:
        yield "embedding_size", config.embedding_size, f"hidden_size, {config.hidden_size}"
    rules = [(key, "hidden_size") for key in ("num_attention_heads", *_GROUP_KEYS)]
    rules += [(key, "intermediate_size") for key in ("intermediate_groups", "output_groups")]
    for divisor, dividend in rules:
        if getattr(config, dividend) % getattr(config, divisor):
            yield divisor, getattr(config, divisor), f"a divisor of {dividend}, {getattr(config, dividend)}"
    if twice := [label for label, count in Counter(config.labels).items() if count > 1]:
        yield "id2label", f"{twice[0]!r} twice", "distinct names"
    if spoilt := [label for label in config.labels if _SURROGATE.search(label)]:
        yield "id2label", ascii(spoilt[0]), "text that UTF-8 can hold"
    if not config.id2label:
        yield "id2label", "no labels", "at least one"


def _of_another_type(config: SqueezeBertConfig) -> Iterator[tuple[str, object, str]]:
    for key in _SWITCHES:
        if type(getattr(config, key)) is not bool:
            yield key, repr(getattr(config, key)), "true or false"
    # SqueezeBERT has neither token, so that their range says nothing.
    for key, value in (("bos_token_id", config.bos_token_id), ("eos_token_id", config.eos_token_id)):
        ids = value if isinstance(value, list) and key == "eos_token_id" else [value]
        if any(type(id_) is not int and id_ is not None for id_ in ids):
            yield key, repr(value), "null or a whole number"


def _not_whole(config: SqueezeBertConfig, key: str, allowed: range) -> Iterator[tuple[str, object, str]]:
    value = getattr(config, key)
    if type(value) is not int or value not in allowed:
        yield key, repr(value), f"a whole number from {allowed[0]} to {allowed[-1]}"


def _not_null_or_logits(config: SqueezeBertConfig, key: str) -> Iterator[tuple[str, object, str]]:
    value = getattr(config, key)
    if value is not None and (type(value) not in (int, float) or not -_MOST_LOGITS <= value <= _MOST_LOGITS):
        yield key, repr(value), f"null or a number from {-_MOST_LOGITS} to {_MOST_LOGITS}"


def _refuse(key: str, found: object, expected: str, fix: str) -> NoReturn:
    raise UnsupportedModelError(CONFIG_NAME, f"{key} is not valid", found=_short(found), expected=expected, fix=fix)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _step(key: str, value: object, expected: str) -> str:
    """What to do about a value that breaks its rule."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?|true|false", value, re.IGNORECASE):
        return f"write {_short(value)} without quotes"
    match key:
        case "hidden_act" | "problem_type":
            known = ACTIVATIONS if key == "hidden_act" else PROBLEM_TYPES
            # Names of other functions look alike, too; a problem's type may be cut short.
            likeness = 1 if key == "hidden_act" else 0.5
            alike = get_close_matches(str(value).lower().replace("-", "_"), known, n=1, cutoff=likeness)
            return f"write {alike[0]}" if alike else f"write {expected}, as the model was trained"
        case "pad_token_id":
            return "write null, or the id of [PAD] in the vocabulary"
        case "id2label":
            return 'give each id a name of its own, as {"0": "no", "1": "yes"}'
        case "hidden_dropout_prob" | "attention_probs_dropout_prob" | "initializer_range" | "layer_norm_eps":
            return f"write {expected}"
        case "bos_token_id" | "eos_token_id" | "null_threshold":
            return f"write {expected}"
        case _ if key in _SWITCHES:
            return f"write {expected}"
    return f"give {key} the value that these weights were made with: take their own {CONFIG_NAME}"


def _require_squeezebert(values: Mapping[str, object], file: str | Path) -> None:
    if values.get("auto_map"):
        fix = "use a checkpoint without custom code; it is never run"
        raise UnsupportedModelError(file, "asks for custom code (auto_map)", fix=fix)
    model_type = values.get("model_type")
    if model_type != "squeezebert":
        fix = "give a SqueezeBERT checkpoint"
        raise UnsupportedModelError(file, "is not SqueezeBERT", found=repr(model_type), expected="squeezebert", fix=fix)


def _labels(values: Mapping[str, object]) -> object:
    """What names the labels; ``num_labels`` alone gives LABEL_n, as in transformers, whose default is two."""
    mapping, ids, count = (values.get(key) for key in ("id2label", "label2id", "num_labels"))
    if mapping is None and ids is None:
        return _numbered(2 if count is None else _label_count(count))
    names = _label_names(_inverted(ids) if mapping is None else mapping)
    if count is not None and count != len(names):
        _refuse("num_labels", repr(count), f"the {len(names)} of id2label", "remove num_labels: id2label says it")
    return names


def _numbered(count: int) -> dict[int, str]:
    return {index: f"LABEL_{index}" for index in range(count)}


def _label_count(number: object) -> int:
    if type(number) is not int or not 1 <= number <= _CHANNELS[-1]:
        expected = f"a whole number from 1 to {_CHANNELS[-1]}"
        _refuse("num_labels", repr(number), expected, "write the number of the classifier's outputs, without quotes")
    return number


def _label_names(value: object) -> tuple[str, ...]:
    """The labels in id order, of a mapping from ids, which are strings in JSON, or of a sequence.

    A label that is a number or a truth value, which transformers takes, is named as JSON writes it.
    """
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        _refuse("id2label", type(value).__name__, "an object of id and label", 'write it as {"0": "no", "1": "yes"}')
    by_id = {str(key): label for key, label in value.items()}
    expected = [str(index) for index in range(len(value))]
    if set(by_id) != set(expected):
        numbered = json.dumps({str(index): label for index, label in enumerate(value.values())}, default=str)
        fix = f"number them from 0: {_short(numbered)}"
        _refuse("id2label", f"ids {', '.join(by_id)}", f"ids 0 to {len(value) - 1}, one label each", fix)
    labels = [by_id[key] for key in expected]
    return _strings([json.dumps(x) if isinstance(x, (int, float)) else x for x in labels], "id2label")


def _inverted(ids: object) -> dict[object, object]:
    if not isinstance(ids, Mapping):
        _refuse("label2id", type(ids).__name__, "an object of label and id", 'write it as {"no": 0, "yes": 1}')
    return {str(id_): label for label, id_ in ids.items()}


def _strings(values: object, key: str) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)):
        _refuse(key, type(values).__name__, "a list of strings", f"write it as {json.dumps([str(values)])[:80]}")
    others = [value for value in values if not isinstance(value, str)]
    if others:
        _refuse(key, repr(others[0]), "strings", "write each as text in double quotes")
    return tuple(values)
