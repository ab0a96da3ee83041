"""The losses that transformers gives each head, as a sum and a count, and distillation: soft labels, hidden states.

A sum and a count rather than a mean: they add up over micro-batches and processes to exactly what one large batch
gives, however the targets are spread.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.calls import Inputs, Layers, Trace
from squeezebert_mobile.model import PreTrained, SqueezeBertForMaskedLM
from squeezebert_mobile.sentence import SentenceModel
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.features import IGNORED, Labels

# Cosines, which lie in -1 to 1, as logits.
_SCALE = 20.0


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
            return _pair_loss(outputs[0], labels)
        case _:
            return _cross_entropy(outputs[0].flatten(0, -2), labels.flatten())


def target_count(task: Task, labels: Labels) -> int:
    """How many targets `task_loss` sums over: rows, values or tokens; a start and its end count as one."""
    return len(labels) if task is Task.QUESTION_ANSWERING else int((labels != IGNORED).sum())


def _pair_loss(vectors: Tensor, labels: Tensor) -> Tensor:
    """Of the vectors [N, 2, C] of pairs: the squared error of their cosines, where they have scores.

    Else each first text must find its own second one among those of the batch (Henderson et al. 2017) and all hard
    negatives, which [N, 2 + negatives, C] hold, as in sentence-transformers' MultipleNegativesRankingLoss.
    """
    first, *others = F.normalize(vectors.float(), dim=-1).unbind(1)
    if labels.is_floating_point():
        return F.mse_loss((first * others[0]).sum(-1), labels, reduction="sum")
    own = torch.arange(len(first), device=first.device)
    return F.cross_entropy(_SCALE * first @ torch.cat(others).T, own, reduction="sum")


def distillation_loss(logits: Tensor, teacher: Tensor, temperature: float, problem_type: str | None = None) -> Tensor:
    """The sum over rows of KL(teacher || student) at ``temperature``, times its square (Hinton et al. 2015).

    Both are [M, labels]; the square keeps the gradient's size independent of the temperature. Of several labels that
    may all hold each is a choice of its own; of values it is their squared error.
    """
    if problem_type == "regression":
        return F.mse_loss(logits.float(), teacher.float(), reduction="sum")
    if problem_type == "multi_label_classification":
        # The sigmoid of x is the softmax of x and 0.
        logits, teacher = (torch.stack((x, torch.zeros_like(x)), -1) for x in (logits, teacher))
    student = F.log_softmax(logits.float() / temperature, dim=-1)
    target = F.log_softmax(teacher.float() / temperature, dim=-1)
    return F.kl_div(student, target, reduction="sum", log_target=True) * temperature**2


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")


@dataclass(frozen=True)
class Teacher:
    """A frozen model of the student's task and vocabulary; ``layers`` are those that the student's are matched to.

    ``hidden`` and ``attention`` are the weights of what is matched: the squared error of the hidden states after a
    layer, and of its scores before the softmax (Jiao et al. 2019).
    """

    model: PreTrained
    layers: tuple[int, ...] = ()
    hidden: float = 0.0
    attention: float = 0.0

    def trace(self) -> Trace:
        """Records what is matched."""
        return Trace(hidden_states=self.hidden > 0, attentions=self.attention > 0)

    def match(self, student: Trace, teacher: Trace, real: Tensor) -> Tensor:
        """The weighted errors summed over the tokens that ``real`` [N, W] marks, a scalar.

        Of a token the error is the mean over channels, or over heads and real tokens, and over the layers.
        """
        total = torch.zeros((), device=real.device)
        if student.hidden_states and teacher.hidden_states:
            # The states before the first layer stand at 0.
            pairs = [(student.hidden_states[n + 1], teacher.hidden_states[m + 1]) for n, m in enumerate(self.layers)]
            errors = [(ours.float() - theirs.float()).square().mean(-1)[real].sum() for ours, theirs in pairs]
            total = total + self.hidden * torch.stack(errors).mean()
        if student.attentions and teacher.attentions:
            scores = [(student.attentions[n], teacher.attentions[m]) for n, m in enumerate(self.layers)]
            errors = [_score_error(ours.float(), theirs.float(), real) for ours, theirs in scores]
            total = total + self.attention * torch.stack(errors).mean()
        return total


def _score_error(ours: Tensor, theirs: Tensor, real: Tensor) -> Tensor:
    """The squared error of scores [N, heads, W, W], summed over the real tokens, its mean over heads and over keys."""
    square = (ours - theirs).masked_fill(~real[:, None, None], 0).square().mean(1)  # [N, W, W]
    return (square.sum(-1) / real.sum(-1, keepdim=True).clamp_min(1))[real].sum()


class Objective(nn.Module):
    """A model with its loss: (1 - distillation) x the task's own + distillation x the teacher's, summed over targets.

    The teacher's logits come with the batch (soft labels) or from the teacher. What its layers say is a loss of its
    own, summed over tokens.
    """

    def __init__(
        self, model: PreTrained, *, teacher: Teacher | None = None, distillation: float, temperature: float
    ) -> None:
        super().__init__()
        self.model = model
        # No sub-module: its weights are neither trained nor saved with the run.
        self._teacher = teacher
        self._distillation = distillation
        self._temperature = temperature

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, labels: Tensor, soft: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The loss summed over the batch's targets, and that of what is matched over its tokens; scalars."""
        inputs = Inputs(input_ids, attention_mask, token_type_ids)
        teacher = self._teacher
        trace = Trace() if teacher is None else teacher.trace()
        outputs, targets = _logits(self.model, inputs, labels, trace)
        problem = self._problem_type()
        hard = task_loss(self.model.task, problem, outputs, targets)
        matched, teacher_outputs = hard.new_zeros(()), None
        if teacher is not None:
            theirs = teacher.trace()
            with torch.no_grad():
                teacher_outputs, _ = _logits(teacher.model, inputs, labels, theirs)
            matched = teacher.match(trace, theirs, attention_mask.flatten(0, -2) != 0)
        if soft is not None:
            teacher_outputs = (soft,)
        # The vectors of texts have no labels; what is matched teaches them.
        if teacher_outputs is None or self.model.task is Task.FEATURE_EXTRACTION:
            return hard, matched
        hidden = attention_mask == 0 if self.model.task is Task.QUESTION_ANSWERING else None
        distilled = [
            distillation_loss(_rows(ours, targets, hidden), _rows(theirs, targets, hidden), self._temperature, problem)
            for ours, theirs in zip(outputs, teacher_outputs, strict=True)
        ]
        taught = torch.stack(distilled).sum() / len(distilled)
        return (1 - self._distillation) * hard + self._distillation * taught, matched

    def _problem_type(self) -> str | None:
        """A text's; a reranker whose score goes through a sigmoid learns a probability, as in sentence-transformers."""
        if self.model.task is not Task.TEXT_CLASSIFICATION:
            return None
        return "multi_label_classification" if self.model.activation == "sigmoid" else self.model.config.problem_type


