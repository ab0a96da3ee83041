"""A model over many features: which share a call, what of it is timed, and what comes back of each."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from clock import Clock

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training import evaluate
from squeezebert_mobile.training.evaluate import observations
from squeezebert_mobile.training.features import Feature


def feature(length: int) -> Feature:
    """Ids that all say how long their row is."""
    ids = np.full(length, length, np.int64)
    return Feature(length, ids, np.zeros_like(ids), np.ones_like(ids), np.array(0, np.int64))


def on(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let padding and scoring take ten seconds each, which are not the model's."""
    collate, observe = evaluate.collate, evaluate.observe

    def slow_collate(features: Sequence[Feature], pad_token_id: int) -> object:
        clock.work(1e10)
        return collate(features, pad_token_id)

    def slow_observe(task: Task, row: Feature, outputs: Mapping[str, Float32]) -> object:
        clock.work(1e10)
        return observe(task, row, outputs)

    monkeypatch.setattr(evaluate, "perf_counter", clock.perf_counter)
    monkeypatch.setattr(evaluate, "collate", slow_collate)
    monkeypatch.setattr(evaluate, "observe", slow_observe)


def test_features_of_similar_length_share_a_call_and_its_seconds(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, clock)
    seen: list[list[list[int]]] = []

    def predict(batch: Batch) -> dict[str, Float32]:
        seen.append(batch.input_ids.tolist())
        clock.work(len(seen) * 1e9)
        return {"logits": batch.input_ids[:, :1].astype(np.float32)}

    features = [feature(length) for length in (5, 2, 4, 2, 6)]
    found = list(observations(Task.TEXT_CLASSIFICATION, predict, features, batch_size=2, pad_token_id=9))
    assert seen == [[[2, 2], [2, 2]], [[4, 4, 4, 4, 9], [5] * 5], [[6] * 6]]
    assert [(number, row.tolist()) for number, row, _ in found] == [(1, [2]), (3, [2]), (2, [4]), (0, [5]), (4, [6])]
    assert [seconds for _, _, seconds in found] == pytest.approx([0.5, 0.5, 1.0, 1.0, 3.0])


def test_features_of_one_length_keep_their_order() -> None:
    def predict(batch: Batch) -> dict[str, Float32]:
        return {"logits": batch.input_ids[:, :1].astype(np.float32)}

    features = [feature(1 + number % 2) for number in range(100)]
    found = observations(Task.TEXT_CLASSIFICATION, predict, features, batch_size=7, pad_token_id=0)
    assert [number for number, _, _ in found] == [*range(0, 100, 2), *range(1, 100, 2)]


def test_outputs_per_token_end_where_the_padding_begins() -> None:
    def predict(batch: Batch) -> dict[str, Float32]:
        return {"logits": np.eye(10, dtype=np.float32)[batch.input_ids]}

    features = [feature(length) for length in (3, 1)]
    found = observations(Task.TOKEN_CLASSIFICATION, predict, features, batch_size=2, pad_token_id=9)
    assert [(number, row.tolist()) for number, row, _ in found] == [(1, [1]), (0, [3, 3, 3])]
