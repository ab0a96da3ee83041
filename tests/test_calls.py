"""What a call refuses, what a checkpoint of another kind becomes, and that an output is a mapping like any other."""

import copy
import dataclasses
import pickle
from pathlib import Path

import pytest
import tiny
import torch
import transformers

from squeezebert_mobile.calls import ModelOutput, SequenceClassifierOutput
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import EnvironmentFault, SqueezeBertMobileError, UnsupportedModelError, UsageError
from squeezebert_mobile.model import (
    SqueezeBertForMaskedLM,
    SqueezeBertForQuestionAnswering,
    SqueezeBertForSequenceClassification,
    SqueezeBertModel,
)
from squeezebert_mobile.tasks import Task

IDS = torch.tensor([[2, 5, 6, 3]])


def output() -> SequenceClassifierOutput:
    return SequenceClassifierOutput(loss=None, logits=torch.ones(1, 2), hidden_states=(torch.zeros(1),))


def test_ids_and_embeddings_exclude_each_other() -> None:
    model = SqueezeBertModel(tiny.CONFIG)
    with pytest.raises(UsageError, match="input_ids: is given beside inputs_embeds; fix: pass one of the two"):
        model(IDS, inputs_embeds=torch.zeros(1, 4, 48))
    with pytest.raises(UsageError, match="input_ids: and inputs_embeds are both missing"):
        model(attention_mask=torch.ones(1, 4))


def test_an_output_is_read_by_attribute_key_position_and_slice() -> None:
    found = output()
    assert found.logits is found["logits"] is found[0] is found[:1][0] is found.to_tuple()[-2]
    assert (list(found), len(found), "loss" in found, found.loss) == (["logits", "hidden_states"], 2, False, None)
    with pytest.raises(KeyError):
        found["loss"]
    with pytest.raises(AttributeError, match="'SequenceClassifierOutput' has no attribute 'start_logits'"):
        _ = found.start_logits


def test_what_is_set_by_attribute_is_there_by_key() -> None:
    found = output()
    found.loss = torch.tensor(2.0)
    assert found["loss"] is found.loss


@pytest.mark.parametrize("through", [copy.copy, copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found)), dict])
def test_an_output_survives_copies(through) -> None:
    found = through(output())
    assert list(found) == ["logits", "hidden_states"]
    assert isinstance(found, dict)
    assert isinstance(type(found)(found.items()), ModelOutput) is (through is not dict)


def test_an_exported_signature_gives_plain_tensors_whatever_the_config_asks_for() -> None:
    config = dataclasses.replace(tiny.CONFIG, output_hidden_states=True, output_attentions=True)
    model = SqueezeBertForSequenceClassification(config).eval()
    assert [type(x) for x in model.tensors(IDS)] == [torch.Tensor]
    assert torch.equal(model.tensors(IDS)[0], model(IDS).logits)
    assert len(model(IDS)) == 3


def test_a_missing_head_is_random_and_named(tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path, Task.FILL_MASK)
    with pytest.warns(UserWarning, match=r"has no classifier.weight, classifier.bias; initialised at random"):
        made = SqueezeBertForSequenceClassification.from_pretrained(tmp_path, num_labels=4)
    assert made.classifier.weight.shape == (4, 48)
    words = "transformer.embeddings.word_embeddings.weight"
    assert torch.equal(made.state_dict()[words], SqueezeBertForMaskedLM.from_pretrained(tmp_path).state_dict()[words])


def test_a_head_of_another_size_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path, Task.TEXT_CLASSIFICATION)
    with pytest.raises(UnsupportedModelError, match="does not fit classifier"):
        SqueezeBertForSequenceClassification.from_pretrained(tmp_path, num_labels=5)
    with pytest.warns(UserWarning, match="initialised at random"):
        made = SqueezeBertForSequenceClassification.from_pretrained(
            tmp_path, num_labels=5, ignore_mismatched_sizes=True
        )
    assert made.config.labels == ("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4")


