"""Every legal value of every config key goes from info through export to predict; a refusal names its key."""

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from typer.testing import CliRunner

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.cli import app
from squeezebert_mobile.config import ACTIVATIONS, SqueezeBertConfig
from squeezebert_mobile.errors import SqueezeBertMobileError, UnsupportedModelError, UsageError
from squeezebert_mobile.export import parity
from squeezebert_mobile.export.ort.lower import lower_onnx
from squeezebert_mobile.model import model_class
from squeezebert_mobile.run.engines import OnnxEngine
from squeezebert_mobile.tasks import Task

SIZES: dict[str, Any] = {
    "vocab_size": 200, "hidden_size": 48, "embedding_size": 48, "num_hidden_layers": 1, "num_attention_heads": 12,
    "intermediate_size": 96, "max_position_embeddings": 64,
}  # fmt: skip
VALUES: list[dict[str, Any]] = [
    {"type_vocab_size": 1},
    {"type_vocab_size": 5, "vocab_size": 333, "pad_token_id": 7},
    {"max_position_embeddings": 4, "num_attention_heads": 1},
    {"hidden_size": 2, "embedding_size": 2, "num_attention_heads": 1, "q_groups": 1, "k_groups": 1, "v_groups": 1,
     "intermediate_size": 1, "intermediate_groups": 1, "output_groups": 1},
    {"q_groups": 48, "k_groups": 1, "v_groups": 3, "post_attention_groups": 48, "num_attention_heads": 48},
    {"id2label": ["only"]},
    {"id2label": ["only"], "problem_type": "single_label_classification"},
    {"id2label": ["", "a,b\n|c"], "problem_type": "multi_label_classification", "output_attentions": True},
    {"problem_type": "regression", "return_dict": False, "output_hidden_states": True, "eos_token_id": [1, 2]},
    {"layer_norm_eps": 0.0, "hidden_dropout_prob": 1.0, "attention_probs_dropout_prob": 1},
    {"layer_norm_eps": 1, "initializer_range": 0, "tie_word_embeddings": False},
]  # fmt: skip
TEXTS = {
    Task.QUESTION_ANSWERING: ["Who?", "Anna Lee met Bob in New York."],
    Task.MULTIPLE_CHOICE: ["The sea is", "--option", "wet", "--option", "dry"],
    Task.FILL_MASK: ["[MASK] film."],
}


def saved(folder: Path, task: Task, values: dict[str, Any]) -> Path:
    config = SqueezeBertConfig(**{**SIZES, **values})
    model_class(task)(config).save_pretrained(folder)
    tiny.tokenizer(SqueezeBertConfig(**SIZES)).save_pretrained(folder)
    return folder


def run(*arguments: str | Path) -> SqueezeBertMobileError | None:
    found = CliRunner().invoke(app, [*map(str, arguments)]).exception
    assert found is None or isinstance(found, SqueezeBertMobileError), found
    return found


def export(model: Path, bundle: Path, runtime: str = "onnx") -> SqueezeBertMobileError | None:
    return run("export", "-m", model, "-o", bundle, "--runtime", runtime, "--precision", "fp32")


def assert_answers(folder: Path, task: Task, values: dict[str, Any], runtime: str = "onnx") -> None:
    model, bundle = saved(folder / "model", task, values), folder / "bundle"
    assert run("info", model) is None
    assert export(model, bundle, runtime) is None
    short = values.get("max_position_embeddings", 64) < 16 and task is Task.QUESTION_ANSWERING
    found = run("predict", bundle, *TEXTS.get(task, ["A quiet film."]))
    assert isinstance(found, UsageError) if short else found is None


@pytest.mark.parametrize("values", VALUES[:1] + VALUES[3:4])
def test_the_smallest_values(tmp_path: Path, values: dict[str, Any]) -> None:
    assert_answers(tmp_path, Task.TEXT_CLASSIFICATION, values)


@pytest.mark.slow
@pytest.mark.parametrize(("values", "activation", "task"), [*zip(VALUES, ACTIVATIONS, cycle(Task), strict=False)])
def test_every_value_with_an_activation(tmp_path: Path, values: dict[str, Any], activation: str, task: Task) -> None:
    pairs = task in (Task.QUESTION_ANSWERING, Task.MULTIPLE_CHOICE)
    own = {} if pairs and values.get("type_vocab_size") == 1 else values
    if task is Task.QUESTION_ANSWERING:  # a beginning and an end, whatever the labels
        own = {key: value for key, value in own.items() if key != "id2label"}
    assert_answers(tmp_path, task, {**own, "hidden_act": activation})


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS[len(VALUES) :])
def test_every_other_activation_is_the_references_in_the_file(activation: str) -> None:
    """All else that an export does is the same for each."""
    torch.manual_seed(0)
    model = model_class(Task.TEXT_CLASSIFICATION)(SqueezeBertConfig(**SIZES, hidden_act=activation)).eval()
    asked = Batch.of_ids(np.arange(1, 25).reshape(2, 12))
    found = OnnxEngine(lower_onnx(model).data, threads=1).run(asked)["logits"]
    np.testing.assert_allclose(found, parity.reference(model, asked)["logits"], atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("values", [VALUES[0], VALUES[1], VALUES[4], VALUES[5]])
def test_the_same_in_executorch(tmp_path: Path, values: dict[str, Any]) -> None:
    assert_answers(tmp_path, Task.TEXT_CLASSIFICATION, values, "executorch")


@pytest.mark.parametrize("task", [Task.QUESTION_ANSWERING, Task.MULTIPLE_CHOICE])
def test_a_task_of_pairs_needs_a_second_type(tmp_path: Path, task: Task) -> None:
    error = export(saved(tmp_path / "model", task, {"type_vocab_size": 1}), tmp_path / "bundle")
    assert isinstance(error, UnsupportedModelError)
    assert "type_vocab_size is too small" in str(error)


@pytest.mark.parametrize("positions", [1, 2])
def test_a_model_without_room_for_a_text_is_refused_by_its_key(tmp_path: Path, positions: int) -> None:
    model = saved(tmp_path / "model", Task.TEXT_CLASSIFICATION, {"max_position_embeddings": positions})
    assert run("info", model) is None
    error = export(model, tmp_path / "bundle")
    assert isinstance(error, UnsupportedModelError)
    assert "max_position_embeddings in config.json leaves no room" in str(error)


def test_a_model_of_one_type_says_so_to_a_pair(tmp_path: Path) -> None:
    export(saved(tmp_path / "model", Task.TEXT_CLASSIFICATION, VALUES[0]), tmp_path / "bundle")
    error = run("predict", tmp_path / "bundle", "A quiet film.", "It stays.")
    assert isinstance(error, UsageError)
    assert "type_vocab_size 1" in str(error) and error.fix.startswith("give single texts")
