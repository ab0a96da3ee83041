"""What training minimises, as one module, so that accelerate's wrappers see every forward pass."""

import torch
from torch import Tensor, nn

from squeezebert_mobile.model import PreTrained, SqueezeBertForMaskedLM
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training import losses
from squeezebert_mobile.training.features import IGNORED


class Objective(nn.Module):
    """A model with its loss: (1 - distillation) x the task's own + distillation x the teacher's, summed over targets.

    The teacher's logits come with the batch (soft labels) or from ``teacher``, a frozen model of the same task and
    vocabulary.
    """

    def __init__(
        self, model: PreTrained, *, teacher: PreTrained | None = None, distillation: float, temperature: float
    ) -> None:
        super().__init__()
        self.model = model
        # In a tuple, so that it is no sub-module: its weights are neither trained nor saved with the run.
        self._teacher = (teacher,)
        self._distillation = distillation
        self._temperature = temperature

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, labels: Tensor, soft: Tensor | None
    ) -> Tensor:
        """The loss summed over the batch's targets, a scalar."""
        inputs = (input_ids, attention_mask, token_type_ids)
        outputs, targets = _logits(self.model, inputs, labels)
        hard = losses.task_loss(self.model.task, self.model.config.problem_type, outputs, targets)
        teacher_outputs = self._soft_labels(inputs, labels, soft)
        if teacher_outputs is None:
            return hard
        hidden = attention_mask == 0 if self.model.task is Task.QUESTION_ANSWERING else None
        distilled = [
            losses.distillation_loss(_rows(ours, targets, hidden), _rows(theirs, targets, hidden), self._temperature)
            for ours, theirs in zip(outputs, teacher_outputs, strict=True)
        ]
        return (1 - self._distillation) * hard + self._distillation * torch.stack(distilled).sum() / len(distilled)

    def _soft_labels(
        self, inputs: tuple[Tensor, Tensor, Tensor], labels: Tensor, soft: Tensor | None
    ) -> tuple[Tensor, ...] | None:
        if soft is not None:
            return (soft,)
        (teacher,) = self._teacher
        if teacher is None:
            return None
        with torch.no_grad():
            return _logits(teacher, inputs, labels)[0]


def _logits(
    model: PreTrained, inputs: tuple[Tensor, Tensor, Tensor], labels: Tensor
) -> tuple[tuple[Tensor, ...], Tensor]:
    """The head's outputs with their targets; the vocabulary is decoded at hidden tokens alone, a sixth of the work."""
    if isinstance(model, SqueezeBertForMaskedLM):
        hidden = labels != IGNORED
        x, _ = model.transformer(*inputs)
        return (model.cls["predictions"](x[hidden]),), labels[hidden]
    outputs = model(*inputs)
    return (outputs if isinstance(outputs, tuple) else (outputs,)), labels


def _rows(logits: Tensor, targets: Tensor, hidden: Tensor | None) -> Tensor:
    """The logits [M, labels] of the rows that have a target; starts and ends may not lie on padding."""
    if hidden is not None:
        return logits.float().masked_fill(hidden, -1e4)
    if targets.dim() == logits.dim() - 1:
        return logits[targets != IGNORED]
    return logits