def test_a_span_head_on_a_body_with_three_labels_has_two_rows(tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path, Task.TOKEN_CLASSIFICATION)
    with pytest.warns(UserWarning, match="qa_outputs"):
        made = SqueezeBertForQuestionAnswering.from_pretrained(tmp_path)
    made.save_pretrained(tmp_path / "spans")
    theirs = transformers.SqueezeBertForQuestionAnswering.from_pretrained(tmp_path / "spans").eval()
    torch.testing.assert_close(made(IDS).start_logits, theirs(IDS).start_logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("asked", ["auto", "float16", torch.float16])
def test_the_type_of_the_weights_is_chosen(tmp_path: Path, asked: torch.dtype | str) -> None:
    folder = tiny.checkpoint(tmp_path, Task.TEXT_CLASSIFICATION)
    transformers.SqueezeBertForSequenceClassification.from_pretrained(folder).half().save_pretrained(folder)
    made = SqueezeBertForSequenceClassification.from_pretrained(folder, dtype=asked)
    assert (made.dtype, made.device) == (torch.float16, torch.device("cpu"))
    assert SqueezeBertForSequenceClassification.from_pretrained(folder).dtype == torch.float32


@pytest.mark.parametrize("asked", ["float17", "int8", torch.int8])
def test_a_type_that_no_weights_have_is_refused(tmp_path: Path, asked: object) -> None:
    folder = tiny.checkpoint(tmp_path, Task.TEXT_CLASSIFICATION)
    with pytest.raises(UsageError, match="dtype: is no type of weights"):
        SqueezeBertForSequenceClassification.from_pretrained(folder, torch_dtype=asked)


@pytest.mark.parametrize(("device_map", "error", "words"), [
    ({"transformer": "cpu", "classifier": "meta"}, UsageError, "spreads a model that stays whole"),
    ({"": "disk"}, UsageError, "spreads a model"), ({}, UsageError, "found none"),
    ("nonsense", UsageError, "names no device"), (-1, UsageError, "names no device"),
    ("cuda:99", EnvironmentFault, "cuda:99 is not there"),
])  # fmt: skip
def test_a_model_stays_whole_on_a_device_that_is_there(
    device_map: object, error: type[SqueezeBertMobileError], words: str, tmp_path: Path
) -> None:
    # Before anything is read: there is no checkpoint here.
    with pytest.raises(error, match=words):
        SqueezeBertModel.from_pretrained(tmp_path, device_map=device_map)


def test_an_option_that_is_no_key_of_a_config_is_refused(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path, Task.TEXT_CLASSIFICATION)
    with pytest.raises(UsageError, match="num_label: is no setting of a config"):
        SqueezeBertForSequenceClassification.from_pretrained(folder, num_label=3)


def test_a_changed_config_is_checked_where_a_model_is_made_of_it() -> None:
    config = SqueezeBertConfig()
    config.hidden_act = "no such"
    with pytest.raises(UnsupportedModelError, match="hidden_act is not valid"):
        SqueezeBertModel(config)


def test_only_a_masked_language_head_has_a_decoder_to_set() -> None:
    with pytest.raises(UsageError, match="text-classification has no decoder"):
        tiny.model(Task.TEXT_CLASSIFICATION).set_output_embeddings(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("tied", [True, False])
def test_a_resized_decoder_is_saved_and_read_again(tmp_path: Path, tied: bool) -> None:
    model = tiny.model(Task.FILL_MASK, dataclasses.replace(tiny.CONFIG, tie_word_embeddings=tied))
    before = model(IDS).logits
    model.resize_token_embeddings(tiny.CONFIG.vocab_size + 5, mean_resizing=False)
    assert torch.equal(model(IDS).logits[..., :-5], before)
    model.save_pretrained(tmp_path)
    for library in (SqueezeBertForMaskedLM, transformers.SqueezeBertForMaskedLM):
        again = library.from_pretrained(tmp_path).eval()
        torch.testing.assert_close(again(IDS).logits, model(IDS).logits, atol=1e-5, rtol=0)
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) is tied
