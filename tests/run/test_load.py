"""A bundle in three lines of Python: what `load` takes, what its model answers, and what it leaves behind."""

import gc
import json
import os
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import handmade
import pytest
import tiny

from squeezebert_mobile import BundleModel, Prediction, Sample, load
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.errors import InputFileError, UsageError
from squeezebert_mobile.export.pipeline import ExportOptions, export
from squeezebert_mobile.run.predict import Predictor, predict
from squeezebert_mobile.tasks import Task

TEXT, OTHER = "A quiet film.", "It stays for days."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handmade.write(tmp_path_factory.mktemp("load") / "my-bundle")


def answers(source: Path, *samples: Sample) -> list[Prediction]:
    return list(predict(source, samples))


def test_a_text_gets_what_predict_says(folder: Path) -> None:
    with load(str(folder)) as model:
        assert model(TEXT) == answers(folder, Sample(TEXT))[0]
        assert model(TEXT, OTHER) == answers(folder, Sample(TEXT, OTHER))[0]
        assert model(Sample(TEXT, OTHER)) == model(TEXT, OTHER)


@pytest.mark.parametrize("many", [list, tuple, iter])
def test_many_texts_get_one_answer_each_in_order(folder: Path, many: Any) -> None:
    with load(folder) as model:
        found = model(many([TEXT, (TEXT, OTHER), [OTHER, TEXT], Sample(OTHER)]))
    assert found == answers(folder, Sample(TEXT), Sample(TEXT, OTHER), Sample(OTHER, TEXT), Sample(OTHER))


def test_no_texts_get_no_answers(folder: Path) -> None:
    with load(folder) as model:
        assert model([]) == []


@pytest.mark.parametrize("wrong", [None, 5, b"bytes", {"text": TEXT}, [5], [None], [("a", 5)], ["a", ("a", "b", "c")]])
def test_what_is_no_text_is_said_in_one_line(folder: Path, wrong: Any) -> None:
    with load(folder) as model:
        with pytest.raises(UsageError, match="is no text") as caught:
            model(wrong)
        assert len(str(caught.value).splitlines()) == 1
        with pytest.raises(UsageError, match="is no text"):
            model(TEXT, wrong if wrong is not None else 5)


def test_a_second_text_goes_with_one_text(folder: Path) -> None:
    with load(folder) as model, pytest.raises(UsageError, match="goes with one text"):
        model([TEXT, OTHER], OTHER)


def test_what_does_not_fit_the_task_is_refused_and_the_model_goes_on(folder: Path) -> None:
    with load(folder) as model:
        with pytest.raises(UsageError, match="is for multiple choice"):
            model(TEXT, options=["a", "b"])
        assert model(TEXT).tokens


def test_a_zip_and_a_path_under_home_open_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    archive.pack(folder, tmp_path / "my-bundle.zip")
    with load("~/my-bundle.zip") as model:
        assert model(TEXT) == answers(folder, Sample(TEXT))[0]
        assert "my-bundle.zip" in repr(model)


@pytest.mark.parametrize("source", ["nowhere", "."])
def test_what_is_no_bundle_is_refused_with_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputFileError, match=r"fix: give the folder"):
        load(source)


def test_an_artifact_that_is_not_there_is_refused_with_those_that_are(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"has no such artifact \(found onnx fp32, expected int8\)"):
        load(folder, precision="int8")


def test_a_predictor_of_a_path_says_what_to_call(folder: Path) -> None:
    for path in (str(folder), folder):
        with pytest.raises(UsageError, match=r"fix: call squeezebert_mobile\.load"):
            Predictor(path)


def test_the_recommended_artifact_is_int8_unless_asked_otherwise(tiny_onnx_bundle: Path) -> None:
    with load(tiny_onnx_bundle) as model, load(tiny_onnx_bundle, precision="fp32") as exact:
        assert "onnx int8" in repr(model)
        assert "onnx fp32" in repr(exact)
        assert model(TEXT) == next(predict(tiny_onnx_bundle, [Sample(TEXT)], precision="int8"))


def test_the_recommended_precision_comes_before_the_order_of_the_files(folder: Path) -> None:
    bundle = bundles.read(folder)
    (artifact,) = bundle.manifest.artifacts

    def recommended(*has: tuple[str, str], **wanted: str) -> tuple[str, str]:
        made = tuple(artifact.model_copy(update={"runtime": r, "precision": p}) for r, p in has)
        found = bundles.Bundle(folder, bundle.manifest.model_copy(update={"artifacts": made})).recommended(**wanted)
        return found.runtime, found.precision

    every = [(runtime, p) for runtime in ("onnx", "executorch") for p in ("fp32", "fp16", "int8-static", "int8")]
    assert recommended(*every) == ("onnx", "int8")
    assert recommended(*every[:3]) == ("onnx", "int8-static")
    assert recommended(*every[1::-1]) == ("onnx", "fp32")
    assert recommended(*every, runtime="executorch") == ("executorch", "int8")
    assert recommended(*every, precision="fp16") == ("onnx", "fp16")


