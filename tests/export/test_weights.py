"""The mobile form for ONNX Runtime against the reference, in PyTorch, for any legal config, mask and task."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from squeezebert_mobile.checkpoint.load import config_for
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.export import weights as mobile
from squeezebert_mobile.export.ort.form import OrtModel, compact
from squeezebert_mobile.model import model_class
from squeezebert_mobile.tasks import Task

# fp32 rounding through up to three layers of normalized activations; the design asks for it of logits.
TOLERANCE = 1e-5


@st.composite
def configs(draw: st.DrawFn) -> SqueezeBertConfig:
    groups = {
        f"{name}_groups": draw(st.sampled_from([1, 2, 4]))
        for name in ("q", "k", "v", "post_attention", "intermediate", "output")
    }
    if draw(st.booleans()):
        groups["k_groups"] = groups["v_groups"] = groups["q_groups"]
    return SqueezeBertConfig(
        vocab_size=50,
        hidden_size=24,
        embedding_size=24,
        num_hidden_layers=draw(st.integers(1, 3)),
        num_attention_heads=draw(st.sampled_from([1, 2, 3, 4, 12])),
        intermediate_size=48,
        max_position_embeddings=16,
        hidden_act=draw(st.sampled_from(["gelu", "gelu_new", "relu", "silu"])),
        layer_norm_eps=draw(st.sampled_from([1e-12, 1e-3, 0.1])),
        num_labels=3,
        **groups,
    )


def inputs(generator: torch.Generator, shape: tuple[int, ...], config: SqueezeBertConfig) -> tuple[Tensor, ...]:
    ids = torch.randint(config.vocab_size, shape, generator=generator)
    mask = torch.randint(2, shape, generator=generator)  # left padding, right padding and holes alike
    mask[..., torch.randint(shape[-1], (1,), generator=generator)] = 1
    return ids, mask, torch.randint(config.type_vocab_size, shape, generator=generator)


@settings(max_examples=30)
@given(configs(), st.sampled_from(list(Task)), st.integers(1, 3), st.integers(1, 16), st.integers(0, 2**31))
def test_equals_the_reference(config: SqueezeBertConfig, task: Task, n: int, w: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = model_class(task)(config_for(task, config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    shape = (n, 2, w) if task is Task.MULTIPLE_CHOICE else (n, w)
    arguments = inputs(torch.Generator().manual_seed(seed), shape, config)
    with torch.inference_mode():
        expected = model.tensors(*arguments)
        found = OrtModel(model, config.max_position_embeddings).eval()(*arguments)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        real = arguments[1].bool() if has_token_rows(task, theirs) else ...
        assert (ours - theirs)[real].abs().max() < TOLERANCE


def has_token_rows(task: Task, output: Tensor) -> bool:
    """Whether an output has a value per token, which at masked positions nobody reads."""
    if task is Task.FEATURE_EXTRACTION:
        return output.ndim == 3
    return task in (Task.FILL_MASK, Task.TOKEN_CLASSIFICATION, Task.QUESTION_ANSWERING)


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4))
def test_compaction_keeps_order_and_finds_the_way_back(masks: list[list[bool]]) -> None:
    mask = torch.tensor(masks).long()
    rows = compact(mask)
    keep = mask.bool() | (torch.arange(6) == 0)
    assert rows.k == keep.sum(1).max()
    for n in range(len(masks)):
        kept = keep[n].nonzero().flatten()
        assert torch.equal(rows.order[n, : len(kept)], kept)
    positions = rows.expand(rows.order.flatten()[:, None].float())[..., 0]
    assert torch.equal(positions[keep], torch.arange(6.0).expand_as(positions)[keep])


def test_an_empty_mask_gives_finite_values() -> None:
    torch.manual_seed(0)
    config = SqueezeBertConfig(
        vocab_size=20, hidden_size=8, embedding_size=8, num_attention_heads=4, num_hidden_layers=1, intermediate_size=16
    )
    form = OrtModel(model_class(Task.TEXT_CLASSIFICATION)(config).eval(), 8).eval()
    ids = torch.ones(2, 5, dtype=torch.int64)
    assert torch.isfinite(form(ids, torch.zeros_like(ids), torch.zeros_like(ids))[0]).all()


def test_the_report_names_every_unit_once_with_a_reason() -> None:
    config = SqueezeBertConfig(q_groups=2, intermediate_groups=2, num_hidden_layers=2)
    fast, fallbacks = mobile.fallback_notes(config)
    assert fast == ()
    assert [kept.name for kept in fallbacks] == [
        "layers.0.attention",
        "layers.1.attention",
        "layers.0.feed_forward",
        "layers.1.feed_forward",
    ]
    assert "2, 4 and 4 groups" in fallbacks[0].reason
    fast, fallbacks = mobile.fallback_notes(SqueezeBertConfig(num_attention_heads=6))
    assert "6 heads do not fit into 4 groups" in fallbacks[0].reason
    assert fast[0] == "layers.0.feed_forward"
