"""The Hugging Face tokenizer files: read, checked against each other, and written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path

from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.files import MAX_JSON_BYTES, dump_json, missing, read_file
from squeezebert_mobile.tokenizer import declared, serialized
from squeezebert_mobile.tokenizer.declared import (
    CONFIG_FILE,
    SPECIAL_TOKENS_FILE,
    TOKENIZER_FILE,
    Declared,
    Read,
    read_existing,
)
from squeezebert_mobile.tokenizer.entries import added_piece
from squeezebert_mobile.tokenizer.serialized import Normalizer
from squeezebert_mobile.tokenizer.settings import SPECIAL_KEYS, AddedPiece, Template, TokenizerSettings

VOCAB_FILE = "vocab.txt"
# Keys of tokenizer_config.json that are left out where they say nothing.
_SELDOM = ("extra_special_tokens", "truncation_side")


@dataclass(frozen=True)
class TokenizerFiles:
    """What a folder says: the pieces in id order, the settings, and the ids that its files give to special tokens."""

    pieces: tuple[str, ...]
    settings: TokenizerSettings
    ids: dict[str, int]
    path: Path


def read_folder(folder: Path, *, vocab: Path | None = None, read_bytes: Read = read_existing) -> TokenizerFiles:
    """Read tokenizer.json, or else ``vocab`` or vocab.txt, and what the tokenizer's class takes from the other files.

    As in transformers, a BertTokenizer takes the vocabulary from tokenizer.json and all else from
    tokenizer_config.json, a PreTrainedTokenizerFast all from tokenizer.json. Other clients read other files: where
    these would tokenize differently, nothing is read. Raises InputFileError where a file is missing, malformed or
    contradicts another, and UnsupportedModelError for a well-formed tokenizer that is not BERT's WordPiece.
    Each file's bytes are what ``read_bytes`` gives.
    """
    said = declared.read(folder, read_bytes)
    path, vocab = folder / TOKENIZER_FILE, vocab or folder / VOCAB_FILE
    listed = read_bytes(vocab)
    if said.serialized:
        pieces = serialized.pieces(path, said.serialized)
        if listed is not None:
            _check_same(path, pieces, _parse_vocab(listed, vocab, may_lack_end=True))
    else:
        path = vocab
        if listed is None:
            raise missing(vocab)
        pieces = _parse_vocab(listed, vocab)
    ids = {added.content: id_ for id_, added in said.added.items()}
    if said.is_bert:
        settings = _bert(path, said)
    else:
        settings, ids_in_rows = _plain(path, said)
        ids |= ids_in_rows
    _require_tokens(path, pieces, ids, settings)
    return TokenizerFiles(pieces, settings, ids, path)


def read_vocab(path: Path) -> tuple[str, ...]:
    """Read a vocab.txt, one piece per line in id order, lines ended by LF or CRLF.

    Raises as `read_file`, and InputFileError, which names the line, for what is not UTF-8, a byte order mark, a
    blank, padded or repeated line, and a last line without its end, which is how a cut file looks.
    """
    return _parse_vocab(read_file(path, max_bytes=MAX_JSON_BYTES)[0], path)


def _parse_vocab(data: bytes, path: Path, *, may_lack_end: bool = False) -> tuple[str, ...]:
    """The pieces; the last line may lack its end where another file tells whether this one is whole."""
    if data.startswith(b"\xef\xbb\xbf"):
        raise InputFileError(path, "starts with a byte order mark on line 1", fix="save it as UTF-8 without a mark")
    try:
        *lines, rest = data.decode().replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        number, found = data.count(b"\n", 0, error.start) + 1, f"byte 0x{data[error.start]:02x}"
        raise InputFileError(path, f"line {number} is not UTF-8", found=found, fix="save it as UTF-8") from None
    if rest and may_lack_end:
        lines.append(rest)
    elif rest:
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
    if settings.template is not None:
        # A BertTokenizer would put BERT's rows in their place.
        types = ["token_type_ids"] if settings.template != settings.template.without_types() else []
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        config["model_input_names"] = ["input_ids", *types, "attention_mask"]
    plain = asdict(TokenizerSettings())
    left_out = {"added", "template", *(key for key in _SELDOM if config[key] == plain[key])}
    replace_file(folder / TOKENIZER_FILE, backend_json.encode())
    replace_file(folder / CONFIG_FILE, dump_json({k: value for k, value in config.items() if k not in left_out}))
    replace_file(folder / SPECIAL_TOKENS_FILE, dump_json(settings.special_tokens))
    write_vocab(folder / VOCAB_FILE, pieces)


def write_vocab(path: Path, pieces: Sequence[str]) -> None:
    """Write a vocab.txt. Raises EnvironmentFault where that is not possible."""
    replace_file(path, "".join(f"{line}\n" for line in pieces).encode())


def _bert(path: Path, said: Declared) -> TokenizerSettings:
    """A BertTokenizer: BERT's rows, and the normalization that tokenizer_config.json declares."""
    normalizer = Normalizer(said.flag("do_lower_case"), said.strip_accents(), said.flag("tokenize_chinese_chars"))
    if said.serialized:
        _check_normalizer(path, serialized.normalizer(path, said.serialized), normalizer)
    settings = _settings(said, normalizer, [])
    return settings if said.has_types else replace(settings, template=settings.rows.without_types())


