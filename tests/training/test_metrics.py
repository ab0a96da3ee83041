"""The metrics that are written out here, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.metrics import Measure, metrics


@pytest.mark.parametrize("labels", [2, 3, 5])
@pytest.mark.parametrize("kind", ["any", "one predicted", "one true", "all right", "few"])
def test_f1_and_correlation_are_those_of_scikit_learn(labels: int, kind: str) -> None:
    random = np.random.default_rng(labels)
    predicted, true = random.integers(0, labels, (2, 3 if kind == "few" else 500))
    predicted = np.zeros_like(true) if kind == "one predicted" else true if kind == "all right" else predicted
    true = np.ones_like(true) if kind == "one true" else true
    measure = Measure.of(Task.TEXT_CLASSIFICATION, SqueezeBertConfig(id2label=tuple(f"l{n}" for n in range(labels))))
    average = {"average": "binary"} if labels == 2 else {"average": "macro"}
    expected = {
        "accuracy": (predicted == true).mean(),
        "f1" if labels == 2 else "f1_macro": f1_score(true, predicted, zero_division=0, **average),
        "matthews": matthews_corrcoef(true, predicted),
    }
    for kind_of_number in (np.float64, np.uint8):
        found = metrics(measure, np.stack([predicted, true], axis=1).astype(kind_of_number))
        assert {each.name: each.value for each in found} == pytest.approx(expected, abs=1e-12)