def test_a_model_shows_itself_in_one_line_and_in_a_notebook(folder: Path) -> None:
    model = load(folder)
    text, page = repr(model), model._repr_html_()
    assert text.startswith(
        f"<BundleModel {folder}: text-classification (negative, positive), onnx/model.onnx, onnx fp32"
    )
    assert "\n" not in text
    assert page.startswith("<b>my-bundle</b><br>text-classification (negative, positive)<br>")
    model.close()
    assert repr(model).endswith(", closed>")
    assert (model.task, model.labels) == (Task.TEXT_CLASSIFICATION, ("negative", "positive"))


def test_a_name_is_no_markup_in_a_notebook(tmp_path: Path) -> None:
    with load(handmade.write(tmp_path / "a<i>&")) as model:
        assert model._repr_html_().startswith("<b>a&lt;i&gt;&amp;</b>")


def test_a_closed_model_says_so_however_often_it_is_closed(folder: Path) -> None:
    model = load(folder)
    model.close()
    model.close()
    with pytest.raises(UsageError, match="is closed; fix: load it again"):
        model(TEXT)


def left(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("squeezebert-mobile-*"))


def test_nothing_is_left_of_a_model_that_is_let_go(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.pack(folder, tmp_path / "b.zip")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = load(tmp_path / "b.zip")
    pid = child_of(model)
    assert left(tmp_path)
    del model
    gc.collect()
    assert not left(tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_is_left_of_a_program_that_never_closes(folder: Path, tmp_path: Path) -> None:
    archive.pack(folder, tmp_path / "b.zip")
    program = (
        "import sys; from squeezebert_mobile import load; model = load(sys.argv[1]); print(model('A film.').tokens)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "b.zip")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert not left(tmp_path)


def child_of(model: BundleModel) -> int:
    """The process that runs the model."""
    assert model._predictor is not None
    return int(model._predictor._sessions._idle.queue[0].pid)


def test_a_text_that_is_interrupted_is_not_answered_in_the_next_ones_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from squeezebert_mobile.run import child

    expected = answers(folder, Sample(OTHER))[0]
    with load(folder) as model:
        reading = child.read_frame

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(child, "read_frame", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model(TEXT)
        monkeypatch.setattr(child, "read_frame", reading)
        assert model(OTHER) == expected


def test_a_model_whose_process_died_answers_again(folder: Path) -> None:
    with load(folder) as model:
        expected = model(TEXT)
        os.kill(child_of(model), signal.SIGSEGV)
        with pytest.raises(InputFileError, match="died of SIGSEGV"):
            model(TEXT)
        assert model(TEXT) == expected


def test_threads_take_turns(folder: Path) -> None:
    texts = [f"{'days ' * n}film" for n in range(12)]
    with load(folder) as model, ThreadPoolExecutor(6) as threads:
        assert list(threads.map(model, texts)) == model(texts)


def test_loading_a_bundle_imports_neither_torch_nor_a_runtime(folder: Path) -> None:
    program = (
        "import json, sys; from squeezebert_mobile import load; load(sys.argv[1])('A film.');"
        " print(json.dumps(sorted({'torch', 'onnx', 'onnxruntime', 'transformers', 'executorch'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == []


def test_what_a_notebook_completes_holds_every_public_name() -> None:
    import squeezebert_mobile

    assert set(squeezebert_mobile.__all__) <= set(dir(squeezebert_mobile))
    assert all(callable(getattr(squeezebert_mobile, name)) for name in squeezebert_mobile.__all__)


@pytest.mark.slow
@pytest.mark.parametrize("task", tiny.SAMPLES)
def test_every_task_gives_the_results_of_predict(task: Task, tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model", task, tiny.SMALL)
    export(ExportOptions(tmp_path / "bundle", model, runtimes=("onnx",), precisions=("fp32",)))
    sample = tiny.SAMPLES[task]
    with load(tmp_path / "bundle") as opened:
        assert opened.task is task
        found = opened(sample.text, sample.text_pair, options=sample.options)
        assert [found] == answers(tmp_path / "bundle", sample) == opened([sample])
        if sample.text_pair is not None:
            assert opened([(sample.text, sample.text_pair)]) == [found]


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("a", "b")
    with pytest.raises(InputFileError, match=r"holds no bundle\.json"):
        load(tmp_path / "other.zip")
