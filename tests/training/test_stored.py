"""A corpus larger than memory: features on the disk are those in memory, and a run grows by a few bytes a row."""

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import SMALL, checkpoint, tokenizer

from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training import finetune as library
from squeezebert_mobile.training.data import QuestionExample, TextExample
from squeezebert_mobile.training.features import Feature, encode, encoded
from squeezebert_mobile.training.finetune import FinetuneOptions, finetune
from squeezebert_mobile.training.stored import StoredFeatures

torch.set_num_threads(1)

WORDS = tokenizer(SMALL)
EXAMPLES = (
    TextExample("a quiet film", "that stays", 1, (0.5, -2.0)),
    TextExample("no wit at all", None, (1.0, 0.0)),
    QuestionExample("Who sings?", "Ada sings for days. " * 20, ("Ada",), (0,)),
)


def equal(one: Feature, other: Feature) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Feature)]
    return all(
        type(a) is type(b) and (a is None or (np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b)))
        for a, b in pairs
    )


def test_what_is_read_back_is_what_was_stored_in_any_order(tmp_path: Path) -> None:
    held = encode(EXAMPLES, WORDS, max_length=32, stride=8)
    stored = StoredFeatures(iter(held), tmp_path / "not there yet" / "out")
    assert len(stored) == len(held) > len(EXAMPLES)
    assert list(stored.lengths) == [feature.length for feature in held]
    for index in np.random.default_rng(0).permutation(len(held)):
        assert equal(stored[index], held[index])
    assert list(tmp_path.iterdir()) == []


def test_a_digest_tells_other_features_apart(tmp_path: Path) -> None:
    held = encode(EXAMPLES, WORDS, max_length=32, stride=8)
    digests = {StoredFeatures(each, tmp_path / "out").sha256 for each in (held, held[::-1], held[:-1])}
    assert len(digests) == 3
    assert StoredFeatures(held, tmp_path / "other").sha256 in digests


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    def full() -> Iterator[Feature]:
        yield from encode(EXAMPLES, WORDS, max_length=32)
        raise OSError(28, "No space left on device")

    with pytest.raises(EnvironmentFault, match="cannot be written: No space left"):
        StoredFeatures(full(), tmp_path / "out")


@pytest.fixture
def options(tmp_path: Path) -> FinetuneOptions:
    model = checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, replace(SMALL, num_hidden_layers=1))
    return FinetuneOptions(
        task=Task.TEXT_CLASSIFICATION,
        data=str(tmp_path / "train.jsonl"),
        output_dir=tmp_path / "out",
        model=str(model),
        epochs=1,
        batch_size=50,
        max_length=16,
        quiet=True,
        force=True,
    )


def write(options: FinetuneOptions, rows: int) -> None:
    lines = (
        json.dumps({"text": f"a quiet film of {n} days {'and more ' * (n % 5)}", "label": n % 2}) for n in range(rows)
    )
    Path(options.data).write_text("".join(f"{line}\n" for line in lines))


class Held(list[Feature]):
    """Features in memory, as training once had them all."""

    def __init__(self, features: Iterator[Feature], _: Path) -> None:
        super().__init__(features)
        self.lengths, self.sha256 = [feature.length for feature in self], "0"

    def close(self) -> None:
        pass


def test_training_from_the_disk_gives_the_bytes_of_training_from_memory(
    options: FinetuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(options, 300)
    weights, losses = options.output_dir / "model.safetensors", []
    found = []
    for kind in (StoredFeatures, Held):
        monkeypatch.setattr(library, "StoredFeatures", kind)
        losses.append(finetune(options).final_loss)
        found.append(weights.read_bytes())
    assert losses[0] == losses[1]
    assert found[0] == found[1]


def peak(options: FinetuneOptions, rows: int) -> int:
    """The most that Python and numpy held at once."""
    write(options, rows)
    tracemalloc.start()
    try:
        assert finetune(options).examples == rows
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_corpus(options: FinetuneOptions) -> None:
    few = peak(options, 500)  # imports as well, the first time
    few, many = peak(options, 500), peak(options, 5000)
    # In memory a row of this data took 2,900 bytes.
    assert many - few < 4500 * 150


def test_a_vocabulary_is_learnt_from_texts_that_are_not_held(options: FinetuneOptions, tmp_path: Path) -> None:
    write(options, 300)
    SMALL.save_pretrained(tmp_path / "config")
    scratch = replace(options, model=None, from_scratch=tmp_path / "config" / "config.json", vocab_size=120)
    finetune(scratch)
    learnt = (options.output_dir / "vocab.txt").read_text()
    rows = [json.loads(line)["text"] for line in Path(options.data).read_text().splitlines()]
    for texts in (rows, iter(rows)):
        assert "\n".join(type(WORDS).train(texts, 120).pieces) + "\n" == learnt


def test_features_are_made_one_by_one() -> None:
    taken = []

    def examples() -> Iterator[TextExample]:
        for number in range(3):
            taken.append(number)
            yield TextExample("a film", None, number)

    found = encoded(examples(), WORDS, max_length=16)  # type: ignore[arg-type]
    next(found)
    assert taken == [0]
