"""Columns of texts, in this process, pickled into another, and on a local Ray: the answers of the plain command."""

import json
import os
import pickle
import re
from pathlib import Path

import handmade
import numpy as np
import pytest
from checkout import ROOT
from command import run

from squeezebert_mobile import ColumnPredictor
from squeezebert_mobile.errors import InputFileError, UsageError

TEXTS = [f"A quiet film that {'stays ' * (n % 9)}with you for {n} days." for n in range(150)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handmade.write(tmp_path_factory.mktemp("columns") / "bundle")


@pytest.fixture(scope="module")
def plain(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """The results of the plain command by their texts."""
    file = tmp_path_factory.mktemp("texts") / "texts.txt"
    file.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    lines = run("predict", bundle, "--file", file, "--json").stdout.splitlines()
    return {found["sample"]["text"]: found["result"] for found in map(json.loads, lines)}


def test_a_column_of_answers_stands_beside_the_others(bundle: Path, plain: dict[str, list[dict[str, object]]]) -> None:
    predictor = pickle.loads(pickle.dumps(ColumnPredictor(bundle, text="review")))
    for predictor_ in (predictor, pickle.loads(pickle.dumps(predictor))):
        found = predictor_({"review": np.array(TEXTS, dtype=object), "stars": np.arange(len(TEXTS))})
        assert list(found) == ["review", "stars", "answer"]
        assert [json.loads(answer) for answer in found["answer"]] == [plain[text] for text in TEXTS]
        predictor_.close()


def test_second_texts_may_be_missing_and_an_empty_batch_has_no_answers(bundle: Path) -> None:
    predictor = ColumnPredictor(bundle, text_pair="other")
    found = predictor({"text": ["a film", "a film"], "other": [None, "days"]})["answer"]
    assert found[0] != found[1]
    assert len(predictor({"text": [], "other": []})["answer"]) == 0
    with pytest.raises(UsageError, match=r"other: is no column of the batch \(found text\)"):
        predictor({"text": ["a film"]})


def test_nothing_is_opened_before_the_first_batch(tmp_path: Path) -> None:
    predictor = ColumnPredictor(tmp_path / "later")
    with pytest.raises(InputFileError, match="later"):
        predictor({"text": ["a film"]})


@pytest.mark.slow
def test_the_documented_recipe_runs_on_a_local_ray(
    bundle: Path, plain: dict[str, list[dict[str, object]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="Ray has no wheel for this Python")
    from pyarrow import parquet

    (recipe,) = (code for code in re.findall(r"```python\n(.*?)```", (ROOT / "docs/data.md").read_text(), re.DOTALL)
                 if "map_batches" in code)  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("", str(ROOT / "tests/helpers"))))
    Path("my-bundle").symlink_to(bundle)
    Path("reviews.jsonl").write_text("".join(json.dumps({"review": text}) + "\n" for text in TEXTS), encoding="utf-8")
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 << 20, log_to_driver=False)
    try:
        exec(compile(recipe.replace('"my-bundle"', repr(str(bundle))), "docs/data.md", "exec"), {})
    finally:
        ray.shutdown()
    found = {row["review"]: row for row in parquet.read_table("labelled").to_pylist()}
    assert found.keys() == set(TEXTS)
    for text, answer in plain.items():
        assert (found[text]["label"], found[text]["score"]) == (
            answer[0]["label"],
            pytest.approx(answer[0]["score"], abs=1e-6),
        )