def _logits(model: PreTrained, inputs: Inputs, labels: Tensor, trace: Trace) -> tuple[Layers, Tensor]:
    """The head's outputs with their targets; the vocabulary is decoded at hidden tokens alone, a sixth of the work."""
    if isinstance(model, SqueezeBertForMaskedLM):
        hidden = labels != IGNORED
        x, _ = model.transformer.compute(inputs, trace)
        return (model.cls["predictions"](x[hidden]),), labels[hidden]
    if isinstance(model, SentenceModel):
        return (model.compute(inputs.of_rows(), trace)[-1].unflatten(0, inputs.shape[:2]),), labels
    outputs = model.compute(inputs, trace)
    if model.task is Task.MULTIPLE_CHOICE and inputs.attention_mask is not None:
        # Choices that a row has not, which are there for those with more.
        absent = (inputs.attention_mask == 0).all(-1)
        outputs = (outputs[0].float().masked_fill(absent, -1e4),)
    return outputs, labels


def _rows(logits: Tensor, targets: Tensor, hidden: Tensor | None) -> Tensor:
    """The logits [M, labels] of the rows that have a target; starts and ends may not lie on padding."""
    if hidden is not None:
        return logits.float().masked_fill(hidden, -1e4)
    if targets.dim() == logits.dim() - 1:
        return logits[targets != IGNORED]
    return logits
