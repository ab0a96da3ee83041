"""The calls of transformers' SqueezeBERT page, run unchanged on both libraries: the same weights, the same results.

Each entry is one call (or the few lines around it that a tutorial shows) as a function of a library and of a folder of
checkpoints; nothing in it knows which library it gets.
"""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import transformers
from checkout import ROOT

import squeezebert_mobile
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.model import MODEL_CLASSES
from squeezebert_mobile.tasks import Task

Lib = ModuleType
Call = Callable[[Lib, Path], object]
CONFIG = SqueezeBertConfig(
    **(tiny.CONFIG.to_dict() | {"vocab_size": 200, "num_labels": 3, "id2label": None, "label2id": None})
)
# transformers' page names them; ours and theirs are made with the same weights.
MODEL, MASKED, TEXT, TOKENS, SPANS, CHOICES = (cls.__name__ for cls in MODEL_CLASSES)
SIZES = {"hidden_size": 48, "embedding_size": 48, "intermediate_size": 96, "vocab_size": 60, "num_hidden_layers": 1}

IDS = torch.tensor([[2, 17, 40, 51, 3, 0], [2, 8, 9, 99, 120, 3]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
TYPES = torch.tensor([[0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]])
EMBEDDED = torch.randn(2, 6, 48, generator=torch.Generator().manual_seed(1))
PER_TOKEN = torch.tensor([[-100, 1, 2, 0, -100, -100], [-100, 0, -100, 2, 1, -100]])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each class under its name, with a tokenizer."""
    root = tmp_path_factory.mktemp("documented")
    for cls in MODEL_CLASSES:
        labels = 2 if cls.task is Task.QUESTION_ANSWERING else 3
        torch.manual_seed(0)
        model = cls(
            SqueezeBertConfig(**(CONFIG.to_dict() | {"id2label": None, "label2id": None, "num_labels": labels}))
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        model.save_pretrained(root / cls.__name__)
        tiny.tokenizer(CONFIG).save_pretrained(root / cls.__name__)
    return root


def model(lib: Lib, folder: Path, name: str, **options: Any) -> Any:
    return getattr(lib, name).from_pretrained(folder / name, **options).eval()


def config(lib: Lib, **values: object) -> Any:
    return lib.SqueezeBertConfig(**values)


def values(found: Any) -> dict[str, object]:
    """A config's values under the names that the documentation gives them."""
    keys = (*CONFIG.to_dict(), "num_labels")
    return {key: getattr(found, key) for key in keys if key != "architectures"}


def updated(lib: Lib) -> Any:
    found = config(lib)
    found.update({"hidden_dropout_prob": 0.25, "num_labels": 4})
    return found


def changed(lib: Lib) -> Any:
    found = config(lib)
    found.num_labels = 4
    found.id2label = {0: "a", 1: "b", 2: "c", 3: "d"}
    found.label2id = {"a": 0, "b": 1, "c": 2, "d": 3}
    found.hidden_act = "relu"
    return found


def trained(lib: Lib, folder: Path) -> Any:
    """One step of the loop that every tutorial shows."""
    found = model(lib, folder, TEXT)
    optimizer = torch.optim.SGD(found.parameters(), lr=0.1)
    found(input_ids=IDS, attention_mask=MASK, labels=torch.tensor([1, 2])).loss.backward()
    optimizer.step()
    return found(input_ids=IDS, attention_mask=MASK).logits


def resized(lib: Lib, folder: Path, rows: int, name: str = MASKED, **options: Any) -> Any:
    torch.manual_seed(0)
    found = model(lib, folder, name)
    table = found.resize_token_embeddings(rows, **options)
    assert found.get_input_embeddings() is table
    kept, added = table.weight[:200], table.weight[200:]
    # Theirs spreads the added rows by 3e-5 of the others' standard deviation.
    return [
        kept,
        (added - kept.mean(0)).abs().max().item() < 1e-4 if len(added) else None,
        found.config.vocab_size,
        found(IDS)[0][..., :200],
    ]


def embedded(lib: Lib, folder: Path) -> Any:
    found = model(lib, folder, MODEL)
    other = torch.nn.Embedding.from_pretrained(torch.ones(200, 48))
    found.set_input_embeddings(other)
    return [found.get_input_embeddings() is other, found(IDS).last_hidden_state]


def saved(lib: Lib, folder: Path) -> Any:
    target = folder / f"saved by {lib.__name__}"
    model(lib, folder, TEXT).save_pretrained(target)
    other = transformers if lib is squeezebert_mobile else squeezebert_mobile
    return getattr(other, TEXT).from_pretrained(target).eval()(IDS).logits


def classified(lib: Lib, folder: Path, labels: torch.Tensor, problem: str | None = None, count: int = 3) -> Any:
    found = model(lib, folder, TEXT, num_labels=count, ignore_mismatched_sizes=True)
    with torch.no_grad():
        found.classifier.weight.fill_(0.01)
        found.classifier.bias.copy_(torch.arange(count))
    if problem is not None:
        found.config.problem_type = problem
    output = found(IDS, attention_mask=MASK, labels=labels)
    return [output, found.config.problem_type]


CONFIGS: dict[str, Call] = {
    "Config()": lambda lib, _: values(config(lib)),
    "Config(num_labels=)": lambda lib, _: values(config(lib, num_labels=5)),
    "Config(id2label=, label2id=)": lambda lib, _: values(
        config(lib, id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1})
    ),
    "Config(sizes)": lambda lib, _: values(config(lib, **SIZES, q_groups=2, layer_norm_eps=1e-5, hidden_act="gelu_10")),
    "Config(bos_token_id=, eos_token_id=, pad_token_id=)": lambda lib, _: values(
        config(lib, bos_token_id=2, eos_token_id=3, pad_token_id=1)
    ),
    "Config(output_attentions=, output_hidden_states=, return_dict=)": lambda lib, _: values(
        config(lib, output_attentions=True, output_hidden_states=True, return_dict=False)
    ),
    "config.num_labels = 4": lambda lib, _: values(changed(lib)),
    "config.update()": lambda lib, _: values(updated(lib)),
    "Config.from_pretrained()": lambda lib, f: values(lib.SqueezeBertConfig.from_pretrained(f / TEXT)),
    "Config.from_pretrained(num_labels=)": lambda lib, f: values(
        lib.SqueezeBertConfig.from_pretrained(f / TEXT, num_labels=7, hidden_dropout_prob=0.4)
    ),
    "config.to_dict()": lambda lib, _: {
        key: value for key, value in config(lib, num_labels=3).to_dict().items() if key in CONFIG.to_dict()
    } | {"architectures": None},
}  # fmt: skip

MODELS: dict[str, Call] = {
    "Model(config)": lambda lib, _: sorted(getattr(lib, MODEL)(config(lib, **SIZES)).state_dict()),
    "model(input_ids)": lambda lib, f: model(lib, f, MODEL)(IDS),
    "model(attention_mask=, token_type_ids=)": lambda lib, f: model(lib, f, MODEL)(
        input_ids=IDS, attention_mask=MASK, token_type_ids=TYPES
    ),
    "model(position_ids=)": lambda lib, f: model(lib, f, MODEL)(IDS, position_ids=torch.arange(6).flip(0)[None]),
    "model(inputs_embeds=)": lambda lib, f: model(lib, f, MODEL)(inputs_embeds=EMBEDDED, attention_mask=MASK),
    "model(output_hidden_states=True)": lambda lib, f: model(lib, f, MODEL)(IDS, output_hidden_states=True),
    "model(output_attentions=True)": lambda lib, f: model(lib, f, MODEL)(IDS, MASK, output_attentions=True),
    "model(return_dict=False)": lambda lib, f: model(lib, f, TEXT)(
        IDS, labels=torch.tensor([0, 1]), output_hidden_states=True, return_dict=False
    ),
    "output[0], output[:2], output['logits']": lambda lib, f: [
        (output := model(lib, f, TEXT)(IDS, labels=torch.tensor([0, 1])))[0], output[:2], output["logits"],
        output.to_tuple(), list(output), len(output), "loss" in output, output.hidden_states, list(output.items()),
    ],
    "ForMaskedLM(labels=)": lambda lib, f: model(lib, f, MASKED)(IDS, labels=PER_TOKEN),
    "ForSequenceClassification(labels=)": lambda lib, f: classified(lib, f, torch.tensor([1, 2])),
    "ForSequenceClassification(num_labels=1, labels=)": lambda lib, f: classified(
        lib, f, torch.tensor([0.5, 2.0]), count=1
    ),
    "ForSequenceClassification(problem_type='regression')": lambda lib, f: classified(
        lib, f, torch.tensor([[0.5, 2.0, 1.0], [0.0, 0.0, 1.0]]), "regression"
    ),
    "ForSequenceClassification(labels=multi-label)": lambda lib, f: classified(
        lib, f, torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    ),
    "ForMultipleChoice(labels=)": lambda lib, f: model(lib, f, CHOICES)(
        torch.stack([IDS, IDS.flip(0)]), attention_mask=torch.stack([MASK, MASK]), labels=torch.tensor([1, 0])
    ),
    "ForMultipleChoice(inputs_embeds=)": lambda lib, f: model(lib, f, CHOICES)(
        inputs_embeds=EMBEDDED[None], position_ids=torch.arange(6).expand(1, 2, -1), output_attentions=True
    ),
    "ForTokenClassification(labels=)": lambda lib, f: model(lib, f, TOKENS)(IDS, MASK, labels=PER_TOKEN),
    "ForQuestionAnswering(start_positions=, end_positions=)": lambda lib, f: model(lib, f, SPANS)(
        IDS, MASK, start_positions=torch.tensor([1, 2]), end_positions=torch.tensor([3, 3])
    ),
    "ForQuestionAnswering(positions beyond the row)": lambda lib, f: model(lib, f, SPANS)(
        IDS, MASK, start_positions=torch.tensor([[-1], [9]]), end_positions=torch.tensor([[6], [3]])
    ),
    "loss.backward(), optimizer.step()": trained,
    "model.num_parameters()": lambda lib, f: [
        model(lib, f, MASKED).num_parameters(), model(lib, f, MASKED).num_parameters(exclude_embeddings=True),
        model(lib, f, TEXT).requires_grad_(False).num_parameters(only_trainable=True),
    ],
    "model.get_input_embeddings()": lambda lib, f: model(lib, f, TOKENS).get_input_embeddings().weight,
    "model.set_input_embeddings()": embedded,
    "model.get_output_embeddings()": lambda lib, f: [
        model(lib, f, TEXT).get_output_embeddings(), model(lib, f, MASKED).get_output_embeddings().weight,
        model(lib, f, MASKED).get_output_embeddings().bias,
    ],
    "model.resize_token_embeddings(more)": lambda lib, f: resized(lib, f, 203),
    "model.resize_token_embeddings(fewer)": lambda lib, f: resized(lib, f, 150),
    "model.resize_token_embeddings(pad_to_multiple_of=)": lambda lib, f: resized(
        lib, f, 201, MODEL, pad_to_multiple_of=8
    ),
    "Model.from_pretrained(dtype=)": lambda lib, f: model(lib, f, TEXT, dtype=torch.bfloat16)(IDS).logits,
    "Model.from_pretrained(device_map=)": lambda lib, f: [
        [(found := model(lib, f, TEXT, device_map=place)).device.type, found(IDS).logits]
        for place in (None, "cpu", "auto", "sequential", torch.device("cpu"), {"": "cpu"},
                      {"transformer": "cpu", "classifier": "cpu"})
    ],
    "Model.from_pretrained(output_hidden_states=True)": lambda lib, f: model(
        lib, f, TEXT, output_hidden_states=True
    )(IDS),
    "Model.from_pretrained(num_labels=) on a body": lambda lib, f: getattr(lib, TEXT).from_pretrained(
        f / MODEL, num_labels=5
    ).classifier.weight.shape,
    "model.save_pretrained()": saved,
    "model.device, model.dtype, model.config": lambda lib, f: [
        (found := model(lib, f, TEXT, torch_dtype="float16")).device, found.dtype, values(found.config)
    ],
}  # fmt: skip


def tokenizer(lib: Lib, folder: Path) -> Any:
    return lib.SqueezeBertTokenizer.from_pretrained(folder / TEXT)


def called(*texts: Any, **options: Any) -> Call:
    """A call of a tokenizer, with the tokens of its rows."""

    def call(lib: Lib, folder: Path) -> list[Any]:
        found = tokenizer(lib, folder)(*texts, **options)
        return [found, [found.tokens(row) for row in range(len(found.encodings))], list(found)]

    return call


def made(*arguments: Any, **options: Any) -> Call:
    """A tokenizer that is made of its vocabulary, and how it cuts a text up."""

    def call(lib: Lib, folder: Path) -> list[Any]:
        # Of these only theirs of old, and ours, took the file by its name.
        found = lib.SqueezeBertTokenizer(str(folder / TEXT / "vocab.txt"), *arguments, **options)
        return [found("Caf\u00e9 \u4e2d\u56fd, quiet FILM").input_ids, found.tokenize("Caf\u00e9 Film [MASK]")]

    return call


def added(lib: Lib, folder: Path) -> Any:
    found = tokenizer(lib, folder)
    counts = [found.add_tokens(["covid19", "quiet"]), found.add_special_tokens({"extra_special_tokens": ["[USER]"]})]
    grown = model(lib, folder, MODEL)
    grown.resize_token_embeddings(len(found))
    batch = found("[USER] covid19 film", return_tensors="pt")
    return [counts, len(found), found.tokenize("[USER] covid19 film"), found.all_special_tokens, batch,
            grown(**batch).last_hidden_state.shape]  # fmt: skip


def padded(lib: Lib, folder: Path) -> Any:
    found = tokenizer(lib, folder)
    rows = [found(text) for text in TWO]
    return [found.pad(rows, return_tensors="pt"), found.pad(rows[0], padding="max_length", max_length=9),
            found.pad({"input_ids": [[5, 6], [7]]}, pad_to_multiple_of=4), found.pad(rows, padding=False)]  # fmt: skip


def found_again(lib: Lib, folder: Path) -> Any:
    found = tokenizer(lib, folder)(TWO, ["a film", "quiet, quiet"])
    return [found.word_ids(1), found.sequence_ids(0), found.char_to_token(0, 2), found.char_to_token(1, 7, 1),
            found.token_to_chars(0, 1), found.token_to_word(1, 3), found.token_to_sequence(0, 3),
            found.word_to_tokens(0, 1), found.word_to_chars(0, 0), found.char_to_word(0, 2), found.n_sequences,
            found.is_fast, found[0].ids, found.attention_mask]  # fmt: skip


def side(lib: Lib, folder: Path) -> Any:
    found = tokenizer(lib, folder)
    found.padding_side, found.truncation_side, found.model_max_length = "left", "left", 7
    return found([LONG, "a"], padding=True, truncation=True)


def facts(lib: Lib, folder: Path) -> Any:
    found = tokenizer(lib, folder)
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return [
        *(getattr(found, name) for name in names), *(getattr(found, f"{name}_id") for name in names),
        found.all_special_tokens, found.all_special_ids, found.special_tokens_map, len(found), found.vocab_size,
        found.get_vocab(), found.model_max_length, found.padding_side, found.is_fast, list(found.model_input_names),
        found.num_special_tokens_to_add(), found.num_special_tokens_to_add(pair=True), found.max_len_single_sentence,
        found.added_tokens_encoder, found.get_added_vocab(), found.max_len_sentences_pair,
    ]  # fmt: skip


def words(lib: Lib, folder: Path) -> Any:
    found = tokenizer(lib, folder)
    tokens = found.tokenize("a quiet film")
    ids = found.convert_tokens_to_ids(tokens)
    return [tokens, ids, found.convert_ids_to_tokens(ids), found.convert_tokens_to_ids("[MASK]"),
            found.convert_ids_to_tokens(3), found.convert_ids_to_tokens([2, *ids, 3], skip_special_tokens=True),
            found.convert_tokens_to_string(tokens)]  # fmt: skip


def decoded(lib: Lib, folder: Path) -> Any:
    found = tokenizer(lib, folder)
    batch = found(TWO, padding=True, return_tensors="pt").input_ids
    return [
        found.decode(batch[0]),
        found.decode(batch),
        found.batch_decode(batch, skip_special_tokens=True),
        found.decode(5),
        found.batch_decode([[5, 6], [7]]),
        found.decode([5, 6], clean_up_tokenization_spaces=True),
    ]


def reread(lib: Lib, folder: Path) -> Any:
    target = folder / f"tokenizer of {lib.__name__}"
    tokenizer(lib, folder).save_pretrained(target)
    other = transformers if lib is squeezebert_mobile else squeezebert_mobile
    return other.SqueezeBertTokenizerFast.from_pretrained(target)(TWO)


TWO = ["A quiet film.", "It stays with you for days, quietly!"]
LONG = "the quiet film that stays with you for days and days and days"
WORDS = [["A", "quiet", "film"], ["stays", "."]]
TOKENIZERS: dict[str, Call] = {
    "Tokenizer(vocab)": made(),
    "Tokenizer(do_lower_case=False)": made(False),
    "Tokenizer(strip_accents=False, tokenize_chinese_chars=False)": made(
        strip_accents=False, tokenize_chinese_chars=False
    ),
    "Tokenizer(special tokens)": made(unk_token="[PAD]", mask_token="<mask>", cls_token="[SEP]", sep_token="[CLS]"),
    "tokenizer(text)": called(TWO[0]),
    "tokenizer(texts)": called(TWO),
    "tokenizer(text, pair)": called(*TWO),
    "tokenizer(texts, pairs)": called(TWO, TWO[::-1]),
    "tokenizer(list of pairs)": called([tuple(TWO), tuple(TWO[::-1])]),
    "tokenizer(padding=True)": called(TWO, padding=True),
    "tokenizer(padding='max_length')": called(TWO, padding="max_length", max_length=20),
    "tokenizer(truncation=True, max_length=)": called([LONG, "a"], TWO, truncation=True, max_length=9),
    "tokenizer(max_length=)": called(LONG, max_length=6),
    "tokenizer(truncation='only_second')": called("a film", LONG, truncation="only_second", max_length=9),
    "tokenizer(stride=, return_overflowing_tokens=True)": called(
        ["a film"] * 2, [LONG, "b"], truncation="only_second", max_length=12, stride=3, padding=True,
        return_overflowing_tokens=True, return_offsets_mapping=True,
    ),
    "tokenizer(both texts cut, return_overflowing_tokens=True)": called(
        LONG, LONG, truncation=True, max_length=15, stride=2, return_overflowing_tokens=True
    ),
    "tokenizer(is_split_into_words=True)": called(WORDS, is_split_into_words=True, return_offsets_mapping=True),
    "tokenizer(return_tensors='pt')": called(TWO, padding=True, return_tensors="pt"),
    "tokenizer(return_tensors='np')": called(TWO[0], return_tensors="np"),
    "tokenizer(text_target=)": called(text_target=TWO[0]),
    "tokenizer(text, text_target=)": called(TWO[0], text_target=TWO[1]),
    "tokenizer(text, pair, target, pair of it)": called(
        TWO, TWO[::-1], TWO, TWO[::-1], padding=True, truncation=True, max_length=9, return_tensors="np"
    ),
    "tokenizer(return_offsets_mapping=, return_special_tokens_mask=, return_length=)": called(
        *TWO, return_offsets_mapping=True, return_special_tokens_mask=True, return_length=True
    ),
    "tokenizer(return_token_type_ids=False, return_attention_mask=False)": called(
        TWO, return_token_type_ids=False, return_attention_mask=False
    ),
    "tokenizer(add_special_tokens=False)": called(*TWO, add_special_tokens=False),
    "tokenizer(pad_to_multiple_of=, padding_side='left')": called(
        TWO, padding=True, pad_to_multiple_of=8, padding_side="left", return_special_tokens_mask=True
    ),
    "tokenizer.padding_side = 'left'": side,
    "model(**tokenizer(text, return_tensors='pt'))": lambda lib, f: model(lib, f, TEXT)(
        **tokenizer(lib, f)(TWO, padding=True, return_tensors="pt").to("cpu"), labels=torch.tensor([0, 2])
    ),
    "tokenizer.encode()": lambda lib, f: [
        tokenizer(lib, f).encode(*TWO), tokenizer(lib, f).encode(TWO[0], return_tensors="pt"),
        tokenizer(lib, f).encode(LONG, add_special_tokens=False, max_length=4, truncation=True),
    ],
    "tokenizer.decode(), batch_decode()": decoded,
    "tokenizer.pad()": padded,
    "tokenizer.tokenize(), convert_tokens_to_ids()": words,
    "encoding.word_ids(), char_to_token()": found_again,
    "tokenizer.all_special_ids and other facts": facts,
    "tokenizer.add_tokens(), add_special_tokens()": added,
    "tokenizer.save_pretrained()": reread,
}  # fmt: skip

# transformers 5 has lost these; what they gave is what a call gives.
LOST: dict[str, tuple[Call, Call]] = {
    "tokenizer.encode_plus()": (
        lambda lib, f: tokenizer(lib, f).encode_plus(*TWO, return_offsets_mapping=True),
        lambda lib, f: tokenizer(lib, f)(*TWO, return_offsets_mapping=True),
    ),
    "tokenizer.batch_encode_plus()": (
        lambda lib, f: tokenizer(lib, f).batch_encode_plus([tuple(TWO)], padding=True),
        lambda lib, f: tokenizer(lib, f)([tuple(TWO)], padding=True),
    ),
    "tokenizer.build_inputs_with_special_tokens()": (
        lambda lib, f: tokenizer(lib, f).build_inputs_with_special_tokens(*unmarked(lib, f)),
        lambda lib, f: tokenizer(lib, f)(*TWO).input_ids,
    ),
    "tokenizer.create_token_type_ids_from_sequences()": (
        lambda lib, f: tokenizer(lib, f).create_token_type_ids_from_sequences(*unmarked(lib, f)),
        lambda lib, f: tokenizer(lib, f)(*TWO).token_type_ids,
    ),
    "tokenizer.get_special_tokens_mask()": (
        lambda lib, f: tokenizer(lib, f).get_special_tokens_mask(*unmarked(lib, f)),
        lambda lib, f: tokenizer(lib, f)(*TWO, return_special_tokens_mask=True).special_tokens_mask,
    ),
    "tokenizer.save_vocabulary()": (
        lambda lib, f: Path(tokenizer(lib, f).save_vocabulary(f)[0]).read_text().splitlines(),
        lambda lib, f: sorted((vocab := tokenizer(lib, f).get_vocab()), key=vocab.__getitem__),
    ),
}


def unmarked(lib: Lib, folder: Path) -> list[list[int]]:
    return [tokenizer(lib, folder).encode(text, add_special_tokens=False) for text in TWO]


def plain(found: Any) -> object:
    """A result as nested lists of numbers, so that tensors, arrays and both libraries' classes compare."""
    if isinstance(found, torch.Tensor):
        return np.asarray(found.detach().float()).tolist()
    if isinstance(found, np.ndarray):
        return found.tolist()
    if isinstance(found, Mapping):
        return {key: plain(value) for key, value in found.items()}
    if isinstance(found, (list, tuple)):
        return [plain(value) for value in found]
    return found


def assert_same(ours: object, theirs: object, where: str = "result") -> None:
    """Equal, numbers up to the order of fp32 sums (the hidden states are of order one)."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        assert ours.keys() == theirs.keys(), where
        for key, value in theirs.items():
            assert_same(ours[key], value, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        assert len(ours) == len(theirs), where
        for index, value in enumerate(theirs):
            assert_same(ours[index], value, f"{where}[{index}]")
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, abs=1e-5, rel=1e-5), where
    else:
        assert ours == theirs, where


CALLS = CONFIGS | MODELS | TOKENIZERS
PAGE = ROOT / "docs/transformers.md"


def table() -> str:
    """The calls as docs/transformers.md lists them."""
    parts = {"config": CONFIGS, "model": MODELS, "tokenizer": TOKENIZERS, "tokenizer, gone from transformers 5": LOST}
    rows = (f"| {part} | `{name}` |" for part, calls in parts.items() for name in calls)
    return "\n".join(("| of | call |", "|---|---|", *rows))


def test_the_page_lists_each_call() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert table() in page, table()
    assert f"{len(CALLS | LOST)} calls" in page


@pytest.mark.parametrize("name", CALLS)
def test_a_documented_call_answers_as_transformers_does(name: str, folder: Path) -> None:
    ours, theirs = (plain(copy.copy(CALLS[name](lib, folder))) for lib in (squeezebert_mobile, transformers))
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", LOST)
def test_a_documented_call_that_transformers_lost_answers_as_its_calls_do(name: str, folder: Path) -> None:
    ours, theirs = LOST[name]
    assert_same(plain(ours(squeezebert_mobile, folder)), plain(theirs(transformers, folder)))
