"""A config.json is read strictly: what no SqueezeBERT can have is refused with its key, its rule and the file."""

import json
import os
from pathlib import Path

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from squeezebert_mobile.config import ACTIVATIONS, SqueezeBertConfig
from squeezebert_mobile.errors import (
    EnvironmentFault,
    InputFileError,
    SqueezeBertMobileError,
    UnsupportedModelError,
    UsageError,
)

KEYS = {
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
    "hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings", "type_vocab_size",
    "initializer_range", "layer_norm_eps", "pad_token_id", "embedding_size", "q_groups", "k_groups", "v_groups",
    "post_attention_groups", "intermediate_groups", "output_groups", "tie_word_embeddings", "bos_token_id",
    "eos_token_id", "output_attentions", "output_hidden_states", "return_dict", "problem_type", "id2label",
}  # fmt: skip


def write(folder: Path, content: bytes | str | dict[str, object]) -> Path:
    if isinstance(content, dict):
        content = json.dumps({"model_type": "squeezebert"} | content)
    path = folder / "config.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, error: type[SqueezeBertMobileError], *words: str) -> None:
    with pytest.raises(error) as caught:
        SqueezeBertConfig.from_json_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "; fix: " in message
    assert "\n" not in message
    for word in words:
        assert word in message


def test_defaults_are_those_of_transformers() -> None:
    theirs = transformers.SqueezeBertConfig().to_dict()
    ours = SqueezeBertConfig().to_dict()
    assert {key: ours[key] for key in KEYS} == {key: theirs[key] for key in KEYS}


def test_round_trip_through_transformers(tmp_path: Path) -> None:
    config = SqueezeBertConfig(
        hidden_size=48,
        embedding_size=48,
        num_attention_heads=6,
        intermediate_size=96,
        q_groups=2,
        id2label=("no", "yes", "può darsi"),
        problem_type="multi_label_classification",
        architectures=["SqueezeBertForSequenceClassification"],
        eos_token_id=[3, 4],
        output_hidden_states=True,
    )
    config.save_pretrained(tmp_path / "ours")
    transformers.SqueezeBertConfig.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    assert SqueezeBertConfig.from_pretrained(tmp_path / "theirs") == config
    assert SqueezeBertConfig.from_dict(config.to_dict()) == config


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        SqueezeBertConfig().save_pretrained(tmp_path / name)
    assert (tmp_path / "a" / "config.json").read_bytes() == (tmp_path / "b" / "config.json").read_bytes()


def test_body_parameters_are_those_of_the_paper() -> None:
    # 51.1 million with biases, norms and pooler (Iandola et al. 2020, table 2); those are 0.7 million.
    assert round(SqueezeBertConfig().body_parameters / 1e6, 1) == 50.4


# Row 22


def test_missing(tmp_path: Path) -> None:
    refused(tmp_path / "config.json", InputFileError, "is missing")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"vocab_size": \n  30522,,}', "line 2 column 9"),
        (b'{"layer_norm_eps": NaN}', "contains NaN"),
        (b'{"layer_norm_eps": -Infinity}', "contains -Infinity"),
        (b'{"vocab_size": 1, "vocab_size": 2}', "'vocab_size' twice"),
        (b"[]", "is not an object (found list"),
        (b'"squeezebert"', "is not an object (found str"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a": ' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
        (b'{"vocab_size": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b'{"name": "\xff"}', "is not UTF-8 at byte 10"),
        (b'{"model_type": "squeezebert"', "line 1 column 29"),
        (b"<html></html>", "line 1 column 1"),
    ],
)
def test_not_strict_json(tmp_path: Path, content: bytes, word: str) -> None:
    refused(write(tmp_path, content), InputFileError, word)


def test_a_hundred_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    refused(path, InputFileError, "is too large (found 100000000 bytes")


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    refused(tmp_path / "config.json", InputFileError, "is a folder")


def test_an_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to("config.json")
    refused(tmp_path / "config.json", EnvironmentFault, "cannot be read")


