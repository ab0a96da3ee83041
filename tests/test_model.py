"""The reference model is transformers' SqueezeBERT, for every task, config and mask."""

import dataclasses

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from squeezebert_mobile.config import ACTIVATIONS, SqueezeBertConfig
from squeezebert_mobile.model import MODEL_CLASSES, PreTrained

SMALL = SqueezeBertConfig(
    vocab_size=60, hidden_size=48, embedding_size=48, num_hidden_layers=3, num_attention_heads=12, intermediate_size=96,
    max_position_embeddings=24, id2label=("A", "B", "C"),
)  # fmt: skip
# fp32 sums in another order; the bound.
ATOL = 1e-5

configs = st.builds(
    lambda heads, size, wide, groups, act, layers, others: SqueezeBertConfig(
        vocab_size=50, hidden_size=heads * size * 8, embedding_size=heads * size * 8, num_hidden_layers=layers,
        num_attention_heads=heads, intermediate_size=wide * 8, hidden_act=act, max_position_embeddings=16,
        q_groups=groups[0], k_groups=groups[1], v_groups=groups[2], post_attention_groups=groups[3],
        intermediate_groups=groups[4], output_groups=groups[5], **others,
    ),
    heads=st.integers(1, 5), size=st.integers(1, 3), wide=st.integers(1, 9), layers=st.integers(1, 3),
    groups=st.lists(st.sampled_from((1, 2, 4, 8)), min_size=6, max_size=6), act=st.sampled_from(ACTIVATIONS),
    others=st.fixed_dictionaries({}, optional={
        "layer_norm_eps": st.sampled_from((0.0, 1e-12, 1e-5, 1e-3, 0.1, 1.0)), "type_vocab_size": st.integers(2, 4),
        "pad_token_id": st.integers(0, 49), "bos_token_id": st.none() | st.integers(0, 49),
        "eos_token_id": st.none() | st.integers(0, 49) | st.lists(st.integers(0, 49), max_size=2),
        "hidden_dropout_prob": st.floats(0, 1), "attention_probs_dropout_prob": st.floats(0, 1),
        "initializer_range": st.floats(0.01, 0.1), "tie_word_embeddings": st.booleans(),
        "num_labels": st.integers(1, 4),
        "output_attentions": st.booleans(), "output_hidden_states": st.booleans(), "return_dict": st.booleans(),
        "problem_type": st.sampled_from((None, "regression", "multi_label_classification")),
    }),
)  # fmt: skip


def test_the_property_draws_every_key_of_a_config() -> None:
    default, drawn = SqueezeBertConfig().to_dict(), {"model_type", "architectures"}

    @settings(max_examples=200, database=None)
    @given(configs)
    def draw(config: SqueezeBertConfig) -> None:
        drawn.update(key for key, value in config.to_dict().items() if value != default[key])

    draw()
    assert drawn == set(default)


def pair(cls: type[PreTrained], config: SqueezeBertConfig, seed: int = 0) -> tuple[PreTrained, torch.nn.Module]:
    """Our model and transformers' with the same weights, spread enough that every bias and norm matters."""
    torch.manual_seed(seed)
    if cls.__name__.endswith("QuestionAnswering"):
        config = dataclasses.replace(config, id2label=("A", "B"))
    ours = cls(config).eval()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    values = {k: v for k, v in config.to_dict().items() if k != "model_type"}
    theirs = getattr(transformers, cls.__name__)(transformers.SqueezeBertConfig(**values)).eval()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def outputs(result: object) -> tuple[torch.Tensor, ...]:
    """Every tensor of a call, in its order."""
    values = result if isinstance(result, tuple) else result.to_tuple()  # type: ignore[attr-defined]
    return tuple(x for value in values for x in (value if isinstance(value, tuple) else (value,)))


def assert_equal(ours: PreTrained, theirs: torch.nn.Module, shape: tuple[int, ...], seed: int = 0) -> None:
    torch.manual_seed(seed)
    config = ours.config
    ids = torch.randint(0, config.vocab_size, shape)
    mask = (torch.rand(shape) > 0.3).long()
    mask[..., 0] = 1
    types = torch.randint(0, 2, shape)
    with torch.no_grad():
        got = outputs(ours(ids, mask, types))
        want = outputs(theirs(input_ids=ids, attention_mask=mask, token_type_ids=types))
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, atol=ATOL, rtol=0)


def shape_for(cls: type[PreTrained]) -> tuple[int, ...]:
    return (2, 3, 16) if cls.__name__.endswith("MultipleChoice") else (3, 16)


@pytest.mark.parametrize("cls", MODEL_CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_equals_transformers(cls: type[PreTrained]) -> None:
    ours, theirs = pair(cls, SMALL)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert_equal(ours, theirs, shape_for(cls))


@settings(max_examples=40)
@given(config=configs, cls=st.sampled_from(MODEL_CLASSES), seed=st.integers(0, 99))
def test_odd_configs_equal_transformers(config: SqueezeBertConfig, cls: type[PreTrained], seed: int) -> None:
    ours, theirs = pair(cls, config, seed)
    assert_equal(ours, theirs, shape_for(cls), seed)


@pytest.mark.parametrize("cls", MODEL_CLASSES, ids=lambda cls: cls.__name__)
def test_masks_and_types_default_to_ones_and_zeros(cls: type[PreTrained]) -> None:
    ours, _ = pair(cls, SMALL)
    ids = torch.randint(0, 60, shape_for(cls))
    with torch.no_grad():
        for a, b in zip(
            outputs(ours(ids)), outputs(ours(ids, torch.ones_like(ids), torch.zeros_like(ids))), strict=True
        ):
            torch.testing.assert_close(a, b, atol=0, rtol=0)


def test_an_empty_mask_gives_finite_values_equal_to_transformers() -> None:
    ours, theirs = pair(MODEL_CLASSES[0], SMALL)
    ids = torch.randint(0, 60, (1, 7))
    with torch.no_grad():
        got = ours(ids, torch.zeros_like(ids))[0]
        want = theirs(input_ids=ids, attention_mask=torch.zeros_like(ids))[0]
    torch.testing.assert_close(got, want, atol=ATOL, rtol=0)


def test_training_mode_drops_out_and_trains() -> None:
    ours, _ = pair(MODEL_CLASSES[2], SMALL)
    ids = torch.randint(0, 60, (2, 9))
    ours.train()
    assert not torch.equal(ours(ids).logits, ours(ids).logits)
    ours(ids).logits.square().mean().backward()
    assert all(p.grad is not None for p in ours.parameters())


def test_a_tied_decoder_shares_its_weight() -> None:
    tied, _ = pair(MODEL_CLASSES[1], SMALL)
    free, _ = pair(MODEL_CLASSES[1], dataclasses.replace(SMALL, tie_word_embeddings=False))
    word = "transformer.embeddings.word_embeddings.weight"
    for model, same in ((tied, True), (free, False)):
        named = dict(model.named_parameters(remove_duplicate=False))
        assert (named["cls.predictions.decoder.weight"] is named[word]) is same
