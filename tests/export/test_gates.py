"""Which gates an export goes through: each file's own answers, its size, its speed, and the accuracy that int8 costs.

Lowering and child processes are stood in for: a file is a line that says what it is, and a session answers by the
file's bytes. Nothing else of the export is replaced.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Self

import handmade
import numpy as np
import pytest
import tiny
from tiny import SMALL

from squeezebert_mobile import render
from squeezebert_mobile.batch import Batch
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact, Inventory, Precision, Range, Runtime
from squeezebert_mobile.console import to_json
from squeezebert_mobile.errors import GateError, InputFileError, SqueezeBertMobileError, UsageError
from squeezebert_mobile.export import gates as accuracy_gate
from squeezebert_mobile.export import gates as speed_gate
from squeezebert_mobile.export import golden_texts, parity, pipeline
from squeezebert_mobile.export.gates import AccuracyGate
from squeezebert_mobile.export.inventory import Lowered
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.parity import Outputs, Run
from squeezebert_mobile.export.quantization import Dynamic, Half, Scheme
from squeezebert_mobile.export.sensitivity import Effect
from squeezebert_mobile.model import model_class
from squeezebert_mobile.sentence import SentenceModel
from squeezebert_mobile.steps import Steps
from squeezebert_mobile.tables.files import read_table
from squeezebert_mobile.tasks import Pooling, Task, window_stride
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training.features import Feature
from squeezebert_mobile.training.metrics import Measure

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
PATHS = {
    ("onnx", "fp32"): "onnx/model.onnx",
    ("onnx", "fp16"): "onnx/model_fp16.onnx",
    ("onnx", "int8"): "onnx/model_quantized.onnx",
    ("executorch", "fp32"): "executorch/model_xnnpack_fp32.pte",
    ("executorch", "fp16"): "executorch/model_xnnpack_fp16.pte",
    ("executorch", "int8"): "executorch/model_xnnpack_int8.pte",
}
NAMES: dict[type, Precision] = {type(None): "fp32", Half: "fp16", Dynamic: "int8"}
Key = tuple[Runtime, Precision]


@cache
def tokenizer() -> SqueezeBertTokenizerFast:
    return tiny.tokenizer(SMALL)


@cache
def model(task: Task, seed: int = 0) -> Run:
    """A tiny model that remembers its answers, since all files of all exports are asked the same."""
    torch_model, known = tiny.model(task, SMALL, seed), dict[tuple[bytes, ...], Outputs]()

    def run(batch: Batch) -> Outputs:
        key = tuple(array.tobytes() + bytes(array.shape) for array in batch.arrays().values())
        if key not in known:
            known[key] = parity.reference(torch_model, batch)
        return known[key]

    return run


@dataclass
class World:
    """What lowerings give, and what sessions answer: the reference's answers, unless ``runs`` has a file's own."""

    folder: Path
    checkpoint: Path
    task: Task = Task.TEXT_CLASSIFICATION
    runs: dict[Key, Run] = field(default_factory=dict)
    sizes: dict[Key, int] = field(default_factory=dict)
    calls: dict[Key, list[Batch]] = field(default_factory=dict)
    steps: Steps = field(default_factory=Steps)

    def data(self, key: Key) -> bytes:
        return " ".join(key).encode().ljust(self.sizes.get(key, 0))

    def lower(self, runtime: Runtime, scheme: Scheme | None) -> Lowered:
        return Lowered(self.data((runtime, NAMES[type(scheme)])), Inventory(), "version")

    def export(self, **options: object) -> Bundle:
        """An export of the checkpoint to all six files, or as ``options`` say."""
        given = {"precisions": PRECISIONS, **options}
        asked = ExportOptions(self.folder / "bundle", self.checkpoint, **given)  # type: ignore[arg-type]
        return pipeline.export(asked, self.steps)

    def refused(self, **options: object) -> SqueezeBertMobileError:
        """The gate that an export fails at; nothing is left of it."""
        with pytest.raises(GateError) as caught:
            self.export(**options)
        assert caught.value.exit_code == 6
        assert [path.name for path in self.folder.iterdir() if path.suffix != ".lock"] == []
        return caught.value


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("model"), Task.TEXT_CLASSIFICATION, SMALL)


@pytest.fixture
def world(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path_factory.mktemp("world"), checkpoint)

    class FileSession:
        """Answers by what the artifact's file holds."""

        def __init__(self, root: Path, artifact: Artifact) -> None:
            runtime, precision = (root / artifact.path).read_text().split()
            self.key: Key = (runtime, precision)  # type: ignore[assignment]
            assert (artifact.runtime, artifact.precision) == self.key
            self.answer = made.runs.get(self.key, model(made.task))

        def run(self, batch: Batch) -> Outputs:
            made.calls.setdefault(self.key, []).append(batch)
            return self.answer(batch)

        def __enter__(self) -> Self:
            return self

        def __exit__(
            self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
        ) -> None: ...

    monkeypatch.setattr(pipeline, "Session", FileSession)
    monkeypatch.setattr(pipeline, "_lower", lambda _, runtime, scheme, __: made.lower(runtime, scheme))
    # What the files were asked is remembered here, so they are made in this process.
    monkeypatch.setattr(pipeline, "run_each", lambda works, *_: {name: work(str) for name, work in works})
    return made


