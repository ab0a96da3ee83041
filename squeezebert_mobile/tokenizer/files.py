"""The Hugging Face tokenizer files: read, checked against each other, and written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Self, TypeVar

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.errors import InputFileError, UnsupportedModelError
from squeezebert_mobile.files import MAX_JSON_BYTES, dump_json, read_file, read_json

VOCAB_FILE = "vocab.txt"
TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
SPECIAL_TOKENS_FILE = "special_tokens_map.json"
ADDED_TOKENS_FILE = "added_tokens.json"

SPECIAL_KEYS = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
# Every published SqueezeBERT has 512 positions; transformers writes int(1e30) where it knows no limit.
DEFAULT_MAX_LENGTH = 512
UNLIMITED = 10**9

_RESTORE = "restore the original file"
_KINDS = {dict: "an object", list: "a list", bool: "true or false"}
_T = TypeVar("_T")


@dataclass(frozen=True)
class AddedPiece:
    """A token that is found in the raw text before WordPiece runs; fields as in ``tokenizers.AddedToken``."""

    content: str
    special: bool = True
    normalized: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


@dataclass(frozen=True)
class TokenizerSettings:
    """The keys of tokenizer_config.json; ``added`` holds the special and the added tokens, known ids first."""

    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True
    model_max_length: int = DEFAULT_MAX_LENGTH
    padding_side: str = "right"
    pad_token: str = "[PAD]"
    unk_token: str = "[UNK]"
    cls_token: str = "[CLS]"
    sep_token: str = "[SEP]"
    mask_token: str = "[MASK]"
    added: tuple[AddedPiece, ...] = ()

    @property
    def special_tokens(self) -> dict[str, str]:
        """The five named tokens by their key."""
        return {key: getattr(self, key) for key in SPECIAL_KEYS}

    @property
    def strips_accents(self) -> bool:
        """``strip_accents``, or where that is None what ``do_lower_case`` says, as in the original BERT."""
        return self.do_lower_case if self.strip_accents is None else self.strip_accents

    def with_special_tokens(self, known: Iterable[AddedPiece] = (), extra: Iterable[str] = ()) -> Self:
        """These settings with ``added`` filled: known pieces, then special and extra tokens not among them."""
        pieces = {piece.content: piece for piece in known}
        for token in (*self.special_tokens.values(), *extra):
            pieces.setdefault(token, AddedPiece(token))
        return replace(self, added=tuple(pieces.values()))


@dataclass(frozen=True)
class TokenizerFiles:
    """What a folder says: the pieces in id order, the settings, and the ids that its files give to added tokens."""

    pieces: tuple[str, ...]
    settings: TokenizerSettings
    added_ids: dict[str, int]
    path: Path


def read_folder(folder: Path) -> TokenizerFiles:
    """Read tokenizer.json, or else vocab.txt, with the settings of tokenizer_config.json.

    transformers takes the vocabulary from tokenizer.json and the normalizer from tokenizer_config.json, other clients
    take both from tokenizer.json, and the phone reads vocab.txt: where these would tokenize differently, nothing is
    read. Raises InputFileError where a file is missing, malformed or contradicts another, and UnsupportedModelError for
    a well-formed tokenizer that is not BERT's WordPiece.
    """
    serialized = _read_optional(folder / TOKENIZER_FILE)
    settings, added_ids = _read_settings(folder, serialized)
    vocab = folder / VOCAB_FILE
    if not serialized:
        pieces, path = read_vocab(vocab), vocab
    else:
        path = folder / TOKENIZER_FILE
        pieces = _serialized_pieces(path, serialized)
        _check_pipeline(path, serialized, settings)
        if vocab.exists():
            _check_same(path, pieces, read_vocab(vocab))
    for key in SPECIAL_KEYS[:4]:
        token = settings.special_tokens[key]
        if token not in pieces:
            what = f"lacks the {key} {token} in its {len(pieces)} {'lines' if path == vocab else 'pieces'}"
            raise InputFileError(path, what, fix="use the vocabulary of the checkpoint")
    return TokenizerFiles(pieces, settings, added_ids, path)


def read_vocab(path: Path) -> tuple[str, ...]:
    """Read a vocab.txt, one piece per line in id order, lines ended by LF or CRLF.

    Raises as `read_file`, and InputFileError, which names the line, for what is not UTF-8, a byte order mark, a
    blank, padded or repeated line, and a last line without its end, which is how a cut file looks.
    """
    data, _ = read_file(path, max_bytes=MAX_JSON_BYTES)
    if data.startswith(b"\xef\xbb\xbf"):
        raise InputFileError(path, "starts with a byte order mark on line 1", fix="save it as UTF-8 without a mark")
    try:
        *lines, rest = data.decode().replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        number, found = data.count(b"\n", 0, error.start) + 1, f"byte 0x{data[error.start]:02x}"
        raise InputFileError(path, f"line {number} is not UTF-8", found=found, fix="save it as UTF-8") from None
    if rest:
        fix = "fetch the file again, or end the line if the file is whole"
        raise InputFileError(path, f"line {len(lines) + 1} has no end, the file may be cut short", fix=fix)
    line_of: dict[str, int] = {}
    for number, piece in enumerate(lines, start=1):
        if not piece.strip():
            what = "is blank"
        elif piece != piece.strip():
            # tokenizers drops white space at a line's end, Python readers do not: the piece would differ.
            what = "has white space around its piece"
        elif piece in line_of:
            what = f"repeats line {line_of[piece]}"
        else:
            line_of[piece] = number
            continue
        fix = "restore the original file; ids are line numbers"
        raise InputFileError(path, f"line {number} {what}", found=repr(piece), fix=fix)
    return tuple(line_of)


def write_folder(folder: Path, backend_json: str, pieces: Sequence[str], settings: TokenizerSettings) -> None:
    """Write the four tokenizer files; the same tokenizer gives the same bytes.

    Raises EnvironmentFault where the folder cannot be made or written.
    """
    config = asdict(settings) | {"tokenizer_class": "SqueezeBertTokenizer"}
    del config["added"]
    replace_file(folder / TOKENIZER_FILE, backend_json.encode())
    replace_file(folder / CONFIG_FILE, dump_json(config))
    replace_file(folder / SPECIAL_TOKENS_FILE, dump_json(settings.special_tokens))
    write_vocab(folder / VOCAB_FILE, pieces)


def write_vocab(path: Path, pieces: Sequence[str]) -> None:
    """Write a vocab.txt. Raises EnvironmentFault where that is not possible."""
    replace_file(path, "".join(f"{piece}\n" for piece in pieces).encode())


def _read_optional(path: Path) -> dict[str, object]:
    return read_json(path) if path.exists() else {}


def _read_settings(folder: Path, serialized: Mapping[str, object]) -> tuple[TokenizerSettings, dict[str, int]]:
    """The settings and the declared ids of added tokens, with transformers' precedence of the files."""
    path = folder / CONFIG_FILE
    config = _read_optional(path)
    if config.get("added_tokens_decoder") is None:
        config |= _read_optional(folder / SPECIAL_TOKENS_FILE)
        pieces_by_id = _legacy_added(folder, serialized)
    else:
        decoder = _typed(path, "added_tokens_decoder", config["added_tokens_decoder"], dict)
        pieces_by_id = {_id(path, key): _added_piece(path, value) for key, value in decoder.items()}
    for key, plain in (("split_special_tokens", False), ("truncation_side", "right")):
        if config.get(key, plain) != plain:
            fix = f"remove {key}; the other readers of the bundle do not know it"
            raise UnsupportedModelError(path, f"{key} is not supported", found=config[key], expected=plain, fix=fix)
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    extra_tokens = (
        list(extra.values()) if isinstance(extra, dict) else _typed(path, "extra_special_tokens", extra, list)
    )
    accents = config.get("strip_accents")
    settings = TokenizerSettings(
        do_lower_case=_typed(path, "do_lower_case", config.get("do_lower_case", True), bool),
        strip_accents=None if accents is None else _typed(path, "strip_accents", accents, bool),
        tokenize_chinese_chars=_typed(path, "tokenize_chinese_chars", config.get("tokenize_chinese_chars", True), bool),
        model_max_length=_max_length(path, config),
        padding_side="left" if config.get("padding_side") == "left" else "right",
    )
    named: dict[str, Any] = {key: _content(path, config[key]) for key in SPECIAL_KEYS if config.get(key)}
    known = (piece for _, piece in sorted(pieces_by_id.items()))
    settings = replace(settings, **named).with_special_tokens(known, (_content(path, token) for token in extra_tokens))
    return settings, {piece.content: id_ for id_, piece in pieces_by_id.items()}


