"""The .pte of every task against the reference, at every length that matters."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pte_models import LENGTH, Program, make, reference, text, worst

from squeezebert_mobile.config import ACTIVATIONS
from squeezebert_mobile.errors import EnvironmentFault, UsageError
from squeezebert_mobile.export.quantization import Dynamic, Half
from squeezebert_mobile.export.xnnpack import patches as pte_xnnpack
from squeezebert_mobile.export.xnnpack import release
from squeezebert_mobile.export.xnnpack.form import XnnpackModel, convolve
from squeezebert_mobile.export.xnnpack.lower import lower_pte
from squeezebert_mobile.tasks import Task


@st.composite
def configs(draw):
    head = draw(st.sampled_from([1, 4, 6]))
    heads = draw(st.sampled_from([1, 2, 3, 4, 8] if head > 1 else [2, 3, 4, 8]))
    width, wide = head * heads, head * heads * draw(st.sampled_from([1, 2, 4]))
    divisors = st.sampled_from([n for n in range(1, width + 1) if width % n == 0])
    groups = ("q_groups", "k_groups", "v_groups", "post_attention_groups", "intermediate_groups", "output_groups")
    aligned = draw(st.booleans())
    shared = draw(divisors)
    chosen = {name: shared if aligned else draw(divisors) for name in groups}
    sizes = {"hidden_size": width, "embedding_size": width, "num_attention_heads": heads, "intermediate_size": wide}
    return {
        **sizes,
        **chosen,
        "num_hidden_layers": draw(st.integers(1, 3)),
        "hidden_act": draw(st.sampled_from(ACTIVATIONS)),
        "layer_norm_eps": draw(st.sampled_from([1e-12, 1e-3, 0.1])),
    }


@given(configs(), st.sampled_from(Task), st.integers(1, LENGTH))
@settings(max_examples=60)
def test_the_form_is_the_reference_for_every_legal_config(config, task, tokens):
    model = make(task, **config)
    ids, types = text(tokens)
    expected = reference(model, ids, types)
    form = XnnpackModel(model, LENGTH).eval()
    # fp32 sums in another order; the values grow with the random weights, so the bound grows with them.
    bound = 1e-5 * max(1.0, *(float(b.abs().max()) for b in expected))
    with torch.inference_mode():
        assert worst(form(ids, types), expected) < bound
        convolve(form, model)
        assert worst(form(ids, types), expected) < bound


@pytest.mark.slow
@pytest.mark.parametrize("task", Task)
def test_a_pte_of_every_task_is_the_reference_at_every_length(task):
    model = make(task)
    program = Program(lower_pte(model).data)
    for tokens in (1, 2, 31, 32, LENGTH):
        ids, types = text(tokens)
        assert worst(program.forward([ids, types]), reference(model, ids, types)) < 1e-4, tokens


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"q_groups": 2, "k_groups": 4, "v_groups": 1, "output_groups": 2},
        {"num_attention_heads": 2, "post_attention_groups": 4},
        {"hidden_act": "gelu_new"},
        {"hidden_act": "mish", "layer_norm_eps": 0.1},
        {"hidden_act": "laplace"},
        {"hidden_act": "sqrtsoftplus"},
    ],
    ids=str,
)
def test_a_pte_that_falls_back_is_the_reference(changes):
    model = make(Task.TEXT_CLASSIFICATION, num_hidden_layers=1, **changes)
    program = Program(lower_pte(model).data)
    for tokens in (1, 2, 33):
        ids, types = text(tokens)
        assert worst(program.forward([ids, types]), reference(model, ids, types)) < 1e-4, tokens


def test_the_shortest_limit_works_too():
    model = make(Task.QUESTION_ANSWERING, num_hidden_layers=1)
    program = Program(lower_pte(model, max_seq_len=3).data)
    for tokens in (1, 2, 3):
        ids, types = text(tokens)
        assert worst(program.forward([ids, types]), reference(model, ids, types)) < 1e-4


def test_a_tied_table_is_written_once_and_the_bytes_are_the_same_each_time():
    model = make(Task.FILL_MASK, num_hidden_layers=1, vocab_size=4001)
    data = lower_pte(model).data
    assert len(data) < 1.5 * 4 * sum(p.numel() for p in model.parameters())
    table = model.get_submodule("cls.predictions.decoder").weight.detach().numpy().tobytes()
    assert data.count(table) == 1
    assert lower_pte(model).data == data


@pytest.mark.slow
def test_a_fallback_is_in_the_inventory():
    model = make(Task.TEXT_CLASSIFICATION, num_attention_heads=2)
    halves, integers, floats = (lower_pte(model, scheme=scheme).inventory for scheme in (Half(), Dynamic(), None))
    assert [kept.name for kept in halves.fallbacks] == ["layers.0.attention", "layers.1.attention"]
    # A grouped convolution has no need of one; the layer of token 0 has none.
    assert [kept.name for kept in floats.fallbacks] == ["layers.1.attention"]
    assert (integers.fallbacks, integers.fast) == (floats.fallbacks, floats.fast)
    assert set(floats.fast) == {"layers.0.feed_forward", "layers.1.feed_forward", "layers.0.attention"}


@pytest.mark.parametrize("groups", [(1, 1, 1), (2, 3, 4), (48, 48, 48), (4, 48, 16)])
def test_a_grouped_convolution_takes_any_grouping(groups):
    attention, wide, narrow = groups
    names = ("q_groups", "k_groups", "v_groups", "post_attention_groups")
    changes = dict.fromkeys(names, attention) | {"intermediate_groups": wide, "output_groups": narrow}
    model = make(Task.TOKEN_CLASSIFICATION, **changes)
    program = Program(lower_pte(model).data)
    for tokens in (1, 7, LENGTH):
        ids, types = text(tokens)
        assert worst(program.forward([ids, types]), reference(model, ids, types)) < 1e-5


@pytest.mark.parametrize("length", [2, LENGTH + 1])
def test_a_length_that_the_model_has_not_is_refused(length):
    with pytest.raises(UsageError, match="max-length"):
        lower_pte(make(Task.FILL_MASK), max_seq_len=length)


def test_another_executorch_is_refused(monkeypatch):
    monkeypatch.setattr(release.importlib.metadata, "version", lambda _name: "1.6.0")
    with pytest.raises(EnvironmentFault, match=r"found 1\.6\.0, expected 1\.4 to 1\.5"):
        lower_pte(make(Task.FILL_MASK))


def test_what_the_partitioner_was_taught_is_undone():
    from executorch.backends.xnnpack.operators import node_visitor, op_slice_copy
    from executorch.backends.xnnpack.partition.config.generic_node_configs import SliceCopyConfig

    def taught() -> tuple[object, ...]:
        return SliceCopyConfig.check_constraints, op_slice_copy.get_shape, dict(node_visitor._node_visitor_dict)

    before = taught()
    with pte_xnnpack.dynamic_slices(), pte_xnnpack.grouped_convolutions():
        assert not any(now == then for now, then in zip(taught(), before, strict=True))
    with pytest.raises(KeyError), pte_xnnpack.dynamic_slices(), pte_xnnpack.grouped_convolutions():
        raise KeyError
    assert taught() == before
