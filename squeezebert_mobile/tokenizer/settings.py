"""What a tokenizer does beside its vocabulary: normalization, named and added tokens, the rows around a text."""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

SPECIAL_KEYS = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
# Every published SqueezeBERT has 512 positions.
DEFAULT_MAX_LENGTH = 512

Side = Literal["left", "right"]


@dataclass(frozen=True)
class AddedPiece:
    """A token that is found in the raw text before WordPiece runs; fields as in ``tokenizers.AddedToken``."""

    content: str
    special: bool = True
    normalized: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


class Slot(NamedTuple):
    """A place in a row: ``token`` where ``sequence`` is -1, else all tokens of text 0 or 1."""

    sequence: Literal[-1, 0, 1]
    token: str | None
    type_id: int


@dataclass(frozen=True)
class Template:
    """The rows that are made of one text and of two."""

    single: tuple[Slot, ...]
    pair: tuple[Slot, ...]

    @classmethod
    def bert(cls, cls_token: str | None, sep_token: str | None) -> Self:
        """``[CLS] text [SEP]`` and ``[CLS] text [SEP] pair [SEP]``, type 1 for the pair and its [SEP]."""
        single = (Slot(-1, cls_token, 0), Slot(0, None, 0), Slot(-1, sep_token, 0))
        return cls(single, (*single, Slot(1, None, 1), Slot(-1, sep_token, 1)))

    def without_types(self) -> Self:
        """The same tokens, all of type 0."""
        single, pair = (tuple(slot._replace(type_id=0) for slot in row) for row in (self.single, self.pair))
        return replace(self, single=single, pair=pair)


@dataclass(frozen=True)
class TokenizerSettings:
    """What the tokenizer files say beside the vocabulary; ``added`` holds the special and the added tokens.

    A named token is None where the tokenizer has none. ``template`` None means BERT's rows; ``extra_special_tokens``
    are special without a name.
    """

    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True
    model_max_length: int = DEFAULT_MAX_LENGTH
    padding_side: Side = "right"
    truncation_side: Side = "right"
    pad_token: str | None = "[PAD]"
    unk_token: str = "[UNK]"
    cls_token: str | None = "[CLS]"
    sep_token: str | None = "[SEP]"
    mask_token: str | None = "[MASK]"
    extra_special_tokens: tuple[str, ...] = ()
    template: Template | None = None
    added: tuple[AddedPiece, ...] = ()

    @property
    def special_tokens(self) -> dict[str, str]:
        """The named tokens that there are, by their key."""
        return {key: token for key in SPECIAL_KEYS if (token := getattr(self, key)) is not None}

    @property
    def strips_accents(self) -> bool:
        """``strip_accents``, or where that is None what ``do_lower_case`` says, as in the original BERT."""
        return self.do_lower_case if self.strip_accents is None else self.strip_accents

    @property
    def rows(self) -> Template:
        """What stands around the texts of a row."""
        return self.template or Template.bert(self.cls_token, self.sep_token)

    def with_special_tokens(self) -> Self:
        """These settings with ``added`` filled by the named and the extra tokens."""
        # transformers' order, which gives the ids to named tokens that no vocabulary holds.
        named = (self.unk_token, self.sep_token, self.pad_token, self.cls_token, self.mask_token)
        tokens = dict.fromkeys(token for token in (*named, *self.extra_special_tokens) if token is not None)
        return replace(self, added=tuple(map(AddedPiece, tokens)))
