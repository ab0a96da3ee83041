"""The vector of a text out of every artifact, against sentence-transformers on folders that it wrote."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import sentences
import tiny
import torch
from safetensors.torch import load_file, save_file

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import PoolingFacts
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.checkpoint.sentence import SentenceFolder
from squeezebert_mobile.errors import UnsupportedModelError, UsageError
from squeezebert_mobile.export.pipeline import ExportOptions, export
from squeezebert_mobile.export.reference import load_reference
from squeezebert_mobile.run.postprocess import Embedding, Similarity
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.run.verify import verify
from squeezebert_mobile.tasks import Pooling, PoolingMode, Runtime, Task

SENTENCE = "sentence_embedding"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentences.folder(tmp_path_factory.mktemp("written") / "model", max_seq_length=40)


@pytest.fixture(scope="module")
def bundle(written: Path) -> Bundle:
    return export(ExportOptions(written.with_name("bundle"), written))


@pytest.fixture(scope="module")
def expected(written: Path) -> np.ndarray:
    return np.asarray(sentences.opened(written).encode(list(sentences.TEXTS)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "precision", "least"),
    [("onnx", "fp32", 0.99999), ("executorch", "fp32", 0.99999), ("onnx", "int8", 0.99), ("executorch", "int8", 0.99)],
)
def test_every_artifact_gives_the_vectors_of_sentence_transformers(
    bundle: Bundle, expected: np.ndarray, runtime: Runtime, precision: str, least: float
) -> None:
    with Predictor(bundle, runtime=runtime, precision=precision) as predictor:
        results = [predictor(Sample(text)).result for text in sentences.TEXTS]
    alone = np.array([result.vector for result in results if isinstance(result, Embedding)])
    assert sentences.cosines(alone, expected).min() >= least
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
    # All rows in one padded call, which a .pte takes apart; wider than any row needs, too.
    batch = bundle.tokenizer().rows(list(sentences.TEXTS), padding="longest").batch()
    artifact = bundle.artifact(runtime, precision)
    with Session(bundle.folder, artifact) as session:
        found = session.run(Batch(*(array[[1, 3, 0, 2]] for array in batch.arrays().values())))[SENTENCE]
    assert found.shape == expected.shape and found.dtype == np.float32
    assert sentences.cosines(found, expected[[1, 3, 0, 2]]).min() >= least


@pytest.mark.slow
def test_the_bundle_says_what_its_vector_is_and_verifies(bundle: Bundle) -> None:
    assert bundle.manifest.postprocessing.pooling == PoolingFacts(mode="mean", normalize=True)
    for artifact in bundle.manifest.artifacts:
        assert artifact.outputs[-1].name == SENTENCE
        assert artifact.outputs[-1].axes[1:] == (tiny.SMALL.hidden_size,)
        assert artifact.max_length == 40
    assert len(verify(bundle.folder).artifacts) == 4
    assert "the mean of the hidden states, of length 1" in (bundle.folder / "README.md").read_text()


@pytest.mark.slow
def test_two_texts_are_compared_as_sentence_transformers_compares_them(
    bundle: Bundle, written: Path, expected: np.ndarray
) -> None:
    with Predictor(bundle, runtime="onnx", precision="fp32") as predictor:
        predicted = predictor(Sample(sentences.TEXTS[2], sentences.TEXTS[3]))
    assert isinstance(predicted.result, Similarity)
    theirs = float(sentences.opened(written).similarity(expected[2], expected[3]))
    assert predicted.result.score == pytest.approx(theirs, abs=1e-5)
    np.testing.assert_allclose(predicted.result.vectors, expected[2:], atol=1e-5)
    assert predicted.truncated and predicted.tokens > 40


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8-static"])
def test_the_other_precisions_have_the_vector_too(written: Path, tmp_path: Path, precision: str) -> None:
    (tmp_path / "texts").write_text("".join(f"{text} {n}\n" for n in range(10) for text in sentences.TEXTS))
    calibration = {"calibration": tmp_path / "texts"} if precision == "int8-static" else {}
    made = export(ExportOptions(tmp_path / "bundle", written, precisions=(precision,), **calibration))  # type: ignore[arg-type]
    parity = {measured.output: measured for artifact in made.manifest.artifacts for measured in artifact.parity}
    assert parity[SENTENCE].psnr_db is not None and parity[SENTENCE].psnr_db > 30


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["cls", "max"])
def test_a_body_without_pooler_gets_the_pooling_that_is_asked_for(
    written: Path, tmp_path: Path, mode: PoolingMode
) -> None:
    model = headless(written, tmp_path / "model")
    options = ExportOptions(tmp_path / "bundle", model, precisions=("fp32",), pooling=mode, normalize=False)
    made = export(options)
    theirs = sentences.opened(sentences.folder(tmp_path / "theirs", mode, normalize=False, max_seq_length=40))
    for runtime in ("onnx", "executorch"):
        assert [output.name for output in made.artifact(runtime).outputs] == ["last_hidden_state", SENTENCE]
        with Predictor(made, runtime=runtime) as predictor:
            found = [predictor(Sample(text)).result.vector for text in sentences.TEXTS]  # type: ignore[union-attr]
        np.testing.assert_allclose(found, theirs.encode(list(sentences.TEXTS)), atol=1e-4)


def headless(written: Path, target: Path) -> Path:
    """The same body, without the pooler's weights."""
    shutil.copytree(written, target)
    tensors = load_file(target / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("pooler.")}
    save_file(kept, target / "model.safetensors", metadata={"format": "pt"})
    return target


