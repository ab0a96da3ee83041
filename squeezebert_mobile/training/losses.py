"""The losses that transformers gives each head, as a sum and a count, and soft-label distillation.

A sum and a count rather than a mean: they add up over micro-batches and processes to exactly what one large batch
gives, however the targets are spread.
"""

from torch import Tensor
from torch.nn import functional as F

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.features import IGNORED, Labels


def task_loss(task: Task, problem_type: str | None, outputs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """The sum over all targets of a task's loss; divide by `target_count` for the mean that transformers returns.

    ``outputs`` are the head's logits as in `squeezebert_mobile.model`, ``labels`` as in `features.Collated`.
    """
    match task:
        case Task.QUESTION_ANSWERING:
            start, end = outputs
            return (_cross_entropy(start, labels[:, 0]) + _cross_entropy(end, labels[:, 1])) / 2
        case Task.TEXT_CLASSIFICATION if problem_type == "regression":
            return F.mse_loss(outputs[0].float(), labels, reduction="sum")
        case Task.TEXT_CLASSIFICATION if problem_type == "multi_label_classification":
            return F.binary_cross_entropy_with_logits(outputs[0].float(), labels, reduction="sum")
        case Task.FEATURE_EXTRACTION:
            raise UsageError("task", f"{task} has no loss", fix="choose another task")
        case _:
            return _cross_entropy(outputs[0].flatten(0, -2), labels.flatten())


def target_count(task: Task, labels: Labels) -> int:
    """How many targets `task_loss` sums over: rows, values or tokens; a start and its end count as one."""
    return len(labels) if task is Task.QUESTION_ANSWERING else int((labels != IGNORED).sum())


def distillation_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The sum over rows of KL(teacher || student) at ``temperature``, times its square (Hinton et al. 2015).

    Both are [M, labels]; the square keeps the gradient's size independent of the temperature.
    """
    student = F.log_softmax(logits.float() / temperature, dim=-1)
    target = F.log_softmax(teacher.float() / temperature, dim=-1)
    return F.kl_div(student, target, reduction="sum", log_target=True) * temperature**2


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
