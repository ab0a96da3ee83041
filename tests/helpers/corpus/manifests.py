"""Manifests: the whole of a bundle.json, sealed."""

import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from typing import Any

from checkout import ROOT
from handmade_bundle import described

from corpus.cases import ACCEPTED, INPUT, INTEGRITY, Case
from squeezebert_mobile.bundle import manifest

STRANGE = (
    None, True, -1, 0, 1, 1.5, 1.0, -0.0, 2**31 - 1, 2**31, 2**34, 2**34 + 1, 2**53, 2**63 - 1, 2**63, 2**64, 10**400,
    "", "x",
    "e\u0301", [], {}, ["x"], [1], "A" * 300, "\U0001f600" * 255,
)  # fmt: skip
_PATHS_REFUSED = [
    "/etc/passwd", "../x", "a/../b", "a/..", "./a", "a//b", "a/", "/", ".", "..", "a\\b", "C:a", "a\0b", "a\nb",
    "a\x1bb", "a\x7fb", "a\x80b",
    "CON", "con.txt", "a/nul.txt", "aux", "COM0", "lpt9.x.y", "con .txt", "conin$", "CONOUT$", "COM\u00b9.txt", "a.",
    "a ", "a. /b", " a",
    "e\u0301", "é", "模型", "\u017f.txt", "\u212a", "\u202egpj.exe", "\ufeffa", "a\u200db", "a\u00a0b", "-rf",
    "onnx/-x", "~root", "a;b$(c).txt",
    "a`b`", "a|b", "a&b", "a>b", "a<b", "a*", "a?", "a'b", 'a"b', "a!b", "a#b", "a%b", "a{b}", "a[b]", "a=b", "a,b",
    "BUNDLE.JSON",
    "bundle.json", "bundle.json/x", "model.sig", "Model.Sig", "vocab.txt", "VOCAB.txt", "vocab.txt/x", "onnx", "ONNX/x",
    "ONNX", "config.json/a/b",
    "onnx/model.onnx/x",
]  # fmt: skip
_PATHS_ACCEPTED = [
    "a", "A", "a b", "a.b", ".a", "..a", "a-b", "_", "a+b@c", "onnx/x", "a/b/c/d", "con1", "acon", "com10", "a" * 255,
    "console.txt",
    "a" * 251 + ".txt", "/".join("a" * 128),
]  # fmt: skip
# What does not fit: the base is a text classification of two labels.
_LOGITS = ("artifacts", 0, "outputs", 0)
_MISFITS: dict[str, tuple[tuple[str | int, ...], object]] = {
    "no labels": (("labels",), []), "one label for two logits": (("labels",), ["a"]),
    "three labels for two logits": (("labels",), ["a", "b", "c"]),
    **{f"{kind} of a text classification": (("postprocessing", "kind"), kind) for kind in
       ("none", "entity-spans", "answer-span", "mask-fillings", "choice")},
    **{f"{task} with softmax": (("task",), task) for task in
       ("feature-extraction", "fill-mask", "token-classification", "question-answering", "multiple-choice")},
    "pooling of a text classification": (("postprocessing", "pooling"), {"mode": "mean", "normalize": False}),
    "null_threshold of a text classification": (("postprocessing", "null_threshold"), 1.0),
    "no artifacts": (("artifacts",), []), "no outputs": (("artifacts", 0, "outputs"), []),
    "no parity": (("artifacts", 0, "parity"), []), "another output": ((*_LOGITS, "name"), "error"),
    "parity of another output": (("artifacts", 0, "parity", 0, "output"), "error"),
    "logits of each token": ((*_LOGITS, "axes"), ["batch_size", "sequence_length", 2]),
    "any number of logits": ((*_LOGITS, "axes"), ["batch_size", "labels"]),
    "a form that no runtime has": (("artifacts", 0, "form"), "tflite"),
    "three logits": ((*_LOGITS, "axes"), ["batch_size", 3]), "whole logits": ((*_LOGITS, "dtype"), "int64"),
}  # fmt: skip


@cache
def _bases() -> tuple[str, ...]:
    """A manifest of each schema version, as text, so that nobody changes the kept one."""
    first = json.loads((ROOT / "tests/data/bundle_v1/bundle.json").read_bytes())
    second = json.loads(manifest.dump(described()))
    for values in (first, second):
        del values["seal"]
    return json.dumps(first), json.dumps(second)


def base(version: int = 2) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(_bases()[version - 1])
    return values


