"""How transformers' users call a tokenizer: texts in, a mapping of lists or tensors out, and ids back to text.

The commands of this package take `SqueezeBertTokenizerFast.rows` instead: always rectangular, always cut.
"""

import copy
import re
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args, overload

import numpy as np
from tokenizers import AddedToken, Encoding, Tokenizer

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.pushing import PushToHub
from squeezebert_mobile.tokenizer.encoding import BatchEncoding, Tensors
from squeezebert_mobile.tokenizer.settings import Side, TokenizerSettings
from squeezebert_mobile.tokenizer.truncation import Strategy

Words = str | Sequence[str]
Ids = Any  # an id, ids or rows of them, as lists, arrays or tensors
Padding = Literal["longest", "max_length"]
_Sample = tuple[Any, Any]
_Texts = Words | Sequence[Words] | Sequence[tuple[Words, Words]]

_TRUNCATION = (None, False, "do_not_truncate", True, *get_args(Strategy))
_PADDING = (False, "do_not_pad", True, *get_args(Padding))
_SURROGATE = re.compile("[\ud800-\udfff]")
# As in transformers' clean_up_tokenization.
_SPACED = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")


# The copied pipelines keep the cutting and padding of a call as their state.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class _How:
    """How texts become rows; ``width`` is what rows are padded to, None for the longest of them."""

    strategy: Strategy | None
    pads: bool
    limit: int
    width: int | None
    stride: int
    multiple: int | None
    side: Side
    special: bool
    words: bool


@dataclass(frozen=True)
class _Asked:
    """What a call returns: ``columns`` by their names, each with the attribute of an encoding that it is made of."""

    columns: dict[str, str]
    tensors: Tensors | None
    overflow: bool
    length: bool
    warns: bool