def test_a_pipe_that_nobody_fills(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    refused(tmp_path / "config.json", InputFileError, "is a device or pipe")


# Row 23


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"q_groups": 5}, "q_groups is not valid (found 5, expected a divisor of hidden_size, 768)"),
        ({"intermediate_size": 3073}, "intermediate_groups is not valid (found 4, expected a divisor of intermed"),
        ({"output_groups": 3072}, "output_groups is not valid (found 3072, expected a divisor of hidden_size"),
        ({"num_attention_heads": 7}, "num_attention_heads is not valid (found 7, expected a divisor of hidden_size"),
        ({"hidden_size": -768}, "hidden_size is not valid (found -768, expected a whole number from 2"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is not valid (found 0"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is not valid (found 1000000000"),
        ({"vocab_size": 10**4000}, "vocab_size is not valid"),
        ({"vocab_size": "30522"}, "vocab_size is not valid (found '30522'"),
        ({"k_groups": True}, "k_groups is not valid (found True"),
        ({"v_groups": 4.0}, "v_groups is not valid (found 4.0"),
        ({"hidden_size": None}, "hidden_size is not valid (found None"),
        ({"type_vocab_size": [2]}, "type_vocab_size is not valid (found [2]"),
        ({"pad_token_id": 30522}, "pad_token_id is not valid (found 30522, expected a whole number from 0 to 30521)"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps is not valid"),
        ({"hidden_dropout_prob": 1.5}, "hidden_dropout_prob is not valid"),
        ({"output_attentions": "yes"}, "output_attentions is not valid (found 'yes', expected true or false)"),
        ({"return_dict": 0}, "return_dict is not valid (found 0"),
        ({"bos_token_id": "[CLS]"}, "bos_token_id is not valid (found '[CLS]', expected null or a whole number)"),
        ({"bos_token_id": [1]}, "bos_token_id is not valid (found [1]"),
        ({"eos_token_id": [1, "a"]}, "eos_token_id is not valid"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings is not valid (found 1, expected true or false)"),
        ({"problem_type": "ranking"}, "problem_type is not valid"),
        ({"architectures": "SqueezeBertModel"}, "architectures is not valid (found str"),
        ({"architectures": [1]}, "architectures is not valid (found 1, expected strings)"),
    ],
)
def test_values_out_of_their_range(tmp_path: Path, values: dict[str, object], word: str) -> None:
    refused(write(tmp_path, values), UnsupportedModelError, word)


def test_an_infinite_number(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"model_type": "squeezebert", "layer_norm_eps": 1e999}')
    refused(path, InputFileError, "contains 1e999, which is out of range")
    with pytest.raises(UnsupportedModelError, match=r"layer_norm_eps is not valid \(found inf"):
        SqueezeBertConfig.from_dict({"model_type": "squeezebert", "layer_norm_eps": float("inf")})


# Rows 24 to 26


def test_embedding_size(tmp_path: Path) -> None:
    path = write(tmp_path, {"embedding_size": 128})
    refused(path, UnsupportedModelError, "embedding_size is not valid (found 128, expected hidden_size, 768)")


@pytest.mark.parametrize("model_type", ["bert", "mobilebert", None, 7])
def test_another_model(tmp_path: Path, model_type: object) -> None:
    path = write(tmp_path, {"model_type": model_type})
    refused(path, UnsupportedModelError, f"is not SqueezeBERT (found {model_type!r}, expected squeezebert)")


def test_custom_code_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    path = write(tmp_path, {"auto_map": {"AutoModel": "modeling.Model"}})
    refused(path, UnsupportedModelError, "custom code (auto_map)", "never run")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("activation", ["geglu", "GELU", None, 3, ["gelu"], {"a": 1}])
def test_unknown_activation(tmp_path: Path, activation: object) -> None:
    refused(write(tmp_path, {"hidden_act": activation}), UnsupportedModelError, "hidden_act", *ACTIVATIONS)


# Row 27


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"id2label": {"0": "a", "1": "a"}}, "id2label is not valid (found 'a' twice, expected distinct names)"),
        ({"id2label": {"0": "a", "1": ["b"]}}, "id2label is not valid (found ['b'], expected strings)"),
        ({"id2label": {"1": "a", "2": "b"}}, "id2label is not valid (found ids 1, 2, expected ids 0 to 1"),
        ({"id2label": {"0": "a", "x": "b"}}, "id2label is not valid (found ids 0, x"),
        ({"id2label": {}}, "id2label is not valid (found no labels, expected at least one)"),
        ({"id2label": "ab"}, "id2label is not valid (found str"),
        ({"id2label": 3}, "id2label is not valid (found int"),
        ({"label2id": ["a"]}, "label2id is not valid (found list"),
        ({"label2id": {"a": 0, "b": "x"}}, "id2label is not valid (found ids 0, x"),
        ({"id2label": {"0": "a"}, "num_labels": 3}, "num_labels is not valid (found 3, expected the 1 of id2label)"),
        ({"num_labels": 0}, "num_labels is not valid"),
        ({"num_labels": 10**8}, "num_labels is not valid"),
        ({"num_labels": "3"}, "num_labels is not valid"),
    ],
)
def test_labels(tmp_path: Path, values: dict[str, object], word: str) -> None:
    refused(write(tmp_path, values), UnsupportedModelError, word)


