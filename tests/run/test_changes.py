"""`compare-answers`: what counts as another answer, counted as `predict` answers, and its gate."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import handmade
import numpy as np
import pytest
from command import assert_error, run
from scipy.spatial import distance

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.manifest import Kind
from squeezebert_mobile.run.changes import compared
from squeezebert_mobile.run.postprocess import (
    AnswerSpan,
    Choice,
    Embedding,
    Entity,
    LabelScore,
    MaskFilling,
    Result,
    Similarity,
)
from squeezebert_mobile.run.predict import Prediction, Sample

TEXTS = [f"A quiet film that {'stays ' * (n % 9)}with you for {n} days." for n in range(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, one that answers otherwise, and texts."""
    made = tmp_path_factory.mktemp("changes")
    handmade.write(made / "one")
    handmade.write(made / "other", handmade.contrary())
    (made / "texts.txt").write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    return made


def first_labels(bundle: Path, texts: Path) -> list[str]:
    lines = run("predict", bundle, "--file", texts, "--json").stdout.splitlines()
    return [json.loads(line)["result"][0]["label"] for line in lines]


def test_the_changes_are_those_between_what_predict_answers(folder: Path) -> None:
    done = run("compare-answers", folder / "one", folder / "other", "--file", folder / "texts.txt", "--json")
    found = json.loads(done.stdout)
    answers = [first_labels(folder / name, folder / "texts.txt") for name in ("one", "other")]
    changed = [n for n, (one, other) in enumerate(zip(*answers, strict=True)) if one != other]
    assert 0 < len(changed) <= len(TEXTS) == found["answers"]
    assert (found["changed"], found["share"]) == (len(changed), len(changed) / len(TEXTS))
    for row, example in zip(changed[:10], found["examples"], strict=True):
        assert (example["row"], example["text"]) == (row + 1, TEXTS[row])
        assert [example["before"], example["after"]] == [answers[0][row], answers[1][row]]


def test_the_gate_passes_the_same_answers_and_fails_others(folder: Path) -> None:
    texts = ("--file", folder / "texts.txt", "--max-changed", "0")
    same = run("compare-answers", folder / "one", folder / "one", *texts)
    assert (same.returncode, same.stdout.splitlines()[-1]) == (0, "0 of 40 answers changed (0.00%)")
    other = run("compare-answers", folder / "one", folder / "other", *texts, "--examples", "2")
    assert other.returncode == 6
    assert "expected at most 0.00%" in other.stderr
    assert " more\n" in other.stdout, "what is not shown is counted"
    assert other.stdout.count("  ->  ") == 2


def test_two_files_of_one_bundle_are_compared_by_their_paths(tiny_onnx_bundle: Path, folder: Path) -> None:
    files = "onnx/model.onnx,onnx/model_quantized.onnx"
    texts = ("--file", folder / "texts.txt", "--json")
    found = json.loads(run("compare-answers", tiny_onnx_bundle, tiny_onnx_bundle, "--artifact", files, *texts).stdout)
    assert [found[side]["artifact"] for side in ("before", "after")] == files.split(",")
    assert found["before"]["digest"] == found["after"]["digest"]
    chosen = json.loads(
        run("compare-answers", tiny_onnx_bundle, tiny_onnx_bundle, "--precision", "fp32", *texts).stdout
    )
    assert [chosen[side]["artifact"] for side in ("before", "after")] == ["onnx/model.onnx"] * 2


def labels(**scores: float) -> Result:
    return tuple(LabelScore(label, score) for label, score in sorted(scores.items(), key=lambda pair: -pair[1]))


def entity(start: int, score: float = 0.9) -> Entity:
    return Entity("PER", score, start, start + 3, "Ada")


