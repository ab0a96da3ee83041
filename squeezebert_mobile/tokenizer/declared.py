"""What the files beside the vocabulary declare, with transformers' precedence of new and old ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from squeezebert_mobile.errors import InputFileError, UnsupportedModelError
from squeezebert_mobile.files import MAX_JSON_BYTES, parse_json, read_file
from squeezebert_mobile.tokenizer.entries import RESTORE, added_piece, content, token_id, typed
from squeezebert_mobile.tokenizer.settings import DEFAULT_MAX_LENGTH, AddedPiece, Side

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
SPECIAL_TOKENS_FILE = "special_tokens_map.json"
ADDED_TOKENS_FILE = "added_tokens.json"
_MODEL_CONFIG_FILE = "config.json"

# The bytes of a file, None where there is none.
Read = Callable[[Path], bytes | None]

# transformers writes int(1e30) where it knows no limit.
_UNLIMITED = 10**9
# The classes that transformers 5 reads as its BertTokenizer, and whether the second text of a pair gets type 1.
_BERT_CLASSES = {
    **dict.fromkeys(("Bert", "SqueezeBert", "MobileBert", "Electra", "LayoutLM", "Lxmert", "ConvBert"), True),
    "DistilBert": False,
}
_PLAIN_CLASSES = ("PreTrainedTokenizer", "TokenizersBackend")
# The tokens that have a name, in the order that gives ids to those that no vocabulary holds.
_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_BERT_NAMES = {key: f"[{key.removesuffix('_token').upper()}]" for key in _NAMED[2:]}


@dataclass(frozen=True)
class Declared:
    """The merged keys of the files; ``added`` are the added tokens by their declared ids.

    ``is_bert``: the class builds BERT's pipeline anew from ``keys``, where others take tokenizer.json's own.
    ``has_types``: the second text of a pair gets the types of its row, else every type is 0.
    """

    path: Path
    keys: Mapping[str, Any]
    serialized: Mapping[str, Any]
    added: Mapping[int, AddedPiece]
    is_bert: bool
    has_types: bool

    def flag(self, name: str) -> bool:
        """A flag that is true unless written otherwise."""
        return typed(self.path, name, self.keys.get(name, True), bool)

    def strip_accents(self) -> bool | None:
        """The flag that may be left open."""
        value = self.keys.get("strip_accents")
        return None if value is None else typed(self.path, "strip_accents", value, bool)

    def side(self, name: str) -> Side:
        """``padding_side`` or ``truncation_side``, else what tokenizer.json's own padding or truncation says."""
        own = self.serialized.get(name.removesuffix("_side"))
        value = self.keys.get(name, str(own.get("direction", "right")).lower() if isinstance(own, dict) else "right")
        if value in ("left", "right"):
            return cast(Side, value)
        raise InputFileError(
            self.path, f"{name} is not a side", found=repr(value)[:80], expected="left or right", fix=RESTORE
        )

    def max_length(self) -> int:
        """The longest row, by its name today or of old."""
        value = self.keys.get("model_max_length", self.keys.get("max_len"))
        if value is None or (isinstance(value, int | float) and value >= _UNLIMITED):
            return DEFAULT_MAX_LENGTH
        if type(value) is not int or value < 1:
            raise InputFileError(self.path, "model_max_length is not valid", found=repr(value)[:80], fix=RESTORE)
        return value

    def named(self) -> dict[str, AddedPiece]:
        """The tokens with a name, in the order in which those without an id get one; also names that BERT lacks."""
        plain = _BERT_NAMES if self.is_bert else _padding_token(self.serialized)
        keys = [*_NAMED, *(key for key in self.keys if key.endswith("_token") and key not in _NAMED)]
        values = {key: self.keys.get(key, plain.get(key)) for key in keys}
        for key in ("model_specific_special_tokens", "extra_special_tokens"):
            values |= more if isinstance(more := self.keys.get(key), dict) else {}
        tokens = {key: value for key, value in values.items() if key in _NAMED or isinstance(value, str | dict)}
        return {key: added_piece(self.path, value, special=True) for key, value in tokens.items() if value is not None}

    def extra(self) -> tuple[AddedPiece, ...]:
        """Special tokens without a name."""
        values = self.keys.get("extra_special_tokens") or []
        listed = [] if isinstance(values, dict) else typed(self.path, "extra_special_tokens", values, list)
        return tuple(added_piece(self.path, value, special=True) for value in listed)


def read_existing(path: Path) -> bytes | None:
    """The bytes of a file, None where there is none. Raises as `read_file`."""
    return read_file(path, max_bytes=MAX_JSON_BYTES)[0] if path.exists() else None


