"""SqueezeBERT's tokenizer: BERT's WordPiece on the `tokenizers` library, its results as rectangular numpy arrays.

Sequences are cut and joined here rather than in the library: its settings are shared state, which threads would fight
over, and its overflow of a long pair holds every window of one text times every window of the other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import WordPiece

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.errors import InputFileError, UnsupportedModelError, UsageError
from squeezebert_mobile.tokenizer import files
from squeezebert_mobile.tokenizer.calls import Padding, TokenizerCalls, clean, require_strategy
from squeezebert_mobile.tokenizer.declared import CONFIG_FILE
from squeezebert_mobile.tokenizer.settings import (
    DEFAULT_MAX_LENGTH,
    SPECIAL_KEYS,
    AddedPiece,
    Side,
    Slot,
    TokenizerSettings,
)
from squeezebert_mobile.tokenizer.truncation import Strategy, Window, split

Ints = NDArray[np.int64]

# transformers names two more, which no SqueezeBERT has a use for.
_NAMES = (*SPECIAL_KEYS, "bos_token", "eos_token")
# Characters of which a row seldom keeps all; `tokenizers` takes a hundred bytes for each that it looks at.
_LONG = 1 << 16


@dataclass(frozen=True)
class Encoded:
    """Rows of token ids with all that leads back to the text; N rows, W tokens, int64 where not said otherwise.

    A long sample has several rows where overflow was asked for; ``sample`` says which text a row comes from.
    """

    input_ids: Ints  # [N, W]
    attention_mask: Ints  # [N, W], 1 for tokens, 0 for padding
    token_type_ids: Ints  # [N, W], of BERT's rows 1 for the second text and the separator after it
    offsets: Ints  # [N, W, 2], start and end in code points of the row's text; 0, 0 for added tokens
    sequence_ids: Ints  # [N, W], 0 and 1 for the two texts, -1 for tokens of the template and padding
    special_tokens_mask: Ints  # [N, W], 1 where sequence_ids is -1
    truncated: NDArray[np.bool_]  # [N], the row lacks tokens of its texts
    unknown: Ints  # [N], how many tokens of the texts are [UNK]
    sample: Ints  # [N], index of the text

    def __len__(self) -> int:
        return len(self.input_ids)

    def batch(self) -> Batch:
        """The model inputs."""
        return Batch(self.input_ids, self.attention_mask, self.token_type_ids)

    def part(self, first: int, last: int) -> "Encoded":
        """Rows ``first`` to ``last``, less the padding on the right that all of them have."""
        width = int(self.attention_mask[first:last].sum(1).max(initial=0))
        arrays = (array[first:last] for array in vars(self).values())
        return Encoded(*(array[:, :width] if array.ndim > 1 else array for array in arrays))


@dataclass(frozen=True)
class Pieces:
    """The tokens of one text: ids [W] and offsets [W, 2]."""

    ids: Ints
    offsets: Ints


@dataclass(frozen=True)
class _Parts:
    """What all rows have of their first texts, or of their second, one after another: T tokens of N rows."""

    pieces: Pieces
    lengths: Ints  # [N]
    rows: Ints  # [T], the row of each token
    within: Ints  # [T], its place in the row's part

    @classmethod
    def of(cls, texts: Sequence[Pieces], owners: Ints, windows: Sequence[slice]) -> Self:
        """The tokens that ``windows`` take of the texts ``owners``, [N] each."""
        begins = np.array([window.start for window in windows], np.int64)
        lengths = np.array([window.stop for window in windows], np.int64) - begins
        begins += np.cumsum([0, *(len(text.ids) for text in texts)])[owners]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        taken = np.repeat(begins, lengths) + within
        ids = np.concatenate([taken[:0], *(text.ids for text in texts)])
        offsets = np.concatenate([np.empty((0, 2), np.int64), *(text.offsets for text in texts)])
        return cls(Pieces(ids[taken], offsets[taken]), lengths, np.repeat(np.arange(len(lengths)), lengths), within)


class SqueezeBertTokenizerFast(TokenizerCalls):
    """Text to token ids and back, id for id as ``transformers.SqueezeBertTokenizerFast``.

    ``vocab`` is a vocab.txt, a mapping of pieces and ids, or the pieces in id order; without one there are the special
    tokens alone. Raises InputFileError as `files.read_vocab`, and UsageError for ids with gaps.
    """

    def __init__(
        self,
        vocab: str | Path | Mapping[str, int] | Sequence[str] | None = None,
        do_lower_case: bool = True,
        unk_token: str | AddedToken = "[UNK]",
        sep_token: str | AddedToken = "[SEP]",
        pad_token: str | AddedToken = "[PAD]",
        cls_token: str | AddedToken = "[CLS]",
        mask_token: str | AddedToken = "[MASK]",
        tokenize_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        *,
        vocab_file: str | Path | None = None,
        model_max_length: int = DEFAULT_MAX_LENGTH,
        padding_side: Side = "right",
        truncation_side: Side = "right",
    ) -> None:
        settings = TokenizerSettings(
            do_lower_case=do_lower_case,
            strip_accents=strip_accents,
            tokenize_chinese_chars=tokenize_chinese_chars,
            model_max_length=model_max_length,
            padding_side=padding_side,
            truncation_side=truncation_side,
            pad_token=str(pad_token),
            unk_token=str(unk_token),
            cls_token=str(cls_token),
            sep_token=str(sep_token),
            mask_token=str(mask_token),
        )
        given = vocab if vocab_file is None else vocab_file
        pieces = list(settings.special_tokens.values()) if given is None else _pieces(given)
        self._set_up(pieces, settings, given if isinstance(given, str | Path) else files.VOCAB_FILE, {})

    @classmethod
    def of(
        cls,
        pieces: Sequence[str],
        settings: TokenizerSettings | None = None,
        *,
        source: str | Path = files.VOCAB_FILE,
        ids: dict[str, int] | None = None,
    ) -> Self:
        """The tokenizer of a vocabulary in id order under ``settings``; ``source`` is what error messages name.

        Raises InputFileError where a token of the settings would not get the id that ``ids`` declares.
        """
        made = cls.__new__(cls)
        made._set_up(pieces, settings or TokenizerSettings(), source, ids or {})
        return made

    def _set_up(
        self, pieces: Sequence[str], settings: TokenizerSettings, source: str | Path, ids: dict[str, int]
    ) -> None:
        self.pieces = tuple(pieces)
        settings = settings if settings.added else settings.with_special_tokens()
        self.source = source
        self.reads_pairs = True
        self._declared_ids = ids
        self._backend = _backend(self.pieces, settings)
        self.settings = replace(settings, added=tuple(self.added_tokens.values()))
        for token, expected in ids.items():
            found = self._backend.token_to_id(token)
            if found != expected:
                fix = "use the tokenizer files of one checkpoint"
                raise InputFileError(source, f"id mismatch for {token}", found=found, expected=expected, fix=fix)

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None) -> Self:
        """The tokenizer of a checkpoint folder or hub repository; errors as in `tokenizer_files.read_folder`."""
        folder = Path(source)
        if not folder.is_dir() or revision is not None:
            from squeezebert_mobile.checkpoint import hub

            folder = hub.resolve(source, revision=revision, weights=False)
        return cls.from_files(files.read_folder(folder))

    @classmethod
    def from_files(cls, read: files.TokenizerFiles) -> Self:
        """The tokenizer of files that were read."""
        return cls.of(read.pieces, read.settings, source=read.path, ids=read.ids)

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, *, model_max_length: int | None = None) -> Self:
        """An uncased tokenizer learnt from ``texts``, of ``vocab_size`` pieces at most, special ones included.

        They are looped over twice, and held where that can be done but once. Raises UsageError for a size without room
        for any letter.
        """
        settings = TokenizerSettings(model_max_length=model_max_length or DEFAULT_MAX_LENGTH)
        specials = list(settings.special_tokens.values())
        # A letter takes two pieces, itself and its continuation; BERT's own vocabulary has about 1,000 letters.
        room = min(1000, (vocab_size - len(specials)) // 2)
        if room < 1:
            what = "has no room for a letter"
            raise UsageError("vocab_size", what, found=vocab_size, expected="7 or more", fix="raise it")
        backend = _backend(specials, settings)
        texts = list(texts) if isinstance(texts, Iterator) else texts
        counts = Counter(letter for text in texts for letter in backend.normalizer.normalize_str(clean(text)))
        letters = sorted(sorted(set(counts) - {" "}, key=lambda letter: (-counts[letter], letter))[:room])
        # The trainer numbers letters in the order of a hash table, another one in each process. Given as special tokens
        # they keep the order they are given in.
        fixed = [*specials, *letters, *(f"##{letter}" for letter in letters)]
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocab_size, special_tokens=fixed, limit_alphabet=0, show_progress=False
        )
        backend.train_from_iterator(map(clean, texts), trainer)
        vocab = backend.get_vocab()
        return cls.of(sorted(vocab, key=vocab.__getitem__), settings)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write tokenizer.json, tokenizer_config.json, special_tokens_map.json and vocab.txt, the same bytes each time.

        Raises EnvironmentFault where the folder cannot be written.
        """
        files.write_folder(Path(folder), self._backend.to_str(pretty=True), self.pieces, self.settings)

    def save_vocabulary(self, save_directory: str | Path, filename_prefix: str | None = None) -> tuple[str]:
        """Write vocab.txt alone and return its path. Raises EnvironmentFault where that is not possible."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        path = Path(save_directory) / f"{prefix}{files.VOCAB_FILE}"
        files.write_vocab(path, self.pieces)
        return (str(path),)

    def check_against(self, vocab_size: int) -> None:
        """Raise UnsupportedModelError where tokens have no row in an embedding of ``vocab_size`` rows."""
        if len(self) > vocab_size:
            what, fix = "has more tokens than the embedding has rows", "use the tokenizer files of this checkpoint"
            raise UnsupportedModelError(self.source, what, found=len(self), expected=vocab_size, fix=fix)

    def fitted(self, vocab_size: int) -> Self:
        """The tokenizer for an embedding of ``vocab_size`` rows: without a [PAD] or [MASK] that no file gives an id.

        Such a token stands behind all others, where the embedding has no row. Raises as `check_against`.
        """
        settings, listed = self.settings, {*self.pieces, *self._declared_ids}
        for key in ("pad_token", "mask_token"):
            token = settings.special_tokens.get(key)
            if token is not None and token not in listed and self._id(token) >= vocab_size:
                added = tuple(piece for piece in settings.added if piece.content != token)
                settings = replace(settings, added=added, **{key: None})  # type: ignore[arg-type]
        fitting = self if settings == self.settings else self.with_settings(settings)
        fitting.check_against(vocab_size)
        return fitting

    def with_settings(self, settings: TokenizerSettings) -> Self:
        """The same vocabulary under other settings."""
        other = self.of(self.pieces, settings, source=self.source, ids=self._declared_ids)
        other.reads_pairs = self.reads_pairs
        return other

    def serve(self, type_vocab_size: int) -> None:
        """Refuse pairs from now on where the model has no row for the type that the second text gets."""
        self.reads_pairs = max(slot.type_id for slot in self.settings.rows.pair) < type_vocab_size

    @property
    def vocab_size(self) -> int:
        """Pieces of the vocabulary, added tokens left out."""
        return len(self.pieces)

    @property
    def do_lower_case(self) -> bool:
        """Whether text is put into lower case."""
        return self.settings.do_lower_case

    @property
    def strip_accents(self) -> bool:
        """Whether accents are taken off."""
        return self.settings.strips_accents

    @property
    def tokenize_chinese_chars(self) -> bool:
        """Whether each CJK character is a word of its own."""
        return self.settings.tokenize_chinese_chars

    @property
    def added_tokens(self) -> dict[int, AddedPiece]:
        """The special and the added tokens by id, in its order."""
        added = sorted(self._backend.get_added_tokens_decoder().items())
        return {id_: _added_piece(token) for id_, token in added}

    def add_tokens(
        self, new_tokens: str | AddedToken | Sequence[str | AddedToken], special_tokens: bool = False
    ) -> int:
        """Add tokens that are found in a text before WordPiece runs; how many are new or have new flags.

        Those that the vocabulary lacks get the next ids: call ``model.resize_token_embeddings(len(tokenizer))``. A
        plain string is found in the normalized text, a special one in the text as it stands.
        """
        tokens = [new_tokens] if isinstance(new_tokens, str | AddedToken) else list(new_tokens)
        add = self._backend.add_special_tokens if special_tokens else self._backend.add_tokens
        count = int(add(tokens))
        self.settings = replace(self.settings, added=tuple(self.added_tokens.values()))
        return count

    def add_special_tokens(
        self,
        special_tokens_dict: Mapping[str, str | AddedToken | Sequence[str | AddedToken]],
        replace_extra_special_tokens: bool = True,
    ) -> int:
        """Name special tokens (``mask_token`` and so on, ``extra_special_tokens``), adding those that are new.

        The number is that of `add_tokens`; the rows of a text take a new [CLS] or [SEP] at once. Raises UsageError
        for a name that there is not, and for what is no token.
        """
        named, extra = _special_tokens(special_tokens_dict)
        kept = () if replace_extra_special_tokens and extra else self.settings.extra_special_tokens
        unnamed = [str(token) for key, token in named.items() if key not in SPECIAL_KEYS]
        self.settings = replace(
            self.settings,
            extra_special_tokens=tuple(dict.fromkeys([*kept, *map(str, extra), *unnamed])),
            **{key: str(token) for key, token in named.items() if key in SPECIAL_KEYS},  # type: ignore[arg-type]
        )
        return self.add_tokens([*named.values(), *extra], special_tokens=True)

    def id_of(self, key: str) -> int | None:
        """The id of a named token, as ``mask_token``, None where the tokenizer has none."""
        token = self.settings.special_tokens.get(key)
        return None if token is None else self._id(token)

    @property
    def unk_token_id(self) -> int:
        """The id of [UNK]."""
        return self._id(self.settings.unk_token)

    @property
    def cls_token_id(self) -> int:
        """The id of [CLS]. Raises UnsupportedModelError where there is no such token."""
        return self._required("cls_token")

    @property
    def sep_token_id(self) -> int:
        """The id of [SEP]. Raises UnsupportedModelError where there is no such token."""
        return self._required("sep_token")

    @property
    def mask_token_id(self) -> int:
        """The id of [MASK]. Raises UnsupportedModelError where there is no such token."""
        return self._required("mask_token")

    def rows(
        self,
        text: str | Sequence[str],
        text_pair: str | Sequence[str] | None = None,
        *,
        max_length: int | None = None,
        truncation: bool | Strategy = True,
        padding: bool | Padding = False,
        padding_side: Literal["right", "left"] | None = None,
        stride: int = 0,
        return_overflowing_tokens: bool = False,
    ) -> Encoded:
        """Encode texts to rows ``[CLS] text [SEP]``, pairs to ``[CLS] text [SEP] pair [SEP]``, or as the files say.

        Rows are cut to ``max_length`` tokens (``model_max_length`` where None), special tokens included; True means
        longest_first. With ``return_overflowing_tokens`` or a ``stride`` above 0 a cut text goes on in further rows,
        which share ``stride`` tokens with the one before. ``padding`` True means to the longest row. An empty
        ``text_pair`` is a pair whose second text is empty. Raises UsageError for what cannot be honoured.
        """
        require_strategy("truncation", truncation, (True, False, *get_args(Strategy)))
        require_strategy("padding", padding, (True, False, *get_args(Padding)))
        texts, pairs = _batch(text, text_pair)
        if pairs is not None and not self.reads_pairs:
            what, fix = "has no place in this model", "give single texts, or take a model whose type_vocab_size is 2"
            raise UsageError("text_pair", what, found="type_vocab_size 1", fix=fix)
        specials = sum(slot.sequence < 0 for slot in self._slots(pairs is not None))
        limit = self.model_max_length if max_length is None else max_length
        is_cut = truncation is True and pairs is None and not (stride or return_overflowing_tokens)
        first = self._edges(texts, limit) if is_cut else self.encode_uncut(texts)
        second = self.encode_uncut(pairs) if pairs is not None else None
        if limit < max(specials, 1):
            what, fix = "has no room for the special tokens", f"pass {max(specials, 1)} or more"
            raise UsageError("max_length", what, found=limit, fix=fix)
        strategy: Strategy = "longest_first" if isinstance(truncation, bool) else truncation
        step = stride if return_overflowing_tokens or stride else None
        rows: list[tuple[int, Window]] = []
        for sample, pieces in enumerate(first):
            lengths = len(pieces.ids), 0 if second is None else len(second[sample].ids)
            room = limit - specials if truncation else sum(lengths)
            rows += [(sample, window) for window in split(*lengths, room, strategy, step, self.truncation_side)]
        lengths_of_rows = [_length(window.first) + _length(window.second) + specials for _, window in rows]
        width = max(lengths_of_rows, default=0)
        if padding == "max_length":
            width = max(width, limit)
        elif not padding and min(lengths_of_rows, default=0) < width:
            fix = "pass padding='longest' or 'max_length'"
            raise UsageError("padding", "is needed, the rows differ in length", fix=fix)
        left = (padding_side or self.settings.padding_side) == "left"
        starts = width - np.array(lengths_of_rows, np.int64) if left else np.zeros(len(rows), np.int64)
        return self._fill(rows, starts, width, [first] if second is None else [first, second])

    def _fill(
        self, rows: Sequence[tuple[int, Window]], starts: Ints, width: int, texts: Sequence[Sequence[Pieces]]
    ) -> Encoded:
        """The rows, [N, width], each from ``starts`` [N] on, of the tokens of first and maybe second texts."""
        shape = len(rows), width
        encoded = Encoded(
            input_ids=np.full(shape, self.pad_token_id, np.int64),
            attention_mask=np.zeros(shape, np.int64),
            token_type_ids=np.zeros(shape, np.int64),
            offsets=np.zeros((*shape, 2), np.int64),
            sequence_ids=np.full(shape, -1, np.int64),
            special_tokens_mask=np.ones(shape, np.int64),
            truncated=np.array([window.truncated for _, window in rows], np.bool_),
            unknown=np.zeros(len(rows), np.int64),
            sample=np.array([sample for sample, _ in rows], np.int64),
        )
        windows = [window.first for _, window in rows], [window.second for _, window in rows]
        parts = [_Parts.of(own, encoded.sample, taken) for own, taken in zip(texts, windows, strict=False)]
        every, end = np.arange(len(rows)), starts
        for slot in self._slots(len(texts) > 1):
            if slot.sequence < 0:
                at = every, end
                encoded.input_ids[at] = self._id(str(slot.token))
                end = end + 1
            else:
                part = parts[slot.sequence]
                at = part.rows, part.within + np.repeat(end, part.lengths)
                encoded.input_ids[at] = part.pieces.ids
                encoded.offsets[at] = part.pieces.offsets
                encoded.sequence_ids[at] = slot.sequence
                end = end + part.lengths
            encoded.token_type_ids[at] = slot.type_id
            encoded.attention_mask[at] = 1
        of_text = encoded.sequence_ids >= 0
        encoded.special_tokens_mask[of_text] = 0
        encoded.unknown[:] = ((encoded.input_ids == self.unk_token_id) & of_text).sum(axis=1)
        return encoded

    def _edges(self, texts: Sequence[str], count: int) -> list[Pieces]:
        """`encode_uncut`, of a long text the tokens at the end that truncation keeps alone: more than ``count``."""
        whole = iter(self.encode_uncut([text for text in texts if len(text) <= _LONG]))
        return [next(whole) if len(text) <= _LONG else self._edge(text, count) for text in texts]

    def _edge(self, text: str, count: int) -> Pieces:
        left, size = self.truncation_side == "left", _LONG
        # An added token may be longer than a word, and may be cut as well.
        margin = max((len(piece.content) for piece in self.settings.added), default=0)
        while size < len(text):
            start = len(text) - size if left else 0
            encoding = self._backend.encode(clean(text[start : start + size]), add_special_tokens=False)
            offsets, words = np.array(encoding.offsets).reshape(-1, 2), np.array(encoding.word_ids)
            sure = words != words[0 if left else -1] if len(words) else words.astype(np.bool_)
            sure &= offsets[:, 0] >= margin if left else offsets[:, 1] <= size - margin
            if sure.sum() > count:
                return Pieces(np.array(encoding.ids, np.int64)[sure], offsets[sure] + start)
            size *= 8
        return self.encode_uncut([text])[0]

    def encode_uncut(self, texts: Sequence[str]) -> list[Pieces]:
        """The tokens of each text, all of them and without special ones."""
        encodings = self._backend.encode_batch([clean(text) for text in texts], add_special_tokens=False)
        return [
            Pieces(np.array(encoding.ids, np.int64), np.array(encoding.offsets, np.int64).reshape(-1, 2))
            for encoding in encodings
        ]

    def normalize(self, text: str) -> str:
        """Text as WordPiece sees it: cleaned, CJK spaced, lower case and accents as the settings say."""
        return str(self._backend.normalizer.normalize_str(clean(text)))

    def build_inputs_with_special_tokens(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Put the special tokens around the ids of one or two texts, [CLS] and [SEP] in BERT's rows."""
        return [id_ for id_, _ in self._row(token_ids_0, token_ids_1)]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Token type ids for `build_inputs_with_special_tokens`: in BERT's rows 1 for the second text and its [SEP]."""
        return [slot.type_id for _, slot in self._row(token_ids_0, token_ids_1)]

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 where `build_inputs_with_special_tokens` puts a special token, or, in a finished row, where one stands.

        Raises UsageError for a second sequence beside a finished row.
        """
        if not already_has_special_tokens:
            return [int(slot.sequence < 0) for _, slot in self._row(token_ids_0, token_ids_1)]
        if token_ids_1 is not None:
            fix = "pass the whole row as token_ids_0"
            raise UsageError("token_ids_1", "cannot be given with a finished row", fix=fix)
        special = {self._id(piece.content) for piece in self.settings.added if piece.special}
        return [int(id_ in special) for id_ in token_ids_0]

    def _slots(self, has_pair: bool) -> tuple[Slot, ...]:
        rows = self.settings.rows
        return rows.pair if has_pair else rows.single

    def _row(self, first: Sequence[int], second: Sequence[int] | None) -> Iterator[tuple[int, Slot]]:
        """The ids of a row, each with its place."""
        for slot in self._slots(second is not None):
            ids = [self._id(str(slot.token))] if slot.sequence < 0 else (first, second or ())[slot.sequence]
            yield from ((id_, slot) for id_ in ids)

    def _required(self, key: str) -> int:
        id_ = self.id_of(key)
        if id_ is None:
            fix = f"name it in {CONFIG_FILE}, or use the tokenizer files of another checkpoint"
            raise UnsupportedModelError(self.source, f"has no {key}, which this task needs", fix=fix)
        return id_

    def _id(self, token: str) -> int:
        id_ = self._backend.token_to_id(token)
        assert id_ is not None  # every named token was added to the backend
        return id_


def _pieces(vocab: str | Path | Mapping[str, int] | Sequence[str]) -> Sequence[str]:
    if isinstance(vocab, str | Path):
        return files.read_vocab(Path(vocab))
    if not isinstance(vocab, Mapping):
        return vocab
    if sorted(vocab.values()) != list(range(len(vocab))):
        expected = f"0 to {len(vocab) - 1}"
        raise UsageError("vocab", "has other ids than its pieces in a row", expected=expected, fix="number them from 0")
    return sorted(vocab, key=vocab.__getitem__)


# transformers 5 has one class under both names as well.
SqueezeBertTokenizer = SqueezeBertTokenizerFast


def _backend(pieces: Sequence[str], settings: TokenizerSettings) -> Tokenizer:
    """The pipeline that transformers 5 builds in BertTokenizer.__init__."""
    backend = Tokenizer(WordPiece({piece: id_ for id_, piece in enumerate(pieces)}, unk_token=settings.unk_token))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.tokenize_chinese_chars,
        strip_accents=settings.strip_accents,
        lowercase=settings.do_lower_case,
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.add_tokens([AddedToken(**asdict(piece)) for piece in settings.added])
    rows = (settings.rows.single, settings.rows.pair)
    tokens = sorted({str(slot.token) for row in rows for slot in row if slot.sequence < 0})
    single, pair = ([f"{slot.token or '$' + 'AB'[slot.sequence]}:{slot.type_id}" for slot in row] for row in rows)
    backend.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(token, backend.token_to_id(token)) for token in tokens]
    )
    return backend


def _added_piece(token: AddedToken) -> AddedPiece:
    return AddedPiece(token.content, token.special, token.normalized, token.single_word, token.lstrip, token.rstrip)


def _special_tokens(given: Mapping[str, object]) -> tuple[dict[str, str | AddedToken], list[str | AddedToken]]:
    """The tokens with a name and those of the lists, of a dict as transformers takes it."""
    named: dict[str, str | AddedToken] = {}
    extra: list[str | AddedToken] = []
    for key, value in given.items():
        if key in ("extra_special_tokens", "additional_special_tokens"):
            extra += [_token(key, token) for token in (value if isinstance(value, list | tuple) else [value])]
        elif key in _NAMES:
            named[key] = _token(key, value)
        else:
            expected = ", ".join((*_NAMES, "extra_special_tokens"))
            raise UsageError("special_tokens_dict", "has an unknown name", found=key, expected=expected, fix="name one")
    return named, extra


def _token(key: str, value: object) -> str | AddedToken:
    if isinstance(value, str | AddedToken):
        return value
    raise UsageError(
        key, "is not a token", found=type(value).__name__, expected="str", fix="pass strings or AddedToken"
    )


def _batch(text: str | Sequence[str], pair: str | Sequence[str] | None) -> tuple[list[str], list[str] | None]:
    if isinstance(text, str) != isinstance(pair, str) and pair is not None:
        raise UsageError("text_pair", "is not of the kind of text", fix="pass two strings or two lists")
    texts = [text] if isinstance(text, str) else list(text)
    pairs = [pair] if isinstance(pair, str) else None if pair is None else list(pair)
    if pairs is not None and len(pairs) != len(texts):
        fix = "pass one second text per text"
        raise UsageError("text_pair", "differs in length from text", found=len(pairs), expected=len(texts), fix=fix)
    for value in [*texts, *(pairs or [])]:
        if not isinstance(value, str):
            raise UsageError("text", "is not a string", found=type(value).__name__, expected="str", fix="pass strings")
    return texts, pairs


def _length(tokens: slice) -> int:
    return int(tokens.stop - tokens.start)