@pytest.mark.parametrize(
    ("kind", "before", "same", "other"),
    [
        ("softmax", labels(a=0.6, b=0.4), labels(a=0.9, b=0.1), labels(a=0.4, b=0.6)),
        ("sigmoid", labels(a=0.6, b=0.4), labels(b=0.4, a=0.9), labels(a=0.6, b=0.5)),
        ("sigmoid", labels(a=0.1, b=0.4), labels(a=0.4, b=0.1), labels(a=0.5, b=0.1)),
        ("entity-spans", (entity(0),), (entity(0, 0.5),), (entity(4),)),
        ("entity-spans", (), (), (entity(4),)),
        ("answer-span", AnswerSpan("Ada", 0.9, 0, 3), AnswerSpan("Ada", 0.1, 0, 3), AnswerSpan("Ada", 0.9, 9, 12)),
        ("answer-span", AnswerSpan("", 0.9, 0, 0, False), AnswerSpan("", 0.1, 0, 0, False), AnswerSpan("a", 0.9, 0, 1)),
        ("mask-fillings", ((MaskFilling("a", 5, 0.9), MaskFilling("b", 6, 0.1)),), ((MaskFilling("a", 7, 0.5),),),
         ((MaskFilling("b", 6, 0.6),),)),
        ("choice", Choice(0, (0.6, 0.4)), Choice(0, (0.9, 0.1)), Choice(1, (0.4, 0.6))),
    ],
)  # fmt: skip
def test_an_answer_in_words_changes_where_the_words_do(kind: Kind, before: Result, same: Result, other: Result) -> None:
    for after, changes in ((same, False), (other, True)):
        found = compared(1, kind, *map(predicted, (before, after)))
        assert (found.before != found.after) is changes
        assert found.moved is None


def predicted(result: Result) -> Prediction:
    return Prediction(Sample("Ada sings", options=("yes", "no")), result, 3, 0, False, "model.onnx", None)


VECTORS = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
ONE, TWO, THREE = (tuple(map(float, vector)) for vector in VECTORS)


@pytest.mark.parametrize(
    ("kind", "before", "after", "moved"),
    [
        ("regression", labels(a=2.0, b=1.0), labels(b=1.5, a=1.0), 1.0),
        ("sigmoid", labels(score=0.9), labels(score=0.2), 0.7),
        ("none", Embedding(ONE), Embedding(TWO), distance.cosine(ONE, TWO)),
        ("none", Embedding(ONE), Embedding(tuple(2 * n for n in ONE)), 0.0),
        ("none", Similarity(0.5, (ONE, TWO)), Similarity(0.5, (ONE, THREE)), distance.cosine(TWO, THREE)),
    ],
)
def test_values_and_vectors_move(kind: Kind, before: Result, after: Result, moved: float) -> None:
    assert compared(1, kind, *map(predicted, (before, after))).moved == pytest.approx(moved, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"labels": ("bad", "good")}, "has other labels (found bad, good"), ({"kind": "sigmoid"}, "of another kind")],
)
def test_bundles_of_other_answers_are_refused(
    folder: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    content, described = handmade.contents((folder / "one" / handmade.MODEL_PATH).read_bytes())
    if "kind" in changes:
        described = described.model_copy(update={"postprocessing": described.postprocessing.model_copy(update=changes)})
    else:
        config = replace(handmade.CONFIG, id2label=changes["labels"])
        content["config.json"] = json.dumps(config.to_dict()).encode()
        files = tuple(bundles.entry(path, content[path]) for path in sorted(content) if path != handmade.MODEL_PATH)
        described = described.model_copy(update={"labels": changes["labels"], "files": files})
    with bundles.staged(tmp_path / "third", force=False) as stage:
        bundles.fill(stage, content, described)
    done = run("compare-answers", folder / "one", tmp_path / "third", "--file", folder / "texts.txt")
    assert_error(done, 2, words)


def test_what_cannot_be_asked_is_refused(folder: Path, tmp_path: Path) -> None:
    both = ("compare-answers", folder / "one", folder / "other")
    (tmp_path / "empty.txt").touch()
    for arguments, code, words in (
        (("--file", "-"), 2, "is read for each bundle"),
        (("--file", tmp_path / "empty.txt"), 3, "empty.txt"),
        (("--file", tmp_path / "none.txt"), 3, "none.txt"),
        (("--file", folder / "texts.txt", "--artifact", "a,b,c"), 2, "names more than two"),
        (("--file", folder / "texts.txt", "--artifact", "onnx/no.onnx"), 2, "is not in the bundle"),
        (("--file", folder / "texts.txt", "--artifact", "a", "--precision", "fp32"), 2, "--precision"),
    ):
        assert_error(run(*both, *arguments), code, words)