def test_labels_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    labels = {str(index): f"label {index}" for index in reversed(range(12))}
    config = SqueezeBertConfig.from_json_file(write(tmp_path, {"id2label": labels}))
    assert config.labels == tuple(f"label {index}" for index in range(12))


@pytest.mark.parametrize(("values", "count"), [({}, 2), ({"num_labels": 3}, 3), ({"id2label": None}, 2)])
def test_missing_labels_are_numbered(tmp_path: Path, values: dict[str, object], count: int) -> None:
    config = SqueezeBertConfig.from_json_file(write(tmp_path, values))
    assert config.labels == tuple(f"LABEL_{index}" for index in range(count))


# As transformers' config is called

CALLS: dict[str, dict[str, object]] = {
    "num_labels": {"num_labels": 3},
    "id2label": {"id2label": {0: "no", 1: "yes", 2: "maybe"}},
    "both ways": {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}},
    "keys of JSON": {"id2label": {"1": "yes", "0": "no"}, "label2id": {"no": 0, "yes": 1}},
    "everything": {"hidden_size": 48, "embedding_size": 48, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 1},
    "outputs": {"output_hidden_states": True, "output_attentions": True, "return_dict": False},
    "problem": {"problem_type": "regression", "num_labels": 1},
    "a key of another model": {"rope_theta": 1, "num_labels": 2},
}


def same(ours: SqueezeBertConfig, theirs: transformers.SqueezeBertConfig) -> None:
    # Theirs keeps the keys of JSON as strings where a map is set later than in the constructor.
    theirs.id2label = {int(key): label for key, label in theirs.id2label.items()}
    assert {key: getattr(ours, key) for key in (*KEYS, "num_labels", "model_type")} == {
        key: getattr(theirs, key) for key in (*KEYS, "num_labels", "model_type")
    }


@pytest.mark.parametrize("values", CALLS.values(), ids=CALLS)
def test_a_config_is_made_as_transformers_makes_it(values: dict[str, object]) -> None:
    ours, theirs = SqueezeBertConfig(**values), transformers.SqueezeBertConfig(**values)
    same(ours, theirs)
    assert ours.label2id == (theirs.label2id or {label: index for index, label in theirs.id2label.items()})
    assert SqueezeBertConfig(**theirs.to_dict()) == ours


@pytest.mark.parametrize("values", CALLS.values(), ids=CALLS)
def test_a_config_changes_as_transformers_does(values: dict[str, object]) -> None:
    ours, theirs = SqueezeBertConfig(num_labels=5), transformers.SqueezeBertConfig(num_labels=5)
    for key, value in values.items():
        setattr(ours, key, value)
        setattr(theirs, key, value)
    same(ours, theirs)
    updated = SqueezeBertConfig(num_labels=5)
    updated.update(values)
    assert updated == ours


@pytest.mark.parametrize("values", CALLS.values(), ids=CALLS)
def test_a_config_is_read_with_overrides(tmp_path: Path, values: dict[str, object]) -> None:
    SqueezeBertConfig(id2label=("a", "b"), hidden_dropout_prob=0.3).save_pretrained(tmp_path)
    known = {key: value for key, value in values.items() if key != "rope_theta"}
    ours = SqueezeBertConfig.from_pretrained(tmp_path, **known)
    same(ours, transformers.SqueezeBertConfig.from_pretrained(tmp_path, **known))
    assert ours.hidden_dropout_prob == 0.3


def test_an_override_that_is_no_key_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {})
    with pytest.raises(UsageError, match="hiden_size: is no setting of a config"):
        SqueezeBertConfig.from_pretrained(tmp_path, hiden_size=48)


def test_a_refused_update_changes_nothing() -> None:
    config = SqueezeBertConfig()
    with pytest.raises(UnsupportedModelError, match="q_groups is not valid"):
        config.update({"num_labels": 3, "q_groups": 5})
    assert config == SqueezeBertConfig()