def _changed(*path: str | int, value: object) -> bytes:
    values: Any = base()
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return sealed(values)


def sealed(values: dict[str, Any]) -> bytes:
    """With its seal; half surrogate pairs and what no float holds are written as a hostile writer would."""
    unsealed = json.dumps({**values, "seal": "0" * 64}, indent=2, sort_keys=True).encode()
    return unsealed.replace(b'"seal": "' + b"0" * 64, b'"seal": "' + manifest.sha256(unsealed).encode())


def _resealed(change: Callable[[bytes], bytes]) -> bytes:
    """A sound manifest whose bytes were changed before its seal was made."""
    unsealed = change(sealed(base()).replace(_seal_of(sealed(base())), b"0" * 64))
    return unsealed.replace(b'"seal": "' + b"0" * 64, b'"seal": "' + manifest.sha256(unsealed).encode())


def _seal_of(data: bytes) -> bytes:
    return str(json.loads(data)["seal"]).encode()


def with_file(path: str) -> bytes:
    return sealed({**base(), "files": [*base()["files"], {"path": path, "sha256": "0" * 64, "bytes": 1}]})


def by_hand() -> Iterator[Case]:
    sound = sealed(base())
    for version in (1, 2):
        yield Case(f"schema {version}", sealed(base(version)), ACCEPTED)
    for paths, verdict in ((_PATHS_REFUSED, INPUT), (_PATHS_ACCEPTED, ACCEPTED)):
        for path in paths:
            yield Case(f"path {path!r}"[:80], with_file(path), verdict)
    yield Case("path of nothing", with_file(""), INTEGRITY)
    for path in ("a" * 256, "a" * 252 + ".txt/b", "/".join("a" * 129)):
        yield Case(f"path of {len(path)} characters", with_file(path), INTEGRITY)
    for size, verdict in (
        (2**34, ACCEPTED),
        (2**34 + 1, INTEGRITY),
        (2**63 - 1, INTEGRITY),
        (2**63, INTEGRITY),
        (-1, INTEGRITY),
        (1.0, INTEGRITY),
    ):
        yield Case(f"{size} bytes", _changed("files", 0, "bytes", value=size), verdict)
        yield Case(f"{size} bytes of a model", _changed("artifacts", 0, "bytes", value=size), verdict)
    for key in ("max_length", "vocab_size"):
        for length, verdict in ((2**31 - 1, ACCEPTED), (2**31, INTEGRITY), (0, INTEGRITY), (10**30, INTEGRITY)):
            yield Case(f"{key} {length}", _changed("tokenizer", key, value=length), verdict)
    for name, data in {
        "no object": b"[]", "not JSON": sound[:-3], "not UTF-8": sound.replace(b"softmax", b"softma\xff"),
        "1e999": sound.replace(b"1e-06", b"1e999"),
        "NaN": sound.replace(b"1e-06", b"NaN"), "twice": sound.replace(b'"task"', b'"task": 1, "task"'),
        "after": sound + b"x",
        "half a pair": sound.replace(b'"softmax"', b'"\\ud800"'),
        "deep": sound.replace(b'"softmax"', b"[" * 70 + b"]" * 70),
        "Arabic digits": sound.replace(b'"softmax"', '"\\u\u0660\u0660\u0664\u0661"'.encode()),
        "4 MiB": b" " * (4 << 20) + sound,
    }.items():  # fmt: skip
        yield Case(name, data, INPUT)
    for name, data in {
        "no seal": sound.replace(b'"seal"', b'"sael"'),
        "other seal": _changed("labels", value=["x"]).replace(_seal_of(_changed("labels", value=["x"])), b"1" * 64),
        "upper seal": sound.replace(_seal_of(sound), _seal_of(sound).upper().replace(b"0", b"O")),
        "seal with a space": _resealed(lambda b: b.replace(b'"seal":', b'"seal" :')),
        "schema 0": _changed("schema_version", value=0), "schema 3": _changed("schema_version", value=3),
        "schema 1.0": _changed("schema_version", value=1.0),
        "schema true": _changed("schema_version", value=True), "more": _changed("more", value=1),
        "task": _changed("task", value="translation"),
        "2 in schema 1": sealed({**base(1), "tokenizer": {**base(1)["tokenizer"], "truncation_side": "left"}}),
        "the kind alone in schema 2": _changed("postprocessing", value="softmax"),
        "more than the kind in schema 1": sealed({**base(1), "postprocessing": base()["postprocessing"]}),
        "changed": sound.replace(b'"good"', b'"bad!"'),
        **{name: _changed(*place, value=value) for name, (place, value) in _MISFITS.items()},
        "max_abs 10^400": _changed("artifacts", 0, "parity", 0, "max_abs", value=10**400),
    }.items():  # fmt: skip
        yield Case(name, data, INTEGRITY)
    yield Case("spaces", _resealed(lambda data: data.replace(b"\n", b"\n  ")), ACCEPTED)
    yield Case("escaped label", _resealed(lambda data: data.replace(b'"good"', b'"\\u0067ood"')), ACCEPTED)


