"""From a checkpoint to a bundle and its answers, for every task and both runtimes."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import tiny
import torch
from tiny import SAMPLES, SMALL

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.errors import EnvironmentFault, GateError, UnsupportedModelError, UsageError
from squeezebert_mobile.export import pipeline
from squeezebert_mobile.export.pipeline import ExportOptions, export
from squeezebert_mobile.export.reference import load_reference
from squeezebert_mobile.run.postprocess import AnswerSpan, Choice, Embedding, LabelScore
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.run.verify import verify
from squeezebert_mobile.steps import Steps
from squeezebert_mobile.tasks import Task


def assert_fits(task: Task, sample: Sample, result: object) -> None:
    match task:
        case Task.FEATURE_EXTRACTION:
            assert isinstance(result, Embedding)
            assert len(result.vector) == SMALL.hidden_size
        case Task.FILL_MASK:
            assert isinstance(result, tuple)
            assert [len(fillings) for fillings in result] == [5, 5]
        case Task.TEXT_CLASSIFICATION:
            assert isinstance(result, tuple)
            assert isinstance(result[0], LabelScore)
        case Task.TOKEN_CLASSIFICATION:
            assert isinstance(result, tuple)
            assert all(entity.text == sample.text[entity.start : entity.end] for entity in result)
        case Task.QUESTION_ANSWERING:
            assert isinstance(result, AnswerSpan)
            assert result.text == (sample.text_pair or "")[result.start : result.end] != ""
        case Task.MULTIPLE_CHOICE:
            assert isinstance(result, Choice)
            assert len(result.scores) == len(sample.options)


@pytest.mark.slow
@pytest.mark.parametrize("task", Task)
def test_every_task_becomes_a_bundle_that_answers_alike_in_both_runtimes(task: Task, tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model", task, SMALL)
    options = ExportOptions(tmp_path / "bundle", model, precisions=("fp32",))
    steps = Steps()
    bundle = export(options, steps)
    # Each once, in the order of its lane; lanes of several processes end as they come.
    assert sorted(steps.done, key=lambda step: step.lane) == sorted(steps.planned, key=lambda step: step.lane)
    assert all(parity.max_abs <= 1e-4 for a in bundle.manifest.artifacts for parity in a.parity)
    assert len(verify(bundle.folder).artifacts) == 2
    sample, answers = SAMPLES[task], []
    for runtime in ("onnx", "executorch"):
        with Predictor(bundle, runtime=runtime) as predictor:
            prediction = predictor(sample)
        assert prediction.truncated is False
        assert_fits(task, sample, prediction.result)
        answers.append(prediction.result)
    assert type(answers[0]) is type(answers[1])
    if isinstance(answers[0], AnswerSpan) and isinstance(answers[1], AnswerSpan):
        assert answers[0].text == answers[1].text


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, SMALL)
    digests = []
    for number, zone in enumerate(("UTC", "Asia/Tokyo")):
        target, cwd = tmp_path / f"bundle{number}", tmp_path / f"cwd{number}"
        cwd.mkdir()
        command = [sys.executable, "-m", "squeezebert_mobile", "export", "-m", model, "-o", target, "--quiet"]
        environment = os.environ | {"TZ": zone, "PYTHONHASHSEED": str(number)}
        subprocess.run(command, check=True, cwd=cwd, env=environment, capture_output=True, umask=0o022 << number)
        digests.append(bundles.read(target).digest)
    assert digests[0] == digests[1]


def test_swapped_layers_of_one_shape_miss_the_gate_against_a_known_answer(tmp_path: Path) -> None:
    """output.conv1d and post_attention.conv1d can have one shape; golden.json of the right model tells them apart."""
    even = dataclasses.replace(SMALL, intermediate_size=SMALL.hidden_size, post_attention_groups=4)
    tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, even)
    right = export(ExportOptions(tmp_path / "right", tmp_path / "model", runtimes=("onnx",), precisions=("fp32",)))
    swapped = tiny.model(Task.TEXT_CLASSIFICATION, even)
    layer = swapped.transformer.encoder.layers[0]
    layer.post_attention.conv1d, layer.output.conv1d = layer.output.conv1d, layer.post_attention.conv1d
    swapped.save_pretrained(tmp_path / "model")
    with pytest.raises(GateError, match="golden text"):
        export(
            ExportOptions(
                tmp_path / "wrong", tmp_path / "model", runtimes=("onnx",), precisions=("fp32",),
                golden=right.folder / "golden.json",
            )
        )  # fmt: skip
    assert not (tmp_path / "wrong").exists()


def test_a_checkpoint_that_names_no_task_asks_for_one(tmp_path: Path) -> None:
    model = tiny.model(Task.TEXT_CLASSIFICATION, SMALL)
    checkpoint.save(tmp_path / "model", model)
    tiny.tokenizer(SMALL).save_pretrained(tmp_path / "model")
    config = (tmp_path / "model/config.json").read_text().replace("SqueezeBertForSequenceClassification", "Other")
    (tmp_path / "model/config.json").write_text(config)
    with pytest.raises(UnsupportedModelError, match="--task"):
        export(ExportOptions(tmp_path / "bundle", tmp_path / "model"))


def test_what_was_changed_in_the_checkpoint_is_in_the_manifest(tmp_path: Path) -> None:
    """Both kinds of notes: of reading the file, and of fitting its tensors to the model of the task."""
    model = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, SMALL)
    checkpoint.save(model, tiny.model(Task.TEXT_CLASSIFICATION, SMALL), dtype=torch.float16)
    options = ExportOptions(
        tmp_path / "bundle", model, task=Task.FEATURE_EXTRACTION, runtimes=("onnx",), precisions=("fp32",)
    )
    described = export(options).manifest
    cast, *left_out = described.source.notes
    assert cast.startswith("cast to float32: ") and cast.endswith(" float16 tensors")
    assert [note.split(":")[0] for note in left_out] == [
        "classifier.bias is left out",
        "classifier.weight is left out",
    ]


@pytest.mark.parametrize("length", [0, 2, 65, 513])
def test_a_length_that_the_model_lacks_is_refused(tmp_path: Path, length: int) -> None:
    model = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, SMALL)
    with pytest.raises(UsageError, match="--max-length"):
        export(ExportOptions(tmp_path / "bundle", model, max_seq_len=length))


def test_a_bundle_answers_after_it_was_moved(tiny_bundle: Path, tmp_path: Path) -> None:
    moved = tmp_path / "bundle with space and é"
    shutil.copytree(tiny_bundle, moved)
    with Predictor(bundles.read(moved)) as predictor:
        assert predictor(Sample("fine")).tokens > 2


@pytest.mark.parametrize(("name", "stays"), [("torchinductor_me", False), ("mine", True)])
def test_the_empty_folder_of_torchs_compiler_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stays: bool
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / name))
    with pipeline._no_caches():
        pass
    assert (tmp_path / name).exists() is stays


def test_the_bytes_are_the_same_however_many_are_made_at_once(tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, SMALL)
    found = []
    for jobs in (1, 2):
        folder = tmp_path / f"bundle{jobs}"
        export(ExportOptions(folder, model, runtimes=("onnx",), jobs=jobs))
        found.append({str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert found[0] == found[1]


def test_a_process_that_is_killed_is_one_error_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is at work meanwhile."""
    model = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, SMALL)

    def lower(_: object, __: object, scheme: object, ___: object) -> None:
        if scheme is None:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)

    monkeypatch.setattr(pipeline, "_lower", lower)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"^onnx fp32: its process was killed, .*; fix: .*--jobs 1") as caught:
        export(ExportOptions(tmp_path / "bundle", model, runtimes=("onnx",), jobs=2))
    assert caught.value.exit_code == 7
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_licence_is_the_cards_or_what_is_given_and_an_unknown_one_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, SMALL)
    options = ExportOptions(tmp_path / "bundle", model, runtimes=("onnx",), precisions=("fp32",), force=True)
    # The same file each time.
    lowered = pipeline._lower(load_reference(options), "onnx", None, options)
    monkeypatch.setattr(pipeline, "_lower", lambda *_: lowered)
    notes: list[str] = []
    assert export(options, note=notes.append).manifest.license == "unknown"
    assert [note for note in notes if "licence" in note] == [
        "warning: the licence of the model is unknown: its card names none; pass --license, such as Apache-2.0"
    ]
    (tmp_path / "model/README.md").write_text("---\nlicense: bsd\n---\n")
    notes.clear()
    bundle = export(options, note=notes.append)
    assert bundle.manifest.license == "bsd"
    assert bundle.read("README.md").startswith(b"---\nlicense: bsd\n")
    assert not [note for note in notes if "licence" in note]
    given = dataclasses.replace(options, license="mit")
    assert export(given).manifest.license == "MIT"
    with pytest.raises(UsageError, match=r"^--license: is not known"):
        dataclasses.replace(options, license="ours")
