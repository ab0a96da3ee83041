"""How an exported model is called: names, element types and axes of its inputs and outputs, and its longest input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from squeezebert_mobile.bundle.manifest import TensorSpec
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.tasks import POOLER_OUTPUT, SENTENCE_EMBEDDING, Runtime, Task

# The names that optimum and transformers.js look for.
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
Axes = tuple[str | int, ...]
# [CLS], one token of text and [SEP].
SHORTEST = 3


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs in the order of the call; a named axis has a free length."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def signature(
    task: Task, config: SqueezeBertConfig, runtime: Runtime, output_names: Sequence[str] | None = None
) -> Signature:
    """The signature of a task's file; but for ONNX there is neither batch nor mask: one unpadded text, or one choice.

    ``output_names`` are the model's own, where they are not the task's.
    """
    onnx = runtime == "onnx"
    names = INPUT_NAMES if onnx else ("input_ids", "token_type_ids")
    rows: Axes = ("batch_size",) if onnx else (1,)
    choices: Axes = ("num_choices",) if onnx else (1,)
    texts = (*rows, *choices) if onnx and task is Task.MULTIPLE_CHOICE else rows
    dtype: Literal["int32", "int64"] = "int32" if runtime == "coreai" else "int64"
    inputs = tuple(TensorSpec(name=name, dtype=dtype, axes=(*texts, "sequence_length")) for name in names)
    outputs = tuple(
        TensorSpec(name=name, dtype="float32", axes=_output_axes(name, task, config, rows, choices))
        for name in output_names or task.output_names
    )
    return Signature(inputs, outputs)


def _output_axes(name: str, task: Task, config: SqueezeBertConfig, rows: Axes, choices: Axes) -> Axes:
    tokens = (*rows, "sequence_length")
    match task:
        case Task.FEATURE_EXTRACTION:
            return (*(rows if name in (POOLER_OUTPUT, SENTENCE_EMBEDDING) else tokens), config.hidden_size)
        case Task.FILL_MASK:
            return (*tokens, config.vocab_size)
        case Task.TEXT_CLASSIFICATION:
            return (*rows, config.num_labels)
        case Task.TOKEN_CLASSIFICATION:
            return (*tokens, config.num_labels)
        case Task.QUESTION_ANSWERING:
            return tokens
        case Task.MULTIPLE_CHOICE:
            return (*rows, *choices)


def checked_length(asked: int | None, longest: int) -> int:
    """The longest input in tokens: by default ``longest``. Raises UsageError outside of 3 to ``longest``."""
    length = longest if asked is None else asked
    if not SHORTEST <= length <= longest:
        expected, fix = f"{SHORTEST} to {longest}", "choose one in that range"
        raise UsageError("--max-length", "does not fit the model", found=length, expected=expected, fix=fix)
    return length
