"""golden.json beside the manifest that it must fit: a text classification of two labels, and a multiple choice."""

import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import handmade_bundle
from checkout import ROOT

from corpus import manifests
from corpus.cases import ACCEPTED, INPUT, INTEGRITY, Case
from squeezebert_mobile.bundle import manifest
from squeezebert_mobile.bundle.golden import GOLDEN_NAME, Golden
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME, PostProcessing
from squeezebert_mobile.tasks import Task

_CASE: dict[str, Any] = {
    "name": "a pair", "texts": ["good", "bad"], "max_length": 8,
    "input_ids": [[2, 1, 3, 1, 3]], "attention_mask": [[1, 1, 1, 1, 1]], "token_type_ids": [[0, 0, 0, 1, 1]],
    "outputs": [{"name": "logits", "shape": [1, 2], "indices": [0, 1], "values": [0.5, -1]}],
}  # fmt: skip
_CHOICES = _CASE | {
    "texts": ["good", "bad", "good bad"], "input_ids": [[2, 1, 3, 0], [2, 1, 3, 1]],
    "attention_mask": [[1, 1, 1, 0], [1, 1, 1, 1]], "token_type_ids": [[0, 0, 0, 0], [0, 0, 0, 1]],
}  # fmt: skip
_OUTPUT = _CASE["outputs"][0]


@cache
def _manifest(*, choices: bool = False) -> bytes:
    described = handmade_bundle.described()
    if choices:
        (artifact,) = described.artifacts
        (logits,) = artifact.outputs
        logits = logits.model_copy(update={"axes": ("batch_size", "num_choices")})
        changes = {"task": Task.MULTIPLE_CHOICE, "postprocessing": PostProcessing(kind="choice"), "labels": ()}
        described = described.model_copy(
            update=changes | {"artifacts": (artifact.model_copy(update={"outputs": (logits,)}),)}
        )
    return manifest.dump(described)


def _case(name: str, golden: object, verdict: str | None, *, choices: bool = False, several: bool = False) -> Case:
    data = golden if isinstance(golden, bytes) else json.dumps(golden).encode()
    return Case(name, {MANIFEST_NAME: _manifest(choices=choices), GOLDEN_NAME: data}, verdict, several)


def whole(*cases: dict[str, Any]) -> dict[str, Any]:
    return {"schema_version": 1, "cases": list(cases)}