def spoilt(where: Callable[[Batch], bool]) -> Run:
    """The reference's answers, moved by 5 for the batches of ``where``."""
    right = model(Task.TEXT_CLASSIFICATION)
    return lambda batch: {name: value + 5 * where(batch) for name, value in right(batch).items()}


def off_by(share: float) -> Run:
    """The reference's answers, moved by that share of the largest of all."""
    right = model(Task.TEXT_CLASSIFICATION)
    cases = parity.build_cases(tiny.model(Task.TEXT_CLASSIFICATION, SMALL), tokenizer(), 64)
    by = np.float32(share * max(float(np.abs(case.expected["logits"]).max()) for case in cases))
    return lambda batch: {name: value + by for name, value in right(batch).items()}


def negated(batch: Batch) -> Outputs:
    """A model that prefers the other one of two labels."""
    return {name: -value for name, value in model(Task.TEXT_CLASSIFICATION)(batch).items()}


# Parity


@pytest.mark.parametrize("key", PATHS)
def test_each_file_has_to_answer_for_itself(world: World, key: Key) -> None:
    world.runs[key] = model(world.task, seed=1)
    error = world.refused()
    assert error.file == PATHS[key]
    assert error.what.startswith("output logits is not the reference's")


@pytest.mark.parametrize("key", PATHS)
def test_a_file_that_padding_moves_is_refused(world: World, key: Key) -> None:
    world.runs[key] = spoilt(lambda batch: len(batch.input_ids) == 1 and not batch.attention_mask.all())
    error = world.refused()
    assert error.file == PATHS[key]
    assert error.what.endswith(", padded'")


@pytest.mark.parametrize("key", [key for key in PATHS if key[0] == "onnx"])
def test_a_file_that_company_moves_is_refused(world: World, key: Key) -> None:
    world.runs[key] = spoilt(lambda batch: len(batch.input_ids) > 1)
    error = world.refused()
    assert error.file == PATHS[key]
    assert error.what.endswith(", in a batch'")