def read(folder: Path, read_bytes: Read = read_existing) -> Declared:
    """All files but the vocabulary. Raises InputFileError, and UnsupportedModelError for what would be ignored."""
    path, serialized = folder / CONFIG_FILE, _parsed(folder / TOKENIZER_FILE, read_bytes)
    keys = dict(_parsed(path, read_bytes))
    is_bert, has_types = _class(folder, keys, read_bytes)
    if not is_bert and not serialized:
        what = "is missing, from which the tokenizer's class takes the rows and the normalization"
        fix = f"restore it; if the model was trained with BertTokenizer, set tokenizer_class to that in {CONFIG_FILE}"
        raise InputFileError(folder / TOKENIZER_FILE, what, fix=fix)
    supported = {"split_special_tokens": False, "fast_tokenizer_files": [TOKENIZER_FILE]}
    for key, plain in supported.items():
        if keys.get(key, plain) != plain:
            fix = f"remove {key}; the other readers of the bundle do not know it"
            raise UnsupportedModelError(path, f"{key} is not supported", found=keys[key], expected=plain, fix=fix)
    added = _with_old_files(folder, keys, serialized, read_bytes)
    return Declared(path, keys, serialized, added, is_bert, has_types)


def _parsed(path: Path, read_bytes: Read) -> dict[str, Any]:
    """The object in a file, an empty one where there is no file."""
    data = read_bytes(path)
    return {} if data is None else parse_json(data, path)


def _class(folder: Path, keys: Mapping[str, Any], read_bytes: Read) -> tuple[bool, bool]:
    """Whether the class is BERT's, and whether it gives types; a SqueezeBERT that names none has a BertTokenizer."""
    path, name = folder / CONFIG_FILE, keys.get("tokenizer_class")
    if name is None:
        path = folder / _MODEL_CONFIG_FILE
        name = _parsed(path, read_bytes).get("tokenizer_class") or "BertTokenizer"
    base = str(name).removesuffix("Fast")
    has_types = _BERT_CLASSES.get(base.removesuffix("Tokenizer"))
    if has_types is None and base not in _PLAIN_CLASSES:
        expected = "BertTokenizer, SqueezeBertTokenizer or PreTrainedTokenizerFast"
        fix = "use the tokenizer files that the model was trained with; another class gives other ids"
        raise UnsupportedModelError(path, "tokenizer_class is not BERT's", found=name, expected=expected, fix=fix)
    names = keys.get("model_input_names")
    if names is not None:
        return has_types is not None, "token_type_ids" in typed(path, "model_input_names", names, list)
    return has_types is not None, bool(has_types)


def _with_old_files(
    folder: Path, keys: dict[str, Any], serialized: Mapping[str, Any], read_bytes: Read
) -> dict[int, AddedPiece]:
    """The added tokens by id; where ``keys`` do not list them, the files of old are read, which add to ``keys``."""
    path = folder / CONFIG_FILE
    if not keys.get("extra_special_tokens") and "additional_special_tokens" in keys:
        keys["extra_special_tokens"] = keys.pop("additional_special_tokens")
    if keys.get("added_tokens_decoder") is not None:
        decoder = typed(path, "added_tokens_decoder", keys["added_tokens_decoder"], dict)
        return {token_id(path, key): added_piece(path, value, special=False) for key, value in decoder.items()}
    before = keys.get("extra_special_tokens") or []
    for key, value in _parsed(folder / SPECIAL_TOKENS_FILE, read_bytes).items():
        both = key == "extra_special_tokens" and isinstance(value, list) and isinstance(before, list)
        keys[key] = [*before, *value] if both else value
    found = _added_of_old(folder / ADDED_TOKENS_FILE, keys, read_bytes)
    path = folder / TOKENIZER_FILE
    for entry in typed(path, "added_tokens", serialized.get("added_tokens", []), list):
        id_ = token_id(path, typed(path, "an added token", entry, dict).get("id"))
        found[id_] = added_piece(path, entry, special=False)
    if "additional_special_tokens" in keys:
        keys.setdefault("extra_special_tokens", keys["additional_special_tokens"])
    return found


def _added_of_old(path: Path, keys: Mapping[str, Any], read_bytes: Read) -> dict[int, AddedPiece]:
    """The tokens of added_tokens.json. As in transformers, one that is not special is found in the normalized text."""
    extra = keys.get("extra_special_tokens")
    values = [keys.get(key) for key in _NAMED] + (extra if isinstance(extra, list) else [])
    special = {content(path, value) for value in values if value}
    return {
        token_id(path, id_): AddedPiece(token, special=token in special, normalized=token not in special)
        for token, id_ in _parsed(path, read_bytes).items()
    }


def _padding_token(serialized: Mapping[str, Any]) -> dict[str, Any]:
    """The one name that a PreTrainedTokenizerFast takes from tokenizer.json."""
    padding = serialized.get("padding")
    return {"pad_token": padding["pad_token"]} if isinstance(padding, dict) and "pad_token" in padding else {}