class TokenizerCalls(PushToHub):
    """transformers' calls on a ``tokenizers`` pipeline that neither cuts nor pads."""

    model_input_names = ("input_ids", "token_type_ids", "attention_mask")
    is_fast = True
    pad_token_type_id = 0
    settings: TokenizerSettings
    _backend: Tokenizer
    _copied: tuple[TokenizerSettings, Tokenizer] | None = None

    def __call__(
        self,
        text: _Texts | None = None,
        text_pair: Words | Sequence[Words] | None = None,
        text_target: _Texts | None = None,
        text_pair_target: Words | Sequence[Words] | None = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: Side | None = None,
        return_tensors: Tensors | None = None,
        return_token_type_ids: bool = True,
        return_attention_mask: bool = True,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Encode a text, a pair, or a list of either, as transformers' tokenizer does.

        Nothing is cut or padded unless asked for: ``truncation`` True means longest_first to ``max_length``, else
        ``model_max_length``, and a ``max_length`` alone cuts too; ``padding`` True means to the longest row. A text may
        be a list of words with ``is_split_into_words``. Cut tokens go on in further rows with
        ``return_overflowing_tokens``. The ids of ``text_target`` are the ``labels`` beside ``text``; by itself it is
        encoded as a text. Raises UsageError for what cannot be honoured.
        """
        limit = self.settings.model_max_length if max_length is None else max_length
        how = _How(
            strategy=_strategy(truncation, padding, max_length),
            pads=padding not in (False, "do_not_pad"),
            limit=limit,
            width=limit if padding == "max_length" else None,
            stride=stride,
            multiple=pad_to_multiple_of,
            side=padding_side or self.settings.padding_side,
            special=add_special_tokens,
            words=is_split_into_words,
        )
        columns = {
            "token_type_ids": (return_token_type_ids, "type_ids"),
            "attention_mask": (return_attention_mask, "attention_mask"),
            "special_tokens_mask": (return_special_tokens_mask, "special_tokens_mask"),
            "offset_mapping": (return_offsets_mapping, "offsets"),
        }
        asked = _Asked(
            columns={"input_ids": "ids"} | {name: attribute for name, (wanted, attribute) in columns.items() if wanted},
            tensors=return_tensors,
            overflow=return_overflowing_tokens,
            length=return_length,
            warns=verbose and max_length is None,
        )
        pairs = ((text, text_pair), (text_target, text_pair_target))
        encoded: list[BatchEncoding] = []
        for first, second in pairs:
            if first is not None:  # no comprehension: the warning of a long text counts the frames up to the caller
                encoded.append(self._encoding(first, second, how, asked))
        if not encoded:
            raise UsageError("text", "and text_target are both missing", fix="pass one of the two")
        if len(encoded) == 2:
            encoded[0]["labels"] = encoded[1]["input_ids"]
        return encoded[0]

    def _encoding(self, text: Any, text_pair: Any, how: _How, asked: _Asked) -> BatchEncoding:
        """What a call returns for its texts or for its targets."""
        samples, batched = _samples(text, text_pair, words=how.words)
        every = [[row, *(row.overflowing if asked.overflow else ())] for row in self._encoded(samples, how)]
        encodings = [row for several in every for row in several]
        if asked.warns and any(len(row) > how.limit for row in encodings):
            what = f"a text has more tokens than the model's {how.limit}; pass truncation=True"
            warnings.warn(what, stacklevel=3)
        data: dict[str, list[Any]] = {
            name: [getattr(row, attribute) for row in encodings] for name, attribute in asked.columns.items()
        }
        if asked.length:
            data["length"] = [len(row) for row in encodings]
        if asked.overflow:
            data["overflow_to_sample_mapping"] = [index for index, several in enumerate(every) for _ in several]
        elif not batched and asked.tensors is None:
            data = {key: value[0] if isinstance(value[0], list) else value for key, value in data.items()}
        return BatchEncoding(data, encodings, asked.tensors)

    # transformers' names of old for the same call.
    encode_plus = __call__
    batch_encode_plus = __call__

    def encode(self, text: Words, text_pair: Words | None = None, **options: Any) -> Any:
        """The ids alone of a call with the same options."""
        return self(text, text_pair, **options)["input_ids"]

    def _encoded(self, samples: list[_Sample], how: _How) -> list[Encoding]:
        """The row of each sample, its cut tokens in ``overflowing``."""
        specials = self.num_special_tokens_to_add(any(second is not None for _, second in samples)) * how.special
        if how.strategy and how.limit < specials:
            what, fix = "has no room for the special tokens", f"pass {specials} or more"
            raise UsageError("max_length", what, found=how.limit, fix=fix)
        if how.strategy and how.pads and how.multiple and how.limit % how.multiple:
            fix = "pass a multiple of it"
            raise UsageError("max_length", f"is no multiple of {how.multiple}", found=how.limit, fix=fix)
        texts = [first if second is None else (first, second) for first, second in samples]
        with _LOCK:
            pipeline = self._pipeline()
            pipeline.no_truncation()
            pipeline.no_padding()
            try:
                if how.strategy:
                    side = self.settings.truncation_side
                    pipeline.enable_truncation(how.limit, stride=how.stride, strategy=how.strategy, direction=side)
                if how.pads:
                    pipeline.enable_padding(
                        direction=how.side,
                        pad_id=self.pad_token_id,
                        pad_type_id=self.pad_token_type_id,
                        pad_token=self.settings.pad_token or "[PAD]",
                        length=how.width,
                        pad_to_multiple_of=how.multiple,
                    )
                return pipeline.encode_batch(texts, is_pretokenized=how.words, add_special_tokens=how.special)
            except Exception as error:  # noqa: BLE001  the library has no type for a text that is too short to be cut
                raise UsageError("truncation", f"cannot be done: {error}", fix="raise max_length") from None

    def _pipeline(self) -> Tokenizer:
        """A copy of the pipeline, whose cutting and padding may be set; another one after a change of the settings."""
        if self._copied is None or self._copied[0] is not self.settings:
            self._copied = self.settings, copy.deepcopy(self._backend)
        return self._copied[1]

    def pad(
        self,
        encoded_inputs: BatchEncoding | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: Side | None = None,
        return_attention_mask: bool = True,
        return_tensors: Tensors | None = None,
        verbose: bool = True,  # noqa: ARG002  transformers' collators pass it
    ) -> BatchEncoding:
        """Pad rows that were encoded before, as a collator does; the other columns stay as they are."""
        _strategy(None, padding, None)
        given = encoded_inputs
        if not isinstance(given, Mapping):
            given = {key: [row[key] for row in given] for key in given[0]} if given else {"input_ids": []}
        if "input_ids" not in given:
            fix = "pass what a call returned"
            raise UsageError("encoded_inputs", "has no input_ids", found=", ".join(given), fix=fix)
        columns = {key: _lists(value) for key, value in given.items()}
        single = bool(columns["input_ids"]) and not isinstance(columns["input_ids"][0], list)
        if single:
            columns = {key: [value] for key, value in columns.items()}
        ids = columns["input_ids"]
        if return_attention_mask:
            columns.setdefault("attention_mask", [[1] * len(row) for row in ids])
        width = max(map(len, ids), default=0)
        if padding == "max_length":
            width = max(width, self.settings.model_max_length if max_length is None else max_length)
        width = _rounded(width, pad_to_multiple_of)
        left = (padding_side or self.settings.padding_side) == "left"
        fillers = {"input_ids": self.pad_token_id, "attention_mask": 0, "special_tokens_mask": 1}
        for key, filler in (fillers | {"token_type_ids": self.pad_token_type_id}).items():
            if padding not in (False, "do_not_pad") and key in columns:
                columns[key] = [_filled(row, width - len(row), filler, left=left) for row in columns[key]]
        if single:
            columns = {key: value[0] for key, value in columns.items()}
        kind = return_tensors or _kind(next(iter(given.values()), None))
        return BatchEncoding(columns, tensor_type=kind)

    def decode(
        self, token_ids: Ids, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool = False
    ) -> Any:
        """The text of ids, or the texts of rows of ids; pieces are joined, spaces before punctuation dropped.

        Raises UsageError for an id without a token.
        """
        ids = _lists(token_ids)
        if isinstance(ids, list) and ids and isinstance(ids[0], list):
            return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in ids]
        row = ids if isinstance(ids, list) else [ids]
        self.convert_ids_to_tokens(row)
        text = str(self._backend.decode(row, skip_special_tokens=skip_special_tokens))
        for spaced in _SPACED if clean_up_tokenization_spaces else ():
            text = text.replace(spaced, spaced.strip())
        return text

    def batch_decode(
        self, sequences: Ids, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool = False
    ) -> list[str]:
        """The texts of rows of ids; errors as `decode`."""
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in _lists(sequences)]

    def tokenize(self, text: str, pair: str | None = None, add_special_tokens: bool = False) -> list[str]:
        """The tokens of a text or of a pair, uncut."""
        return self(text, pair, add_special_tokens=add_special_tokens, verbose=False).tokens()

    @overload
    def convert_tokens_to_ids(self, tokens: str) -> int: ...  # type: ignore[overload-overlap]  # str is Sequence[str]
    @overload
    def convert_tokens_to_ids(self, tokens: Sequence[str]) -> list[int]: ...
    def convert_tokens_to_ids(self, tokens: Words) -> int | list[int]:
        """The id of a token or the ids of several, that of [UNK] for one that is not in the vocabulary."""
        if isinstance(tokens, str):
            vocab = self._backend
            id_ = vocab.token_to_id(clean(tokens))
            return cast("int", vocab.token_to_id(self.settings.unk_token) if id_ is None else id_)
        return [self.convert_tokens_to_ids(token) for token in tokens]

    @overload
    def convert_ids_to_tokens(self, ids: int, skip_special_tokens: bool = False) -> str: ...
    @overload
    def convert_ids_to_tokens(self, ids: Iterable[int], skip_special_tokens: bool = False) -> list[str]: ...
    def convert_ids_to_tokens(self, ids: int | Iterable[int], skip_special_tokens: bool = False) -> str | list[str]:
        """The token of an id or the tokens of several.

        Raises UsageError for an id without a token, as the spare rows of an embedding have.
        """
        if isinstance(ids, int):
            token = self._backend.id_to_token(ids) if 0 <= ids < len(self) else None
            if token is None:
                expected = f"0 to {len(self) - 1}"
                raise UsageError("ids", "hold an id without a token", found=ids, expected=expected, fix="drop it")
            return token
        skipped = self.all_special_ids if skip_special_tokens else ()
        return [self.convert_ids_to_tokens(int(id_)) for id_ in ids if id_ not in skipped]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """The text that tokens make up."""
        return str(self._backend.decoder.decode(tokens))

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """The tokens that stand around a text, or around a pair."""
        return int(self._backend.num_special_tokens_to_add(pair))

    @property
    def all_special_tokens(self) -> list[str]:
        """Every special token once, those with a name first."""
        named = self.settings.special_tokens
        order = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
        return list(dict.fromkeys([*(named[key] for key in order if key in named), *self.extra_special_tokens]))

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        return self.convert_tokens_to_ids(self.all_special_tokens)

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens that have a name, by it."""
        return self.settings.special_tokens

    @property
    def extra_special_tokens(self) -> list[str]:
        """The special tokens that have no name."""
        return list(self.settings.extra_special_tokens)

    # transformers' name of old.
    additional_special_tokens = extra_special_tokens

    @property
    def max_len_single_sentence(self) -> int:
        """The most tokens of a text that fit into a row."""
        return self.settings.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        """The most tokens of both texts that fit into a row."""
        return self.settings.model_max_length - self.num_special_tokens_to_add(pair=True)

    @property
    def backend_tokenizer(self) -> Tokenizer:
        """The pipeline; `tokenizers` documents it."""
        return self._backend

    @property
    def vocab(self) -> dict[str, int]:
        """The id of every token."""
        return self.get_vocab()

    def get_vocab(self) -> dict[str, int]:
        """The id of every token, added ones included."""
        return dict(self._backend.get_vocab(with_added_tokens=True))

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by id, the special ones among them."""
        return dict(sorted(self._backend.get_added_tokens_decoder().items()))

    def get_added_vocab(self) -> dict[str, int]:
        """The ids of the added tokens, the special ones among them."""
        return {token.content: id_ for id_, token in self.added_tokens_decoder.items()}

    # transformers' other name for it.
    added_tokens_encoder = property(get_added_vocab)

    def __len__(self) -> int:
        """Tokens in all, added ones included: every id is below this."""
        return int(self._backend.get_vocab_size(with_added_tokens=True))

    @property
    def pad_token_id(self) -> int:
        """The id that fills a row behind its tokens: of [PAD], 0 where there is none, since a mask hides it."""
        return self._backend.token_to_id(self.settings.pad_token or "") or 0

    @property
    def pad_token(self) -> str | None:
        """The token of padding."""
        return self.settings.pad_token

    @property
    def unk_token(self) -> str:
        """The token of what no pieces make up."""
        return self.settings.unk_token

    @property
    def cls_token(self) -> str | None:
        """The first token of a row."""
        return self.settings.cls_token

    @property
    def sep_token(self) -> str | None:
        """The token behind each text."""
        return self.settings.sep_token

    @property
    def mask_token(self) -> str | None:
        """The token to be guessed."""
        return self.settings.mask_token

    @property
    def model_max_length(self) -> int:
        """The longest row that the model takes."""
        return self.settings.model_max_length

    @model_max_length.setter
    def model_max_length(self, value: int) -> None:
        self.settings = replace(self.settings, model_max_length=value)

    @property
    def padding_side(self) -> Side:
        """The side on which a short row is padded."""
        return self.settings.padding_side

    @padding_side.setter
    def padding_side(self, value: Side) -> None:
        self.settings = replace(self.settings, padding_side=_side("padding_side", value))

    @property
    def truncation_side(self) -> Side:
        """The side on which a text that is too long is cut."""
        return self.settings.truncation_side

    @truncation_side.setter
    def truncation_side(self, value: Side) -> None:
        self.settings = replace(self.settings, truncation_side=_side("truncation_side", value))


def _samples(text: Any, pair: Any, *, words: bool) -> tuple[list[_Sample], bool]:
    """The texts, each with its second one or None, and whether a list of them was given."""
    batched = isinstance(text, (list, tuple)) and (not words or (bool(text) and isinstance(text[0], (list, tuple))))
    if not batched:
        samples: list[_Sample] = [(text, pair or None)]
    elif pair is not None:
        if isinstance(pair, str) or len(pair) != len(text):
            found = "one text" if isinstance(pair, str) else len(pair)
            fix = "pass one second text per text"
            raise UsageError("text_pair", "differs in length from text", found=found, expected=len(text), fix=fix)
        samples = list(zip(text, pair, strict=True))
    else:
        samples = [_pair_of(item, words=words) for item in text]
    for value in (value for first, second in samples for value in ((first,) if second is None else (first, second))):
        listed = isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value)
        if not (listed if words else isinstance(value, str)):
            expected = "a list of strings" if words else "a string"
            fix = "pass strings, or lists of words with is_split_into_words=True"
            raise UsageError("text", "is of another type", found=type(value).__name__, expected=expected, fix=fix)
    return [(_cleaned(first), None if second is None else _cleaned(second)) for first, second in samples], batched


def _pair_of(item: Any, *, words: bool) -> _Sample:
    """A text of a list, or a pair of texts that stands in their list as a tuple."""
    kinds = (list, tuple) if words else str
    is_pair = isinstance(item, (list, tuple)) and len(item) == 2 and all(isinstance(part, kinds) for part in item)
    return (item[0], item[1]) if is_pair else (item, None)


def clean(text: str) -> str:
    """Text without lone surrogates, which UTF-8 cannot hold; each becomes U+FFFD, so that offsets stay."""
    return _SURROGATE.sub("\ufffd", text)


def _cleaned(text: Words) -> Words:
    return clean(text) if isinstance(text, str) else [clean(word) for word in text]


def require_strategy(name: str, value: object, known: Sequence[object]) -> None:
    """Raise UsageError for a word that is not known."""
    if value not in known:
        expected = " or ".join(map(str, known))
        raise UsageError(name, "unknown strategy", found=value, expected=expected, fix=f"pass {name}=True")


def _strategy(truncation: object, padding: object, max_length: int | None) -> Strategy | None:
    """How a long text is cut, None for not at all. Raises UsageError for words that are not known."""
    require_strategy("truncation", truncation, _TRUNCATION)
    require_strategy("padding", padding, _PADDING)
    if truncation is None and max_length is not None and padding in (False, "do_not_pad"):
        truncation = True
    if truncation in (None, False, "do_not_truncate"):
        return None
    return "longest_first" if truncation is True else cast("Strategy", truncation)


def _rounded(width: int, multiple: int | None) -> int:
    return width if multiple is None else -(-width // multiple) * multiple


def _side(name: str, value: object) -> Side:
    if value not in get_args(Side):
        raise UsageError(name, "is not a side", found=value, expected="left or right", fix="pass one of them")
    return cast("Side", value)


def _lists(value: Any) -> Any:
    """Arrays and tensors as lists, also inside a list."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def _kind(value: Any) -> Tensors | None:
    """What a column is made of: "pt" for torch's tensors, "np" for arrays, None for lists."""
    first = value[0] if isinstance(value, (list, tuple)) and value else value
    if not hasattr(first, "tolist"):
        return None
    return "np" if isinstance(first, np.ndarray | np.generic) else "pt"


def _filled(row: list[int], count: int, filler: int, *, left: bool) -> list[int]:
    spare = [filler] * count
    return spare + row if left else row + spare
