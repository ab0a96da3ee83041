"""Many texts: the answers that each gets alone, in the order of the texts, while the others are still to come."""

import itertools
import json
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import handmade
import numpy as np
import pytest

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.errors import EnvironmentFault, UsageError
from squeezebert_mobile.run import predict
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.run.stream import HEAVY, ReadAhead, blocks
from squeezebert_mobile.tasks import Task

WORDS = ("A", "quiet", "film", "that", "stays", "with", "you", "for", "days", ".")
SAMPLES = [
    Sample(" ".join(WORDS[(n + i) % 10] for i in range(1 + 7 * n % 4)), WORDS[n % 5] if n % 3 == 0 else None)
    for n in range(70)
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundles.read(handmade.write(tmp_path_factory.mktemp("stream") / "bundle"))


class Model:
    """What runs a batch here: the logits are made of the ids, and no call with padding is taken."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, batch: Batch) -> dict[str, Float32]:
        assert batch.attention_mask.all()
        self.calls += 1
        sums = batch.input_ids.sum(-1).astype(np.float32)
        return {"logits": np.stack([sums % 7, sums % 5], axis=1)}


@pytest.mark.parametrize("runtime", ["onnx", "executorch"])
def test_a_text_gets_the_answer_among_others_that_it_gets_alone(tiny_bundle: Path, runtime: str) -> None:
    with Predictor(bundles.read(tiny_bundle), runtime=runtime, workers=2) as predictor:
        assert list(predictor.stream(SAMPLES)) == list(map(predictor, SAMPLES))


def test_dynamic_int8_goes_text_by_text_because_neighbours_change_its_answers(tiny_onnx_bundle: Path) -> None:
    opened = bundles.read(tiny_onnx_bundle)
    with Predictor(opened, precision="int8") as predictor:
        alone = list(map(predictor, SAMPLES))
        assert list(predictor.stream(SAMPLES)) == alone
    with Predictor(opened, precision="int8", batch_size=32) as predictor:
        assert list(predictor.stream(SAMPLES)) != alone


def test_answers_come_in_the_order_of_texts_that_never_end(bundle: Bundle) -> None:
    taken = []

    def texts() -> Iterator[Sample]:
        for n in itertools.count():
            taken.append(n)
            yield SAMPLES[n % len(SAMPLES)]

    model = Model()
    with Predictor(bundle, run=model) as predictor:
        found = list(itertools.islice(predictor.stream(texts()), 100))
    assert [each.sample for each in found] == (SAMPLES * 2)[:100]
    assert len(taken) < 1024


def test_what_is_wrong_with_a_text_is_told_after_the_answers_before_it(bundle: Bundle) -> None:
    wrong = Sample("a", options=("b", "c"))
    for samples in ([*SAMPLES, wrong], [*SAMPLES, wrong, *SAMPLES]):
        with Predictor(bundle, run=Model()) as predictor:
            answers = predictor.stream(samples)
            assert [next(answers).sample for _ in SAMPLES] == SAMPLES
            with pytest.raises(UsageError, match=r"^--option 71: is for multiple choice"):
                next(answers)


def test_a_text_without_a_mask_is_counted(bundle: Bundle) -> None:
    masked = replace(bundle, manifest=bundle.manifest.model_copy(update={"task": Task.FILL_MASK}))
    with Predictor(masked, run=Model()) as predictor, pytest.raises(UsageError, match=r"^TEXT 1: has no \[MASK\]"):
        list(predictor.stream([Sample("a film")]))


def test_a_process_that_dies_leaves_the_answers_before_its_death(bundle: Bundle) -> None:
    model = Model()

    def dies(batch: Batch) -> dict[str, Float32]:
        if model.calls == 40:
            raise EnvironmentFault("model.onnx", "the runtime was killed", fix="close other programs")
        return model(batch)

    found = []
    with Predictor(bundle, run=dies) as predictor, pytest.raises(EnvironmentFault, match="killed"):
        found.extend(predictor.stream(SAMPLES))
    assert [each.sample for each in found] == SAMPLES[: len(found)]
    assert len(found) > 15


def test_reading_ahead_raises_what_the_iterator_raises_and_leaves_no_thread() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    with ReadAhead(items()) as ahead:
        assert ahead.next() == 1
        with pytest.raises(ValueError, match="two"):
            ahead.next()
    for _ in range(3):
        with ReadAhead(itertools.count()) as endless:
            assert endless.next() == 0
    threads = [thread for thread in threading.enumerate() if "(_make)" in thread.name]
    for thread in threads:
        thread.join(5)
    assert not [thread for thread in threads if thread.is_alive()]


def test_a_line_is_answered_before_the_next_one_is_written(tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "squeezebert_mobile", "predict", str(tiny_bundle), "--file", "-", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("a quiet film\n")
        assert json.loads(process.stdout.readline())["sample"]["text"] == "a quiet film"
        process.stdin.write("that stays\nwith you\n")
        process.stdin.close()
        assert [json.loads(line)["sample"]["text"] for line in process.stdout] == ["that stays", "with you"]
    assert process.returncode == 0


def test_texts_that_are_large_together_are_not_read_together() -> None:
    def read(done: int) -> list[tuple[int, list[int]]]:
        return [(start, found) for start, found, _ in blocks(iter(sizes), 8, lambda size: size, done)]

    sizes = [1] * 7 + [HEAVY, 1, 1, HEAVY + 1, 1]
    whole = [(0, sizes[:1]), (1, sizes[1:3]), (3, sizes[3:7]), (7, sizes[7:9]), (9, sizes[9:11]), (11, sizes[11:])]
    assert read(0) == whole
    # Whoever goes on has the company that there was before.
    assert read(2) == whole[1:]
    assert read(9) == whole[4:]
    assert read(12) == []


def test_memory_does_not_grow_with_the_texts(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "BLOCK", 512)
    count, read, most = 8 * predict.BLOCK, 0, 0

    def texts() -> Iterator[Sample]:
        nonlocal read
        for n in range(count):
            read += 1
            yield Sample(f"a quiet film of {n} days")

    with Predictor(bundle, run=Model()) as predictor:
        tracemalloc.start()
        try:
            for answered, _ in enumerate(predictor.stream(texts()), 1):
                most = max(most, read - answered)
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answered == count
    # One block is read and one waits; two are with the model, and the answers of one are on their way.
    assert most <= 5 * predict.BLOCK
    # An answer takes over a thousand bytes.
    assert kept < 250 * count