@pytest.mark.slow
def test_a_body_without_pooler_and_pooling_has_hidden_states_alone(written: Path, tmp_path: Path) -> None:
    model = headless(written, tmp_path / "model")
    (model / "modules.json").unlink()
    notes: list[str] = []
    options = ExportOptions(tmp_path / "bundle", model, runtimes=("onnx",), precisions=("fp32",))
    made = export(options, note=notes.append)
    assert any("no output is the vector of a text" in note and "--pooling mean" in note for note in notes)
    assert [output.name for output in made.artifact().outputs] == ["last_hidden_state"]
    assert made.manifest.postprocessing.pooling is None and not (made.folder / "modules.json").exists()
    with (
        Predictor(made) as predictor,
        pytest.raises(UnsupportedModelError, match=r"no output is the vector of a text .* --pooling mean"),
    ):
        predictor(Sample("hi"))


def test_a_headless_body_is_saved_as_it_came(written: Path, tmp_path: Path) -> None:
    loaded = checkpoint.load(headless(written, tmp_path / "model"))
    fitted = checkpoint.load_model(loaded, pooling=Pooling("mean"))
    assert any("no output reads it" in note for note in fitted.notes)
    fitted.model.save_pretrained(tmp_path / "saved")
    assert not [name for name in load_file(tmp_path / "saved/model.safetensors") if "pooler" in name]


@pytest.mark.parametrize("options", [{"pooling": "mean"}, {"normalize": False}])
def test_pooling_has_no_meaning_for_another_task(tmp_path: Path, options: dict[str, object]) -> None:
    model = tiny.checkpoint(tmp_path / "model", Task.FILL_MASK, tiny.SMALL)
    with pytest.raises(UsageError, match=r"has no meaning for fill-mask .*; fix: leave it out, or add --task feature"):
        load_reference(ExportOptions(tmp_path / "bundle", model, **options))  # type: ignore[arg-type]


def test_a_trimmed_vocabulary_leaves_the_vectors(written: Path, tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("A quiet film.\nIt stays with you.\n")
    reference = load_reference(ExportOptions(tmp_path / "bundle", written, trim_vocab=tmp_path / "texts"))
    assert reference.model.output_names[-1] == SENTENCE
    assert reference.tokenizer.vocab_size < tiny.SMALL.vocab_size


@pytest.mark.slow
@pytest.mark.parametrize("activation", [None, torch.nn.Identity()])
def test_a_reranker_scores_pairs_as_its_cross_encoder_does(tmp_path: Path, activation: torch.nn.Module | None) -> None:
    from sentence_transformers import CrossEncoder

    theirs = sentences.reranker(tmp_path / "model", activation)
    made = export(ExportOptions(tmp_path / "bundle", theirs, runtimes=("onnx",), precisions=("fp32",)))
    assert made.manifest.postprocessing.kind == ("sigmoid" if activation is None else "regression")
    pairs = [(sentences.TEXTS[0], text) for text in sentences.TEXTS[1:]]
    with Predictor(made) as predictor:
        found = [predictor(Sample(*pair)).result[0].score for pair in pairs]  # type: ignore[union-attr, index]
    np.testing.assert_allclose(found, CrossEncoder(str(theirs), device="cpu").predict(pairs), atol=1e-5)
    # What the bundle's own config.json says is what CrossEncoder would apply to it.
    assert SentenceFolder.open(made.folder).activation() == ("sigmoid" if activation is None else "identity")
