"""A student has exactly the teacher's weights that were chosen, and transformers opens it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.students import kept_channels, student

torch.set_num_threads(1)
DEEP = replace(tiny.CONFIG, num_hidden_layers=4)
IDS = torch.randint(1, 200, (2, 9), generator=torch.Generator().manual_seed(0))


def logits(model: PreTrained) -> torch.Tensor:
    ids = IDS[:, None].expand(-1, 2, -1).contiguous() if model.task is Task.MULTIPLE_CHOICE else IDS
    with torch.inference_mode():
        return torch.cat([x.flatten() for x in model.tensors(ids)])


@pytest.mark.parametrize("task", Task)
def test_all_layers_and_channels_are_the_teacher_itself(task: Task) -> None:
    teacher = tiny.model(task, DEEP)
    whole = np.arange(DEEP.intermediate_size)
    assert torch.equal(logits(student(teacher, range(4))), logits(teacher))
    assert torch.equal(logits(student(teacher, range(4), [whole] * 4)), logits(teacher))


def test_layers_that_change_nothing_can_go() -> None:
    teacher = tiny.model(Task.TEXT_CLASSIFICATION, DEEP)
    reference = student(teacher, (0, 2))
    assert reference.config.num_hidden_layers == 2
    for ours, theirs in ((0, 0), (1, 2)):
        one, other = (m.transformer.encoder.layers[n].state_dict() for m, n in ((reference, ours), (teacher, theirs)))
        assert all(torch.equal(one[name], other[name]) for name in other)
    assert not torch.allclose(logits(reference), logits(teacher))


def widths(draw: st.DrawFn) -> tuple[SqueezeBertConfig, int]:
    """A config whose two convolutions have any groups, and a size that both divide."""
    inner, outer = draw(st.sampled_from((1, 2, 3, 4, 6, 12))), draw(st.sampled_from((1, 2, 3, 4, 6, 12)))
    step = int(np.lcm(inner, outer))
    most = draw(st.integers(1, 5))
    config = replace(
        DEEP,
        num_hidden_layers=1,
        hidden_size=24,
        embedding_size=24,
        intermediate_size=most * step,
        intermediate_groups=inner,
        output_groups=outer,
    )
    return config, step * draw(st.integers(1, most))


@settings(max_examples=60, deadline=None)
@given(st.composite(widths)(), st.integers(0, 2**16))
def test_channels_that_are_silent_change_nothing_however_the_groups_overlap(
    sized: tuple[SqueezeBertConfig, int], seed: int
) -> None:
    config, size = sized
    importance = np.random.default_rng(seed).random(config.intermediate_size)
    kept = kept_channels(importance, size, config)
    assert len(kept) == size and list(kept) == sorted(set(kept.tolist()))
    for groups in (config.intermediate_groups, config.output_groups):
        owners = kept // (config.intermediate_size // groups)
        assert np.bincount(owners, minlength=groups).tolist() == [size // groups] * groups
    teacher = tiny.model(Task.TEXT_CLASSIFICATION, config)
    layer = teacher.transformer.encoder.layers[0]
    gone = np.setdiff1d(np.arange(config.intermediate_size), kept)
    with torch.no_grad():
        # Gelu of 0 is 0: these channels say nothing.
        layer.intermediate.conv1d.weight[gone] = 0
        layer.intermediate.conv1d.bias[gone] = 0
    pruned = student(teacher, (0,), [kept])
    assert pruned.config.intermediate_size == size
    torch.testing.assert_close(logits(pruned), logits(teacher), rtol=0, atol=1e-5)


def test_of_each_slice_the_most_important_channels_stay() -> None:
    config = replace(DEEP, intermediate_size=24, intermediate_groups=2, output_groups=4)
    importance = np.zeros(24)
    best = [1, 4, 5, 6, 10, 11, 12, 13, 17, 18, 19, 23]
    importance[best] = 1
    assert kept_channels(importance, 12, config).tolist() == best


@pytest.mark.parametrize("task", [task for task in Task if task is not Task.FEATURE_EXTRACTION])
def test_transformers_opens_a_student_with_the_same_logits(task: Task, tmp_path: Path) -> None:
    teacher = tiny.model(task, DEEP)
    kept = kept_channels(np.random.default_rng(0).random(DEEP.intermediate_size), 48, DEEP)
    made = student(teacher, (0, 3), [kept, kept])
    made.save_pretrained(tmp_path)
    theirs = getattr(transformers, task.architecture).from_pretrained(tmp_path).eval()
    ids = IDS[:, None].expand(-1, 2, -1).contiguous() if task is Task.MULTIPLE_CHOICE else IDS
    with torch.inference_mode():
        expected = torch.cat([x.flatten() for x in theirs(ids).to_tuple()])
    torch.testing.assert_close(logits(made), expected, rtol=0, atol=1e-5)


def test_a_student_keeps_what_its_teacher_declares() -> None:
    teacher = tiny.model(Task.TEXT_CLASSIFICATION, DEEP)
    teacher.activation = "sigmoid"
    assert student(teacher, (1,)).activation == "sigmoid"