def everywhere() -> Iterator[Case]:
    """A manifest with one change, for every place and each strange value."""
    for version in (1, 2):
        for name, values in with_one_change(base(version)):
            yield Case(name, sealed(values))


def with_one_change(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for key in list(values) if isinstance(values, dict) else range(len(values)):
        place = f"{path}/{key}"
        inner = with_one_change(values[key], place) if isinstance(values[key], dict | list) else ()
        for name, other in chain(inner, ((f"{place} = {strange!r}"[:99], strange) for strange in STRANGE)):
            copy = values.copy()
            copy[key] = other
            yield name, copy
        copy = values.copy()
        del copy[key]
        yield f"without {place}", copy
    if isinstance(values, dict):
        yield f"{path}/later", {**values, "later": 1}


def generated(rng: random.Random) -> Case:
    """A sound manifest with up to three changes: a value its schema allows there, a strange one, none, one more."""
    values = base(rng.choice((1, 2)))
    schema = json.loads(manifest.schema())
    said = [mutate(values, schema, rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    return Case("; ".join(said)[:300], sealed(values), several=len(said) > 1)


def mutate(values: Any, schema: dict[str, Any], rng: random.Random) -> str:
    place, rule, path = values, schema, "$"
    while True:
        keys = [*place] if isinstance(place, dict) else [*range(len(place))]
        if not keys:
            return "nothing"
        key = rng.choice(keys)
        inner = _inner(rule, key, schema)
        path += f".{key}"
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.2:
            break
        place, rule = place[key], inner
    match rng.randrange(6):
        case 0:
            del place[key]
            return f"without {path}"
        case 1 if isinstance(place, dict):
            place["later"] = 1
            return f"later beside {path}"
        case 2 if isinstance(place, list):
            place.append(place[key])
            return f"{path} twice"
        case 3:
            place[key] = rng.choice(STRANGE)
        case _:
            place[key] = _allowed(inner, schema, rng)
    return f"{path} = {place[key]!r}"[:120]


def _resolved(rule: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in rule:
        rule = schema["$defs"][rule["$ref"].rpartition("/")[2]]
    return rule


def _inner(rule: dict[str, Any], key: str | int, schema: dict[str, Any]) -> dict[str, Any]:
    rule = _resolved(rule, schema)
    found: dict[str, Any] = rule.get("items", {}) if isinstance(key, int) else rule.get("properties", {}).get(key, {})
    return _resolved(found, schema)


def _allowed(rule: dict[str, Any], schema: dict[str, Any], rng: random.Random) -> Any:
    """A value that the schema allows, often at the edge of what it does."""
    rule = _resolved(rule, schema)
    if "const" in rule:
        return rule["const"]
    if "enum" in rule:
        return rng.choice(rule["enum"])
    if "anyOf" in rule:
        return _allowed(rng.choice(rule["anyOf"]), schema, rng)
    low = rule.get("minimum", -(2**31))
    high = rule.get("maximum", rule.get("exclusiveMaximum", 2**31) - 1)
    match rule.get("type"):
        case "object":
            return {key: _allowed(value, schema, rng) for key, value in rule.get("properties", {}).items()}
        case "array":
            return [_allowed(rule.get("items", {}), schema, rng) for _ in range(rng.randrange(3))]
        case "string" if "pattern" in rule:
            return rng.choice("0123456789abcdef") * 64
        case "string":
            return rng.choice(["x", "a b", "é", "\U0001f600", "x" * rule.get("maxLength", 300)])
        case "integer":
            return rng.choice([low, high, 0, 1, 2, 5, 6])
        case "number":
            return rng.choice([0, 1, 0.5, -0.0, 1e300, 5e-324, rule.get("maximum", 3), rule.get("minimum", -3)])
        case "boolean":
            return rng.random() < 0.5
        case _:
            return None
