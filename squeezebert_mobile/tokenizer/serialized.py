"""tokenizer.json: the vocabulary, and the pipeline that a PreTrainedTokenizerFast takes from it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from squeezebert_mobile.errors import InputFileError, UnsupportedModelError
from squeezebert_mobile.tokenizer.entries import RESTORE, content, token_id, typed
from squeezebert_mobile.tokenizer.settings import Slot, Template

Json = Mapping[str, object]

_FIX = "use a tokenizer of a BERT or SqueezeBERT checkpoint"
_TEXTS: Mapping[object, Slot] = {"A": Slot(0, None, 0), "B": Slot(1, None, 0)}


class Normalizer(NamedTuple):
    """The flags of a BertNormalizer."""

    lowercase: bool
    strip_accents: bool | None
    tokenize_chinese_chars: bool


def pieces(path: Path, serialized: Json) -> tuple[str, ...]:
    """The vocabulary in id order. Raises UnsupportedModelError for a model that is not BERT's WordPiece."""
    model = typed(path, "model", serialized.get("model"), dict)
    # Files of tokenizers before 0.10 do not name the kind of their model.
    expected = {"type": "WordPiece", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    for key, value in expected.items():
        if model.get(key, value) != value:
            raise UnsupportedModelError(path, f"model.{key} is not BERT's", found=model[key], expected=value, fix=_FIX)
    ids = {text: token_id(path, id_) for text, id_ in typed(path, "model.vocab", model.get("vocab"), dict).items()}
    found = tuple(sorted(ids, key=ids.__getitem__))
    for expected_id, text in enumerate(found):
        if ids[text] != expected_id:
            what = f"the ids of model.vocab are not 0 to {len(found) - 1}"
            raise InputFileError(path, what, found=f"{ids[text]} for {text!r}", expected=expected_id, fix=RESTORE)
    return found


def unknown_token(path: Path, serialized: Json) -> str:
    """The piece that stands for words that no pieces make up."""
    return content(path, typed(path, "model", serialized.get("model"), dict).get("unk_token", "[UNK]"))


def normalizer(path: Path, serialized: Json) -> Normalizer:
    """What is done to a text. Raises UnsupportedModelError where it is not cleaned and split as BERT does."""
    values = typed(path, "normalizer", serialized.get("normalizer"), dict)
    splitter = typed(path, "pre_tokenizer", serialized.get("pre_tokenizer"), dict)
    kinds = (values.get("type"), splitter.get("type"), values.get("clean_text", True))
    if kinds != ("BertNormalizer", "BertPreTokenizer", True):
        what = "does not clean and split text as BERT does"
        raise UnsupportedModelError(path, what, found=kinds, fix=_FIX)
    accents = values.get("strip_accents")
    return Normalizer(
        typed(path, "lowercase", values.get("lowercase", True), bool),
        None if accents is None else typed(path, "strip_accents", accents, bool),
        typed(path, "handle_chinese_chars", values.get("handle_chinese_chars", True), bool),
    )


def template(path: Path, serialized: Json) -> tuple[Template, dict[str, int]]:
    """The rows of the post-processor, and the ids that it gives to their tokens.

    Without one a row is its texts alone. Raises UnsupportedModelError for one that does more than add tokens.
    """
    if serialized.get("post_processor") is None:
        first = (Slot(0, None, 0),)
        return Template(first, (*first, Slot(1, None, 1))), {}
    values = typed(path, "post_processor", serialized["post_processor"], dict)
    match values.get("type"):
        case "BertProcessing":
            tokens = {key: _pair(path, values.get(key)) for key in ("cls", "sep")}
            return Template.bert(tokens["cls"][0], tokens["sep"][0]), dict(tokens.values())
        case "TemplateProcessing":
            special = typed(path, "special_tokens", values.get("special_tokens"), dict)
            ids: dict[str, int] = {}
            rows = [
                tuple(
                    slot
                    for item in typed(path, key, values.get(key), list)
                    for slot in _slots(path, item, special, ids)
                )
                for key in ("single", "pair")
            ]
            if [[slot.sequence for slot in row if slot.token is None] for row in rows] != [[0], [0, 1]]:
                what = "has a post_processor that does not put each text once, in order"
                raise UnsupportedModelError(path, what, fix=_FIX)
            return Template(*rows), ids
        case kind:
            what = "has a post_processor that is not known"
            raise UnsupportedModelError(path, what, found=kind, expected="TemplateProcessing", fix=_FIX)


def _pair(path: Path, value: object) -> tuple[str, int]:
    match value:
        case [token, id_]:
            return content(path, token), token_id(path, id_)
        case _:
            what = "has a post_processor without its tokens"
            raise InputFileError(path, what, found=repr(value)[:80], fix=RESTORE)


def _slots(path: Path, item: object, special: Json, ids: dict[str, int]) -> Sequence[Slot]:
    """The places that one item of a template stands for; the ids of its tokens are put into ``ids``."""
    match item:
        case {"Sequence": {"id": "A" | "B" as text, "type_id": int(type_id)}}:
            return [_TEXTS[text]._replace(type_id=type_id)]
        case {"SpecialToken": {"id": str(name), "type_id": int(type_id)}}:
            match special.get(name):
                case {"ids": [*found], "tokens": [*tokens]} if len(found) == len(tokens):
                    named = [content(path, token) for token in tokens]
                    ids.update(zip(named, (token_id(path, id_) for id_ in found), strict=True))
                    return [Slot(-1, token, type_id) for token in named]
    what = "has a post_processor that cannot be read"
    raise InputFileError(path, what, found=repr(item)[:80], fix=RESTORE)