def _without(values: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


def by_hand() -> Iterator[Case]:
    for kept in sorted((ROOT / "tests/data").glob("bundle_v*")):
        yield Case(kept.name, {name: (kept / name).read_bytes() for name in (MANIFEST_NAME, GOLDEN_NAME)}, ACCEPTED)
    yield _case("sound", whole(_CASE), ACCEPTED)
    yield _case("two", whole(_CASE, _CASE), ACCEPTED)
    yield _case("choices", whole(_CHOICES), ACCEPTED, choices=True)
    for name, values in {
        "no cases": whole(), "no schema": _without(whole(_CASE), "schema_version"), "more": whole(_CASE) | {"more": 1},
        "schema 2": whole(_CASE) | {"schema_version": 2}, "schema 1.0": whole(_CASE) | {"schema_version": 1.0},
        "schema true": whole(_CASE) | {"schema_version": True}, "choices of a text": whole(_CHOICES),
    }.items():  # fmt: skip
        yield _case(name, values, INTEGRITY)
    yield _case("a text for choices", whole(_CASE), INTEGRITY, choices=True)
    for data in (b"", b"[]", b"{", b'{"cases": NaN}', b'{"cases": [], "cases": []}', b"[" * 1000, b'{"a": "\xff"}'):
        yield _case(repr(data)[:40], data, INPUT)
    for key in _CASE:
        yield _case(f"without {key}", whole(_without(_CASE, key)), INTEGRITY)
    yield from _changed_cases()
    yield from _changed_outputs()


def _changed_cases() -> Iterator[Case]:
    ids, mask = _CASE["input_ids"], _CASE["attention_mask"]
    changes: dict[str, tuple[str, object]] = {
        "outputs": ("outputs", []), "an output twice": ("outputs", [_OUTPUT] * 2), "no rows": ("input_ids", []),
        "ragged ids": ("input_ids", [ids[0][:4]]), "another row of ids": ("input_ids", ids * 2),
        "a row that is none": ("input_ids", [1]), "id -5": ("input_ids", [[-5, *ids[0][1:]]]),
        "id 2^31": ("input_ids", [[2**31, *ids[0][1:]]]), "id 2^70": ("input_ids", [[2**70, *ids[0][1:]]]),
        "id 1.0": ("input_ids", [[1.0, *ids[0][1:]]]), "type -1": ("token_type_ids", [[-1, 0, 0, 1, 1]]),
        "hidden": ("attention_mask", [[0] * 5]), "padded left": ("attention_mask", [[0, 1, 1, 1, 1]]),
        "a gap": ("attention_mask", [[1, 0, 1, 1, 1]]), "mask 2": ("attention_mask", [[1, 1, 1, 1, 2]]),
        "mask true": ("attention_mask", [[True] * 5]), "short mask": ("attention_mask", [mask[0][:4]]),
        "three texts": ("texts", ["a", "b", "c"]), "too short": ("max_length", 4), "length 0": ("max_length", 0),
        "length of the model and one": ("max_length", 129), "length 10^30": ("max_length", 10**30),
    }  # fmt: skip
    for name, (key, value) in changes.items():
        yield _case(name, whole(_CASE | {key: value}), INTEGRITY)
        yield _case(f"{name} in the second case", whole(_CASE, _CASE | {key: value}), INTEGRITY)
    for name, (key, value) in {
        "no texts": ("texts", []), "one text": ("texts", ["a"]), "padding": ("attention_mask", [[1, 1, 1, 0, 0]]),
        "the longest": ("max_length", 128), "no name": ("name", ""),
    }.items():  # fmt: skip
        yield _case(name, whole(_CASE | {key: value}), ACCEPTED)
    rows = ("input_ids", "attention_mask", "token_type_ids")
    yield _case("empty rows", whole(_CASE | {key: [[]] for key in rows}), INTEGRITY)
    yield _case("two rows", whole(_CASE | {key: _CASE[key] * 2 for key in rows}), INTEGRITY)
    yield _case("a choice too few", whole(_CHOICES | {"texts": ["a", "b"]}), INTEGRITY, choices=True)
    yield _case("choices alone", whole(_CHOICES | {"texts": []}), ACCEPTED, choices=True)
    ragged = _CHOICES | {key: [_CHOICES[key][0], _CHOICES[key][1][:3]] for key in rows}
    yield _case("ragged choices", whole(ragged), INTEGRITY, choices=True)


def _changed_outputs() -> Iterator[Case]:
    for name, (key, value) in {
        "no indices": ("indices", []), "an index at the end": ("indices", [0, 2]),
        "index 2^70": ("indices", [0, 2**70]),
        "index -1": ("indices", [-1, 1]), "an index too few": ("indices", [0]), "a value too few": ("values", [0.5]),
        "no values": ("values", []), "1e400": ("values", [0.5, 10**400]), "null": ("values", [0.5, None]),
        "another output": ("name", "error"), "another shape": ("shape", [1, 3]), "no shape": ("shape", []),
        "one axis": ("shape", [2]), "three axes": ("shape", [1, 2, 1]), "shape 2^64": ("shape", [2**32, 2**32]),
        "shape 0": ("shape", [0, 2]), "shape 2^31": ("shape", [1, 2**31]), "text": ("indices", ["0", "1"]),
        "two items": ("shape", [2, 2]),
    }.items():  # fmt: skip
        yield _case(name, whole(_CASE | {"outputs": [_OUTPUT | {key: value}]}), INTEGRITY)
    for key in _OUTPUT:
        yield _case(f"without {key} of an output", whole(_CASE | {"outputs": [_without(_OUTPUT, key)]}), INTEGRITY)
    one = _OUTPUT | {"indices": [1], "values": [7]}
    yield _case("one entry", whole(_CASE | {"outputs": [one]}), ACCEPTED)
    twice = _OUTPUT | {"indices": [1, 1]}
    yield _case("an entry twice", whole(_CASE | {"outputs": [twice]}), ACCEPTED)


def generated(rng: random.Random) -> Case:
    """A sound golden.json with up to three changes: a value that its schema allows there, a strange one, none, more."""
    choices = rng.random() < 0.3
    values = json.loads(json.dumps(whole(*[_CHOICES if choices else _CASE] * rng.choice((1, 2)))))
    said = [manifests.mutate(values, Golden.model_json_schema(), rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    return _case("; ".join(said)[:300], values, None, choices=choices, several=len(said) > 1)
