"""The tokenizer against transformers, its files, and every text and file that it must survive."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import transformers
from checkout import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from squeezebert_mobile.errors import (
    EnvironmentFault,
    InputFileError,
    SqueezeBertMobileError,
    UnsupportedModelError,
    UsageError,
)
from squeezebert_mobile.tokenizer import tokenizer as tokenizer_module
from squeezebert_mobile.tokenizer.settings import AddedPiece, TokenizerSettings
from squeezebert_mobile.tokenizer.tokenizer import Encoded, SqueezeBertTokenizer, SqueezeBertTokenizerFast

PUBLISHED_VOCAB = ROOT.parent / "shared/data/vocab/bert-base-uncased-vocab.txt"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES = [
    "The café on the corner was surprisingly good, wasn't it?",
    "Ein Überraschungsmenü für zwölf Gäste: 中文 and 日本語 and 한국어.",
    "Unbelievable! A squeezed transformer runs on phones; tokens 1 2 3 4 5 6 7 8 9 0.",
    "Привет мир, γειά σου κόσμε, नमस्ते दुनिया",
    "😀 emoji and #hashtags @users e-mail a_b U.S.A. (brackets) [square] {curly} <angle> / \\ \" ' ` ~ ^ % $ € & * + =",
]
FRAGMENTS = (
    *("hello", "World", "don't", "U.S.A.", "foo_bar", "a-b", ".", ",", "#", "##ing", "€", "…"),
    *("é", "e\u0301", "ñ", "\u0300", "A\u030a", "\u212b", "İ", "ı", "ß", "\u1e9e", "Σς", "Ǆ", "ǅ", "ﬁ", "①", "½", "ª"),
    *("中文字", "日本語", "한국어", "\U00020000", "א", "عر", "ﷺ", "हिन्दी"),
    *("😀", "👨\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈"),
    *("\u200b", "\u00a0", "\u3000", "\u2028", "\u0085", "\t", "\n", "\r\n", "\ufeff", "\u202e"),
    *("\x00", "\x1f", "\x7f", "\ufffd", "\ud7ff", "\ue000", "\U0010ffff"),
    *("[MASK]", "[SEP]", "[CLS] ", "[PAD]", "[UNK]", " [mask]", "[MASK]s"),
    *("x" * 99, "x" * 100, "x" * 101, "é" * 101),  # WordPiece gives up on words over 100 characters
)


def nasty_strings(count: int, seed: int = 0) -> list[str]:
    """Fragments glued at random, and code points from blocks of growing width."""
    rng = random.Random(seed)
    glued = [
        "".join(rng.choice(FRAGMENTS) + rng.choice(["", " ", "  "]) for _ in range(rng.randint(0, 20)))
        for _ in range(count // 2)
    ]
    limits = [rng.choice([0x80, 0x250, 0x3000, 0x10000, 0x110000]) for _ in range(count - len(glued))]
    codes = [[rng.randrange(limit) for _ in range(rng.randint(0, 60))] for limit in limits]
    return glued + ["".join(chr(code) for code in row if not 0xD800 <= code < 0xE000) for row in codes]


@pytest.fixture(scope="module")
def small() -> SqueezeBertTokenizerFast:
    return SqueezeBertTokenizerFast.train(SENTENCES * 3, 400)


@pytest.fixture(scope="module")
def small_folder(small: SqueezeBertTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    small.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def theirs(small_folder: Path) -> Any:
    return transformers.SqueezeBertTokenizerFast.from_pretrained(small_folder)


def assert_same(ours: Encoded, theirs: Any) -> None:
    """Every array of ours equals what transformers returned with offsets and special mask."""
    names = {"offsets": "offset_mapping"}
    for name in ("input_ids", "attention_mask", "token_type_ids", "offsets", "special_tokens_mask"):
        np.testing.assert_array_equal(getattr(ours, name), np.array(theirs[names.get(name, name)]), err_msg=name)
        assert getattr(ours, name).dtype == np.int64
    sequences = [[-1 if id_ is None else id_ for id_ in theirs.sequence_ids(row)] for row in range(len(ours))]
    np.testing.assert_array_equal(ours.sequence_ids, np.array(sequences))
    assert ours.sequence_ids.dtype == np.int64


def call_theirs(tokenizer: Any, *texts: list[str], max_length: int = 512, **options: object) -> Any:
    options = {
        "truncation": True,
        "padding": True,
        "return_offsets_mapping": True,
        "return_special_tokens_mask": True,
    } | options
    return tokenizer(*texts, max_length=max_length, **options)


def test_published_vocabulary_equals_transformers_on_nasty_strings(tmp_path: Path) -> None:
    if not PUBLISHED_VOCAB.exists():
        pytest.skip(f"needs the 30,522-line vocabulary at {PUBLISHED_VOCAB}")
    (tmp_path / "vocab.txt").write_bytes(PUBLISHED_VOCAB.read_bytes())
    ours = SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    theirs = transformers.SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    texts = nasty_strings(2400)
    assert_same(ours.rows(texts, padding="longest"), call_theirs(theirs, texts))
    pairs = list(reversed(texts))
    assert_same(ours.rows(texts, pairs, padding=True, max_length=40), call_theirs(theirs, texts, pairs, max_length=40))
    ours.check_against(30528)  # the published configs say 30528


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("accents", [None, True, False])
@pytest.mark.parametrize("chinese", [True, False])
def test_flags_equal_transformers(
    small: SqueezeBertTokenizerFast, tmp_path: Path, lower: bool, accents: bool | None, chinese: bool
) -> None:
    flags = TokenizerSettings(do_lower_case=lower, strip_accents=accents, tokenize_chinese_chars=chinese)
    ours = SqueezeBertTokenizerFast.of(small.pieces, flags)
    ours.save_pretrained(tmp_path)
    texts = nasty_strings(300, seed=1)
    theirs = transformers.SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    assert_same(ours.rows(texts, padding=True), call_theirs(theirs, texts))
    again = SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    assert again.settings == ours.settings
    assert again.strip_accents == (lower if accents is None else accents)


@pytest.mark.parametrize("padding", [True, "longest", "max_length"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("max_length", [3, 12, 64])
def test_rows_of_texts_and_pairs_equal_transformers(
    small: SqueezeBertTokenizerFast, theirs: Any, padding: Any, side: Any, max_length: int
) -> None:
    options = {"padding": padding, "padding_side": side, "max_length": max_length}
    for columns in ([SENTENCES], [SENTENCES, ["", "phone", *reversed(SENTENCES[2:])]]):
        ours = small.rows(*columns, **options)
        assert_same(ours, call_theirs(theirs, *columns, **options))
        lengths = [[len(pieces.ids) for pieces in small.encode_uncut(column)] for column in columns]
        assert ours.truncated.tolist() == [sum(row) + 1 + len(row) > max_length for row in zip(*lengths, strict=True)]


@given(text=st.text(max_size=40), pair=st.none() | st.text(max_size=40), max_length=st.integers(3, 30))
@settings(max_examples=80)
def test_any_text_equals_transformers(
    small: SqueezeBertTokenizerFast, theirs: Any, text: str, pair: str | None, max_length: int
) -> None:
    columns = [[text]] if pair is None else [[text], [pair]]
    ours = small.rows(*columns, max_length=max_length, padding="max_length")
    assert_same(ours, call_theirs(theirs, *columns, max_length=max_length, padding="max_length"))


@given(
    words=st.integers(1, 60),
    max_length=st.integers(10, 30),
    stride=st.integers(0, 3),
    second=st.booleans(),
    side=st.sampled_from(["left", "right"]),
)
@settings(max_examples=80)
def test_overflow_equals_transformers(
    small: SqueezeBertTokenizerFast, theirs: Any, words: int, max_length: int, stride: int, second: bool, side: Any
) -> None:
    long, short = ["the good phone " * words, "phone"], ["a b", "c"]
    columns, cut = ((short, long), "only_second") if second else ((long, short), "only_first")
    options: dict[str, Any] = {"max_length": max_length, "stride": stride, "truncation": cut, "padding_side": side}
    ours = small.rows(*columns, padding=True, return_overflowing_tokens=True, **options)
    expected = call_theirs(theirs, *columns, return_overflowing_tokens=True, **options)
    assert_same(ours, expected)
    assert ours.sample.tolist() == expected["overflow_to_sample_mapping"]


def test_overflow_of_one_text_covers_every_token(small: SqueezeBertTokenizerFast) -> None:
    text = " ".join(SENTENCES)
    rows = small.rows([text, "short"], max_length=16, stride=5, padding=True)
    covered = {tuple(span) for row in rows.offsets[rows.sample == 0] for span in row.tolist()} - {(0, 0)}
    uncut = small.rows(text, max_length=10**6).offsets[0, 1:-1].tolist()
    assert covered == set(map(tuple, uncut))
    assert rows.truncated.tolist() == [True] * (len(rows) - 1) + [False]


def test_the_rows_are_the_model_inputs(small: SqueezeBertTokenizerFast) -> None:
    rows = small.rows(["the good phone", "a"], ["b", "c d"], padding=True)
    assert {name: array.tolist() for name, array in rows.batch().arrays().items()} == {
        "input_ids": rows.input_ids.tolist(),
        "attention_mask": rows.attention_mask.tolist(),
        "token_type_ids": rows.token_type_ids.tolist(),
    }


def test_tells_what_was_cut_and_unknown(small: SqueezeBertTokenizerFast) -> None:
    rows = small.rows(["\u4e02 \u4e03 the", "[UNK]", "the " * 20], max_length=8, padding=True)
    assert rows.unknown.tolist() == [2, 1, 0]
    assert rows.truncated.tolist() == [False, False, True]
    assert rows.sample.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\x00",
        "\u200b",
        "\ud800",
        "a\udfffb",
        "good phone " * 90_000,
        "x" * 100_000,
        "é" * 100_000,
        "[UNK]" * 10,
    ],
    ids=[
        "empty",
        "spaces",
        "nul",
        "zwsp",
        "surrogate",
        "surrogate-inside",
        "1MB",
        "long-word",
        "long-accents",
        "unknown",
    ],
)
def test_survives_any_text(small: SqueezeBertTokenizerFast, text: str) -> None:
    row = small.rows(text, text, max_length=64)
    assert row.input_ids[0, 0] == small.cls_token_id
    assert row.input_ids[0, -1] == small.sep_token_id
    assert row.offsets.max() <= len(text)
    assert row.truncated[0] == (len(text) == 990_000)


ODD = st.sampled_from(
    ["the", "good", "new word", "[MASK]", " ", "  ", "\n", "\u0301", "é", "我", "😀", "\ud800", ".", "x" * 9]
)


@pytest.mark.parametrize("side", ["right", "left"])
@given(parts=st.lists(ODD, max_size=60), max_length=st.integers(2, 12))
def test_of_a_long_text_only_the_end_that_is_kept_is_looked_at(
    long_words: dict[str, SqueezeBertTokenizerFast], side: str, parts: list[str], max_length: int
) -> None:
    text, words = "".join(parts), long_words[side]
    expected = words.rows(text, max_length=max_length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer_module, "_LONG", 4)
        found = words.rows(text, max_length=max_length)
    for name, array in vars(expected).items():
        assert np.array_equal(getattr(found, name), array), name


@pytest.fixture(scope="module")
def long_words() -> dict[str, SqueezeBertTokenizerFast]:
    named = TokenizerSettings().with_special_tokens()
    masks = tuple(replace(piece, lstrip=piece.content == "[MASK]") for piece in named.added)
    added = (*masks, AddedPiece("new word", special=False, rstrip=True))
    pieces = [*SPECIALS, "the", "good", "e", "我", "##good", "."]
    return {
        side: SqueezeBertTokenizerFast.of(pieces, replace(named, added=added, truncation_side=side))
        for side in ("right", "left")
    }


def test_surrogates_leave_offsets_alone(small: SqueezeBertTokenizerFast) -> None:
    text = "the \ud800 phone"
    last = small.rows(text).offsets[0, -2]
    assert text[: last[1]].endswith("phone")


@pytest.mark.parametrize("texts", [[], ["good"]])
def test_batch_of_nothing_has_no_rows_and_the_types_of_any(small: SqueezeBertTokenizerFast, texts: list[str]) -> None:
    rows = small.rows(texts)
    assert rows.input_ids.shape == (len(texts), 3 * len(texts))
    assert {name: array.dtype for name, array in vars(rows).items()} == dict.fromkeys(vars(rows), np.int64) | {
        "truncated": np.bool_
    }


def test_an_unknown_strategy_is_refused_with_those_there_are(small: SqueezeBertTokenizerFast) -> None:
    with pytest.raises(UsageError, match=r"padding: .*found no, expected True or False or longest or max_length"):
        small.rows("a", padding="no")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"truncation: .*expected True or False or longest_first or only_first or"):
        small.rows("a", truncation=None)  # type: ignore[arg-type]


def test_the_pieces_of_an_empty_text_are_integers_too(small: SqueezeBertTokenizerFast) -> None:
    for pieces in small.encode_uncut(["", "on"]):
        assert (pieces.ids.dtype, pieces.offsets.dtype) == (np.int64, np.int64)
        assert pieces.offsets.shape == (len(pieces.ids), 2)


def test_a_text_stays_whole_where_truncation_is_off(small: SqueezeBertTokenizerFast) -> None:
    rows = small.rows("the good " * 9, "on", max_length=8, truncation=False)
    assert rows.input_ids.shape == (1, 18 + 1 + 3)
    assert rows.truncated.tolist() == [False]


def test_a_token_that_was_added_is_one_id_past_the_vocabulary() -> None:
    named = TokenizerSettings().with_special_tokens()
    added = replace(named, added=(*named.added, AddedPiece("new word", special=False)))
    tokenizer = SqueezeBertTokenizerFast.of([*SPECIALS, "a"], added)
    assert (len(tokenizer), tokenizer.vocab_size) == (7, 6)
    assert tokenizer.rows("a new word").input_ids.tolist() == [[2, 5, 6, 3]]
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "a", "b", "new word"]) == [0, 5, 1, 6]
    assert tokenizer.convert_ids_to_tokens([0, 5, 1, 6]) == ["[PAD]", "a", "[UNK]", "new word"]
    with pytest.raises(UsageError, match=r"\(found 7, expected 0 to 6\)"):
        tokenizer.convert_ids_to_tokens([7])


def test_threads_do_not_disturb_each_other(small: SqueezeBertTokenizerFast) -> None:
    def width(max_length: int) -> int:
        return small.rows(SENTENCES[0] * 9, max_length=max_length).input_ids.shape[1]

    lengths = [5 + index % 40 for index in range(400)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(width, lengths)) == lengths


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.rows("a", ["b"]),
        lambda t: t.rows(["a"], "b"),
        lambda t: t.rows(["a", "b"], ["c"]),
        lambda t: t.rows([b"a"]),
        lambda t: t.rows("a", max_length=1),
        lambda t: t.rows("a", "b", max_length=2),
        lambda t: t.rows(["a", "the good phone"]),
        lambda t: t.rows("the good phone " * 9, max_length=8, stride=-1),
        lambda t: t.rows("the good " * 9, "the good " * 9, max_length=16, stride=2),
        lambda t: t.rows("the good phone " * 9, "the", max_length=8, truncation="only_second"),
        lambda t: t.rows("a", padding="LONGEST"),
        lambda t: t.rows("a", truncation="longest"),
        lambda t: t.decode([10**6]),
        lambda t: t.convert_ids_to_tokens([-1]),
        lambda t: t.get_special_tokens_mask([1], [2], already_has_special_tokens=True),
        lambda t: t.train(["a"], 6),
    ],
)
def test_refuses_calls_it_cannot_honour(
    small: SqueezeBertTokenizerFast, call: Callable[[SqueezeBertTokenizerFast], object]
) -> None:
    with pytest.raises(UsageError):
        call(small)


def test_ids_tokens_and_text(small: SqueezeBertTokenizerFast, theirs: Any) -> None:
    for text in [*SENTENCES, *nasty_strings(100, seed=2)]:
        ids = small.rows(text).input_ids[0]
        assert small.decode(ids) == theirs.decode(ids)
        assert small.decode(ids, skip_special_tokens=True) == theirs.decode(ids, skip_special_tokens=True)
        assert small.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)
        assert small.tokenize(text) == theirs.tokenize(text)
    tokens = ["the", "no such piece", "[MASK]"]
    assert small.convert_tokens_to_ids(tokens) == theirs.convert_tokens_to_ids(tokens)


def test_documented_methods_agree_with_a_call(small: SqueezeBertTokenizerFast, theirs: Any) -> None:
    for pair in (None, SENTENCES[1]):
        row = small.rows(SENTENCES[0], pair)
        parts = [small.convert_tokens_to_ids(small.tokenize(text)) for text in (SENTENCES[0], pair) if text is not None]
        assert small.build_inputs_with_special_tokens(*parts) == row.input_ids[0].tolist()
        assert small.create_token_type_ids_from_sequences(*parts) == row.token_type_ids[0].tolist()
        assert small.get_special_tokens_mask(*parts) == row.special_tokens_mask[0].tolist()
        finished = [*row.input_ids[0], small.unk_token_id, small.mask_token_id, small.pad_token_id]
        expected = theirs.get_special_tokens_mask(finished, already_has_special_tokens=True)
        assert small.get_special_tokens_mask(finished, already_has_special_tokens=True) == expected


def test_a_text_is_normalized_as_transformers_does(small: SqueezeBertTokenizerFast, theirs: Any) -> None:
    for text in SENTENCES:
        assert small.normalize(text) == theirs.backend_tokenizer.normalizer.normalize_str(text)
    assert small.normalize("É\ud800中x") == "e 中 x"


def test_pieces_are_joined_to_words_and_special_tokens_kept_or_left_out() -> None:
    tokenizer = SqueezeBertTokenizerFast([*SPECIALS, "a", "##b", "."])
    assert tokenizer.decode([2, 5, 6, 5, 7, 3]) == "[CLS] ab a. [SEP]"
    assert tokenizer.decode([2, 5, 6, 5, 7, 3], skip_special_tokens=True) == "ab a."


def test_the_library_alone_makes_the_same_rows_of_the_saved_file(tmp_path: Path) -> None:
    ours = SqueezeBertTokenizerFast([*SPECIALS, "a", "b"])
    ours.save_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").read_text("utf-8").startswith('{\n  "version"')
    library = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for pair in (None, "b a"):
        row, theirs = ours.rows("a b", pair), library.encode("a b", pair)
        assert (row.input_ids[0].tolist(), row.token_type_ids[0].tolist()) == (theirs.ids, theirs.type_ids)


def test_training_takes_the_most_frequent_letters_and_fills_up_with_merges() -> None:
    def learnt(size: int) -> tuple[str, ...]:
        return SqueezeBertTokenizerFast.train(["Bab b c\ud800"], size).pieces[len(SPECIALS) :]

    assert learnt(7) == ("b", "##b")
    assert learnt(9) == ("a", "b", "##a", "##b")
    assert learnt(12) == ("a", "b", "c", "##a", "##b", "##c", "ba")


def test_training_breaks_a_tie_between_letters_in_one_way() -> None:
    learnt = {SqueezeBertTokenizerFast.train(["ba"], 7).pieces for _ in range(20)}
    assert learnt == {(*SPECIALS, "a", "##a")}


def test_training_takes_no_more_than_a_thousand_letters() -> None:
    pieces = SqueezeBertTokenizerFast.train(["".join(map(chr, range(0x4E00, 0x5200)))], 5000).pieces
    assert sum(piece.startswith("##") for piece in pieces) == 1000


def test_training_keeps_the_longest_row_that_is_asked_for() -> None:
    assert SqueezeBertTokenizerFast.train(["a"], 7).model_max_length == 512
    assert SqueezeBertTokenizerFast.train(["a"], 7, model_max_length=9).model_max_length == 9


def test_save_vocabulary(small: SqueezeBertTokenizerFast, tmp_path: Path) -> None:
    assert small.save_vocabulary(tmp_path) == (str(tmp_path / "vocab.txt"),)
    assert small.save_vocabulary(tmp_path, "my") == (str(tmp_path / "my-vocab.txt"),)
    assert (tmp_path / "my-vocab.txt").read_text("utf-8").split("\n") == [*small.pieces, ""]


def test_both_names_are_one_class() -> None:
    assert SqueezeBertTokenizer is SqueezeBertTokenizerFast


def test_reads_what_transformers_saves(small: SqueezeBertTokenizerFast, theirs: Any, tmp_path: Path) -> None:
    theirs.add_tokens(["newword"])
    theirs.add_special_tokens({"extra_special_tokens": ["<e>"]})
    theirs.save_pretrained(tmp_path)
    ours = SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    texts = [*nasty_strings(200, seed=3), "a newword and<e>and NEWWORD"]
    expected = call_theirs(theirs, texts)
    assert_same(ours.rows(texts, padding=True), expected)
    assert len(ours) == len(theirs) == len(small) + 2
    with pytest.raises(UnsupportedModelError, match="rows"):
        ours.check_against(len(small) + 1)
    ours.save_pretrained(tmp_path / "again")
    for reader in (transformers.SqueezeBertTokenizerFast, transformers.AutoTokenizer):
        assert_same(ours.rows(texts, padding=True), call_theirs(reader.from_pretrained(tmp_path / "again"), texts))


def test_saved_bytes_do_not_change(small_folder: Path, tmp_path: Path) -> None:
    """Not from one process to the next, nor by reading and saving again; the vocabulary is learnt again as well."""
    names = ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]
    assert sorted(path.name for path in small_folder.iterdir()) == names
    SqueezeBertTokenizerFast.from_pretrained(small_folder).save_pretrained(tmp_path / "read")
    code = (
        "import sys; from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizer as T; import json\n"
        "T.train(json.loads(sys.argv[1]) * 3, 400).save_pretrained(sys.argv[2])\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-c", code, json.dumps(SENTENCES), str(tmp_path / hash_seed)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})
    for copy in ("read", "1", "2"):
        for name in names:
            assert (tmp_path / copy / name).read_bytes() == (small_folder / name).read_bytes(), (copy, name)


def test_reads_vocab_alone_and_tokenizer_json_alone(
    small: SqueezeBertTokenizerFast, small_folder: Path, tmp_path: Path
) -> None:
    for name in ("vocab.txt", "tokenizer.json"):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        (folder / name).write_bytes((small_folder / name).read_bytes())
        read = SqueezeBertTokenizerFast.from_pretrained(folder)
        assert (read.pieces, read.settings) == (small.pieces, small.settings)


def test_asks_the_hub_for_a_repository(small_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resolve(source: str, *, revision: str | None, weights: bool) -> Path:
        asked.append((source, revision, weights))
        return small_folder

    stub = SimpleNamespace(resolve=resolve)
    monkeypatch.setitem(sys.modules, "squeezebert_mobile.checkpoint.hub", stub)
    monkeypatch.setattr("squeezebert_mobile.checkpoint.hub", stub, raising=False)
    name = "squeezebert/squeezebert-uncased"
    SqueezeBertTokenizerFast.from_pretrained(name, revision="main")
    SqueezeBertTokenizerFast.from_pretrained(name)
    SqueezeBertTokenizerFast.from_pretrained(small_folder)
    SqueezeBertTokenizerFast.from_pretrained(small_folder, revision="main")
    assert asked == [(name, "main", False), (name, None, False), (small_folder, "main", False)]


def lines(*extra: str) -> bytes:
    return "\n".join([*SPECIALS, "a", "b", "##a", "##b", *extra, ""]).encode()


def test_carriage_returns_are_fine(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(lines().replace(b"\n", b"\r\n"))
    assert SqueezeBertTokenizerFast.from_pretrained(tmp_path).tokenize("ab") == ["a", "##b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbf" + lines(), "byte order mark on line 1"),
        (lines().removesuffix(b"\n"), "line 9 has no end"),
        (lines("c", "a"), "line 11 repeats line 6"),
        (lines("c", "", "d"), "line 11 is blank"),
        (lines("c", " \t"), "line 11 is blank"),
        (lines("c "), "line 10 has white space"),
        (lines() + b"\xff\n", "line 10 is not UTF-8"),
        (lines().replace(b"[UNK]\n", b""), "lacks the unk_token [UNK] in its 8 lines"),
        (lines().replace(b"[CLS]\n", b""), "lacks the cls_token"),
        (lines().replace(b"[SEP]\n", b""), "lacks the sep_token"),
        (b"", "is empty"),
        (None, "is missing"),
    ],
)
def test_broken_vocab_names_the_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(InputFileError) as caught:
        SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    assert message in str(caught.value)
    assert "vocab.txt" in str(caught.value)
    assert caught.value.exit_code == 3


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text("utf-8")) if path.exists() else {}
    change(content)
    path.write_text(json.dumps(content), "utf-8")


@pytest.mark.parametrize(
    ("name", "change", "kind", "message"),
    [
        (
            "tokenizer.json",
            lambda d: d["model"].update(vocab={"x" if p == "a" else p: i for p, i in d["model"]["vocab"].items()}),
            InputFileError,
            "first at id 5 (found 'x', expected 'a')",
        ),
        (
            "tokenizer.json",
            lambda d: d["model"]["vocab"].update(z=9),
            InputFileError,
            "first at id 9 (found 'z', expected None)",
        ),
        ("tokenizer.json", lambda d: d["model"]["vocab"].update(z=99), InputFileError, "not 0 to 9"),
        ("tokenizer.json", lambda d: d["model"].update(vocab=[]), InputFileError, "model.vocab is not an object"),
        ("tokenizer.json", lambda d: d["model"]["vocab"].update(z="one"), InputFileError, "no valid id"),
        ("tokenizer.json", lambda d: d["model"].update(type="BPE"), UnsupportedModelError, "model.type"),
        ("tokenizer.json", lambda d: d["normalizer"].update(lowercase=False), InputFileError, "do_lower_case"),
        ("tokenizer.json", lambda d: d["normalizer"].update(strip_accents=False), InputFileError, "strip_accents"),
        ("tokenizer.json", lambda d: d["normalizer"].update(type="NFC"), UnsupportedModelError, "does not clean"),
        ("tokenizer.json", lambda d: d.update(pre_tokenizer=None), InputFileError, "pre_tokenizer"),
        (
            "tokenizer.json",
            lambda d: d["added_tokens"].append({"id": 20, "content": "new"}),
            InputFileError,
            "id mismatch for new",
        ),
        ("tokenizer.json", lambda d: d.update(added_tokens=3), InputFileError, "added_tokens is not a list"),
        ("tokenizer_config.json", lambda d: d.update(do_lower_case="yes"), InputFileError, "true or false"),
        ("special_tokens_map.json", lambda d: d.update(cls_token=5), InputFileError, "token without text"),
        ("special_tokens_map.json", lambda d: d.update(cls_token="<s>"), InputFileError, "lacks the cls_token <s>"),
        ("tokenizer_config.json", lambda d: d.update(model_max_length=-1), InputFileError, "model_max_length"),
        (
            "tokenizer_config.json",
            lambda d: d.update(split_special_tokens=True),
            UnsupportedModelError,
            "split_special",
        ),
        ("tokenizer_config.json", lambda d: d.update(truncation_side="up"), InputFileError, "not a side"),
        ("added_tokens.json", lambda d: d.update(new="x"), InputFileError, "no valid id"),
    ],
)
def test_contradicting_files_are_refused(
    tmp_path: Path, name: str, change: Callable[[Any], object], kind: type[SqueezeBertMobileError], message: str
) -> None:
    SqueezeBertTokenizerFast([*SPECIALS, "a", "b", "##a", "##b"]).save_pretrained(tmp_path)
    SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    edit(tmp_path / name, change)
    with pytest.raises(kind) as caught:
        SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    assert message in str(caught.value)


def test_other_names_for_special_tokens(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("<pad>\n<unk>\n<s>\n</s>\n<mask>\na\n", "utf-8")
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**names, "mask_token": mask}), "utf-8")
    ours = SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    assert ours.rows("a <unk><mask>b").input_ids.tolist() == [[2, 5, 1, 4, 1, 3]]


def test_model_max_length_of_old_files_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(lines())
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 1000000000000000019884624838656}', "utf-8")
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    assert tokenizer.rows("a " * 600).input_ids.shape == (1, 512)


def test_check_against_allows_spare_rows(small: SqueezeBertTokenizerFast) -> None:
    small.check_against(len(small) + 6)
    small.check_against(len(small))
    with pytest.raises(UnsupportedModelError) as caught:
        small.check_against(len(small) - 1)
    assert caught.value.exit_code == 5


def test_an_error_names_the_file_that_the_pieces_came_from(small_folder: Path) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        SqueezeBertTokenizerFast.from_pretrained(small_folder).check_against(1)
    assert caught.value.file == str(small_folder / "tokenizer.json")


def test_unwritable_folder_is_an_environment_fault(small: SqueezeBertTokenizerFast, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(EnvironmentFault):
        small.save_pretrained(tmp_path / "file")
