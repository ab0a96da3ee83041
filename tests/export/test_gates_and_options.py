"""What export can be asked for around int8: calibration, gates, trimming, rankings; and what it refuses."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import tiny
from tiny import SMALL

from squeezebert_mobile import render
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.errors import GateError, InputFileError, UsageError
from squeezebert_mobile.export import golden_texts, sensitivity, trimming
from squeezebert_mobile.export.gates import AccuracyGate
from squeezebert_mobile.export.pipeline import ExportOptions, export
from squeezebert_mobile.export.quantization import Dynamic
from squeezebert_mobile.export.sensitivity import Effect
from squeezebert_mobile.model import run_module
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.evaluate import evaluate, torch_predict
from squeezebert_mobile.training.options import EvaluateOptions

TEXTS = [text for text in golden_texts.SINGLE.values() if text.strip() and "\n" not in text and "\t" not in text]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("texts") / "texts.txt"
    file.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels that the model's own answers decide, so that its accuracy is 1."""
    file = tmp_path_factory.mktemp("labelled") / "dev.jsonl"
    model, tokenizer = tiny.model(Task.TEXT_CLASSIFICATION, SMALL), tiny.tokenizer(SMALL)
    rows = []
    for text in TEXTS:
        encoded = tokenizer.rows(text, max_length=64)
        logits = run_module(model, encoded.batch(), ("logits",))["logits"]
        rows.append({"text": text, "label": int(logits.argmax())})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def static_bundle(tmp_path_factory: pytest.TempPathFactory, texts: Path, labelled: Path) -> Bundle:
    folder = tmp_path_factory.mktemp("static")
    model = tiny.checkpoint(folder / "model", Task.TEXT_CLASSIFICATION, SMALL)
    return export(
        ExportOptions(
            folder / "bundle", model, precisions=("int8-static",),
            calibration=texts, calibration_method="percentile", percentile=99.9, trim_vocab=texts,
            sensitivity=folder / "ranking.json", data=str(labelled), max_accuracy_drop=1.0, size_budget=1.0,
        )
    )  # fmt: skip


def no_drop(labelled: Path) -> ExportOptions:
    return ExportOptions(Path("bundle"), data=str(labelled), max_accuracy_drop=0.0)


