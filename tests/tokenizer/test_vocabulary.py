"""Vocabulary trimming: the texts keep their tokens, the ids point at the same pieces, new words stay readable."""

import random
from pathlib import Path

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from squeezebert_mobile.tokenizer.settings import AddedPiece, TokenizerSettings
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.tokenizer.vocabulary import trim

TEXTS = ["the good phone runs", "a phone that runs good models", "[MASK] the café", "\u4e02 is unknown"]
CORPUS = [*TEXTS[:3], "many other words that nobody needs: windmills, gardens, telescopes and zebras"] * 4
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def full() -> SqueezeBertTokenizerFast:
    return SqueezeBertTokenizerFast.train(CORPUS, 300)


def assert_keeps(full: SqueezeBertTokenizerFast, texts: list[str]) -> None:
    """Rows of the embedding reached through the trimmed ids are those reached before."""
    trimmed = trim(full, texts)
    before = full.rows(texts, padding=True)
    after = trimmed.tokenizer.rows(texts, padding=True)
    np.testing.assert_array_equal(trimmed.kept_ids[after.input_ids], before.input_ids)
    np.testing.assert_array_equal(after.offsets, before.offsets)
    assert len(trimmed.tokenizer) == len(trimmed.kept_ids)
    assert full.convert_ids_to_tokens(trimmed.kept_ids) == trimmed.tokenizer.convert_ids_to_tokens(
        range(len(trimmed.kept_ids))
    )


def test_texts_keep_their_tokens_and_the_rest_goes(full: SqueezeBertTokenizerFast) -> None:
    assert_keeps(full, TEXTS)
    trimmed = trim(full, TEXTS)
    assert trimmed.tokenizer.vocab_size < full.vocab_size
    assert set(trimmed.tokenizer.pieces) >= {*SPECIALS, "phone", "p", "##h"}
    assert "windmills" in full.pieces
    assert "windmills" not in trimmed.tokenizer.pieces
    tokens = [token for text in TEXTS for token in full.tokenize(text)]
    assert trimmed.unknown_share == tokens.count("[UNK]") / len(tokens) > 0


def test_new_words_of_known_letters_are_split_not_unknown(full: SqueezeBertTokenizerFast) -> None:
    tokenizer = trim(full, TEXTS).tokenizer
    assert "[UNK]" not in tokenizer.tokenize("honest nephew")
    assert tokenizer.tokenize("zebra") == ["[UNK]"]


def test_unknown_word_does_not_become_known() -> None:
    """WordPiece takes "ab" and is stuck at c; without "ab" it would find "a" and "##bc"."""
    full = SqueezeBertTokenizerFast([*SPECIALS, "a", "ab", "##bc", "x", "##x", "ax"])
    texts = ["abc", "abc" * 40]
    assert full.tokenize("abc") == ["[UNK]"]
    assert_keeps(full, [*texts, "a", "x"])
    pieces = trim(full, [*texts, "a", "x"]).tokenizer.pieces
    assert "ab" in pieces
    assert "ax" not in pieces


def test_added_tokens_stay(full: SqueezeBertTokenizerFast) -> None:
    specials = tuple(AddedPiece(token) for token in SPECIALS)
    flags = TokenizerSettings(added=(*specials, AddedPiece("<one>"), AddedPiece("<two>", special=False)))
    tokenizer = SqueezeBertTokenizerFast.of(full.pieces, flags)
    assert_keeps(tokenizer, ["the <two> phone"])
    assert trim(tokenizer, ["the"]).kept_ids[-2:].tolist() == [full.vocab_size, full.vocab_size + 1]


def test_no_text_keeps_the_special_tokens(full: SqueezeBertTokenizerFast) -> None:
    trimmed = trim(full, [])
    assert trimmed.tokenizer.pieces == tuple(SPECIALS)
    assert trimmed.unknown_share == 0


@given(st.lists(st.text(st.sampled_from("abcehorsu thpn\u4e02é#[]-"), max_size=30), max_size=5))
@settings(max_examples=100)
def test_any_texts_keep_their_tokens(full: SqueezeBertTokenizerFast, texts: list[str]) -> None:
    assert_keeps(full, texts)


def test_random_vocabularies_keep_their_tokens() -> None:
    rng = random.Random(0)
    for _ in range(200):
        words = {"".join(rng.choices("abc", k=rng.randint(1, 3))) for _ in range(6)}
        pieces = sorted({word if rng.random() < 0.5 else f"##{word}" for word in words})
        tokenizer = SqueezeBertTokenizerFast([*SPECIALS, *pieces])
        assert_keeps(tokenizer, ["".join(rng.choices("abc", k=rng.randint(1, 6))) for _ in range(4)])


def test_transformers_reads_a_trimmed_tokenizer(full: SqueezeBertTokenizerFast, tmp_path: Path) -> None:
    tokenizer = trim(full, TEXTS).tokenizer
    tokenizer.save_pretrained(tmp_path)
    theirs = transformers.SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    assert tokenizer.rows(TEXTS, padding=True).input_ids.tolist() == theirs(TEXTS, padding=True)["input_ids"]


@given(
    contents=st.lists(st.sampled_from(["covid19", "phone", "##s", "New York", "[USER]", "e\u0301"]), unique=True),
    flags=st.lists(st.tuples(*[st.booleans()] * 5), min_size=6, max_size=6),
    words=st.lists(
        st.sampled_from(["covid19", "phone", "##s", "New York", "[USER]", "\u00e9", " ", "a", "good"]), max_size=9
    ),
)
@settings(max_examples=60, deadline=None)
def test_added_tokens_of_any_kind_are_kept(
    contents: list[str], flags: list[tuple[bool, ...]], words: list[str]
) -> None:
    full = SqueezeBertTokenizerFast.train(CORPUS, 300)
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    kinds = [dict(zip(names, of, strict=True)) for of in flags]
    full.add_tokens([AddedToken(text, **kind) for text, kind in zip(contents, kinds, strict=False)])
    assert_keeps(full, ["".join(words), "the good phone"])
    assert [*trim(full, TEXTS).tokenizer.added_tokens.values()] == [*full.added_tokens.values()]