def test_what_was_proven_is_in_the_manifest(world: World) -> None:
    """All cases, the padded ones that are shorter than the longest input, and batches for ONNX Runtime alone."""
    bundle = world.export()
    cases = parity.build_cases(tiny.model(world.task, SMALL), tokenizer(), 64)
    short = sum(case.batch.input_ids.shape[-1] < 64 for case in cases)
    alone, grouped = len(cases) + short, len(cases) // 3 * 3
    limits = {"fp32": (1e-4, None), "fp16": (None, 40.0), "int8": (None, 20.0)}
    assert {(a.runtime, a.precision): a.path for a in bundle.manifest.artifacts} == PATHS
    for artifact in bundle.manifest.artifacts:
        (found,) = artifact.parity
        assert found.cases == alone + (grouped if artifact.runtime == "onnx" else 0)
        assert (found.atol, found.min_psnr_db) == limits[artifact.precision]
        asked = world.calls[artifact.runtime, artifact.precision]
        assert len(asked) == alone + (grouped // 3 if artifact.runtime == "onnx" else 0)
        assert (bundle.folder / artifact.path).read_text() == f"{artifact.runtime} {artifact.precision}"


def test_choices_are_proven_one_question_at_a_time(world: World, tmp_path: Path) -> None:
    world.task = Task.MULTIPLE_CHOICE
    world.checkpoint = tiny.checkpoint(tmp_path, world.task, SMALL)
    world.export(precisions=("fp32",))
    for asked in world.calls.values():
        assert {batch.input_ids.shape[:2] for batch in asked} == {(1, 2)}


def test_no_call_is_longer_than_the_file_allows(world: World) -> None:
    world.export(precisions=("fp32",), max_seq_len=9)
    for asked in world.calls.values():
        assert {batch.input_ids.shape[-1] for batch in asked if not batch.attention_mask.all()} == {6, 7, 9}
        assert max(batch.input_ids.shape[-1] for batch in asked) == 9


def test_a_tolerance_that_is_given_holds_for_every_precision(world: World) -> None:
    world.runs = dict.fromkeys(PATHS, off_by(0.009))
    assert {(p.atol, p.min_psnr_db) for a in world.export(atol=5.1).manifest.artifacts for p in a.parity} == {
        (5.1, None)
    }


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_tolerance_lets_a_file_through_that_verify_refuses(world: World, precision: Precision) -> None:
    share = {"fp32": 0.01, "fp16": 0.1, "int8": 0.75}[precision]
    world.runs = dict.fromkeys(PATHS, off_by(1.02 * share))
    error = world.refused(precisions=(precision,), atol=1e9)
    assert "than verify takes from any file" in error.what
    assert "a larger --atol does not help" in error.fix
    world.runs = dict.fromkeys(PATHS, off_by(0.98 * share))
    bundle = world.export(precisions=(precision,), atol=1e9)
    cases = golden.of_bundle(bundle.read("golden.json", max_bytes=golden.MAX_GOLDEN_BYTES), "it", bundle.manifest)
    for artifact in bundle.manifest.artifacts:
        run, allowed = world.runs[artifact.runtime, precision], golden.allowed_differences(artifact, cases)
        golden.check(cases, run, rank=2, allowed=allowed, file="it", fix="none")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_tolerance_that_is_given_replaces_the_precisions_own(world: World, precision: Precision) -> None:
    world.runs = dict.fromkeys(PATHS, spoilt(lambda _: True))
    error = world.refused(precisions=(precision,), atol=4.9)
    assert (error.found, error.expected) == ("5", "at most 4.9")


def test_another_models_file_is_refused_by_its_answers_in_onnx_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real file in a real child process, of the right interface and another function."""
    file = handmade.onnx_model().SerializeToString()
    monkeypatch.setattr(pipeline, "_lower", lambda *_: Lowered(file, Inventory(), "opset 18"))
    tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, handmade.CONFIG)
    with pytest.raises(GateError, match=r"onnx/model_quantized\.onnx: output logits is not the reference's"):
        pipeline.export(
            ExportOptions(tmp_path / "bundle", tmp_path / "model", runtimes=("onnx",), precisions=("int8",))
        )
    assert not (tmp_path / "bundle").exists()


# Size


def test_the_smallest_file_of_each_runtime_has_to_fit(world: World) -> None:
    """Exactly at the budget, with larger files beside it."""
    world.sizes = {("onnx", "fp32"): 90_000, ("onnx", "int8"): 20_000, ("executorch", "int8"): 20_000}
    world.sizes |= {("executorch", "fp32"): 20_001}
    world.export(precisions=("fp32", "int8"), size_budget=0.02)


@pytest.mark.parametrize("runtime", ["onnx", "executorch"])
def test_a_byte_over_the_budget_is_refused_in_either_runtime(world: World, runtime: Runtime) -> None:
    world.sizes = dict.fromkeys(PATHS, 2_000_000)
    world.sizes |= {(runtime, "fp32"): 3_000_000, (runtime, "int8"): 2_060_001}
    error = world.refused(precisions=("fp32", "int8"), size_budget=2.06)
    assert error.file == PATHS[runtime, "int8"]
    assert (error.what, error.found, error.expected) == ("is over the size budget", "2.1 MB", "at most 2.06 MB")


# Speed


@pytest.mark.parametrize("runtime", ["onnx", "executorch"])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_file_that_is_slower_than_fp32_leaves_no_bundle(
    world: World, monkeypatch: pytest.MonkeyPatch, runtime: Runtime, precision: Precision
) -> None:
    slow = world.data((runtime, precision))
    monkeypatch.setattr(speed_gate, "slowdown", lambda _, other, *__: 1.25 if other == slow else 0.5)
    error = world.refused(require_faster=True)
    assert error.file == PATHS[runtime, precision]
    assert (error.what, error.found) == ("is not faster than fp32", "1.25x its time")


def test_every_file_races_fp32_where_that_is_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    races: list[tuple[bytes, bytes, tuple[int, ...]]] = []

    def slowdown(base: bytes, other: bytes, artifact: Artifact, batch: Batch) -> float:  # noqa: ARG001
        races.append((base, other, batch.input_ids.shape))
        return 0.99

    monkeypatch.setattr(speed_gate, "slowdown", slowdown)
    world.export(require_faster=True)
    assert races == [
        (f"{runtime} fp32".encode(), f"{runtime} {precision}".encode(), (1, 64))
        for runtime in ("onnx", "executorch")
        for precision in ("fp16", "int8")
    ]


def test_nothing_races_unasked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_gate, "slowdown", lambda *_: pytest.fail("timed for nothing"))
    world.export()


# Accuracy

EIGHT = list(golden_texts.SINGLE.values())[1:9]


def labels(texts: list[str]) -> list[int]:
    """The labels that the tiny model itself gives."""
    answer = model(Task.TEXT_CLASSIFICATION)
    return [int(answer(parity.encode(tokenizer(), [text], None, 64))["logits"].argmax()) for text in texts]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("labelled") / "dev.jsonl"
    rows = [{"text": text, "label": label} for text, label in zip(EIGHT, labels(EIGHT), strict=True)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def gate(data: str, max_drop: float, task: Task = Task.TEXT_CLASSIFICATION, **more: object) -> AccuracyGate:
    options = ExportOptions(Path("bundle"), data=data, max_accuracy_drop=max_drop, **more)  # type: ignore[arg-type]
    return AccuracyGate(options, tiny.model(task, SMALL), tokenizer(), 64)


def wrong_for(texts: list[str]) -> Run:
    """The model's answers, negated for ``texts``, whatever batch they come in."""
    rows = {tuple(tokenizer().rows(text, max_length=64).input_ids[0].tolist()) for text in texts}
    right = model(Task.TEXT_CLASSIFICATION)

    def run(batch: Batch) -> Outputs:
        used = batch.attention_mask.sum(-1)
        hits = [tuple(row[:n].tolist()) in rows for row, n in zip(batch.input_ids, used, strict=True)]
        return {name: np.where(np.array(hits)[:, None], -value, value) for name, value in right(batch).items()}

    return run


@pytest.mark.parametrize("key", PATHS)
def test_each_files_accuracy_is_held_to_the_checkpoints(
    world: World, labelled: str, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccuracyGate, "choose_keep_float", lambda _, scheme, *__: scheme.keep_float)
    monkeypatch.setattr(golden, "largest_difference", lambda *_: 1e9)
    world.runs[key] = negated
    error = world.refused(data=labelled, max_accuracy_drop=0.5, atol=1e9)
    assert error.file == PATHS[key]
    assert error.what == "accuracy falls too far below the checkpoint's 1.0000"
    assert (error.found, error.expected) == ("-1.0000", "at most -0.5")


def test_files_that_lose_nothing_pass_the_accuracy_gate(world: World, labelled: str) -> None:
    bundle = world.export(data=labelled, max_accuracy_drop=0.0, precisions=("fp32",))
    assert len(bundle.manifest.artifacts) == 2


def test_what_a_gate_measured_is_in_the_manifest_the_card_and_on_the_screen(
    world: World, labelled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccuracyGate, "choose_keep_float", lambda _, scheme, *__: scheme.keep_float)
    monkeypatch.setattr(golden, "largest_difference", lambda *_: 1e9)
    world.runs["onnx", "int8"] = wrong_for(EIGHT[:1])
    bundle = world.export(data=labelled, max_accuracy_drop=0.5, precisions=("fp32", "int8"), atol=1e9)
    right, wrong, *others = [a.accuracy for a in bundle.manifest.artifacts]
    assert others == [right, right]
    assert right is not None and wrong is not None
    assert (right.metric, right.value, right.drop, right.rows) == ("accuracy", 1.0, 0.0, 8)
    assert (wrong.value, wrong.checkpoint, wrong.drop, wrong.allowed_drop) == (0.875, 1.0, 0.125, 0.5)
    assert wrong.interval.low < 0.875 < wrong.interval.high == 1.0
    assert wrong.drop_interval == Range(low=0.0, high=round(1 - wrong.interval.low, 6))
    assert wrong.chance == max(Counter(labels(EIGHT)).values()) / 8
    assert wrong.data_sha256 == right.data_sha256
    card = (bundle.folder / "README.md").read_text()
    for line in ("on 8 rows of `dev.jsonl`", wrong.data_sha256, f"| {wrong.interval.low:.4f} to 1.0000 | 0.1250"):
        assert line in card
    shown = render.bundle(bundle)
    assert "accuracy on 8 rows of dev.jsonl: the checkpoint 1.0000, the commonest label alone" in shown
    assert re.search(r"onnx/model_quantized\.onnx +0\.8750 +0\.\d{4} to 1\.0000 +0\.1250", shown)
    assert json.loads(to_json(bundle))["manifest"]["artifacts"][1]["accuracy"]["drop"] == 0.125


def test_the_digest_of_data_is_that_of_its_rows_in_any_format(tmp_path: Path, labelled: str) -> None:
    rows = [json.loads(line) for line in Path(labelled).read_text(encoding="utf-8").splitlines()]
    (tmp_path / "dev.json").write_text(json.dumps([{"label": r["label"], "sentence": r["text"]} for r in rows]))
    run = model(Task.TEXT_CLASSIFICATION)
    same, fewer = (gate(str(file), 1.0, max_samples=n).require(run, "") for file, n in
                   ((tmp_path / "dev.json", None), (labelled, 7)))  # fmt: skip
    whole = gate(labelled, 1.0).require(run, "")
    assert same.data_sha256 == whole.data_sha256 != fewer.data_sha256


def test_an_agreement_that_is_asked_for_is_held(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "largest_difference", lambda *_: 1e9)
    world.runs["executorch", "int8"] = negated
    error = world.refused(min_agreement=0.01, precisions=("int8",), atol=1e9)
    assert error.file == PATHS["executorch", "int8"]
    assert (error.found, error.expected) == ("0.00%", "at least 1.00%")
    world.runs = {}
    world.export(min_agreement=1.0, precisions=("int8",))


def test_a_drop_of_exactly_the_limit_is_allowed(labelled: str) -> None:
    one_wrong = wrong_for(EIGHT[:1])
    allowing, strict = (gate(labelled, limit) for limit in (0.125, 0.124))
    assert allowing.drop(one_wrong) == 0.125
    allowing.require(one_wrong, "onnx/model.onnx")
    with pytest.raises(GateError, match=r"found -0\.1250, expected at most -0\.124"):
        strict.require(one_wrong, "onnx/model.onnx")


def test_a_perplexity_falls_where_it_grows(tmp_path: Path) -> None:
    """A uniform guess has the vocabulary's size; every token is hidden once."""
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in EIGHT[:2]), encoding="utf-8")
    tested = gate(str(file), 0.0, Task.FILL_MASK)
    seen: list[np.ndarray] = []

    def uniform(batch: Batch) -> Outputs:
        seen.extend(batch.input_ids)
        return {"logits": np.zeros((*batch.input_ids.shape, SMALL.vocab_size), np.float32)}

    assert tested.drop(uniform) == pytest.approx(SMALL.vocab_size - tested.reached.value)
    assert {int((row == tokenizer().mask_token_id).sum()) for row in seen} == {1}
    assert len(seen) == sum(tokenizer().rows(text).input_ids.shape[1] - 2 for text in EIGHT[:2])


