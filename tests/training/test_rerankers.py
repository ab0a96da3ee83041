"""One-output rerankers: what sentence-transformers' CrossEncoder wrote is trained on as it trains, and opens there."""

import json
from pathlib import Path

import numpy as np
import pytest
import sentences
import tiny
import torch
from sentence_transformers import CrossEncoder

from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.checkpoint.sentence import SentenceFolder
from squeezebert_mobile.errors import InputFileError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.pipeline import export
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.tasks import Activation, Task
from squeezebert_mobile.training.data import TextExample
from squeezebert_mobile.training.features import collate, encode
from squeezebert_mobile.training.finetune import finetune
from squeezebert_mobile.training.losses import Objective
from squeezebert_mobile.training.options import FinetuneOptions

PAIRS = [(sentences.TEXTS[0], text) for text in sentences.TEXTS[1:]]
SCORES = (1.0, 0.0, 0.25)


def data(path: Path, scores: tuple[float, ...] = SCORES) -> str:
    rows = [
        {"text": first, "text_pair": second, "label": score}
        for (first, second), score in zip(PAIRS, scores, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def trained(model: Path, rows: str, out: Path, **options: object) -> Path:
    finetune(FinetuneOptions(Task.TEXT_CLASSIFICATION, rows, out, str(model), epochs=2, max_length=64, quiet=True,
                             **options))  # type: ignore[arg-type]  # fmt: skip
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("given", "expected"), [(None, "sigmoid"), (torch.nn.Identity(), "identity")])
def test_a_reranker_keeps_its_activation_through_training_and_export(
    given: torch.nn.Module | None, expected: Activation, tmp_path: Path
) -> None:
    out = trained(sentences.reranker(tmp_path / "model", given), data(tmp_path / "a.jsonl"), tmp_path / "out")
    assert SentenceFolder.open(out).activation() == expected
    theirs = CrossEncoder(str(out), device="cpu").predict(PAIRS)
    made = export(ExportOptions(tmp_path / "bundle", out, runtimes=("onnx",), precisions=("fp32",)))
    with Predictor(made) as predictor:
        found = [predictor(Sample(*pair)).result[0].score for pair in PAIRS]  # type: ignore[union-attr, index]
    np.testing.assert_allclose(found, theirs, atol=1e-5)


@pytest.mark.parametrize("start", ["regression", "new head"])
def test_a_head_that_learns_values_says_so_to_sentence_transformers(start: str, tmp_path: Path) -> None:
    if start == "regression":
        model, options = sentences.reranker(tmp_path / "model", None).with_name("model.body"), {}
    else:
        model = tiny.checkpoint(tmp_path / "model", Task.FEATURE_EXTRACTION, tiny.SMALL)
        options = {"init_head": True, "problem_type": "regression"}
    out = trained(model, data(tmp_path / "a.jsonl", (4.5, 1.0, 3.0)), tmp_path / "out", **options)
    loaded = checkpoint.load(out)
    plain = checkpoint.load_model(loaded).model
    rows = loaded.tokenizer().rows(*map(list, zip(*PAIRS, strict=True)), padding="longest").batch()
    values = plain.tensors(*map(torch.from_numpy, rows.arrays().values()))[0].detach().numpy()[:, 0]
    np.testing.assert_allclose(CrossEncoder(str(out), device="cpu").predict(PAIRS), values, atol=1e-5)


@pytest.mark.parametrize("activation", ["sigmoid", "identity"])
def test_the_loss_of_a_reranker_is_that_of_sentence_transformers(activation: Activation, tmp_path: Path) -> None:
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss, MSELoss

    folder = sentences.reranker(tmp_path / "model", None if activation == "sigmoid" else torch.nn.Identity())
    loaded = checkpoint.load(folder)
    model = checkpoint.load_model(loaded, config=loaded.config).model
    model.config.problem_type, model.activation = "regression", activation
    examples = [TextExample(*pair, (score,)) for pair, score in zip(PAIRS, SCORES, strict=True)]
    batch = collate(encode(examples, loaded.tokenizer(), max_length=64), 0)
    inputs = [torch.from_numpy(array) for array in batch.inputs.arrays().values()]
    found, _ = Objective(model, distillation=0.0, temperature=1.0)(*inputs, torch.from_numpy(batch.labels), None)
    theirs = CrossEncoder(str(folder), device="cpu").eval()
    loss = (BinaryCrossEntropyLoss if activation == "sigmoid" else MSELoss)(theirs)
    columns = [list(column) for column in zip(*PAIRS, strict=True)]
    assert float(found.detach()) / len(PAIRS) == pytest.approx(
        float(loss(columns, torch.tensor(SCORES)).detach()), rel=1e-4
    )


def test_scores_that_no_sigmoid_reaches_are_refused(tmp_path: Path) -> None:
    model = sentences.reranker(tmp_path / "model", None)
    with pytest.raises(InputFileError, match=r"sigmoid cannot reach .found 5.0, expected 0 to 1.; fix: divide"):
        trained(model, data(tmp_path / "a.jsonl", (1.0, 5.0, 0.0)), tmp_path / "out")


def test_several_labels_declare_no_activation(tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model", Task.FEATURE_EXTRACTION, tiny.SMALL)
    out = trained(model, data(tmp_path / "a.jsonl", (1, 0, 1)), tmp_path / "out", init_head=True)
    assert "sentence_transformers" not in json.loads((out / "config.json").read_text())
