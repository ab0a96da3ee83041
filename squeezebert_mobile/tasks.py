"""The six tasks and what each one's model is called and returns; the runtimes and precisions of its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Runtime = Literal["onnx", "executorch", "coreai"]
# What can run a model here: PyTorch has the reference.
Backend = Literal[Runtime, "torch"]
# What is timed: Core AI's runtime here answers right, and as slowly as no device does.
Timed = Literal["onnx", "executorch", "torch"]
Precision = Literal["fp32", "fp16", "int8", "int8-static"]
PoolingMode = Literal["mean", "cls", "max"]
# What a reranker's one output goes through.
Activation = Literal["identity", "sigmoid"]

POOLER_OUTPUT, SENTENCE_EMBEDDING = "pooler_output", "sentence_embedding"


@dataclass(frozen=True)
class Pooling:
    """How hidden states become the vector of a text: their mean, the first one or their maximum, padding left out.

    ``normalize`` divides the vector by its Euclidean length.
    """

    mode: PoolingMode
    normalize: bool = False


class Task(StrEnum):
    """A task by the name that Hugging Face gives it."""

    FEATURE_EXTRACTION = "feature-extraction"
    FILL_MASK = "fill-mask"
    TEXT_CLASSIFICATION = "text-classification"
    TOKEN_CLASSIFICATION = "token-classification"
    QUESTION_ANSWERING = "question-answering"
    MULTIPLE_CHOICE = "multiple-choice"

    @property
    def architecture(self) -> str:
        """The class name that a checkpoint's config.json gives in ``architectures``."""
        return _ARCHITECTURES[self]

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs of the exported model, in order; a body may have others (`sentence.SentenceModel`)."""
        match self:
            case Task.FEATURE_EXTRACTION:
                return ("last_hidden_state", POOLER_OUTPUT)
            case Task.QUESTION_ANSWERING:
                return ("start_logits", "end_logits")
            case _:
                return ("logits",)

    @property
    def rank(self) -> int:
        """The axes of each input: 3, [N, choices, W], for multiple choice, else 2, [N, W]."""
        return 3 if self is Task.MULTIPLE_CHOICE else 2

    def rank_of(self, output: str) -> int:
        """The axes of an output: one for the text, one for its tokens or choices, one for the values of each."""
        per_token = self in (Task.FILL_MASK, Task.TOKEN_CLASSIFICATION) or output == "last_hidden_state"
        return 3 if per_token else 2

    @property
    def reads_first_token_only(self) -> bool:
        """True where the head sees token 0 alone, so that the last layer needs no other query."""
        return self in (Task.TEXT_CLASSIFICATION, Task.MULTIPLE_CHOICE)

    @property
    def has_labels(self) -> bool:
        """True where ``id2label`` names the outputs."""
        return self in (Task.TEXT_CLASSIFICATION, Task.TOKEN_CLASSIFICATION)

    @classmethod
    def from_architectures(cls, architectures: Sequence[str]) -> "Task | None":
        """The task of the first architecture that is known, None where none is."""
        tasks = {name: task for task, name in _ARCHITECTURES.items()}
        return next((tasks[name] for name in architectures if name in tasks), None)


# As in BERT's own SQuAD script.
_STRIDE = 128


def window_stride(max_length: int) -> int:
    """Tokens that neighbouring windows of a long context share: 128, but at most a quarter of a window."""
    return min(_STRIDE, max_length // 4)


_ARCHITECTURES = {
    Task.FEATURE_EXTRACTION: "SqueezeBertModel",
    Task.FILL_MASK: "SqueezeBertForMaskedLM",
    Task.TEXT_CLASSIFICATION: "SqueezeBertForSequenceClassification",
    Task.TOKEN_CLASSIFICATION: "SqueezeBertForTokenClassification",
    Task.QUESTION_ANSWERING: "SqueezeBertForQuestionAnswering",
    Task.MULTIPLE_CHOICE: "SqueezeBertForMultipleChoice",
}