def test_sizes_may_pass_through_what_no_model_can_have() -> None:
    config = SqueezeBertConfig()
    config.hidden_size = 48
    with pytest.raises(UnsupportedModelError, match="embedding_size is not valid"):
        config.check()
    config.embedding_size = 48
    config.check()


def test_both_maps_of_the_labels_stay_each_others_inverse() -> None:
    config = SqueezeBertConfig(label2id={"yes": 1, "no": 0})
    assert (config.id2label, config.labels, config.num_labels) == ({0: "no", 1: "yes"}, ("no", "yes"), 2)
    config.label2id = {"a": 0, "b": 1, "c": 2}
    assert config.id2label == {0: "a", 1: "b", 2: "c"}
    config.num_labels = 3
    assert config.labels == ("a", "b", "c")


def test_labels_that_are_numbers_are_named_as_json_writes_them() -> None:
    assert SqueezeBertConfig(id2label={"0": 1, "1": 2.5, "2": True}).labels == ("1", "2.5", "true")


def test_the_json_text_is_the_file(tmp_path: Path) -> None:
    config = SqueezeBertConfig(num_labels=3)
    config.save_pretrained(tmp_path)
    assert config.to_json_string() == (tmp_path / "config.json").read_text()
    assert SqueezeBertConfig.from_dict(json.loads(config.to_json_string())) == config
    theirs = json.loads(transformers.SqueezeBertConfig(num_labels=3).to_json_string())
    del theirs["transformers_version"]
    assert theirs.items() <= json.loads(config.to_json_string()).items()


@pytest.mark.parametrize("key", ["output_attentions", "output_hidden_states", "return_dict"])
def test_a_switch_of_null_is_the_default(tmp_path: Path, key: str) -> None:
    config = SqueezeBertConfig.from_json_file(write(tmp_path, {key: None}))
    assert getattr(config, key) is (key == "return_dict")


def test_a_pad_token_of_null_is_the_default(tmp_path: Path) -> None:
    assert SqueezeBertConfig.from_json_file(write(tmp_path, {"pad_token_id": None})).pad_token_id == 0


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    write(tmp_path, {})
    with pytest.raises(UsageError, match="is a folder, which has no revisions"):
        SqueezeBertConfig.from_pretrained(tmp_path, revision="main")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*sorted(KEYS), "label2id", "num_labels", "architectures"]), json_values))
def test_any_values_make_a_config_or_an_error(values: dict[str, object]) -> None:
    try:
        config = SqueezeBertConfig.from_dict({"model_type": "squeezebert"} | values)
    except UnsupportedModelError as error:
        assert str(error).startswith("config.json: ")  # noqa: PT017 - most inputs are refused, some are not
    else:
        assert SqueezeBertConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ({"id2label": {"1": "no", "2": "yes"}}, 'number them from 0: {"0": "no", "1": "yes"}'),
        ({"id2label": {"0": "a", "1": "a"}}, "give each id a name of its own"),
        ({"id2label": "no"}, 'write it as {"0": "no", "1": "yes"}'),
        ({"num_labels": 3, "id2label": {"0": "a"}}, "remove num_labels"),
        ({"vocab_size": "30522"}, "write 30522 without quotes"),
        ({"layer_norm_eps": "1e-12"}, "write 1e-12 without quotes"),
        ({"tie_word_embeddings": "true"}, "write true without quotes"),
        ({"pad_token_id": -1}, "write null, or the id of [PAD]"),
        ({"hidden_act": "GELU"}, "write gelu"),
        ({"problem_type": "multi-label"}, "write multi_label_classification"),
        ({"architectures": "SqueezeBertModel"}, 'write it as ["SqueezeBertModel"]'),
        ({"q_groups": 5}, "give q_groups the value that these weights were made with"),
    ],
)
def test_how_a_key_is_corrected(tmp_path: Path, values: dict[str, object], step: str) -> None:
    refused(write(tmp_path, values), UnsupportedModelError, f"fix: {step}")


def test_a_label_that_utf8_cannot_hold(tmp_path: Path) -> None:
    values: dict[str, object] = {"id2label": {"0": "\ud800", "1": "b"}}
    refused(write(tmp_path, values), InputFileError, "has half a surrogate pair in a text")
    with pytest.raises(UnsupportedModelError, match=r"found '\\ud800', expected text that UTF-8 can hold"):
        SqueezeBertConfig.from_dict({"model_type": "squeezebert"} | values)