def test_the_data_are_cut_and_read_from_the_columns_that_are_named(tmp_path: Path) -> None:
    """Only the first row is right."""
    file = tmp_path / "dev.jsonl"
    rows = [{"review": text, "stars": label} for text, label in zip(EIGHT, labels(EIGHT), strict=True)]
    for row in rows[1:]:
        row["stars"] = 1 - int(row["stars"])
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    columns = (("text", "review"), ("label", "stars"))
    assert gate(str(file), 0.0, columns=columns).reached.value == 0.125
    assert gate(str(file), 0.0, columns=columns, max_samples=1).reached.value == 1.0


def written(file: Path, rows: Sequence[dict[str, object]]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def test_a_file_that_answers_as_the_checkpoint_lost_nothing_whatever_is_drawn(tmp_path: Path) -> None:
    """The same draws for both, so that what both get wrong cancels."""
    known = labels(EIGHT)
    rows = [{"text": text, "label": label} for text, label in zip(EIGHT, [1 - known[0], *known[1:]], strict=True)]
    found = gate(written(tmp_path / "dev.jsonl", rows), 0.0).require(model(Task.TEXT_CLASSIFICATION), "")
    assert (found.value, found.checkpoint, found.drop_interval) == (0.875, 0.875, Range(low=0.0, high=0.0))
    assert found.interval == found.checkpoint_interval and found.interval.low < 0.875 < found.interval.high
    assert found.chance == max(Counter([1 - known[0], *known[1:]]).values()) / 8


@pytest.mark.parametrize("rows", [7, 6])
def test_a_chance_is_rounded_as_what_is_reached(labelled: str, rows: int) -> None:
    found = gate(labelled, 1.0, max_samples=rows).require(wrong_for(EIGHT[:1]), "")
    assert found.value == round(1 - 1 / rows, 6)
    assert found.chance == round(max(Counter(labels(EIGHT[:rows])).values()) / rows, 6)


def test_a_column_of_the_labels_names_is_no_second_text(tmp_path: Path, labelled: str) -> None:
    known = zip(EIGHT, labels(EIGHT), strict=True)
    rows = [{"question": text, "answer": ("negative", "positive")[label], "label": label} for text, label in known]
    run = model(Task.TEXT_CLASSIFICATION)
    named = gate(written(tmp_path / "dev.jsonl", rows), 1.0).require(run, "")
    assert named.data_sha256 == gate(labelled, 1.0).require(run, "").data_sha256


def test_texts_of_a_line_each_have_a_perplexity_and_no_commonest_label(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("a quiet film\nit stays with you\n", encoding="utf-8")
    tested = gate(str(tmp_path / "texts.txt"), 0.0, Task.FILL_MASK)
    found = tested.require(model(Task.FILL_MASK), "")
    assert (found.metric, found.rows, found.chance) == (tested.reached.name, 2, None)


def test_ratings_have_no_commonest_label_and_go_through_the_rerankers_activation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranker = model_class(Task.TEXT_CLASSIFICATION)(replace(SMALL, id2label=("score",))).eval()
    ranker.activation = "sigmoid"
    measured: list[object] = []
    whole = accuracy_gate.score

    def score(measure: Measure, *given: object, **more: object) -> object:
        measured.append(measure.activation)
        return whole(measure, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(accuracy_gate, "score", score)
    data = written(tmp_path / "dev.jsonl", [{"text": text, "label": n / 8} for n, text in enumerate(EIGHT)])
    options = ExportOptions(Path("bundle"), data=data, max_accuracy_drop=1.0)
    tested = AccuracyGate(options, ranker, tokenizer(), 64)
    assert tested.require(partial(parity.reference, ranker), "").chance is None
    assert measured == ["sigmoid", "sigmoid"]


def test_a_data_set_of_the_hub_keeps_its_whole_name(labelled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = replace(read_table(labelled, Task.TEXT_CLASSIFICATION), name="owner/films@dev")
    monkeypatch.setattr(accuracy_gate, "read_table", lambda *_, **__: table)
    assert gate(labelled, 1.0).require(model(Task.TEXT_CLASSIFICATION), "").data == "owner/films@dev"


def test_pairs_that_nothing_measures_are_no_data(tmp_path: Path) -> None:
    data = written(tmp_path / "dev.jsonl", [{"text": "a film", "text_pair": "a movie"}])
    options = ExportOptions(Path("bundle"), data=data, max_accuracy_drop=0.0)
    embeds = SentenceModel(SMALL, Pooling("mean", normalize=True), has_pooler=False)
    with pytest.raises(InputFileError, match="has no column for score"):
        AccuracyGate(options, embeds, tokenizer(), 64)


def test_texts_are_cut_where_the_file_cuts_them(labelled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def score(*given: Sequence[Feature], pad_token_id: int) -> SimpleNamespace:  # noqa: ARG001
        lengths.extend(feature.length for feature in given[-1])
        return SimpleNamespace(metrics=[SimpleNamespace(name="accuracy", value=1.0)])

    monkeypatch.setattr(accuracy_gate, "score", score)
    options = ExportOptions(Path("bundle"), data=labelled, max_accuracy_drop=0.0)
    AccuracyGate(options, tiny.model(Task.TEXT_CLASSIFICATION, SMALL), tokenizer(), 9)
    assert max(lengths) == 9


def test_embeddings_have_no_accuracy(labelled: str) -> None:
    with pytest.raises(UsageError, match="--max-accuracy-drop: needs a task with labels"):
        gate(labelled, 0.0, Task.FEATURE_EXTRACTION)


def test_a_long_context_is_judged_in_the_windows_of_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"question": "the film?", "context": "good " * 200, "answers": {"text": ["good"], "answer_start": [0]}}
    (tmp_path / "dev.jsonl").write_text(json.dumps(row) + "\n")
    windows: list[Feature] = []

    def score(*given: Sequence[Feature], pad_token_id: int) -> SimpleNamespace:
        windows.extend(given[-1])
        assert pad_token_id == tokenizer().pad_token_id
        return SimpleNamespace(metrics=[SimpleNamespace(name="f1", value=1.0)])

    monkeypatch.setattr(accuracy_gate, "score", score)
    gate(str(tmp_path / "dev.jsonl"), 0.0, Task.QUESTION_ANSWERING)
    assert max(window.length for window in windows) == 64
    first, second = (window.offsets[window.is_context].tolist() for window in windows[:2])
    assert first.index(second[0]) == len(first) - window_stride(64)


@pytest.mark.parametrize("needed", [0, 1, 2, 3, 4, 5, 9])
def test_as_few_units_go_back_to_float_as_the_accuracy_needs(
    labelled: str, monkeypatch: pytest.MonkeyPatch, needed: int
) -> None:
    """The most damaging a byte first, whatever their order and their effect; one of the seven stays int8."""
    ranking = [Effect(f"unit {number}", 1.0, 1.0, number) for number in (7, 3, 5, 1, 2, 6, 4)]
    judged: list[frozenset[str]] = []

    def emulate(model: object, scheme: Dynamic) -> SimpleNamespace:
        judged.append(scheme.keep_float)
        return SimpleNamespace(run=(model, scheme.keep_float))

    def drop(run: object) -> float:
        assert run == (tested._model, judged[-1])
        return 0.25 if len(judged[-1]) - 1 >= needed else 0.26

    monkeypatch.setattr(accuracy_gate, "emulate", emulate)
    tested = gate(labelled, 0.25)
    monkeypatch.setattr(tested, "drop", drop)
    reports: list[int] = []
    kept = tested.choose_keep_float(Dynamic(frozenset({"asked for"})), lambda: ranking, reports.append)
    assert kept == {"asked for", *(f"unit {number}" for number in range(1, min(needed, 6) + 1))}
    assert reports == list(range(1, len(judged) + 1))
    assert len(judged) == len(set(judged)) <= 4
