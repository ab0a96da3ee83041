"""Write vectors/answers.json, which proves the Java post-processing equal to squeezebert_mobile/run/postprocess.py."""

import itertools
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from squeezebert_mobile.run import postprocess

OUTPUT = Path(__file__).parents[1] / "core/src/test/resources/vectors/answers.json"
LABELS = ("a", "b", "c", "d")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC")
TEXT = "Zo\u00eb \U0001f642 met Bob in K\u00f6ln yesterday evening"


def classification(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Logits of all sizes, equal ones and ones that overflow a careless exponential."""
    rows = [rng.normal(0, scale, 4).astype(np.float32) for scale in (0.1, 1, 5, 50) for _ in range(5)]
    rows += [np.zeros(4, np.float32), np.array([1000, -1000, 1000, 0], np.float32)]
    cases = []
    for row in rows:
        wanted = {
            "softmax": postprocess.rank_labels(postprocess.softmax(row), LABELS),
            "sigmoid": postprocess.rank_labels(postprocess.sigmoid(row), LABELS),
            "regression": postprocess.regress(row, LABELS),
        }
        cases += [{"kind": k, "logits": row.tolist(), "want": list(map(asdict, want))} for k, want in wanted.items()]
    return cases


def entities(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Random tags over the words of one text, words in one to three pieces."""
    cases = []
    for _ in range(40):
        offsets, continues, start = [(0, 0)], [False], 0
        for word in TEXT.split(" "):
            pieces = int(rng.integers(1, min(3, len(word)) + 1))
            cuts = [start + len(word) * piece // pieces for piece in range(pieces + 1)]
            offsets += list(itertools.pairwise(cuts))
            continues += [False] + [True] * (pieces - 1)
            start += len(word) + 1
        offsets, continues = [*offsets, (0, 0)], [*continues, False]
        special = np.array([1, *[0] * (len(offsets) - 2), 1])
        logits = rng.normal(0, 2, (len(offsets), len(TAGS))).astype(np.float32)
        found = postprocess.entities(logits, TAGS, np.array(offsets), special, np.array(continues), TEXT)
        want = [asdict(entity) for entity in found]
        cases.append({"logits": logits.tolist(), "offsets": offsets, "continues": continues, "want": want})
    return cases


def answers(rng: np.random.Generator) -> list[dict[str, Any]]:
    """One to three windows over a context of one-letter words, or no context at all, with and without "no answer"."""
    cases = []
    for number in range(30):
        windows, rows = [], []
        for part in range(1 + number % 3):
            size = 0 if number == 29 else int(rng.integers(1, 45))
            sequence = [-1, 0, 0, -1, *[1] * size, -1]
            starts = [2 * (10 * part + word) for word in range(size)]
            offsets = [[0, 0]] * 4 + [[first, first + 1] for first in starts] + [[0, 0]]
            start, end = (rng.normal(0, 3, len(sequence)).astype(np.float32) for _ in range(2))
            windows.append(postprocess.SpanLogits(start, end, np.array(offsets), np.array(sequence) == 1))
            rows.append({"start": start.tolist(), "end": end.tolist(), "offsets": offsets, "sequence_ids": sequence})
        context = " ".join(chr(0x1F600 + word) for word in range(80))
        # A case with a threshold at the margin itself, where the span still wins, is among them.
        margin = postprocess.answer(windows, context, math.inf).null_margin
        for threshold in (None, -4.5, 0.0, *(() if margin is None else (margin,))):
            want = asdict(postprocess.answer(windows, context, threshold))
            cases.append({"windows": rows, "context": context, "null_threshold": threshold, "want": want})
    return cases


def fillings(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Rows of vocabulary logits, some with equal values, the last four without a token."""
    rows = [rng.normal(0, 3, 40).astype(np.float32) for _ in range(5)] + [np.zeros(40, np.float32)]
    tokens = [str(token) for token in range(36)]
    cases = []
    for row in rows:
        found = postprocess.fill_mask(row, tokens, 5)
        want = [{"token_id": filling.token_id, "score": filling.score} for filling in found]
        cases.append({"logits": row.tolist(), "tokens": len(tokens), "want": want})
    return cases


def similarities(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Pairs of vectors of all sizes, equal, opposite and empty ones among them."""
    pairs = [rng.normal(0, scale, (2, 12)).astype(np.float32) for scale in (1e-3, 1, 50) for _ in range(4)]
    one = np.arange(12, dtype=np.float32)
    pairs += [np.stack([one, other]) for other in (one, -one, 0 * one)]
    return [{"first": a.tolist(), "second": b.tolist(), "want": postprocess.compare(a, b).score} for a, b in pairs]


def main() -> None:
    """Write the file; the generator is seeded, so that the same code gives the same bytes."""
    rng = np.random.default_rng(7)
    value = {
        "labels": LABELS,
        "tags": TAGS,
        "text": TEXT,
        "classification": classification(rng),
        "entities": entities(rng),
        "answers": answers(rng),
        "fillings": fillings(rng),
        "similarities": similarities(np.random.default_rng(8)),
        "percentiles": [
            {"samples": samples, "percent": percent, "want": float(np.percentile(samples, percent))}
            for samples in (rng.integers(1, 10**9, size).tolist() for size in (1, 2, 7, 100))
            for percent in (0, 25, 50, 90, 99, 100)
        ],
    }
    OUTPUT.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
