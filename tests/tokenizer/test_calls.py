"""What a tokenizer's call refuses, and that neither threads, copies nor added tokens disturb it."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import transformers

from squeezebert_mobile.errors import InputFileError, UsageError
from squeezebert_mobile.tokenizer.encoding import BatchEncoding
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizer

TEXTS = ["a quiet film that stays with you", "no wit"]


@pytest.fixture
def words() -> SqueezeBertTokenizer:
    return tiny.tokenizer()


@pytest.mark.parametrize(
    ("arguments", "options", "words_of_error"),
    [
        (("a",), {"padding": "LONGEST"}, "padding: unknown strategy"),
        (("a",), {"truncation": "longest"}, "truncation: unknown strategy"),
        (("a",), {"return_tensors": "tf"}, "return_tensors: is not known"),
        ((TEXTS,), {"return_tensors": "pt"}, "rows of different lengths, .*; fix: pass padding=True"),
        ((TEXTS,), {"return_tensors": "np"}, "rows of different lengths"),
        ((), {"text_pair": "a"}, "text: and text_target are both missing; fix: pass one of the two"),
        (("a",), {"text_target": 5}, "text: is of another type .found int, expected a string"),
        ((5,), {}, "text: is of another type .found int, expected a string"),
        ((["a", None],), {}, "text: is of another type .found NoneType"),
        ((["a", ["b"]],), {}, "text: is of another type .found list"),
        ((TEXTS, ["a"]), {}, "text_pair: differs in length from text .found 1, expected 2"),
        ((TEXTS, "a"), {}, "text_pair: differs in length from text .found one text"),
        (("a",), {"max_length": 1}, "max_length: has no room for the special tokens"),
        (("a b c",), {"max_length": 4, "stride": 3, "truncation": True}, "truncation: cannot be done"),
        (("a", "b " * 9), {"max_length": 5, "truncation": "only_first"}, "truncation: cannot be done"),
        (("a",), {"max_length": 9, "truncation": True, "padding": True, "pad_to_multiple_of": 4}, "no multiple of 4"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    words: SqueezeBertTokenizer, arguments: Any, options: Any, words_of_error: str
) -> None:
    with pytest.raises(UsageError, match=words_of_error):
        words(*arguments, **options)
    assert words("a quiet film").input_ids == words("a quiet film", max_length=64).input_ids


def test_a_text_longer_than_the_model_is_warned_of(words: SqueezeBertTokenizer) -> None:
    with pytest.warns(UserWarning, match="more tokens than the model's 160; pass truncation=True"):
        assert len(words("film " * 200).input_ids) > 160
    assert len(words("film " * 200, truncation=True).input_ids) == 160


def test_threads_that_cut_in_other_ways_do_not_disturb_each_other(words: SqueezeBertTokenizer) -> None:
    lengths = [3, 5, 8, 160] * 50
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(
            lambda n: len(words("film " * 90, truncation=True, max_length=n, padding=n < 6)["input_ids"]), lengths
        )
        assert list(found) == lengths


@pytest.mark.parametrize("through", [copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
def test_a_copied_tokenizer_and_its_results_are_the_same(words: SqueezeBertTokenizer, through: Any) -> None:
    expected = words(TEXTS, truncation=True)
    assert through(words)(TEXTS, truncation=True) == expected
    assert through(expected).tokens(1) == expected.tokens(1)


def test_tokens_that_are_added_later_are_found(words: SqueezeBertTokenizer) -> None:
    words("a", truncation=True)
    words.add_tokens(["covid19"])
    assert words("covid19", truncation=True).input_ids == [2, len(words) - 1, 3]


def test_lone_surrogates_keep_their_place(words: SqueezeBertTokenizer) -> None:
    found = words("a \ud800 film", return_offsets_mapping=True)
    assert found.offset_mapping[-2][1] == len("a \ud800 film")


def test_an_empty_second_text_is_none_as_in_transformers(words: SqueezeBertTokenizer, tmp_path: Path) -> None:
    words.save_pretrained(tmp_path)
    theirs = transformers.SqueezeBertTokenizer.from_pretrained(tmp_path)
    for texts in (("a", ""), (["a"], [""])):
        assert dict(words(*texts)) == dict(theirs(*texts))


def test_padding_keeps_the_kind_and_the_other_columns(words: SqueezeBertTokenizer) -> None:
    rows = [{"input_ids": torch.tensor([2, 3]), "label": torch.tensor(1)}, {"input_ids": torch.tensor([2]), "label": 0}]
    found = words.pad([dict(row) for row in rows])
    assert found.input_ids.tolist() == [[2, 3], [2, words.pad_token_id]]
    assert found.attention_mask.tolist() == [[1, 1], [1, 0]]
    assert found.label.tolist() == [1, 0]
    with pytest.raises(UsageError, match=r"encoded_inputs: has no input_ids .found label"):
        words.pad({"label": [1]})


def test_a_result_without_a_text_has_no_way_back() -> None:
    found = BatchEncoding({"input_ids": [[1, 2], [3, 4]]})
    assert (found.is_fast, found.n_sequences, found[:1]) == (False, None, {"input_ids": [[1, 2]]})
    with pytest.raises(UsageError, match="encoding: has no way back to a text"):
        found.tokens()
    with pytest.raises(AttributeError, match="has no attribute 'labels'"):
        _ = found.labels


def test_a_vocabulary_is_a_file_a_mapping_or_nothing(tmp_path: Path) -> None:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
    (tmp_path / "words.txt").write_text("".join(f"{piece}\n" for piece in pieces))
    for vocab in (tmp_path / "words.txt", str(tmp_path / "words.txt"), {p: i for i, p in enumerate(pieces)}, pieces):
        assert SqueezeBertTokenizer(vocab)("a b").input_ids == [2, 5, 6, 3]
    assert SqueezeBertTokenizer(vocab_file=tmp_path / "words.txt").pieces == tuple(pieces)
    assert SqueezeBertTokenizer().get_vocab() == transformers.SqueezeBertTokenizer().get_vocab()
    with pytest.raises(UsageError, match=r"vocab: has other ids than its pieces in a row .expected 0 to 1"):
        SqueezeBertTokenizer({"[PAD]": 0, "a": 5})
    with pytest.raises(InputFileError, match=r"no\.txt: is missing"):
        SqueezeBertTokenizer(tmp_path / "no.txt")


@pytest.mark.parametrize("name", ["padding_side", "truncation_side"])
def test_a_side_is_left_or_right(words: SqueezeBertTokenizer, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}: is not a side"):
        setattr(words, name, "top")


NAMED = {key: f"<{key[0]}>" for key in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")}
PIECES = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "uber",
    "über",
    "Uber",
    "我",
    "我们",
    "们",
    "ok",
    *NAMED.values(),
)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"do_lower_case": False},
        {"strip_accents": False},
        {"do_lower_case": False, "strip_accents": True},
        {"tokenize_chinese_chars": False},
        {"model_max_length": 5},
        {"padding_side": "left"},
        {"truncation_side": "left"},
        NAMED,
        *({key: value} for key, value in NAMED.items()),
    ],
    ids=", ".join,
)
def test_what_the_constructor_is_given_means_what_it_means_in_transformers(given: dict[str, Any]) -> None:
    ids = {piece: number for number, piece in enumerate(PIECES)}
    ours, theirs = SqueezeBertTokenizer(ids, **given), transformers.SqueezeBertTokenizerFast(vocab=ids, **given)
    texts = ["Über 我们 [MASK] <m> [PAD] ok ok ok", "ok"]
    how = {"padding": True, "truncation": True, "max_length": given.get("model_max_length", 8)}
    assert ours(texts, **how)["input_ids"] == theirs(texts, **how)["input_ids"]
    for name in (*NAMED, "pad_token_id", "mask_token_id", "padding_side", "truncation_side"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.model_max_length == given.get("model_max_length", 512)


def test_a_constructor_names_the_file_of_its_vocabulary_or_has_the_special_tokens_alone(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    for made in (SqueezeBertTokenizer(str(file)), SqueezeBertTokenizer(vocab_file=file)):
        assert (made.pieces, Path(made.source)) == (PIECES, file)
    assert SqueezeBertTokenizer(PIECES).source == "vocab.txt"
    bare = SqueezeBertTokenizer()
    assert (bare.get_vocab(), bare.source) == (transformers.SqueezeBertTokenizerFast().get_vocab(), "vocab.txt")


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_part_of_the_rows_has_the_width_of_its_longest(words: SqueezeBertTokenizer, first: int) -> None:
    texts = ["a quiet film that stays", "a film", "a"]
    part = words.rows(texts, padding="longest", padding_side="right").part(first, first + 2)
    alone = words.rows(texts[first : first + 2], padding="longest", padding_side="right")
    for name, array in vars(alone).items():
        assert getattr(part, name).tolist() == (array + first if name == "sample" else array).tolist(), name


def test_no_rows_have_no_width(words: SqueezeBertTokenizer) -> None:
    assert words.rows(["a film"]).part(1, 1).input_ids.shape == (0, 0)


def test_a_model_of_one_type_reads_no_pairs_under_other_settings_either(words: SqueezeBertTokenizer) -> None:
    words.serve(2)
    assert words.rows("a", "film").token_type_ids.max() == 1
    words.serve(1)
    for tokenizer in (words, words.with_settings(words.settings)):
        with pytest.raises(UsageError, match="text_pair: has no place in this model"):
            tokenizer.rows("a", "film")


def test_a_mapping_gives_its_pieces_by_their_ids_which_have_no_gaps() -> None:
    ids = {piece: number for number, piece in enumerate(PIECES)}
    assert SqueezeBertTokenizer(dict(reversed(ids.items()))).pieces == PIECES
    with pytest.raises(UsageError, match=r"^vocab: has other ids than its pieces in a row") as caught:
        SqueezeBertTokenizer(ids | {"ok": len(PIECES)})
    assert caught.value.expected == f"0 to {len(PIECES) - 1}"
