"""What a sentence-transformers folder declares is read as it reads it, or refused with the reason."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentences
import tiny
import torch

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.checkpoint.sentence import SentenceFolder, declaration
from squeezebert_mobile.errors import InputFileError, UnsupportedModelError, UsageError
from squeezebert_mobile.model import run_module
from squeezebert_mobile.tasks import Pooling, Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentences.folder(tmp_path_factory.mktemp("sentence") / "model")


@pytest.fixture
def copied(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "model"))


def vectors(folder: Path, texts: tuple[str, ...] = sentences.TEXTS) -> np.ndarray:
    """Of the reference, in one padded batch."""
    loaded = checkpoint.load(folder)
    model = checkpoint.load_model(loaded, pooling=loaded.declared.pooling()).model
    rows = loaded.tokenizer().rows(list(texts), padding="longest")
    return run_module(model, rows.batch(), model.output_names)["sentence_embedding"]


def test_the_reference_gives_the_vectors_of_sentence_transformers(tmp_path: Path) -> None:
    for mode, normalize in (("mean", False), ("cls", True), ("max", False)):
        folder = sentences.folder(tmp_path / mode, mode, normalize=normalize)
        expected = sentences.opened(folder).encode(list(sentences.TEXTS))
        np.testing.assert_allclose(vectors(folder), expected, atol=1e-5)


def test_padding_before_the_text_moves_no_vector(written: Path) -> None:
    model = checkpoint.load_model(checkpoint.load(written), pooling=Pooling("cls")).model
    ids = np.array([[0, 0, 2, 7, 9, 3]])
    batch = Batch(ids, (ids > 0).astype(np.int64), np.zeros_like(ids))
    found = run_module(model, batch, model.output_names)
    np.testing.assert_array_equal(found["sentence_embedding"], found["last_hidden_state"][:, 2])


def test_the_settings_of_old_versions_are_read(copied: Path) -> None:
    (copied / "modules.json").write_text(
        json.dumps([
            {"idx": 0, "name": "0", "path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ])
    )  # fmt: skip
    modes = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": False}
    (copied / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 48, **modes}))
    (copied / "0_Transformer").mkdir()
    for path in [path for path in copied.iterdir() if path.suffix != ".md" and path.is_file()]:
        if path.name not in ("modules.json", "config_sentence_transformers.json"):
            path.rename(copied / "0_Transformer" / path.name)
    assert checkpoint.load(copied).declared.pooling() == Pooling("cls")
    np.testing.assert_allclose(
        vectors(copied), sentences.opened(copied).encode(list(sentences.TEXTS)), atol=1e-5
    )  # fmt: skip


@pytest.mark.parametrize("length", [12, 4000])
def test_the_longest_text_is_the_declared_one(copied: Path, length: int) -> None:
    sentences.rewrite(copied / "sentence_bert_config.json", max_seq_length=length)
    sentences.rewrite(copied / "tokenizer_config.json", model_max_length=20)
    tokenizer = checkpoint.load(copied).tokenizer()
    assert tokenizer.model_max_length == length
    assert sentences.opened(copied).max_seq_length == length


def test_lower_case_of_a_cased_tokenizer_keeps_accents_as_sentence_transformers_does(
    copied: Path, written: Path
) -> None:
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(written)
    settings = replace(tokenizer.settings, do_lower_case=False, strip_accents=None)
    SqueezeBertTokenizerFast.of([*tokenizer.pieces[:-2], "é", "café"], settings).save_pretrained(copied)
    text = "CAFÉ [MASK] Hi É"
    cased = checkpoint.load(copied).tokenizer().rows(text).input_ids[0].tolist()
    sentences.rewrite(copied / "sentence_bert_config.json", do_lower_case=True)
    found = checkpoint.load(copied).tokenizer().rows(text).input_ids[0].tolist()
    assert found == sentences.opened(copied).preprocess([text])["input_ids"][0].tolist() != cased


def dense(folder: Path) -> None:
    steps = json.loads((folder / "modules.json").read_bytes())
    step = {"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.base.modules.dense.Dense"}
    (folder / "modules.json").write_text(json.dumps([*steps, step]))


def own_code(folder: Path) -> None:
    path = folder / "modules.json"
    path.write_text(path.read_text().replace("sentence_transformers.sentence_transformer.modules.pooling", "custom"))


def pooled(**changes: object) -> Any:
    return lambda folder: sentences.rewrite(folder / "1_Pooling/config.json", **changes)


def configured(name: str, **changes: object) -> Any:
    return lambda folder: sentences.rewrite(folder / name, **changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dense, "modules.json: declares modules that no exported file has; the vectors would be others (found Tr"),
        (own_code, "(found Transformer, custom.Pooling, Normalize"),
        (pooled(pooling_mode="weightedmean"), "1_Pooling/config.json: declares a pooling that no exported file has"),
        (pooled(pooling_mode=["cls", "mean"]), "(found ['cls', 'mean'], expected mean, cls, max)"),
        (configured("2_Normalize/config.json", module_input_name="token_embeddings"), "is not the text's vector"),
        (configured("sentence_bert_config.json", processing_kwargs={"text": {"max_length": 9}}), "processing_kwargs"),
        (
            configured("sentence_bert_config.json", modality_config={"text": {"method_output_name": "pooler_output"}}),
            "pools another output than last_hidden_state",
        ),
    ],
)  # fmt: skip
def test_what_would_give_other_vectors_is_refused_unless_pooling_is_asked_for(
    copied: Path, change: Any, words: str
) -> None:
    change(copied)
    declared = checkpoint.load(copied).declared
    with pytest.raises(UnsupportedModelError, match=re.escape(words)) as refused:
        declared.pooling()
    assert refused.value.fix == "pass --pooling mean, cls or max for the vectors of the transformer alone"
    assert declared.pooling("max") == Pooling("max", normalize=True)
    assert declared.pooling("max", False) == Pooling("max")


@pytest.mark.parametrize(
    ("changes", "mended"),
    [
        ({"prompts": {"query": "find: "}, "default_prompt_name": "query"}, {"default_prompt_name": None}),
        ({"truncate_dim": 8}, {"truncate_dim": None}),
    ],
)
def test_what_the_caller_must_do_is_refused_with_a_step_that_works(
    copied: Path, changes: dict[str, object], mended: dict[str, object]
) -> None:
    path = copied / "config_sentence_transformers.json"
    sentences.rewrite(path, **changes)
    with pytest.raises(UnsupportedModelError) as refused:
        checkpoint.load(copied).declared.pooling()
    assert f"set {next(iter(mended))} to null there" in refused.value.fix
    sentences.rewrite(path, **mended)
    assert checkpoint.load(copied).declared.pooling() == Pooling("mean", normalize=True)


def test_prompts_and_another_similarity_are_noted(copied: Path) -> None:
    path = copied / "config_sentence_transformers.json"
    sentences.rewrite(path, prompts={"query": "find: ", "document": ""}, similarity_fn_name="dot")
    assert checkpoint.load(copied).source.notes == (
        "write the prompt 'find: ' before a query yourself",
        "the model declares dot similarity; predict and the app give the cosine",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "is not a list (found dict, expected a list)"),
        ('[{"path": ""}]', "has a module without type and path"),
        ('[{"type": "x", "path": "../secret"}]', "names a folder outside of its own"),
        ('[{"type": "x", "path": "/etc"}]', "names a folder outside of its own"),
    ],
)
def test_a_malformed_list_of_modules_is_refused(copied: Path, text: str, words: str) -> None:
    (copied / "modules.json").write_text(text)
    with pytest.raises(InputFileError, match=re.escape(words)):
        checkpoint.load(copied)


def test_a_plain_body_declares_nothing_and_has_no_length_of_its_vector(tmp_path: Path) -> None:
    loaded = checkpoint.load(tiny.checkpoint(tmp_path, Task.FEATURE_EXTRACTION, tiny.SMALL))
    assert loaded.declared.pooling() is None
    assert loaded.declared.pooling("cls", True) == Pooling("cls", normalize=True)
    with pytest.raises(UsageError, match="--normalize: is about a vector of the text; fix: add --pooling"):
        loaded.declared.pooling(normalize=True)


@pytest.mark.parametrize("pooling", [Pooling("mean"), Pooling("cls", normalize=True), Pooling("max")])
def test_what_we_declare_is_read_alike_by_sentence_transformers_and_by_us(tmp_path: Path, pooling: Pooling) -> None:
    tiny.checkpoint(tmp_path, Task.FEATURE_EXTRACTION, tiny.SMALL)
    for name, data in declaration(pooling, hidden_size=48, max_length=24).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert SentenceFolder.open(tmp_path).pooling() == pooling
    theirs = sentences.opened(tmp_path)
    assert theirs.max_seq_length == checkpoint.load(tmp_path).tokenizer().model_max_length == 24
    np.testing.assert_allclose(vectors(tmp_path), theirs.encode(list(sentences.TEXTS)), atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [(None, "sigmoid"), (torch.nn.Sigmoid(), "sigmoid"), (torch.nn.Identity(), "identity")],
)
def test_a_reranker_declares_its_activation(tmp_path: Path, activation: torch.nn.Module | None, expected: str) -> None:
    loaded = checkpoint.load(sentences.reranker(tmp_path / "model", activation))
    assert (loaded.task, loaded.declared.activation()) == (Task.TEXT_CLASSIFICATION, expected)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, None),
        ({"sentence_transformers": {"version": "5.0"}}, "sigmoid"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, "identity"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"}, "sigmoid"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, "identity"),
    ],
)
def test_older_rerankers_declare_it_in_their_config(tmp_path: Path, keys: dict[str, object], expected: str) -> None:
    folder = tiny.checkpoint(tmp_path, Task.TEXT_CLASSIFICATION, tiny.SMALL)
    sentences.rewrite(folder / "config.json", **keys)
    assert SentenceFolder.open(folder).activation() == expected


def test_another_activation_is_refused(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path, Task.TEXT_CLASSIFICATION, tiny.SMALL)
    sentences.rewrite(folder / "config.json", sbert_ce_default_activation_function="torch.nn.modules.activation.Tanh")
    with pytest.raises(UnsupportedModelError, match="the scores would lack it"):
        SentenceFolder.open(folder).activation()