def _plain(path: Path, said: Declared) -> tuple[TokenizerSettings, dict[str, int]]:
    """A PreTrainedTokenizerFast: the rows and the normalization of tokenizer.json, with the ids of the rows' tokens."""
    own = [added_piece(path, value, special=False) for value in said.serialized.get("added_tokens", [])]
    settings = _settings(said, serialized.normalizer(path, said.serialized), own)
    rows, ids = serialized.template(path, said.serialized)
    rows = rows if said.has_types else rows.without_types()
    is_berts = rows == Template.bert(settings.cls_token, settings.sep_token)
    unknown = serialized.unknown_token(path, said.serialized)
    return replace(settings, template=None if is_berts else rows, unk_token=unknown), ids


def _settings(said: Declared, normalizer: Normalizer, own: Sequence[AddedPiece]) -> TokenizerSettings:
    """The settings of BERT's rows; the tokens of tokenizer.json that the class finds there come first."""
    named, extra = said.named(), said.extra()
    found = [*own, *(added for _, added in sorted(said.added.items()))]
    by_content = {added.content: added for added in found}
    for token in (*named.values(), *extra):
        by_content.setdefault(token.content, token)
    for token in named.values():
        by_content[token.content] = replace(by_content[token.content], special=True)
    contents: dict[str, str | None] = {key: named[key].content if key in named else None for key in SPECIAL_KEYS}
    others = [token for key, token in named.items() if key not in SPECIAL_KEYS]
    return TokenizerSettings(
        do_lower_case=normalizer.lowercase,
        strip_accents=normalizer.strip_accents,
        tokenize_chinese_chars=normalizer.tokenize_chinese_chars,
        model_max_length=said.max_length(),
        padding_side=said.side("padding_side"),
        truncation_side=said.side("truncation_side"),
        pad_token=contents["pad_token"],
        unk_token=contents["unk_token"] or "[UNK]",
        cls_token=contents["cls_token"],
        sep_token=contents["sep_token"],
        mask_token=contents["mask_token"],
        extra_special_tokens=tuple(dict.fromkeys(token.content for token in (*extra, *others))),
        added=tuple(by_content.values()),
    )


def _check_normalizer(path: Path, here: Normalizer, there: Normalizer) -> None:
    names = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
    for key, found, expected in zip(names, _effective(here), _effective(there), strict=True):
        if found != expected:
            what = f"disagrees with {CONFIG_FILE} on {key} (which is true there by default)"
            raise InputFileError(path, what, found=found, expected=expected, fix=f"set {key} in {CONFIG_FILE}")


def _effective(normalizer: Normalizer) -> Normalizer:
    """The flags with an open ``strip_accents`` as the original BERT has it."""
    accents = normalizer.lowercase if normalizer.strip_accents is None else normalizer.strip_accents
    return normalizer._replace(strip_accents=accents)


def _require_tokens(path: Path, pieces: Sequence[str], ids: dict[str, int], settings: TokenizerSettings) -> None:
    """Raise InputFileError where a token that every text may need has no id."""
    rows = {slot.token for slot in settings.rows.pair if slot.sequence < 0}
    for key in ("unk_token", "cls_token", "sep_token"):
        token = settings.special_tokens.get(key)
        # WordPiece takes [UNK] from its own vocabulary alone.
        known = token in pieces or (key != "unk_token" and token in ids)
        if not known and (key == "unk_token" or token in rows):
            what = f"lacks the {key} {token} in its {len(pieces)} {'lines' if path.name == VOCAB_FILE else 'pieces'}"
            raise InputFileError(path, what, fix="use the vocabulary of the checkpoint")


def _check_same(path: Path, pieces: Sequence[str], listed: Sequence[str]) -> None:
    for id_, (here, there) in enumerate(zip_longest(pieces, listed)):
        if here != there:
            what = f"disagrees with {VOCAB_FILE}, first at id {id_}"
            fix = "keep the file that the checkpoint was trained with, delete the other"
            raise InputFileError(path, what, found=repr(here), expected=repr(there), fix=fix)
