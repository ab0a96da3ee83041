"""What `finetune` saves opens in transformers and answers alike, whatever task and checkpoint it started from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
import transformers

from squeezebert_mobile.model import model_class
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.finetune import FinetuneOptions, finetune

AUTO = {
    Task.FILL_MASK: transformers.AutoModelForMaskedLM,
    Task.TEXT_CLASSIFICATION: transformers.AutoModelForSequenceClassification,
    Task.TOKEN_CLASSIFICATION: transformers.AutoModelForTokenClassification,
    Task.QUESTION_ANSWERING: transformers.AutoModelForQuestionAnswering,
    Task.MULTIPLE_CHOICE: transformers.AutoModelForMultipleChoice,
}


ROWS: dict[Task, list[dict[str, object]]] = {
    Task.FILL_MASK: [{"text": "a fine film"}, {"text": "no wit at all"}],
    Task.TEXT_CLASSIFICATION: [{"text": "a fine film", "label": "good"}, {"text": "no wit at all", "label": "bad"}],
    Task.TOKEN_CLASSIFICATION: [{"tokens": ["Ada", "lives"], "tags": ["B-PER", "O"]}],
    Task.QUESTION_ANSWERING: [{"question": "Who?", "context": "Ada is.", "answer_text": "Ada", "answer_start": 0}],
    Task.MULTIPLE_CHOICE: [{"text": "The sea is", "choices": ["wet", "dry"], "label": 0}],
}


def start(folder: Path, kind: str) -> Path:
    """A body, a classifier of three labels, or a masked LM whose decoder is a matrix of its own."""
    task = {"body": Task.FEATURE_EXTRACTION, "untied": Task.FILL_MASK}.get(kind, Task.TEXT_CLASSIFICATION)
    config = replace(tiny.SMALL, tie_word_embeddings=kind != "untied")
    model = tiny.model(task, config)
    if kind == "three labels":
        model = model_class(task)(replace(config, id2label=dict(enumerate("abc"))))
    model.save_pretrained(folder)
    tiny.tokenizer(config).save_pretrained(folder)
    return folder


def outputs(answer: object) -> tuple[torch.Tensor, ...]:
    if isinstance(answer, torch.Tensor):
        return (answer,)
    return answer if isinstance(answer, tuple) else answer.to_tuple()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["body", "three labels", "untied"])
@pytest.mark.parametrize("task", AUTO)
def test_what_finetune_saves_opens_in_transformers(tmp_path: Path, task: Task, kind: str) -> None:
    rows = ROWS[task]
    if kind == "three labels" and task is Task.TEXT_CLASSIFICATION:
        rows = [{"text": text, "label": label} for text, label in zip("xyz", "abc", strict=True)]
    data = tmp_path / "train.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    options = FinetuneOptions(
        task=task,
        data=str(data),
        output_dir=tmp_path / "out",
        model=str(start(tmp_path / "model", kind)),
        init_head=True,
        epochs=1,
        quiet=True,
    )
    finetune(options)
    theirs, report = AUTO[task].from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(report.values()), report
    words = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    inputs = words(["a fine film", "no wit at all"], ["it moves"] * 2, return_tensors="pt", padding=True)
    if task is Task.MULTIPLE_CHOICE:
        inputs = {name: tensor[None] for name, tensor in inputs.items()}
    ours = model_class(task).from_pretrained(tmp_path / "out")
    with torch.inference_mode():
        expected, found = theirs.eval()(**inputs).to_tuple(), outputs(ours(**inputs))
    assert len(expected) == len(found)
    real = inputs["attention_mask"].bool()
    for one, other in zip(expected, found, strict=True):
        rows_of = real if one.shape[: real.dim()] == real.shape else slice(None)
        torch.testing.assert_close(one[rows_of], other[rows_of], atol=1e-5, rtol=0)
