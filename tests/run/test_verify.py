"""A verdict means something: `verify` fails where nothing was proven, and nothing in a bundle makes a command crash."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import handmade
import pytest
from onnx import helper

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import golden, manifest
from squeezebert_mobile.errors import GateError, InputFileError, IntegrityError
from squeezebert_mobile.run.predict import Sample, predict
from squeezebert_mobile.run.verify import verify
from squeezebert_mobile.training.evaluate import evaluate
from squeezebert_mobile.training.options import EvaluateOptions

Values = dict[str, Any]


def bundle(
    folder: Path,
    *,
    described: Callable[[Values], object] = lambda _: None,
    model: bytes | None = None,
    **files: Callable[[Values], object],
) -> Path:
    """A bundle with right digests and a right seal whose manifest and JSON files were changed."""
    content, whole = handmade.contents(handmade.onnx_model().SerializeToString() if model is None else model)
    for name, change in files.items():
        values = json.loads(content[f"{name}.json"])
        change(values)
        content[f"{name}.json"] = json.dumps(values).encode()
    entries = [bundles.entry(entry.path, content[entry.path]) for entry in whole.files]
    values = json.loads(manifest.dump(whole.model_copy(update={"files": tuple(entries)})))
    del values["seal"]
    described(values)
    folder.mkdir()
    for name, data in {**content, manifest.MANIFEST_NAME: manifest.sealed(values)}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def first_case(change: Values) -> Callable[[Values], object]:
    return lambda values: values["cases"][0].update(change)


def first_output(change: Values) -> Callable[[Values], object]:
    return lambda values: values["cases"][0]["outputs"][0].update(change)


def test_a_sound_bundle_holds(tmp_path: Path) -> None:
    (check,) = verify(bundle(tmp_path / "bundle")).artifacts
    assert (check.cases, check.allowed) == (len(handmade.TEXTS), 1e-4)
    assert check.max_abs < 1e-5


GOLDEN: dict[str, Callable[[Values], object]] = {
    "no cases": lambda values: values.update(cases=[]),
    "a case without outputs": first_case({"outputs": []}),
    "no indices": first_output({"indices": [], "values": []}),
    "an index outside": first_output({"indices": [0, 2]}),
    "an index of 70 bits": first_output({"indices": [0, 2**70]}),
    "a value too many": first_output({"values": [0, 1, 2]}),
    "an unknown output": first_output({"name": "hidden"}),
    "an output named error": first_output({"name": "error"}),
    "ragged ids": first_case({"input_ids": [[2, 3], [2]]}),
    "an id of 70 bits": first_case({"input_ids": [[2**70]], "attention_mask": [[1]], "token_type_ids": [[0]]}),
    "a negative id": first_case({"input_ids": [[-5]], "attention_mask": [[1]], "token_type_ids": [[0]]}),
    "an id that the model has not": first_case(
        {"texts": [], "input_ids": [[120]], "attention_mask": [[1]], "token_type_ids": [[0]]}
    ),
    "a type that the model has not": first_case(
        {"texts": [], "input_ids": [[2]], "attention_mask": [[1]], "token_type_ids": [[2]]}
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_texts_that_prove_nothing_or_fit_nothing_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    with pytest.raises(IntegrityError, match=r"golden\.json: (is not a golden file|does not fit)"):
        verify(bundle(tmp_path / "bundle", golden=GOLDEN[case]))


def test_a_golden_file_of_a_size_that_no_phone_reads_is_not_parsed(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "bundle", golden=lambda values: values.update(more="x" * (4 << 20)))
    with pytest.raises(InputFileError, match=r"golden\.json: is too large"):
        verify(folder)


LABELS: dict[str, Callable[[Values], object]] = {
    "swapped": lambda config: config.update(id2label={"0": "positive", "1": "negative"}),
    "three": lambda config: config.update(id2label={"0": "a", "1": "b", "2": "c"}),
    "none": lambda config: config.pop("id2label"),
    "fewer positions": lambda config: config.update(max_position_embeddings=16),
}


@pytest.mark.parametrize("case", LABELS)
def test_a_config_of_another_model_than_the_manifest_is_refused(tmp_path: Path, case: str) -> None:
    def change(config: Values) -> None:
        config.pop("label2id", None)
        LABELS[case](config)

    folder = bundle(tmp_path / "bundle", config=change)
    with pytest.raises(IntegrityError, match=r"config\.json: has "):
        verify(folder, run=False)
    with pytest.raises(IntegrityError, match=r"config\.json: has "):
        next(predict(folder, [Sample("good")]))


def _gates(**figures: float | None) -> Callable[[Values], object]:
    return lambda values: values["artifacts"][0]["parity"][0].update(figures)


@pytest.mark.parametrize(
    "gate", [{"max_abs": 1e300}, {"atol": 1e300}, {"atol": None, "min_psnr_db": -1e300, "max_abs": 1e300}]
)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_bundle_does_not_choose_its_own_tolerance(tmp_path: Path, gate: Values, precision: str) -> None:
    def change(values: Values) -> None:
        _gates(**gate)(values)
        values["artifacts"][0]["precision"] = precision

    model = handmade.onnx_model()
    for tensor in model.graph.initializer:
        if tensor.name in ("classifier", "bias"):
            tensor.raw_data = bytes(len(tensor.raw_data))  # it answers nothing but zeros
    with pytest.raises(GateError, match="output logits for golden text"):
        verify(bundle(tmp_path / "bundle", described=change, model=model.SerializeToString()))


def test_what_export_found_is_allowed_twice_up_to_a_share_of_the_largest_answer(tmp_path: Path) -> None:
    sound = bundles.read(bundle(tmp_path / "bundle"))
    cases = golden.of_bundle(sound.read("golden.json"), "golden.json", sound.manifest)
    peak = max(abs(value) for case in cases for output in case.outputs for value in output.values)
    (one,) = sound.manifest.artifacts
    shares = (("fp32", 0.01), ("fp16", 0.1), ("int8", 0.75), ("int8-static", 0.75))
    for precision, share in shares:
        for found, allowed in ((share * peak / 4, share * peak / 2), (1e-9, 1e-4), (peak, share * peak)):
            parity = one.parity[0].model_copy(update={"atol": None, "max_abs": found})
            artifact = one.model_copy(update={"precision": precision, "parity": (parity,)})
            assert golden.allowed_differences(artifact, cases) == {"logits": pytest.approx(allowed)}


def _models() -> Iterator[tuple[str, bytes, str]]:
    model = handmade.onnx_model()
    model.graph.output[0].name = model.graph.node[-1].output[0] = "answers"
    yield "renamed", model.SerializeToString(), "has other outputs than its manifest says .found answers, .*logits"
    model = handmade.onnx_model()
    model.graph.output.extend([helper.make_tensor_value_info("mean", 1, ["batch_size", 8])])
    yield "another", model.SerializeToString(), "has other outputs than its manifest says .found logits, mean,"
    model = handmade.onnx_model()
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
    model.graph.node[-1].output[0] = "two"
    model.graph.node.append(helper.make_node("Concat", ["two", "two"], ["logits"], axis=1))
    what = r"gives an output logits of another shape .* .found \[1, 4\], expected \[1, 2\]"
    yield "wider", model.SerializeToString(), what
    model = handmade.onnx_model()
    del model.graph.output[0].type.tensor_type.shape.dim[1]
    model.graph.node[-1].output[0] = "two"
    model.graph.node.append(helper.make_node("ReduceMax", ["two", "tokens"], ["logits"], keepdims=0))
    yield "narrower", model.SerializeToString(), r"gives an output logits of another shape .* .found \[1\],"


MODELS = {name: (model, what) for name, model, what in _models()}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_with_other_outputs_than_the_manifest_declares_is_a_bad_file(tmp_path: Path, case: str) -> None:
    model, what = MODELS[case]
    folder = bundle(tmp_path / "bundle", model=model)
    for call in (lambda: verify(folder), lambda: list(predict(folder, [Sample("good")]))):
        with pytest.raises(InputFileError, match=rf"onnx/model\.onnx: {what}"):
            call()


def test_an_answer_that_is_no_number_is_no_answer(tmp_path: Path) -> None:
    model = handmade.onnx_model()
    model.graph.node[-1].output[0] = "finite"
    model.graph.node.append(helper.make_node("Log", ["finite"], ["logits"]))
    folder = bundle(tmp_path / "bundle", model=model.SerializeToString())
    texts = ("good", "bad", "days")
    with pytest.raises(InputFileError, match=r"onnx/model\.onnx: answers with what is no number"):
        list(predict(folder, [Sample(text) for text in texts]))
    data = tmp_path / "data.tsv"
    data.write_text("text\tlabel\n" + "".join(f"{text}\tpositive\n" for text in texts))
    with pytest.raises(InputFileError, match=r"onnx/model\.onnx: answers with what is no number"):
        evaluate(EvaluateOptions(folder, data, resamples=5))