@pytest.mark.slow
def test_everything_together_makes_a_bundle_that_says_so(static_bundle: Bundle) -> None:
    assert {artifact.runtime for artifact in static_bundle.manifest.artifacts} == {"onnx", "executorch"}
    for artifact in static_bundle.manifest.artifacts:
        assert artifact.precision == "int8-static"
        assert artifact.inventory.ranges
        assert artifact.inventory.quantized.parameters > artifact.inventory.floating.parameters
    assert any(note.startswith("trimmed to ") for note in static_bundle.manifest.source.notes)
    ranking = json.loads((static_bundle.folder.parent / "ranking.json").read_text())
    assert {effect["unit"] for effect in ranking["int8-static"]} == {
        "embeddings",
        "layers.0.attention",
        "layers.0.feed_forward",
    }
    assert (static_bundle.folder.parent / "ranking.png").read_bytes().startswith(b"\x89PNG")
    assert "Keep these float" in (static_bundle.folder.parent / "ranking.html").read_text()
    with Predictor(static_bundle) as predictor:
        assert predictor(Sample("fine")).tokens > 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precisions": ("int8-static",)}, "needs calibration"),
        ({"runtimes": ("executorch",), "approximate_gelu": "clip"}, "ONNX Runtime alone"),
        ({"calibration": Path("texts.txt")}, "--calibration"),
        ({"precisions": ("fp32",), "embeddings": "int4"}, "--embeddings"),
        ({"precisions": ("fp32",), "keep_float": frozenset({"head"})}, "--keep-float"),
        ({"precisions": ("fp32",), "sensitivity": Path("x.json")}, "--sensitivity"),
        *(({"sensitivity": Path(name)}, "--sensitivity: is a JSON file") for name in ("x.png", "x.html", "x", ".json")),
        ({"approximate_gelu": "clip"}, "accuracy gate"),
        ({"precisions": ("int8",), "require_faster": True}, "compares with fp32"),
    ],
)
def test_options_that_do_not_go_together_are_refused_at_once(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ExportOptions(Path("bundle"), **options)  # type: ignore[arg-type]


def test_a_gate_turns_the_most_damaging_units_back_first(labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = tiny.model(Task.TEXT_CLASSIFICATION, SMALL), tiny.tokenizer(SMALL)
    gate = AccuracyGate(no_drop(labelled), model, tokenizer, 64)
    assert gate.reached.value == 1.0
    ranking = [
        Effect("embeddings", 1.0, 1.0, 1000),
        Effect("layers.0.feed_forward", 0.5, 1.0, 10),
        Effect("layers.0.attention", 0, 0, 9),
    ]
    monkeypatch.setattr(gate, "drop", lambda predict: 0.0 if _feeds_forward_in_float(predict) else 1.0)
    assert gate.choose_keep_float(Dynamic(), lambda: ranking, lambda _: None) == {"layers.0.feed_forward"}
    monkeypatch.setattr(gate, "drop", lambda _: 0.0)
    assert gate.choose_keep_float(Dynamic(), lambda: pytest.fail("ranked for nothing"), lambda _: None) == frozenset()
    monkeypatch.setattr(gate, "drop", lambda _: 1.0)
    assert gate.choose_keep_float(Dynamic(), lambda: ranking, lambda _: None) == {"layers.0.feed_forward", "embeddings"}


@pytest.mark.slow
def test_what_float_units_cost_is_said(tmp_path: Path, labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccuracyGate, "choose_keep_float", lambda *_: frozenset({"embeddings"}))
    model = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, SMALL)
    options = ExportOptions(
        tmp_path / "bundle", model, runtimes=("onnx",), precisions=("int8",), data=str(labelled), max_accuracy_drop=1.0
    )
    notes: list[str] = []
    bundle = export(options, note=notes.append)
    cost = notes[0]
    assert re.fullmatch(
        r"onnx/model_quantized\.onnx: 1 unit in float for its accuracy, \+0\.\d MB and .+x the time", cost
    )
    (artifact,) = bundle.manifest.artifacts
    assert artifact.accuracy is not None and artifact.accuracy.float_units == ("embeddings",)
    assert "onnx/model_quantized.onnx: back in float for it: embeddings" in render.bundle(bundle)


@pytest.mark.slow
def test_the_accuracy_of_a_gate_is_that_of_evaluate(static_bundle: Bundle, labelled: Path) -> None:
    found = evaluate(EvaluateOptions(static_bundle.folder, str(labelled)))
    for artifact, row in zip(static_bundle.manifest.artifacts, found.rows, strict=True):
        told = artifact.accuracy
        assert told is not None
        assert (told.metric, told.rows, told.data) == (found.metric, found.examples, "dev.jsonl")
        assert told.value == pytest.approx(row.metrics[told.metric], abs=1e-6)
        ends = (told.interval.low, told.interval.high)
        assert ends == pytest.approx((row.interval.low, row.interval.high), abs=1e-6)
        assert told.drop == pytest.approx(told.checkpoint - told.value, abs=1e-6)
        assert told.drop_interval.low <= told.drop <= told.drop_interval.high


def test_a_gate_on_rows_of_one_label_is_doubted(tmp_path: Path) -> None:
    model, tokenizer = tiny.model(Task.TEXT_CLASSIFICATION, SMALL), tiny.tokenizer(SMALL)
    (tmp_path / "all.tsv").write_text("sentence\tlabel\n" + "good\tpositive\n" * 4, encoding="utf-8")
    gate = AccuracyGate(no_drop(tmp_path / "all.tsv"), model, tokenizer, 64)
    found = gate.require(torch_predict(model), "a file")
    assert (found.chance, found.is_chance) == (1.0, True)


def test_a_gate_needs_a_token_to_hide(tmp_path: Path) -> None:
    model, tokenizer = tiny.model(Task.FILL_MASK, SMALL), tiny.tokenizer(SMALL)
    (tmp_path / "empty.jsonl").write_text('{"text": ""}\n', encoding="utf-8")
    with pytest.raises(InputFileError, match="holds no token to hide"):
        AccuracyGate(no_drop(tmp_path / "empty.jsonl"), model, tokenizer, 64)


def test_vectors_have_no_agreement_to_ask_for(tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model", Task.FEATURE_EXTRACTION, SMALL)
    with pytest.raises(UsageError, match="--min-agreement: needs logits"):
        export(ExportOptions(tmp_path / "bundle", model, min_agreement=0.9))


def _feeds_forward_in_float(predict: object) -> bool:
    form = predict.__self__.form  # type: ignore[attr-defined]
    return type(form.get_submodule("layers.0.feed_forward.wide.groups.0")).__name__ == "Linear"


def test_a_drop_that_is_too_large_is_refused(labelled: Path) -> None:
    model, tokenizer = tiny.model(Task.TEXT_CLASSIFICATION, SMALL), tiny.tokenizer(SMALL)
    gate = AccuracyGate(no_drop(labelled), model, tokenizer, 64)
    other = tiny.model(Task.TEXT_CLASSIFICATION, SMALL, seed=1)
    from squeezebert_mobile.training.evaluate import torch_predict

    with pytest.raises(GateError, match="accuracy falls too far"):
        gate.require(torch_predict(other), "onnx/model.onnx")


def test_units_are_ranked_by_what_they_do_to_the_outputs(texts: Path) -> None:
    model = tiny.model(Task.TEXT_CLASSIFICATION, SMALL)
    from squeezebert_mobile.export.texts import draw, encode

    batches = encode(tiny.tokenizer(SMALL), draw(texts, model.task, rows=4, seed=0), model.task, 64)
    seen: list[str] = []
    effects = sensitivity.rank(model, Dynamic(frozenset({"head"})), batches, seen.append)
    assert [effect.rms for effect in effects] == sorted((e.rms for e in effects), reverse=True)
    assert {effect.unit for effect in effects} == {"embeddings", "layers.0.attention", "layers.0.feed_forward"}
    assert all(0 < effect.rms <= effect.max_abs for effect in effects)
    assert len(seen) == 3


@pytest.mark.parametrize("task", [Task.TEXT_CLASSIFICATION, Task.FILL_MASK])
def test_a_trimmed_model_answers_its_texts_as_before(task: Task, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("a quiet film\nit stays with you\n", encoding="utf-8")
    model, tokenizer = tiny.model(task, dataclasses.replace(SMALL, vocab_size=210)), tiny.tokenizer(SMALL)
    trimmed = trimming.trim_vocabulary(model, tokenizer, file)
    assert len(trimmed.tokenizer) == trimmed.model.config.vocab_size < len(tokenizer)
    assert "0.00% are unknown" in trimmed.note
    assert trimmed.model.config.pad_token_id == trimmed.tokenizer.pad_token_id
