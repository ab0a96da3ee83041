"""Every head's loss is the one that transformers computes, and sums over parts add up."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from tiny import CONFIG

from squeezebert_mobile.model import model_class
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.features import Feature, collate
from squeezebert_mobile.training.losses import Objective, Teacher, distillation_loss, target_count, task_loss

torch.set_num_threads(1)
IDS = torch.randint(1, CONFIG.vocab_size, (3, 7), generator=torch.Generator().manual_seed(0))
TOKENS = torch.tensor([[-100, 1, 0, -100, 1, 1, 0]] * 3)


def theirs(task: Task, labels: dict[str, torch.Tensor], ids: torch.Tensor, problem: str | None) -> tuple[float, tuple]:
    """transformers' loss and our model's logits with the same weights."""
    config = transformers.SqueezeBertConfig(**{**CONFIG.to_dict(), "problem_type": problem})
    torch.manual_seed(0)
    reference = getattr(transformers, task.architecture)(config).eval()
    ours = model_class(task)(CONFIG).eval()
    ours.load_state_dict(reference.state_dict(), strict=False)
    with torch.no_grad():
        outputs = ours.tensors(ids)
        loss = float(reference(ids, **labels).loss)
    return loss, outputs


@pytest.mark.parametrize(
    ("task", "problem", "labels"),
    [
        (Task.TEXT_CLASSIFICATION, "single_label_classification", torch.tensor([0, 1, 1])),
        (Task.TEXT_CLASSIFICATION, "regression", torch.tensor([[0.5, 1.0], [0.0, 2.0], [1.0, 1.0]])),
        (Task.TEXT_CLASSIFICATION, "multi_label_classification", torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])),
        (Task.TOKEN_CLASSIFICATION, None, TOKENS),
        (Task.FILL_MASK, None, TOKENS),
        (Task.MULTIPLE_CHOICE, None, torch.tensor([1, 0, 1])),
    ],
)
def test_a_loss_is_transformers(task: Task, problem: str | None, labels: torch.Tensor) -> None:
    ids = IDS[:, None].expand(-1, 2, -1).contiguous() if task is Task.MULTIPLE_CHOICE else IDS
    expected, outputs = theirs(task, {"labels": labels}, ids, problem)
    found = task_loss(task, problem, outputs, labels) / target_count(task, labels.numpy())
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_rows_with_different_numbers_of_choices_have_the_losses_that_they_have_alone() -> None:
    task, targets = Task.MULTIPLE_CHOICE, (1, 2, 0)
    rows = [IDS[:count, :width].numpy() for count, width in ((2, 7), (3, 5), (1, 4))]
    features = [
        Feature(number, ids, np.zeros_like(ids), np.ones_like(ids), np.array(target, np.int64))
        for number, (ids, target) in enumerate(zip(rows, targets, strict=True))
    ]
    alone = [
        theirs(task, {"labels": torch.tensor([target])}, torch.from_numpy(ids)[None], None)[0]
        for ids, target in zip(rows, targets, strict=True)
    ]
    batch = collate(features, pad_token_id=0)
    torch.manual_seed(0)
    reference = transformers.SqueezeBertForMultipleChoice(transformers.SqueezeBertConfig(**CONFIG.to_dict()))
    ours = model_class(task)(CONFIG).eval()
    ours.load_state_dict(reference.state_dict(), strict=False)
    objective = Objective(ours, distillation=0.0, temperature=1.0)
    inputs = [torch.from_numpy(array) for array in batch.inputs.arrays().values()]
    found, _ = objective(*inputs, torch.from_numpy(batch.labels), None)
    assert float(found.detach()) == pytest.approx(sum(alone), abs=1e-4)


def test_the_loss_of_a_span_is_transformers() -> None:
    labels = torch.tensor([[1, 2], [0, 0], [3, 6]])
    spans = {"start_positions": labels[:, 0], "end_positions": labels[:, 1]}
    expected, outputs = theirs(Task.QUESTION_ANSWERING, spans, IDS, None)
    found = task_loss(Task.QUESTION_ANSWERING, None, outputs, labels)
    assert float(found) / target_count(Task.QUESTION_ANSWERING, labels.numpy()) == pytest.approx(expected, abs=1e-5)


def test_sums_over_parts_add_up() -> None:
    logits = torch.randn(3, 7, 2, generator=torch.Generator().manual_seed(1))
    whole = task_loss(Task.TOKEN_CLASSIFICATION, None, (logits,), TOKENS)
    parts = [task_loss(Task.TOKEN_CLASSIFICATION, None, (logits[p],), TOKENS[p]) for p in ([0], [1, 2])]
    assert float(whole) == pytest.approx(float(sum(parts)), rel=1e-6)


def test_distillation_is_zero_for_the_teacher_itself_and_scales_with_the_temperature() -> None:
    teacher = torch.tensor([[2.0, -1.0], [0.5, 0.0]])
    assert float(distillation_loss(teacher, teacher, 2.0)) == pytest.approx(0, abs=1e-6)
    student = torch.zeros(2, 2)
    p = np.exp(teacher.numpy() / 3) / np.exp(teacher.numpy() / 3).sum(1, keepdims=True)
    expected = 9 * float((p * (np.log(p) - np.log(0.5))).sum())
    assert float(distillation_loss(student, teacher, 3.0)) == pytest.approx(expected, rel=1e-5)


def test_a_teacher_of_several_labels_or_of_values_is_learnt_label_by_label() -> None:
    teacher, student = torch.tensor([[2.0, -1.0], [0.5, 3.0]]), torch.tensor([[0.0, 1.0], [2.0, -2.0]])
    p, q = (1 / (1 + np.exp(-x.numpy() / 3)) for x in (teacher, student))
    expected = 9 * float((p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum())
    found = distillation_loss(student, teacher, 3.0, "multi_label_classification")
    assert float(found) == pytest.approx(expected, rel=1e-5)
    values = distillation_loss(student, teacher, 3.0, "regression")
    assert float(values) == pytest.approx(float((student - teacher).square().sum()))


@pytest.mark.parametrize("problem", ["regression", "multi_label_classification"])
def test_one_output_learns_from_a_teacher(problem: str) -> None:
    config = replace(CONFIG, id2label=("value",), problem_type=problem)
    one, other = (model_class(Task.TEXT_CLASSIFICATION)(config) for _ in range(2))
    objective = Objective(one.eval(), teacher=Teacher(other.eval()), distillation=1.0, temperature=2.0)
    loss, _ = objective(IDS, torch.ones_like(IDS), torch.zeros_like(IDS), torch.ones(3, 1), None)
    assert float(loss.detach()) > 0