def _legacy_added(folder: Path, serialized: Mapping[str, object]) -> dict[int, AddedPiece]:
    """Added tokens where tokenizer_config.json does not list them: added_tokens.json, then tokenizer.json."""
    path = folder / ADDED_TOKENS_FILE
    listed = _read_optional(path).items()
    # As transformers does: a token of this old file is matched after normalization.
    pieces_by_id = {_id(path, id_): AddedPiece(token, special=False, normalized=True) for token, id_ in listed}
    path = folder / TOKENIZER_FILE
    for entry in _typed(path, "added_tokens", serialized.get("added_tokens", []), list):
        pieces_by_id[_id(path, _typed(path, "an added token", entry, dict).get("id"))] = _added_piece(path, entry)
    return pieces_by_id


def _serialized_pieces(path: Path, serialized: Mapping[str, object]) -> tuple[str, ...]:
    model = _typed(path, "model", serialized.get("model"), dict)
    # Files of tokenizers before 0.10 do not name the kind of their model.
    expected = {"type": "WordPiece", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    for key, value in expected.items():
        if model.get(key, value) != value:
            fix = "use a tokenizer of a BERT or SqueezeBERT checkpoint"
            raise UnsupportedModelError(path, f"model.{key} is not BERT's", found=model[key], expected=value, fix=fix)
    ids = {piece: _id(path, id_) for piece, id_ in _typed(path, "model.vocab", model.get("vocab"), dict).items()}
    pieces = tuple(sorted(ids, key=ids.__getitem__))
    for expected_id, piece in enumerate(pieces):
        if ids[piece] != expected_id:
            what = f"the ids of model.vocab are not 0 to {len(pieces) - 1}"
            raise InputFileError(path, what, found=f"{ids[piece]} for {piece!r}", expected=expected_id, fix=_RESTORE)
    return pieces


def _check_pipeline(path: Path, serialized: Mapping[str, object], settings: TokenizerSettings) -> None:
    normalizer = _typed(path, "normalizer", serialized.get("normalizer"), dict)
    splitter = _typed(path, "pre_tokenizer", serialized.get("pre_tokenizer"), dict)
    kinds = (normalizer.get("type"), splitter.get("type"), normalizer.get("clean_text", True))
    if kinds != ("BertNormalizer", "BertPreTokenizer", True):
        what = "does not clean and split text as BERT does"
        raise UnsupportedModelError(path, what, found=kinds, fix="use a tokenizer of a BERT or SqueezeBERT checkpoint")
    lowercase = normalizer.get("lowercase", True)
    accents = normalizer.get("strip_accents")
    pairs = (
        ("do_lower_case", lowercase, settings.do_lower_case),
        ("strip_accents", lowercase if accents is None else accents, settings.strips_accents),
        ("tokenize_chinese_chars", normalizer.get("handle_chinese_chars", True), settings.tokenize_chinese_chars),
    )
    for key, here, there in pairs:
        if here != there:
            what = f"disagrees with {CONFIG_FILE} on {key} (which is true there by default)"
            raise InputFileError(path, what, found=here, expected=there, fix=f"set {key} in {CONFIG_FILE}")


def _check_same(path: Path, pieces: Sequence[str], listed: Sequence[str]) -> None:
    for id_, (here, there) in enumerate(zip_longest(pieces, listed)):
        if here != there:
            what = f"disagrees with {VOCAB_FILE}, first at id {id_}"
            fix = "keep the file that the checkpoint was trained with, delete the other"
            raise InputFileError(path, what, found=repr(here), expected=repr(there), fix=fix)


def _added_piece(path: Path, value: object) -> AddedPiece:
    entry = _typed(path, "an added token", value, dict)
    names = ("special", "normalized", "single_word", "lstrip", "rstrip")
    flags = {name: _typed(path, name, entry.get(name, False), bool) for name in names}
    return AddedPiece(_content(path, entry), **flags)


def _content(path: Path, value: object) -> str:
    """The text of a token, which is written as a string or as an object with ``content``."""
    content = value.get("content") if isinstance(value, dict) else value
    if not isinstance(content, str) or not content:
        raise InputFileError(path, "has a token without text", found=repr(value)[:80], fix=_RESTORE)
    return content


def _id(path: Path, value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputFileError(path, "has a token with no valid id", found=repr(value)[:80], fix=_RESTORE)
    return int(text)


def _max_length(path: Path, config: Mapping[str, object]) -> int:
    value = config.get("model_max_length")
    if value is None or (isinstance(value, int | float) and value >= UNLIMITED):
        return DEFAULT_MAX_LENGTH
    if type(value) is not int or value < 1:
        raise InputFileError(path, "model_max_length is not valid", found=repr(value)[:80], fix=_RESTORE)
    return value


def _typed(path: Path, name: str, value: object, kind: type[_T]) -> _T:
    if not isinstance(value, kind):
        raise InputFileError(path, f"{name} is not {_KINDS[kind]}", found=repr(value)[:80], fix=_RESTORE)
    return value
